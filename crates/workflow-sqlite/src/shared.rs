//! What all parts of a store know.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use jiff::Timestamp;
use lumina_workflow::StoreClock;
use lumina_workflow::store::Hints;

use crate::payloads::Payloads;

pub(crate) struct Shared {
    pub path: PathBuf,
    pub clock: StoreClock,
    pub payloads: Payloads,
    pub hints: Hints,
    /// The earliest timer or lease that those who asked were told of. Only an earlier one is a
    /// hint.
    pub told: AtomicI64,
    /// Somebody has claimed and not yet asked what is due next, so every timer is a hint.
    pub unasked: AtomicBool,
    /// How many pages the write-ahead log has, as of the last commit of this process.
    pub wal_pages: AtomicU64,
    /// With how many pages the next checkpoint is due.
    pub checkpoint_at: AtomicU64,
    /// What each reader is doing, and since when.
    pub readings: Mutex<Vec<Option<Reading>>>,
}

/// Somebody reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub what: &'static str,
    pub since: Timestamp,
}

impl Shared {
    pub(crate) fn new(path: PathBuf, clock: StoreClock, payloads: Payloads) -> Self {
        Self {
            path,
            clock,
            payloads,
            hints: Hints::new(),
            told: AtomicI64::new(i64::MAX),
            unasked: AtomicBool::new(false),
            wal_pages: AtomicU64::new(0),
            checkpoint_at: AtomicU64::new(crate::checkpoint::CHECKPOINT_PAGES),
            readings: Mutex::default(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: i64 = i64::MAX;

    /// A timer is news if it is earlier than what was told, and every one is after a claim until somebody asks.
    #[test]
    fn what_comes_earlier_is_news() {
        let shared = Shared::new("lumina.db".into(), StoreClock::system(), Payloads::default());
        shared.begin_to_tell();
        assert!(shared.is_news(9, NEVER), "nothing was told yet");
        assert!(!shared.is_news(NEVER, NEVER), "nothing was set");
        shared.tell(7);
        assert!(shared.is_news(6, NEVER) && !shared.is_news(7, NEVER));
        assert!(shared.is_news(NEVER, 5), "others have to know of a lease");
        assert!(!shared.is_news(NEVER, 5), "and know of it now");
        shared.unasked.store(true, Ordering::SeqCst);
        assert!(shared.is_news(8, NEVER) && !shared.is_news(NEVER, 8));
        shared.begin_to_tell();
        shared.tell(7);
        assert!(!shared.is_news(8, NEVER));
    }
}
