//! What newsletter platforms and sign-up forms post.
//!
//! A receiver verifies the raw bytes first ([`SigningSecrets`] or [`SharedSecrets`]) and parses them after:
//! [`SubscribePayload`] is the body of our own webhook, [`ConfiguredSource`] reads any JSON by pointers that the
//! operator sets.

mod configured;
mod payload;
mod pointer;
mod secret;
mod signature;
mod subscribe;

pub use configured::ConfiguredSource;
pub use payload::PayloadError;
pub use pointer::{JsonPointer, JsonPointerError, MAX_POINTER_BYTES};
pub use secret::{MIN_SECRET_BYTES, SecretError, SharedSecrets};
pub use signature::{SignatureError, SigningSecrets};
pub use subscribe::SubscribePayload;
