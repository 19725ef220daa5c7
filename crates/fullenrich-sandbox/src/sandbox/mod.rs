//! The sandbox itself: the desk under its lock, and the work that goes on beside the calls.

mod background;
mod notes;
mod waits;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::api::{Order, Refusal};
use crate::callback::CallbackSender;
use crate::clock::Clock;
use crate::config::SandboxConfig;
use crate::delivery::Courier;
use crate::desk::{Accepted, Desk};
use crate::error::{LedgerError, OpenError};
use crate::holds::Holds;
use crate::moods::Trouble;
use crate::workspace::{Endpoint, LedgerReport, LedgerTotals};
pub(crate) use waits::{LetGo, Releases};

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
    releases: watch::Sender<Releases>,
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
            releases: watch::Sender::default(),
            attempts: watch::Sender::default(),
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
