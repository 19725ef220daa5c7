//! The engine and its reference store, through their public interface.

mod conformance;
mod encryption;
mod engine;
