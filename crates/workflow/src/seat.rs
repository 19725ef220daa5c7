//! A claimed run's place in a worker: how the worker and the run's driver talk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::id::WorkerId;
use crate::runtime::Runtime;

/// How a worker is going down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Stopping {
    /// It is not.
    No,
    /// Attempts may end; nothing new begins.
    Draining,
    /// The time for that is over.
    Abandoning,
}

/// Shared by all seats of a worker.
pub(crate) struct Desk {
    pub stopping: AtomicU8,
    pub lease: Duration,
    tickets: AtomicU64,
}

impl Desk {
    pub fn new(lease: Duration) -> Self {
        Self {
            stopping: AtomicU8::new(Stopping::No as u8),
            lease,
            tickets: AtomicU64::new(0),
        }
    }
}

/// One run's place.
pub(crate) struct Seat {
    pub worker: WorkerId,
    desk: Arc<Desk>,
    nudge: Notify,
    inbox: AtomicBool,
    lost: AtomicBool,
    /// Something could not start because the lease is in doubt.
    held_up: AtomicBool,
    /// Microseconds of the monotonic clock.
    lease_ends: AtomicU64,
}

impl Seat {
    pub fn new(worker: WorkerId, desk: Arc<Desk>, lease_ends: Duration) -> Self {
        let seat = Self {
            worker,
            desk,
            nudge: Notify::new(),
            inbox: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            held_up: AtomicBool::new(false),
            lease_ends: AtomicU64::new(0),
        };
        seat.set_lease_end(lease_ends);
        seat
    }

    pub async fn nudged(&self) {
        self.nudge.notified().await;
    }

    /// The worker's own turn: stop, or look again.
    pub fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// Something came into the run's inbox.
    pub fn flag_inbox(&self) {
        self.inbox.store(true, Ordering::Release);
        self.nudge();
    }

    pub fn take_inbox_flag(&self) -> bool {
        self.inbox.swap(false, Ordering::AcqRel)
    }

    /// Another worker has the run.
    pub fn flag_lost(&self) {
        self.lost.store(true, Ordering::Release);
        self.nudge();
    }

    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    pub fn is_stopping(&self) -> bool {
        self.desk.stopping.load(Ordering::Acquire) != Stopping::No as u8
    }

    pub fn must_abandon(&self) -> bool {
        self.desk.stopping.load(Ordering::Acquire) == Stopping::Abandoning as u8
    }

    pub fn lease_length(&self) -> Duration {
        self.desk.lease
    }

    /// A renewal was sent at this time and succeeded.
    pub fn renewed(&self, sent: Duration) {
        self.set_lease_end(sent + self.desk.lease);
        if self.held_up.swap(false, Ordering::AcqRel) {
            self.nudge();
        }
    }

    fn set_lease_end(&self, end: Duration) {
        self.lease_ends.store(micros(end), Ordering::Release);
    }

    /// No attempt starts in the last third of a lease.
    pub fn lease_is_fresh(&self, runtime: &dyn Runtime) -> bool {
        micros(runtime.monotonic() + self.desk.lease / 3) < self.lease_ends.load(Ordering::Acquire)
    }

    /// Whether an attempt may start now. When not, the next renewal nudges.
    pub fn may_start(&self, runtime: &dyn Runtime) -> bool {
        // Said before it is looked at, so that a renewal in between is not missed.
        self.held_up.store(true, Ordering::Release);
        let fresh = self.lease_is_fresh(runtime);
        if fresh {
            self.held_up.store(false, Ordering::Release);
        }
        fresh
    }

    /// Numbers tasks, so that a late report of one that was given up is told apart.
    pub fn next_ticket(&self) -> u64 {
        self.desk.tickets.fetch_add(1, Ordering::Relaxed)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
