//! Delivering one callback, with its retries.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{Request, StatusCode, header};

use crate::callback::{CallbackSender, DeliveryError};
use crate::clock::Clock;
use crate::desk::Addressee;
use crate::sandbox::Sandbox;
use crate::signature::SIGNATURE_HEADER;

/// One callback, signed and ready. Every attempt sends the same bytes.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) addressee: Addressee,
    /// Attempts made before, by a sandbox that has ended since.
    pub(crate) attempts: u32,
    pub(crate) url: String,
    pub(crate) signature: String,
    pub(crate) body: Bytes,
}

/// Who delivers, and how patiently.
#[derive(Clone)]
pub(crate) struct Courier {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sender: Arc<dyn CallbackSender>,
    pub(crate) retry_every: Duration,
    pub(crate) retries: u32,
    pub(crate) timeout: Duration,
    pub(crate) duplicates: u32,
}

impl Letter {
    fn request(&self) -> Result<Request<Bytes>, http::Error> {
        Request::post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(SIGNATURE_HEADER, &self.signature)
            .body(self.body.clone())
    }
}

impl Courier {
    /// Delivers a letter, or gives it up after the last retry. Ends early when the sandbox is gone.
    pub(crate) async fn deliver(self, letter: Letter, sandbox: Weak<Sandbox>) {
        for attempt in letter.attempts + 1..=self.retries + 1 {
            if attempt > 1 {
                self.clock.sleep(self.retry_every).await;
            }
            let delivered = self.attempt(&letter, attempt).await;
            let Some(sandbox) = sandbox.upgrade() else { return };
            sandbox.note_callback(letter.addressee, attempt, delivered);
            if delivered {
                return self.repeat(&letter).await;
            }
        }
    }

    async fn attempt(&self, letter: &Letter, attempt: u32) -> bool {
        let last = attempt > self.retries;
        match self.send(letter).await {
            Ok(status) if status.is_success() => return true,
            Ok(status) => tracing::warn!(url = letter.url, attempt, last, "a callback was answered with {status}"),
            Err(error) => tracing::warn!(url = letter.url, attempt, last, "a callback was not delivered: {error}"),
        }
        false
    }

    /// The duplicates of a delivered callback. Nobody minds what becomes of them.
    async fn repeat(&self, letter: &Letter) {
        for _ in 0..self.duplicates {
            if let Err(error) = self.send(letter).await {
                tracing::debug!(url = letter.url, "a duplicate callback was not delivered: {error}");
            }
        }
    }

    async fn send(&self, letter: &Letter) -> Result<StatusCode, DeliveryError> {
        let url = || letter.url.clone();
        let request = letter.request().map_err(|e| DeliveryError::NoAnswer {
            url: url(),
            reason: e.to_string(),
        })?;
        match select(self.sender.send(request), self.clock.sleep(self.timeout)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(DeliveryError::TimedOut {
                url: url(),
                seconds: self.timeout.as_secs_f64(),
            }),
        }
    }
}
