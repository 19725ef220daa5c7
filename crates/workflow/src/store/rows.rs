//! What a store is asked and what it answers: claims, runs, inboxes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Lease;
use crate::error::Failure;
use crate::event::{CorrelationKey, StoredEvent};
use crate::history::{Phase, Record};
use crate::id::{DefinitionHash, Epoch, RunId, Seq, WorkerId};
use crate::payload::Payload;

/// Who claims, and what it can execute.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The worker.
    pub worker: WorkerId,
    /// How long the lease is.
    pub lease: Duration,
    /// At most this many runs.
    pub limit: usize,
    /// The definitions that the worker has. A run whose (workflow, hash) is not among them is
    /// claimed only when `known_since` is later than the run's own: then its worker is newer
    /// code, and says what does not fit.
    pub definitions: Arc<[(String, DefinitionHash)]>,
    /// When the worker's engine was built.
    pub known_since: Timestamp,
    /// Takes over every lease of other workers as if it had expired: for the one executing process
    /// of a file that has just started. What the claimer has itself it keeps, so that it may claim so
    /// more than once.
    pub takeover: bool,
}

/// A run that now belongs to the claimer.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The right to it.
    pub lease: Lease,
    /// The row, as it is now.
    pub run: RunRow,
    /// Its first records, at most [`CLAIMED_RECORDS`].
    pub records: Vec<StoredRecord>,
    /// The first of its inbox, at most [`CLAIMED_EVENTS`].
    pub events: Vec<StoredEvent>,
    /// The store's time of the claim.
    pub now: Timestamp,
}

/// How many records come along with a claim; longer histories are paged.
pub const CLAIMED_RECORDS: usize = 200;

/// How many events come along with a claim.
pub const CLAIMED_EVENTS: usize = 100;

/// A record with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its place.
    pub seq: Seq,
    /// The record.
    pub record: Record,
}

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Never executed yet.
    Pending,
    /// A worker executes it.
    Running,
    /// Parked: it waits for an event, a timer, or its turn to go on.
    Waiting,
    /// Held by a person.
    Paused,
    /// Its code does not fit its history.
    Blocked,
    /// Ended well.
    Completed,
    /// Ended in a failure.
    Failed,
    /// Ended on request.
    Cancelled,
}

impl RunStatus {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Running,
        Self::Waiting,
        Self::Paused,
        Self::Blocked,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The word on the wire and in databases.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Blocked => "blocked",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Whether it will never change again.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A run as the database shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// Its id.
    pub id: RunId,
    /// The workflow's name.
    pub workflow: String,
    /// The definition it was started with, or last executed with.
    pub hash: DefinitionHash,
    /// The key it was started with.
    pub start_key: Option<String>,
    /// What it is doing.
    pub status: RunStatus,
    /// Which function executes: the main one, or `on_failure` for `failure`.
    pub phase: Phase,
    /// Its input.
    pub input: Payload,
    /// Its output, once completed.
    pub output: Option<Payload>,
    /// What it fails or failed with.
    pub failure: Option<Failure>,
    /// When `on_failure` began.
    pub failing_since: Option<Timestamp>,
    /// Why it is blocked.
    pub blocked: Option<String>,
    /// Who asked it to end, when somebody did and the run has not acted on it yet or has ended so.
    pub cancel_by: Option<String>,
    /// Higher runs first.
    pub priority: i16,
    /// How many records its history has.
    pub seq: Seq,
    /// Its inbox counter: one higher for each event and command.
    pub inbox: u64,
    /// The fencing number of its last lease.
    pub epoch: Epoch,
    /// Who executes it, or did last.
    pub worker: Option<WorkerId>,
    /// When its timer is due, or its lease ends.
    pub due_at: Option<Timestamp>,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// Which runs are asked for. All given parts must fit.
#[derive(Debug, Clone, Default)]
pub struct RunQuery {
    /// This run.
    pub id: Option<RunId>,
    /// The run that holds this key.
    pub key: Option<CorrelationKey>,
    /// Runs of this workflow.
    pub workflow: Option<String>,
    /// Runs with one of these statuses; empty means any.
    pub statuses: Vec<RunStatus>,
    /// Runs older than this one: where the last page ended.
    pub before: Option<RunId>,
    /// At most this many.
    pub limit: usize,
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where to go on, if there is more.
    pub next: Option<RunId>,
}

/// Which events are asked for.
#[derive(Debug, Clone)]
pub struct InboxQuery {
    /// A run's inbox, or, for `None`, what is unrouted.
    pub run: Option<RunId>,
    /// Only events after this sequence.
    pub after: u64,
    /// At most this many.
    pub limit: usize,
}

/// A run's inbox, read at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Inbox {
    /// The run's counter at that moment; 0 for unrouted events.
    pub counter: u64,
    /// Who has asked the run to end.
    pub cancel_by: Option<String>,
    /// The events.
    pub events: Vec<StoredEvent>,
}
