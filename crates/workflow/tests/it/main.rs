//! The engine and its reference store, through their public interface.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

mod conformance;
mod encryption;
mod engine;
