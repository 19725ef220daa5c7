//! A local FullEnrich that keeps the real one's rules, with invented people.
//!
//! FullEnrich looks up who is behind an email address. It takes minutes, costs money, has no test keys, and answers
//! through a callback. This crate is a stand-in for its reverse email lookup (API v2): the same calls, limits, error
//! bodies, charges, signatures and retries. It shares no code with any client, so that a client that understands the
//! rules wrongly is not confirmed by its own mistake.
//!
//! What it keeps to:
//! - **Calls**: `POST /contact/reverse/email/bulk`, `GET /contact/reverse/email/bulk/{enrichment_id}`,
//!   `GET /account/credits` and `GET /account/keys/verify` under `/api/v2`, with a bearer key, all error codes, and 60
//!   calls a calendar minute.
//! - **Look-ups**: 100 contacts at a time, the others in a queue, 30 to 90 s each; one bad address refuses its whole
//!   batch of at most 100.
//! - **Money**: one credit for a person found, none for nobody. A repeat is free for three months if the earlier
//!   look-up had *finished when the batch was accepted*, which is the strictest reading; concurrent repeats and
//!   duplicates within a batch are charged. A batch that cannot be paid for is accepted and ends
//!   `CREDITS_INSUFFICIENT`: the first look-up that ends with nothing left to pay stops it.
//! - **Callbacks**: signed, for the batch and for each contact, tried again every minute up to five times.
//! - **People**: invented from the seed and the address, some of them missing, many with gaps.
//!
//! What is its own, and needs no key: `GET /sandbox/ledger` (`?summary=true`) shows who was charged how often and told
//! what, `POST /sandbox/credits` with `{"add": n}` buys credits, `/sandbox/moods` shows, changes and ends the moods, and
//! `/sandbox/holds` holds a POST back. Every delay and limit is a field of [`SandboxConfig`].
//!
//! What the provider does now and then that a client has to live with is a [`Mood`]: bursts of refusals, resets and lost
//! answers before and after acceptance, callbacks that come early, late, twice, forged or never, batches that stop,
//! records and fields that are missing or odd. Each comes as often as [`Moods`] say, by the seed and a running number.
//! A mood changes what is told, never what is charged. A response that stands for a reset carries the extension
//! [`Reset`], of which [`Sandbox::serve`] makes a real one; a callback that is to be sent in pieces carries [`Trickle`].
//! All moods are in a table in `docs/reference/sandbox.md`.
//!
//! The ledger is a file of JSON lines that is only ever appended to. What was accepted, charged and called back
//! survives the death of the process, and a sandbox opened on it goes on where the last one stopped; what it has not
//! yet finished looking up, it begins again.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use lumina_fullenrich_sandbox::{HttpCallbackSender, Sandbox, SandboxConfig, TokioClock};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! runtime.block_on(async {
//!     let clock = TokioClock::new(tokio::runtime::Handle::current());
//!     let sandbox =
//!         Sandbox::open(SandboxConfig::default(), None, Arc::new(clock), Arc::new(HttpCallbackSender::new()))?;
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//!     println!("FullEnrich's stand-in: http://{}/api/v2", listener.local_addr()?);
//!     let shutdown = async {}; // really: until Ctrl-C
//!     sandbox.serve(listener, shutdown).await?;
//!     Ok(())
//! })
//! # }
//! ```

mod api;
mod callback;
mod clock;
mod config;
mod connection;
mod delivery;
mod desk;
mod dice;
mod error;
mod holds;
mod http_sender;
mod invent;
mod latency;
mod ledger;
mod letter;
mod moods;
mod sandbox;
mod serve;
mod signature;
mod workspace;

pub use callback::{CallbackSender, DeliveryError, Trickle};
pub use clock::{BoxFuture, Clock, TokioClock};
pub use config::{ApiKey, ConfigError, InsufficientAnswer, RunningAnswer, SandboxConfig, UnpayableBatch};
pub use connection::Reset;
pub use error::{LedgerError, OpenError};
pub use http_sender::HttpCallbackSender;
pub use latency::Latency;
pub use ledger::{BatchStatus, Digest, PostAnswer, Sent};
pub use moods::{Mood, Moods, NoPercent, Percent, UnknownMood};
pub use sandbox::Sandbox;
pub use signature::{SIGNATURE_HEADER, sign};
pub use workspace::{
    AddressLine, BatchLine, CallTotals, CallbackTotals, DeliveryLine, JobLine, LedgerReport, LedgerTotals, MinuteLine,
    ToldLine,
};
