//! What all parts of a store know.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64};

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
            wal_pages: AtomicU64::new(0),
            checkpoint_at: AtomicU64::new(crate::checkpoint::CHECKPOINT_PAGES),
            readings: Mutex::default(),
        }
    }
}
