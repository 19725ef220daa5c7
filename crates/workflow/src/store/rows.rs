//! What a store is asked and what it answers: claims, runs, inboxes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Lease, Throttled};
use crate::error::Failure;
use crate::event::{CorrelationKey, StoredEvent};
use crate::flow::FlowLimits;
use crate::history::{Phase, Record};
use crate::id::{DefinitionHash, Epoch, RunId, Seq, WorkerId};
use crate::payload::Payload;

/// Who claims, and what it can execute.
///
/// An example is at [`Store`](super::Store).
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
    /// The limits of the workflows that have any, among those of the worker.
    pub flows: Arc<[(String, FlowLimits)]>,
    /// When the worker's engine was built.
    pub known_since: Timestamp,
    /// Takes over every lease of other workers as if it had expired: for the one executing process
    /// of a file that has just started. What the claimer has itself it keeps, so that it may claim so
    /// more than once.
    pub takeover: bool,
}

impl Claim {
    /// The limits that it has for a workflow.
    #[must_use]
    pub fn limits_of(&self, workflow: &str) -> FlowLimits {
        let mut flows = self.flows.iter();
        flows
            .find(|(name, _)| name == workflow)
            .map_or_else(FlowLimits::default, |(_, limits)| *limits)
    }

    /// Whether the worker has the workflow.
    #[must_use]
    pub fn has(&self, workflow: &str) -> bool {
        self.definitions.iter().any(|(name, _)| name == workflow)
    }
}

/// A run that now belongs to the claimer.
///
/// An example is at [`Store`](super::Store).
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
///
/// An example is at [`Engine`](crate::Engine).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its place.
    pub seq: Seq,
    /// The record.
    pub record: Record,
    /// Whether it counts no more, because somebody has sent the run back to before it: see
    /// [`superseded`](crate::superseded).
    pub superseded: bool,
}

/// What a run is doing.
///
/// ```
/// use lumina_workflow::store::RunStatus;
/// assert!(RunStatus::ALL.into_iter().all(|status| RunStatus::parse(status.as_str()) == Some(status)));
/// assert!(RunStatus::Failed.is_end() && !RunStatus::Blocked.is_end());
/// ```
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
///
/// An example is at [`RunQuery`].
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
    /// Who asked it to pause, until it goes on.
    pub pause_by: Option<String>,
    /// When it was paused.
    pub paused_at: Option<Timestamp>,
    /// Higher runs first.
    pub priority: i16,
    /// The run that waits for it.
    pub parent: Option<RunId>,
    /// Whose turn it takes among the runs of its workflow.
    pub flow_key: Option<String>,
    /// What it waits for before it is claimed, when that is a limit of its workflow.
    pub throttled: Option<Throttled>,
    /// How many records its history has.
    pub seq: Seq,
    /// Its inbox counter: one higher for each event and command.
    pub inbox: u64,
    /// How many events its inbox holds.
    pub buffered: u64,
    /// The fencing number of its last lease.
    pub epoch: Epoch,
    /// Who executes it, or did last.
    pub worker: Option<WorkerId>,
    /// When its timer is due, or its lease ends.
    pub due_at: Option<Timestamp>,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it was first claimed: from then on its deadline counts.
    pub begun_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// Which runs are asked for. All given parts must fit.
///
/// ```
/// use lumina_workflow::store::{Page, RunQuery, RunRow, RunStatus};
///
/// # let kit = lumina_workflow::testing::TestEngine::new();
/// # let engine = kit.engine();
/// # kit.block_on(async {
/// let blocked = RunQuery { statuses: vec![RunStatus::Blocked], limit: 100, ..RunQuery::default() };
/// let page: Page<RunRow> = engine.runs(blocked.clone()).await?;
/// for run in &page.items {
///     println!("{} of {}: {}", run.id, run.workflow, run.blocked.as_deref().unwrap_or("blocked"));
/// }
/// let next = RunQuery { before: page.next, ..blocked };
/// # assert!(page.items.is_empty() && next.before.is_none());
/// # Ok::<(), lumina_workflow::store::StoreError>(())
/// # })?;
/// # Ok::<(), lumina_workflow::store::StoreError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct RunQuery {
    /// This run.
    pub id: Option<RunId>,
    /// The run that holds this key.
    pub key: Option<CorrelationKey>,
    /// Runs that this one has started.
    pub parent: Option<RunId>,
    /// Runs of this workflow.
    pub workflow: Option<String>,
    /// No runs of these workflows.
    pub without: Vec<String>,
    /// Runs with one of these statuses; empty means any.
    pub statuses: Vec<RunStatus>,
    /// Only those that are throttled.
    pub throttled: bool,
    /// Runs older than this one: where the last page ended.
    pub before: Option<RunId>,
    /// At most this many.
    pub limit: usize,
}

/// A part of an answer.
///
/// An example is at [`RunQuery`].
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where to go on, if there is more.
    pub next: Option<RunId>,
}

/// What is over, and may be deleted.
///
/// ```
/// use lumina_workflow::store::{Purge, Store, memory::MemoryStore};
/// use lumina_workflow::StoreClock;
///
/// let store = MemoryStore::new(StoreClock::system());
/// let over = Purge { before: jiff::Timestamp::UNIX_EPOCH, workflow: None, limit: 1_000 };
/// let deleted = futures_util::FutureExt::now_or_never(store.purge(over)).expect("this store answers at once");
/// assert_eq!(deleted, Ok(0));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// Finished runs that ended before this time, with all that belongs to them; oldest first.
    pub before: Timestamp,
    /// Only runs of this workflow. For `None` runs of all of them, and also: unrouted events and
    /// answers of [`Change::Nothing`](super::Change) whose time is over, and schedules that were
    /// removed before `before`.
    pub workflow: Option<String>,
    /// At most this many of each, so that the transaction stays short.
    pub limit: usize,
}

/// Which events are asked for.
///
/// An example is at [`Engine::inbox`](crate::Engine::inbox).
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
///
/// An example is at [`Engine::inbox`](crate::Engine::inbox).
#[derive(Debug, Clone, PartialEq)]
pub struct Inbox {
    /// The run's counter at that moment; 0 for unrouted events.
    pub counter: u64,
    /// Who has asked the run to end.
    pub cancel_by: Option<String>,
    /// Who has asked it to pause.
    pub pause_by: Option<String>,
    /// The events.
    pub events: Vec<StoredEvent>,
}
