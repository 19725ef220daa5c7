//! A worker: claims runs, has them executed, keeps their leases, and goes down in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::driver::execute;
use crate::flow::FlowLimits;
use crate::id::{DefinitionHash, RunId, WorkerId};
use crate::schedule::Scheduler;
use crate::seat::{Desk, Seat, Stopping};
use crate::shell::Shell;
use crate::store::{Claim, Claimed, Hint, Lease, StoreError};

/// How a worker works.
///
/// An example is at [`Worker`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerOptions {
    /// How many runs it executes at once. Parked ones do not count.
    pub max_in_flight: usize,
    /// How long a run is its own without renewal. It is renewed every third of that.
    pub lease: Duration,
    /// Takes over all open leases of others when it starts: right for the one executing process of a
    /// database file, wrong everywhere else.
    pub takeover: bool,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            max_in_flight: 256,
            lease: Duration::from_secs(15),
            takeover: false,
        }
    }
}

/// Claims look for work at least this often, should a hint have been missed.
const IDLE_LOOK: Duration = Duration::from_secs(60);

/// What is due may be only for others: then a worker looks again after this time, and after
/// twice as long each further time, so that it neither spins nor forgets its own timers.
const VAIN_LOOK: Duration = Duration::from_millis(5);

/// No look in vain is later than this.
const VAIN_LOOK_CAP: Duration = Duration::from_secs(1);

/// After a claim that found work more often comes in at once, and the next claim finds what is due as well. So nobody
/// asks the database what is due next before this time is over. A timer that is due meanwhile may be later by it.
const LULL: Duration = Duration::from_millis(2);

/// After the grace of a shutdown, the database has this time to take the leases back.
const RELEASE_TIME: Duration = Duration::from_secs(2);

/// After a failed claim, and after a failed renewal.
const CLAIM_PAUSE: Duration = Duration::from_millis(500);

/// After an outage in which others' leases may have run out, nothing is claimed for so long: whoever lives asks for its
/// own leases every [`CLAIM_PAUSE`], and has what it did meanwhile in hand. Taken over, that would be done again, or be
/// unknown.
const OWNERS_FIRST: Duration = Duration::from_secs(2);

/// No claim takes more at once, so that one transaction stays short.
const CLAIM_LIMIT: usize = 250;

/// A running worker. Dropping the handle does not stop it.
///
/// ```
/// # use lumina_workflow::testing::TestEngine;
/// use lumina_workflow::WorkerOptions;
/// use std::time::Duration;
///
/// # let kit = TestEngine::new();
/// # let engine = kit.engine();
/// # kit.block_on(async {
/// let worker = engine.start_worker(WorkerOptions { max_in_flight: 32, ..WorkerOptions::default() });
/// println!("worker {} executes {} runs", worker.id(), worker.in_flight());
/// // What is executing may end within ten seconds; the rest is taken up by the next worker.
/// worker.shutdown(Duration::from_secs(10)).await;
/// # });
/// ```
pub struct Worker {
    inner: Arc<Inner>,
}

struct Inner {
    shell: Arc<Shell>,
    id: WorkerId,
    options: WorkerOptions,
    desk: Arc<Desk>,
    seats: Mutex<BTreeMap<RunId, SeatOf>>,
    /// Runs without a seat into whose inbox something came while a claim was under way: the
    /// claim may bring them, as they were before.
    early: Mutex<Option<BTreeSet<RunId>>>,
    /// Something may be ready, a seat is free, or the worker stops.
    look: Notify,
    /// A schedule may have changed, or the worker stops.
    schedules: Arc<Notify>,
    /// A run has left its seat, or the last claim is over.
    left: Notify,
    /// Nothing is claimed any more.
    claims_over: AtomicBool,
    definitions: Arc<[(String, DefinitionHash)]>,
    flows: Arc<[(String, FlowLimits)]>,
}

struct SeatOf {
    lease: Lease,
    seat: Arc<Seat>,
}

impl Worker {
    pub(crate) fn start(shell: Arc<Shell>, options: WorkerOptions) -> Self {
        let definitions = shell
            .definitions
            .values()
            .map(|d| (d.name.to_owned(), d.hash))
            .collect();
        let limited = shell.definitions.values().filter(|d| !d.flow.is_none());
        let flows = limited.map(|d| (d.name.to_owned(), d.flow)).collect();
        let inner = Arc::new(Inner {
            id: WorkerId(shell.runtime.new_id()),
            options,
            desk: Arc::new(Desk::new(options.lease)),
            seats: Mutex::default(),
            early: Mutex::default(),
            look: Notify::new(),
            schedules: Arc::default(),
            left: Notify::new(),
            claims_over: AtomicBool::new(false),
            definitions,
            flows,
            shell,
        });
        let runtime = inner.shell.runtime.clone();
        runtime.spawn(Box::pin(inner.clone().claim_runs()));
        runtime.spawn(Box::pin(inner.clone().renew_leases()));
        runtime.spawn(Box::pin(inner.clone().pass_on_hints()));
        runtime.spawn(Box::pin(inner.scheduler().run()));
        Self { inner }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> WorkerId {
        self.inner.id
    }

    /// How many runs it executes now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.inner.seats().len()
    }

