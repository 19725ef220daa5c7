//! The sandbox itself: the desk under its lock, and the work that goes on beside the calls.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::api::{Order, Refusal};
use crate::callback::CallbackSender;
use crate::clock::{Clock, span_until};
use crate::config::SandboxConfig;
use crate::delivery::Courier;
use crate::desk::{Accepted, Addressee, Desk, Effects};
use crate::error::{LedgerError, OpenError};
use crate::holds::Holds;
use crate::ledger::{Digest, PostAnswer, Sent};
use crate::moods::{Mood, Trouble};
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
    holds: Holds,
    /// Counts how often everything that hangs because of a mood was let go.
    releases: watch::Sender<u64>,
    /// Moves with each attempt at a callback.
    attempts: watch::Sender<()>,
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
        };
        let sandbox = Arc::new(Self {
            config,
            clock,
            courier,
            desk: Mutex::new(desk),
            holds: Holds::new(),
            releases: watch::Sender::new(0),
            attempts: watch::Sender::new(()),
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
        LedgerReport::new(totals_of(&desk), &desk.books, &desk.calls)
    }

    /// Buys credits, and returns the balance then.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn add_credits(&self, credits: u64) -> Result<u64, LedgerError> {
        self.desk().add_credits(credits, self.clock.now())
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(crate) fn holds(&self) -> &Holds {
        &self.holds
    }

    /// The state. A panic elsewhere does not make the books wrong: each change is whole or it is a bug.
    pub(crate) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call with a valid key, and refuses it above the limit, in a burst, or without a ledger.
    pub(crate) fn admit(&self, endpoint: Endpoint) -> Result<(), Refusal> {
        let mut desk = self.desk();
        let admitted = desk
            .calls
            .admit(endpoint, self.clock.now(), self.config.calls_per_minute);
        let tells = self.config.retry_after;
        admitted.map_err(|left| Refusal::RateLimit {
            retry_after: tells.then_some(left),
        })?;
        drop(desk);
        self.meet(Desk::meet_call)
    }

    /// Lets a call meet the trouble that is drawn for it, if any.
    pub(crate) fn meet(&self, draw: fn(&mut Desk, Timestamp) -> Option<Trouble>) -> Result<(), Refusal> {
        let mut desk = self.desk();
        let trouble = draw(&mut desk, self.clock.now());
        desk.ledger.flush()?;
        trouble.map_or(Ok(()), |trouble| Err(trouble.into()))
    }

    /// The time that a GET takes.
    pub(crate) async fn take_time(&self) {
        let span = self.desk().read_latency(&self.config);
        if !span.is_zero() {
            self.clock.sleep(span).await;
        }
    }

    /// Accepts a batch and starts on it.
    pub(crate) fn accept(self: &Arc<Self>, order: Order, held: bool) -> Result<Accepted, LedgerError> {
        let (accepted, effects) = self.desk().accept(&self.config, order, held, self.clock.now())?;
        tracing::info!(enrichment = %accepted.id, number = accepted.place + 1, "a batch was accepted");
        self.carry_out(effects);
        Ok(accepted)
    }

    /// How often what hangs was let go, until now.
    pub(crate) fn releases(&self) -> u64 {
        *self.releases.borrow()
    }

    /// Ends when what hangs is let go, which may have happened since then.
    pub(crate) async fn released_since(&self, releases: u64) {
        let mut now = self.releases.subscribe();
        // It cannot close: the sender is in `self`.
        drop(now.wait_for(|now| *now != releases).await);
    }

    /// Ends all moods, and lets go what hangs because of one or is held.
    pub(crate) fn calm(&self) -> Result<(), LedgerError> {
        self.desk().calm(self.clock.now())?;
        self.releases.send_modify(|releases| *releases += 1);
        self.holds.release();
        Ok(())
    }

    /// Waits for the first attempt at the final callback of a batch that calls back before its POST is answered.
    pub(crate) async fn call_back_first(&self, place: usize) {
        let mut attempts = self.attempts.subscribe();
        while self.is_owed_a_callback_first(place) {
            if attempts.changed().await.is_err() {
                return;
            }
        }
    }

    fn is_owed_a_callback_first(&self, place: usize) -> bool {
        let mut desk = self.desk();
        let batch = desk.books.batch(place);
        if !batch.has(Mood::CallbackBeforeAnswer) || batch.ended.is_none() || !batch.calls_back() {
            return false;
        }
        let tried = batch.callback.attempts > 0;
        if tried {
            desk.show(place, Mood::CallbackBeforeAnswer, self.clock.now());
        }
        !tried
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
                let delivery = self
                    .courier
                    .clone()
                    .deliver(letter, Arc::downgrade(self), self.releases.subscribe());
                self.clock.spawn(Box::pin(delivery));
            }
        }
    }

    /// What comes after a callback that was delivered or given up.
    pub(crate) fn follow_up(self: &Arc<Self>, addressee: Addressee) {
        if addressee.item.is_some() {
            return;
        }
        let (retries, now) = (self.config.callback_retries, self.clock.now());
        let callbacks = self.desk().events_at_last(addressee.batch, retries, now);
        self.carry_out(Effects {
            callbacks,
            ..Effects::default()
        });
    }

    pub(crate) fn note_callback(&self, addressee: Addressee, attempt: u32, delivered: Option<Digest>) {
        let noted = self
            .desk()
            .note_callback(addressee, attempt, delivered, self.clock.now());
        if noted.is_err() {
            tracing::debug!("an attempt at a callback is not in the ledger");
        }
        self.attempts.send_replace(());
    }

    pub(crate) fn note_extra(&self, addressee: Addressee, sent: Sent, sha256: Digest) {
        let noted = self.desk().note_extra(addressee, sent, sha256, self.clock.now());
        if noted.is_err() {
            tracing::debug!("an extra callback is not in the ledger");
        }
    }

    /// A delivered callback was sent again.
    pub(crate) fn note_copy(&self, addressee: Addressee) {
        self.desk()
            .show(addressee.batch, Mood::CallbackDoubled, self.clock.now());
    }

    pub(crate) fn note_answer(&self, place: usize, answer: PostAnswer) -> Result<(), LedgerError> {
        self.desk().note_answer(place, answer, self.clock.now())
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
