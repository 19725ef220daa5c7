//! Delivering one callback, with its retries.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::{Either, select};
use http::StatusCode;
use tokio::sync::watch;

use crate::callback::{CallbackSender, DeliveryError};
use crate::clock::Clock;
use crate::letter::{Letter, Sheet};
use crate::sandbox::{Releases, Sandbox};

/// Who delivers, and how patiently.
#[derive(Clone)]
pub(crate) struct Courier {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sender: Arc<dyn CallbackSender>,
    pub(crate) retry_every: Duration,
    pub(crate) retries: u32,
    pub(crate) timeout: Duration,
}

impl Courier {
    /// Delivers a letter with all that goes with it. Ends early when the sandbox is gone.
    pub(crate) async fn deliver(self, letter: Letter, sandbox: Weak<Sandbox>, mut releases: watch::Receiver<Releases>) {
        for sheet in &letter.before {
            self.send_extra(&letter, sheet, &sandbox).await;
        }
        if !letter.delay.is_zero() {
            let released = Box::pin(releases.changed());
            drop(select(self.clock.sleep(letter.delay), released).await);
        }
        if self.deliver_at_last(&letter, &sandbox).await {
            self.repeat(&letter, &sandbox).await;
        }
        if let Some(sandbox) = sandbox.upgrade() {
            sandbox.follow_up(letter.addressee);
        }
    }

    /// Tries until the letter is delivered or given up, and says which.
    async fn deliver_at_last(&self, letter: &Letter, sandbox: &Weak<Sandbox>) -> bool {
        for attempt in letter.attempts + 1..=self.retries + 1 {
            if attempt > 1 {
                self.clock.sleep(self.retry_every).await;
            }
            let delivered = self.attempt(letter, attempt).await;
            let Some(sandbox) = sandbox.upgrade() else { return false };
            let sha256 = delivered.then_some(letter.sheet.sha256);
            sandbox.note_callback(letter.addressee, attempt, sha256);
            if delivered {
                return true;
            }
        }
        false
    }

    async fn attempt(&self, letter: &Letter, attempt: u32) -> bool {
        let last = attempt > self.retries;
        match self.send(letter, &letter.sheet).await {
            Ok(status) if status.is_success() => return true,
            Ok(status) => tracing::warn!(url = letter.url, attempt, last, "a callback was answered with {status}"),
            Err(error) => tracing::warn!(url = letter.url, attempt, last, "a callback was not delivered: {error}"),
        }
        false
    }

    /// The duplicates of a delivered callback.
    async fn repeat(&self, letter: &Letter, sandbox: &Weak<Sandbox>) {
        for _ in 0..letter.copies {
            self.send_extra(letter, &letter.sheet, sandbox).await;
            if let Some(sandbox) = sandbox.upgrade() {
                sandbox.note_copy(letter.addressee);
            }
        }
    }

    /// Sends something beside the genuine callback. Nobody minds what becomes of it.
    async fn send_extra(&self, letter: &Letter, sheet: &Sheet, sandbox: &Weak<Sandbox>) {
        match self.send(letter, sheet).await {
            Ok(status) if status.is_success() => {
                if let Some(sandbox) = sandbox.upgrade() {
                    sandbox.note_extra(letter.addressee, sheet.sent, sheet.sha256);
                }
            }
            Ok(status) => {
                tracing::debug!(url = letter.url, sent = ?sheet.sent, "an extra callback was answered with {status}");
            }
            Err(error) => {
                tracing::debug!(url = letter.url, sent = ?sheet.sent, "an extra callback was not delivered: {error}");
            }
        }
    }

    async fn send(&self, letter: &Letter, sheet: &Sheet) -> Result<StatusCode, DeliveryError> {
        let url = || letter.url.clone();
        let request = letter.request(sheet).map_err(|e| DeliveryError::NoAnswer {
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
