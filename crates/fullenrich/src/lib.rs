//! A client for FullEnrich's v2 reverse email lookup: from email addresses to the people behind them.
//!
//! The lookup costs money, has no idempotency key and no way to ask for a batch whose id was lost. So what this crate
//! is careful about is *what is known after a call*: [`StartOutcome`] tells a batch that was certainly not accepted
//! (it may be sent again) apart from one whose fate is unknown (it may not). The other half is patience with what
//! comes back: no field of a result is guaranteed, so none can make [`Answer::parse`] fail.
//!
//! | module | what is in it |
//! | --- | --- |
//! | [`Client`] | the four calls |
//! | [`BatchRequest`], [`LookupItem`] | a batch, checked against the documented limits before it is sent |
//! | [`StartOutcome`], [`ReadOutcome`], [`CallError`] | what a call's answer means and what may be done next |
//! | [`Limiter`], [`Permit`] | 60 calls a calendar minute; the permit is asked for before the attempt |
//! | [`result`] | the body of a result, the same in an answer and in a webhook |
//! | [`signature`] | whether a webhook's body was signed with one of our keys |
//! | [`Transport`], [`Clock`] | the outside world, passed in |
//!
//! The crate keeps no time of its own, draws no random numbers and spawns nothing. With the default feature `reqwest`
//! it brings [`ReqwestTransport`]; without it, it opens no socket at all.
//!
//! # Example
//!
//! A batch of one, over a transport that stands in for the network:
//!
//! ```
//! use std::sync::Arc;
//!
//! use bytes::Bytes;
//! use lumina_fullenrich::{
//!     BatchRequest, BoxFuture, Client, DEFAULT_BASE_URL, Limiter, LookupItem, StartOutcome, Transport, TransportError,
//! };
//!
//! struct Canned;
//!
//! impl Transport for Canned {
//!     fn send(
//!         &self,
//!         _request: http::Request<Bytes>,
//!     ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
//!         let body = r#"{"enrichment_id":"2db5ea61-1752-42cf-8ea1-ab1da060cd0a"}"#;
//!         Box::pin(async move { Ok(http::Response::new(Bytes::from_static(body.as_bytes()))) })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let limiter = Arc::new(Limiter::default());
//! let client = Client::new(Arc::new(Canned), DEFAULT_BASE_URL, &"a key".into(), limiter.clone())?;
//!
//! let item = LookupItem::new("nobody@example.com")?.with_custom("user_id", "12585")?;
//! let batch = BatchRequest::new("Reverse Email Lookup", vec![item])?;
//!
//! let now = "2026-08-01T10:00:00Z".parse()?;
//! let permit = limiter.try_acquire(now).expect("a new limiter has permits");
//! match client.start_batch(permit, &batch).await {
//!     StartOutcome::Accepted { enrichment_id } => assert_eq!(enrichment_id.as_str().len(), 36),
//!     other => panic!("{other:?}"),
//! }
//! # Ok(())
//! # }
//! ```

mod classify;
mod client;
mod clock;
mod id;
mod limiter;
mod outcome;
mod reply;
mod request;
pub mod result;
pub mod signature;
mod transport;

pub use client::{Client, ClientError, DEFAULT_BASE_URL};
pub use clock::Clock;
pub use id::{EnrichmentId, InvalidEnrichmentId};
pub use limiter::{CallKind, DEFAULT_CALLS_PER_MINUTE, Limiter, MAX_RETRY_AFTER, Permit, RetryAt};
pub use outcome::{Balance, CallError, ReadOutcome, Reason, Refusal, RefusalKind, StartOutcome, TryLater, Workspace};
pub use reply::read_retry_after;
pub use request::{BatchRequest, LookupItem, MAX_BATCH_ITEMS, MAX_CUSTOM_KEYS, MAX_CUSTOM_VALUE_CHARS, RequestError};
pub use result::{Answer, BatchStatus, EnrichmentResult, UnreadableResult};
pub use transport::{BoxFuture, MAX_RESPONSE_BYTES, Transport, TransportError};
#[cfg(feature = "reqwest")]
pub use transport::{ReqwestOptions, ReqwestTransport, TransportSetupError};
