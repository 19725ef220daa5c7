//! Processes that execute runs.

use jiff::Timestamp;
use uuid::Uuid;

/// A process that executes runs, as it says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSign {
    /// As the engine notes it at the runs that it has.
    pub id: Uuid,
    /// The machine that it is on.
    pub host: String,
    /// Its number there.
    pub pid: u32,
    /// Its version of Lumina.
    pub version: String,
    /// What it was started as, such as `serve`.
    pub command: String,
    /// Whether it takes nothing new, because it is about to end.
    pub is_draining: bool,
}

/// A process that executes runs, as the database knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerRow {
    /// What it said last.
    pub sign: WorkerSign,
    /// When it first said that it was there.
    pub started_at: Timestamp,
    /// When it said so last.
    pub seen_at: Timestamp,
    /// Since when it takes nothing new.
    pub draining_at: Option<Timestamp>,
    /// How many runs it has.
    pub runs: u64,
}
