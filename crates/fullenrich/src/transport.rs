//! How a request reaches FullEnrich, and what is known when it did not.

#[cfg(feature = "reqwest")]
mod over_reqwest;

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::{Request, Response};

#[cfg(feature = "reqwest")]
pub use over_reqwest::{ReqwestOptions, ReqwestTransport, TransportSetupError};

/// A future on the heap: what lets [`Transport`] and [`Clock`](crate::Clock) be used behind `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The largest answer that is read: 32 MiB. A batch of 100 people takes well under 4 MiB, and the webhook that brings
/// the same body is read up to the same size.
pub const MAX_RESPONSE_BYTES: usize = 32 * 1024 * 1024;

/// Sends one request and reads its whole answer.
///
/// An implementation sends each request **once**: it retries nothing, follows no redirect, and puts no request on a
/// connection that the other side may already have closed, because each of these can buy a batch twice or leave its
/// fate unknown. It bounds the time of the whole exchange and the size of the answer.
pub trait Transport: Send + Sync {
    /// Sends `request`, whose URI is absolute.
    ///
    /// Any status is an answer, errors included.
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>>;
}

/// Why there is no answer, told apart by the one thing that matters: can the request have been accepted?
///
/// When in doubt it is [`Unknown`](TransportError::Unknown): a wrong `NotSent` is paid for twice, a wrong `Unknown`
/// only waits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No byte of the request was written: the name was not found, the connection or its TLS handshake failed, or the
    /// request could not be built. It is known not to be accepted.
    #[error("the request was not sent: {detail}")]
    NotSent {
        /// What went wrong, for a person.
        detail: String,
    },
    /// Anything after the first byte may have been written: a reset, a timeout, an answer that broke off or is too
    /// large. It may have been accepted.
    #[error("the request was sent, but its answer was lost: {detail}")]
    Unknown {
        /// What went wrong, for a person.
        detail: String,
        /// The status, where the head of the answer was read before its body was lost.
        status: Option<u16>,
    },
}
