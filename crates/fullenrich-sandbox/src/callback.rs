//! How a callback leaves the sandbox.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, StatusCode};

/// Carries callbacks to whoever asked for them.
///
/// The request is complete: method, URL, `Content-Type`, signature and body. An implementation inside a test may hand
/// it to a router directly. How long one delivery may take is not its business: the sandbox drops the future after
/// [`SandboxConfig::callback_timeout`](crate::SandboxConfig::callback_timeout).
pub trait CallbackSender: Send + Sync {
    /// Delivers one callback and says what was answered.
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<StatusCode, DeliveryError>>;
}

/// Why a callback got no answer at all. It is retried like one that was answered with anything but 2xx.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The sender does not speak the URL's scheme.
    #[error(
        "callbacks go out over plain http only, and {url} is something else: give the sandbox an http:// callback URL, such as one on 127.0.0.1"
    )]
    UnsupportedScheme {
        /// The callback's URL.
        url: String,
    },
    /// No connection, or it broke before the answer.
    #[error("no answer from {url}: {reason}")]
    NoAnswer {
        /// The callback's URL.
        url: String,
        /// What went wrong, in the transport's words.
        reason: String,
    },
    /// No answer in time.
    #[error("{url} did not answer within {seconds} s")]
    TimedOut {
        /// The callback's URL.
        url: String,
        /// The limit that passed.
        seconds: f64,
    },
}
