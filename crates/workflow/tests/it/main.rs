//! The engine and its reference store, through their public interface.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

mod conformance;
mod documents;
mod encryption;
mod engine;
mod interceptor;
mod kit;