    /// Claims nothing more, lets attempts end within `grace`, gives the leases back, and
    /// returns when no run is executed any more, or 2 s after the grace if the database does
    /// not answer. What was not finished is taken up by the next worker.
    pub async fn shutdown(&self, grace: Duration) {
        let inner = &self.inner;
        inner.stop(Stopping::Draining);
        let mut timer = inner.shell.runtime.sleep(grace).fuse();
        let mut limit = inner.shell.runtime.sleep(grace + RELEASE_TIME).fuse();
        while !inner.is_over() {
            let mut left = std::pin::pin!(inner.left.notified().fuse());
            futures_util::select_biased! {
                () = left => {}
                () = timer => inner.stop(Stopping::Abandoning),
                () = limit => return,
            }
        }
    }
}

impl Inner {
    fn seats(&self) -> MutexGuard<'_, BTreeMap<RunId, SeatOf>> {
        self.seats.lock().expect("nobody panics while holding it")
    }

    fn is_stopping(&self) -> bool {
        self.desk.stopping.load(Ordering::Acquire) != Stopping::No as u8
    }

    fn scheduler(self: &Arc<Self>) -> Scheduler {
        let worker = self.clone();
        let is_stopping = Box::new(move || worker.is_stopping());
        Scheduler::new(self.shell.clone(), self.schedules.clone(), is_stopping)
    }

    fn stop(&self, how: Stopping) {
        self.desk.stopping.fetch_max(how as u8, Ordering::AcqRel);
        self.look.notify_one();
        self.schedules.notify_one();
        self.seats().values().for_each(|held| held.seat.nudge());
    }

    fn is_over(&self) -> bool {
        self.claims_over.load(Ordering::Acquire) && self.seats().is_empty()
    }

    async fn claim_runs(self: Arc<Self>) {
        let mut takeover = self.options.takeover;
        let mut vain = VAIN_LOOK;
        let mut answered = self.shell.runtime.monotonic();
        while !self.is_stopping() {
            let limit = self
                .options
                .max_in_flight
                .saturating_sub(self.seats().len())
                .min(CLAIM_LIMIT);
            if limit == 0 {
                self.look.notified().await;
                continue;
            }
            let claimed = self.claim(limit, takeover).await;
            if claimed.is_ok() {
                answered = self.shell.runtime.monotonic();
            }
            match claimed {
                Ok(claimed) if claimed == limit => vain = VAIN_LOOK,
                Ok(claimed) => {
                    takeover = false;
                    vain = if claimed > 0 {
                        VAIN_LOOK
                    } else {
                        (vain * 2).min(VAIN_LOOK_CAP)
                    };
                    self.wait_for_work(claimed, vain).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "no runs could be claimed; tried again");
                    self.shell.runtime.sleep(CLAIM_PAUSE).await;
                    if !self.options.takeover {
                        self.let_owners_return(answered).await;
                    }
                }
            }
        }
        self.claims_over.store(true, Ordering::Release);
        self.left.notify_one();
    }

    async fn claim(self: &Arc<Self>, limit: usize, takeover: bool) -> Result<usize, StoreError> {
        self.keep_doubtful_leases().await?;
        let sent = self.shell.runtime.monotonic();
        let claim = Claim {
            worker: self.id,
            lease: self.options.lease,
            limit,
            definitions: self.definitions.clone(),
            flows: self.flows.clone(),
            known_since: self.shell.known_since,
            takeover,
        };
        *self.early() = Some(BTreeSet::new());
        let claimed = self.shell.store.claim(claim).await;
        let early = self.early().take().unwrap_or_default();
        let claimed = claimed?;
        let count = claimed.len();
        for run in claimed {
            let hinted = early.contains(&run.run.id);
            self.seat(run, sent, hinted);
        }
        Ok(count)
    }

    /// Waits until the store takes changes again, which a claim of nothing tells, and then for a moment if it has not
    /// done so since `answered` for so long that leases may have run out.
    async fn let_owners_return(self: &Arc<Self>, answered: Duration) {
        let runtime = &self.shell.runtime;
        while !self.is_stopping() && self.claim(0, false).await.is_err() {
            runtime.sleep(CLAIM_PAUSE).await;
        }
        // The last renewal before the outage has left two thirds of a lease, or more.
        if runtime.monotonic().saturating_sub(answered) < self.options.lease / 2 {
            return;
        }
        let end = runtime.monotonic() + OWNERS_FIRST;
        while !self.is_stopping() && runtime.monotonic() < end {
            self.is_called_within(end.saturating_sub(runtime.monotonic())).await;
        }
    }

    fn early(&self) -> MutexGuard<'_, Option<BTreeSet<RunId>>> {
        self.early.lock().expect("nobody panics while holding it")
    }

    /// A lease counts from before the claim was sent.
    fn seat(self: &Arc<Self>, claimed: Claimed, sent: Duration, hinted: bool) {
        let (run, lease) = (claimed.run.id, claimed.lease);
        let seat = Arc::new(Seat::new(self.id, self.desk.clone(), sent + self.options.lease));
        if let Some(former) = self.seats().insert(
            run,
            SeatOf {
                lease,
                seat: seat.clone(),
            },
        ) {
            former.seat.flag_lost();
        }
        if hinted {
            seat.flag_inbox();
        }
        let worker = self.clone();
        let work = execute(self.shell.clone(), seat, claimed);
        self.shell.runtime.spawn(Box::pin(async move {
            let leaving = Leaving { worker, run, lease };
            work.await;
            drop(leaving);
        }));
    }

    /// After an outage, or in a machine that was suspended, a worker's own leases have run
    /// out: it asks for them again before it claims, else it would take its runs over from
    /// itself, and what they know and have not written yet would be lost.
    async fn keep_doubtful_leases(&self) -> Result<(), StoreError> {
        let runtime = &*self.shell.runtime;
        let doubtful = self
            .seats()
            .values()
            .any(|held| !held.seat.is_lost() && !held.seat.lease_is_fresh(runtime));
        if doubtful { self.renew_held().await } else { Ok(()) }
    }

    /// Until a hint, a free seat, the next due time, or for safety a while. After a claim that found nothing, what is
    /// due already is waited for as long as `vain`.
    async fn wait_for_work(&self, claimed: usize, vain: Duration) {
        let (called, least) = match claimed {
            0 => (self.look.notified().now_or_never().is_some(), vain),
            _ => (self.is_called_within(LULL).await, Duration::ZERO),
        };
        if called {
            return;
        }
        let wait = match self.shell.store.next_due().await {
            Ok(Some(due)) => match self.shell.store.now().await {
                Ok(now) => wait_until(due, now, least),
                Err(_) => CLAIM_PAUSE,
            },
            Ok(None) => IDLE_LOOK,
            Err(_) => CLAIM_PAUSE,
        };
        self.is_called_within(wait).await;
    }

    /// Whether a look is asked for within this time.
    async fn is_called_within(&self, time: Duration) -> bool {
        let mut look = std::pin::pin!(self.look.notified().fuse());
        futures_util::select_biased! {
            () = look => true,
            () = self.shell.runtime.sleep(time).fuse() => false,
        }
    }

    async fn renew_leases(self: Arc<Self>) {
        let each = self.options.lease / 3;
        let mut pause = each;
        while !(self.is_stopping() && self.seats().is_empty()) {
            self.shell.runtime.sleep(pause).await;
            pause = each;
            if let Err(error) = self.renew_held().await {
                tracing::warn!(%error, "leases could not be renewed; tried again");
                pause = each.min(CLAIM_PAUSE);
            }
        }
    }

    async fn renew_held(&self) -> Result<(), StoreError> {
        let held: Vec<Lease> = self.seats().values().map(|held| held.lease).collect();
        if held.is_empty() {
            return Ok(());
        }
        let sent = self.shell.runtime.monotonic();
        let lost = self.shell.store.renew(held.clone(), self.options.lease).await?;
        self.note_renewal(&held, &lost, sent);
        Ok(())
    }

    fn note_renewal(&self, held: &[Lease], lost: &[RunId], sent: Duration) {
        let seats = self.seats();
        for lease in held {
            let Some(held) = seats.get(&lease.run).filter(|held| held.lease == *lease) else {
                continue;
            };
            if lost.contains(&lease.run) {
                held.seat.flag_lost();
            } else {
                held.seat.renewed(sent);
            }
        }
    }

    async fn pass_on_hints(self: Arc<Self>) {
        let mut hints = self.shell.store.hints();
        while let Some(hint) = hints.next().await {
            match hint {
                Hint::Ready => self.look.notify_one(),
                Hint::Inbox(run) => self.pass_on_inbox(run),
                Hint::Schedule => self.schedules.notify_one(),
            }
            if self.is_stopping() && self.seats().is_empty() {
                return;
            }
        }
    }
}

impl Inner {
    fn pass_on_inbox(&self, run: RunId) {
        if let Some(early) = &mut *self.early() {
            early.insert(run);
        }
        if let Some(held) = self.seats().get(&run) {
            held.seat.flag_inbox();
        }
    }
}

/// What is due now was not for this worker when it has just claimed nothing: then it waits for `least`.
fn wait_until(due: Timestamp, now: Timestamp, least: Duration) -> Duration {
    match Duration::try_from(due.duration_since(now)) {
        Ok(wait) if !wait.is_zero() => wait.min(IDLE_LOOK),
        _ => least,
    }
}

/// Frees the seat, even when the task is dropped.
struct Leaving {
    worker: Arc<Inner>,
    run: RunId,
    lease: Lease,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let mut seats = self.worker.seats();
        if seats.get(&self.run).is_some_and(|held| held.lease == self.lease) {
            seats.remove(&self.run);
        }
        let was_full = seats.len() + 1 >= self.worker.options.max_in_flight;
        drop(seats);
        if was_full {
            self.worker.look.notify_one();
        }
        self.worker.left.notify_one();
    }
}
