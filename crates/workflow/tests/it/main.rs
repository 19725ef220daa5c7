//! The engine and its reference store, through their public interface.

mod conformance;
mod documents;
mod engine;
mod interceptor;
mod kit;
