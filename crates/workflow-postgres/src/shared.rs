//! What all calls of a store know.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use lumina_workflow::store::Hints;
use lumina_workflow::{CommitsAtOnce, StoreClock};

use crate::fleet;
use crate::payloads::Payloads;

pub(crate) struct Shared {
    /// What the database is called in messages: never its password.
    pub name: String,
    /// The clock of a test; otherwise the database's own is asked.
    pub clock: Option<StoreClock>,
    pub payloads: Payloads,
    pub hints: Hints,
    /// How many groups the process best has on their way at once.
    pub at_once: CommitsAtOnce,
    rank: AtomicI64,
    /// The earliest timer or lease that those who asked were told of. Only an earlier one is a
    /// hint.
    told: AtomicI64,
    /// Somebody has claimed and not yet asked what is due next, so every timer is a hint.
    pub unasked: AtomicBool,
    /// The last claim found nothing.
    pub vain: AtomicBool,
}

impl Shared {
    pub(crate) fn new(name: String, clock: Option<StoreClock>, payloads: Payloads) -> Self {
        Self {
            name,
            clock,
            payloads,
            hints: Hints::new(),
            at_once: fleet::share_of(1).into(),
            rank: AtomicI64::new(i64::MIN),
            told: AtomicI64::new(i64::MAX),
            unasked: AtomicBool::new(false),
            vain: AtomicBool::new(false),
        }
    }

    /// A place that this process has not given yet: now, but behind all that it has given and behind `last`.
    pub(crate) fn next_rank(&self, now: i64, last: i64) -> i64 {
        let behind = |given: i64| now.max(given.max(last).saturating_add(1));
        let before = self
            .rank
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |given| Some(behind(given)));
        behind(before.expect("there is always a next place"))
    }

    /// Somebody asks what is due next. From before the look until the answer every timer is a hint, so that none that
    /// is set meanwhile is overlooked.
    pub(crate) fn begin_to_tell(&self) {
        self.told.store(i64::MAX, Ordering::SeqCst);
        self.unasked.store(false, Ordering::SeqCst);
    }

    /// And this is the answer.
    pub(crate) fn tell(&self, due: i64) {
        self.told.fetch_min(due, Ordering::SeqCst);
    }

    /// Whether these times are news to somebody: the earliest timer that was set, and the earliest lease that was
    /// given. Who gets a lease knows of it, so it is news once to those who were told of something later.
    pub(crate) fn is_news(&self, timer: i64, lease: i64) -> bool {
        let told = self.told.fetch_min(lease, Ordering::SeqCst);
        lease < told || timer < told || (timer < i64::MAX && self.unasked.load(Ordering::SeqCst))
    }
}
