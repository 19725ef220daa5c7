//! The way in and out over HTTP.
//!
//! JSON in camelCase; every error is `{"error", "code", "timestamp"}` ([`ErrorCode`]). [`router`] serves everything,
//! [`webhook_router`] what may be exposed to the internet. Every route except `/api/webhooks/*`, `/healthz` and
//! `/readyz` needs the bearer token, from loopback too, because a tunnel makes strangers look local.
//!
//! Nothing is answered with 200 before it is durable. Everything that a stranger can make grow is bounded: the size of
//! a body, the time it may take, the bytes that are being received at once, the notes about what was refused, the
//! connections.

mod auth;
mod batches;
mod body;
mod cursor;
mod error;
mod health;
mod leads;
mod metrics;
mod patience;
mod query;
mod readiness;
mod rejections;
mod router;
mod schedules;
mod serve;
mod settings;
mod state;
mod upload;
mod webhooks;
mod workflows;

pub use error::ErrorCode;
pub use router::{router, webhook_router};
pub use serve::serve;
pub use settings::{BodyLimits, HttpSettings, NewsletterSource};
pub use state::HttpState;
