//! The sandbox itself: the desk under its lock, and the work that goes on beside the calls.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use jiff::Timestamp;

use crate::api::{Order, Refusal, render};
use crate::callback::CallbackSender;
use crate::clock::{Clock, span_until};
use crate::config::SandboxConfig;
use crate::delivery::{Courier, Letter};
use crate::desk::{Accepted, Addressee, Desk, Effects};
use crate::error::{LedgerError, OpenError};
use crate::signature::sign;
use crate::workspace::{Endpoint, LedgerReport, LedgerTotals};

/// A local FullEnrich. See the crate's documentation for what it does.
///
/// It lives as long as something holds it: the caller, a router, or a call under way. Its background work holds it
/// only for moments, and stops when it is gone.
pub struct Sandbox {
    config: SandboxConfig,
    clock: Arc<dyn Clock>,
    courier: Courier,
    desk: Mutex<Desk>,
}

impl Sandbox {
    /// Opens a sandbox on the ledger at `ledger_path`, which is created if it does not exist; without a path nothing
    /// outlives the sandbox. Batches that an earlier sandbox on this ledger left unfinished are taken up again, and so
    /// are undelivered callbacks.
    ///
    /// # Errors
    /// The configuration contradicts itself; the ledger cannot be read or written, is held by another sandbox, or
    /// has a line that makes no sense.
    pub fn open(
        config: SandboxConfig,
        ledger_path: Option<PathBuf>,
        clock: Arc<dyn Clock>,
        sender: Arc<dyn CallbackSender>,
    ) -> Result<Arc<Self>, OpenError> {
        config.check()?;
        let now = clock.now();
        let mut desk = Desk::open(&config, ledger_path.as_deref(), now)?;
        let effects = desk.resume(&config, now).map_err(|error| OpenError::Io {
            path: ledger_path.unwrap_or_default(),
            source: std::io::Error::other(error.0),
        })?;
        let courier = Courier {
            clock: Arc::clone(&clock),
            sender,
            retry_every: config.callback_retry_every,
            retries: config.callback_retries,
            timeout: config.callback_timeout,
            duplicates: config.faults.duplicate_callbacks,
        };
        let sandbox = Arc::new(Self {
            config,
            clock,
            courier,
            desk: Mutex::new(desk),
        });
        sandbox.carry_out(effects);
        Ok(sandbox)
    }

    /// How it behaves.
    #[must_use]
    pub fn config(&self) -> &SandboxConfig {
        &self.config
    }

    /// The ledger in numbers.
    #[must_use]
    pub fn totals(&self) -> LedgerTotals {
        totals_of(&self.desk())
    }

    /// The whole ledger. Its size grows with every address ever looked up.
    #[must_use]
    pub fn report(&self) -> LedgerReport {
        let desk = self.desk();
        LedgerReport::new(totals_of(&desk), &desk.books)
    }

    /// Buys credits, and returns the balance then.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn add_credits(&self, credits: u64) -> Result<u64, LedgerError> {
        self.desk().add_credits(credits, self.clock.now())
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// The state. A panic elsewhere does not make the books wrong: each change is whole or it is a bug.
    pub(crate) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call with a valid key, and refuses it above the limit or without a ledger.
    pub(crate) fn admit(&self, endpoint: Endpoint) -> Result<(), Refusal> {
        let mut desk = self.desk();
        let admitted = desk
            .calls
            .admit(endpoint, self.clock.now(), self.config.calls_per_minute);
        let tells = self.config.faults.retry_after;
        admitted.map_err(|left| Refusal::RateLimit {
            retry_after: tells.then_some(left),
        })?;
        Ok(desk.ledger.check()?)
    }

    /// Accepts a batch and starts on it.
    pub(crate) fn accept(self: &Arc<Self>, order: Order) -> Result<Accepted, LedgerError> {
        let (accepted, effects) = self.desk().accept(&self.config, order, self.clock.now())?;
        tracing::info!(enrichment = %accepted.id, number = accepted.number, "a batch was accepted");
        self.carry_out(effects);
        Ok(accepted)
    }

    /// Does what is due.
    fn advance(self: &Arc<Self>) {
        // A ledger that fails has been reported where it failed, and shows in every answer from then on.
        let settled = self.desk().settle(&self.config, self.clock.now());
        if let Ok(effects) = settled {
            self.carry_out(effects);
        }
    }

    fn carry_out(self: &Arc<Self>, effects: Effects) {
        for alarm in effects.alarms {
            let wake = wake_at(Arc::downgrade(self), Arc::clone(&self.clock), alarm);
            self.clock.spawn(Box::pin(wake));
        }
        for addressee in effects.callbacks {
            if let Some(letter) = self.write_letter(addressee) {
                let delivery = self.courier.clone().deliver(letter, Arc::downgrade(self));
                self.clock.spawn(Box::pin(delivery));
            }
        }
    }

    /// Writes and signs a callback. None is left to write when its results are no longer kept.
    fn write_letter(&self, addressee: Addressee) -> Option<Letter> {
        let desk = self.desk();
        let batch = desk.books.batch(addressee.batch);
        if batch.is_forgotten() {
            return None;
        }
        let (url, body) = match addressee.item {
            Some(item) => (&batch.contact_url, render::contact(batch, item)),
            None => (&batch.webhook_url, render::ended(batch, self.config.unpayable)),
        };
        Some(Letter {
            addressee,
            attempts: batch.callback_of(addressee.item).attempts,
            url: url.clone()?,
            signature: sign(self.config.api_key.expose(), &body),
            body: Bytes::from(body),
        })
    }

    pub(crate) fn note_callback(&self, addressee: Addressee, attempt: u32, delivered: bool) {
        let noted = self
            .desk()
            .note_callback(addressee, attempt, delivered, self.clock.now());
        if noted.is_err() {
            tracing::debug!("an attempt at a callback is not in the ledger");
        }
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

fn totals_of(desk: &Desk) -> LedgerTotals {
    LedgerTotals::new(&desk.books, &desk.queue, &desk.calls)
}

/// Waits for a moment and has the sandbox do what is due. A sleep may end early by the wall clock's drift.
async fn wake_at(sandbox: Weak<Sandbox>, clock: Arc<dyn Clock>, alarm: Timestamp) {
    loop {
        let left = span_until(clock.now(), alarm);
        if left.is_zero() {
            break;
        }
        clock.sleep(left).await;
    }
    if let Some(sandbox) = sandbox.upgrade() {
        sandbox.advance();
    }
}
