//! How a callback leaves the sandbox.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, StatusCode};

/// An extension of a callback's request: its body is to be sent in pieces, with pauses between them. A sender to
/// which that makes no difference may ignore it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trickle {
    /// How many pieces.
    pub pieces: usize,
    /// How long it is from one to the next.
    pub pause: Duration,
}

impl Trickle {
    /// Cuts a body up, into as many pieces if it is that long.
    pub(crate) fn cut(self, mut body: Bytes) -> Vec<Bytes> {
        let size = body.len().div_ceil(self.pieces.max(1)).max(1);
        let mut pieces = Vec::new();
        while !body.is_empty() {
            pieces.push(body.split_to(size.min(body.len())));
        }
        pieces
    }
}

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
