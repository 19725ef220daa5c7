//! What the engine needs of a database: one narrow trait, each guarantee written out.
//!
//! All decisions are made above it. A store applies changes, refuses those whose guard no
//! longer holds, and answers questions. [`memory`] is the reference model; the suite in
//! `conformance` is what every other store must pass.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use uuid::Uuid;

use crate::error::Failure;
use crate::event::{CorrelationKey, NewEvent};
use crate::history::Record;
use crate::id::{DefinitionHash, Epoch, RunId, Seq};
use crate::payload::Payload;

mod answer;
pub mod control;
pub mod flow;
mod hints;
pub mod memory;
mod rows;
mod schedules;

pub use answer::{Delivery, MemberResult, Outcome, Refusal, StoreError};
pub use flow::{FlowCommand, FlowCommandKind, FlowQuery, FlowRow, Limit, Stamp, Throttled, Window};
pub use hints::{Hint, Hints};
pub use rows::{
    CLAIMED_EVENTS, CLAIMED_RECORDS, Claim, Claimed, Inbox, InboxQuery, Page, Purge, RunQuery, RunRow, RunStatus,
    StoredRecord,
};
pub use schedules::{Declaration, ScheduleChange, ScheduleQuery, ScheduleRow, Tick, Wish};

/// A group holds at most this many members, so that one commit stays short.
pub const GROUP_MEMBERS: usize = 500;

/// A group holds at most this many bytes of payload, for the same reason.
pub const GROUP_BYTES: usize = 8 * 1024 * 1024;

/// No inbox holds more events that were not consumed, and no target has more that wait for it: a
/// stranger may send them, and a run reads them all when it goes on.
pub const EVENT_BUFFER_LIMIT: u64 = 10_000;

/// The database of runs.
///
/// Rules for all methods:
/// - Times are the store's own: it is given durations, or times that were derived from an
///   earlier answer of [`now`](Self::now) or [`Claimed::now`]. They have microseconds.
/// - A returned future may be dropped; the call then still takes effect, or does not.
///
/// ```
/// use lumina_workflow::store::{Change, Claim, Claimed, Outcome, RunStatus, Store, StoreError};
/// use lumina_workflow::{NewEvent, Payload};
///
/// /// What a worker does with a run, by hand: claims it, renews its right to it, looks at what came in.
/// async fn take_one(store: &dyn Store, claim: Claim) -> Result<Option<Claimed>, StoreError> {
///     let lease = claim.lease;
///     let Some(claimed) = store.claim(claim).await?.pop() else {
///         return Ok(None);
///     };
///     assert_eq!((claimed.run.status, claimed.run.epoch), (RunStatus::Running, claimed.lease.epoch));
///     let lost = store.renew(vec![claimed.lease], lease).await?;
///     Ok(Some(claimed).filter(|claimed| !lost.contains(&claimed.lease.run)))
/// }
///
/// # let kit = lumina_workflow::testing::TestEngine::new();
/// # let engine = kit.engine();
/// # let store = engine.store();
/// # kit.block_on(async {
/// // A group of changes, each of which has its answer.
/// let event = NewEvent::new("scan-1", lumina_workflow::RunId(uuid::Uuid::nil()), "scanned", Payload::null());
/// let answers = store.commit([Change::Emit(event).into()].into()).await?;
/// assert!(matches!(answers[..], [Ok(Outcome::Emitted(_))]));
/// assert_eq!(store.next_due().await?, None);
/// # let _ = take_one;
/// # Ok::<(), StoreError>(())
/// # })?;
/// # Ok::<(), StoreError>(())
/// ```
pub trait Store: Send + Sync + 'static {
    /// Applies the members in order, in one durable transaction, and answers for each.
    ///
    /// A member that is refused leaves no trace and does not disturb the others. When the
    /// answer is an error, either nothing was applied ([`StoreError::Unavailable`]), or nobody
    /// knows ([`StoreError::OutcomeUnknown`]): applying the same members again is always safe
    /// and gives the answers that the first time would have given. A run is the subject of at
    /// most one member.
    fn commit(&self, batch: Arc<[Member]>) -> BoxFuture<'_, Result<Vec<MemberResult>, StoreError>>;

    /// Takes over up to `limit` runs that are ready, whose timer is due, or whose lease has
    /// expired: status `running`, epoch one higher, lease from now on. Higher priority first,
    /// then who became ready first. Only such as [`Claim`] describes. The run's hash
    /// becomes that of the claimer's definition of the workflow, if it has one, and its `known_since` the claimer's; when
    /// the hash stays, the later of its own and the claimer's.
    ///
    /// A run with a flow key becomes ready with the first place in the queue of its priority
    /// that is behind the last place of its key, so that keys take turns; its timer as well
    /// only makes it ready. Places are not moved afterwards.
    ///
    /// A run that is claimed for the first time is counted in the counters of its workflow and
    /// its key, if the claimer has limits for the workflow, until it ends. One that finds no
    /// place there, or whose workflow is paused, is not claimed: it is held, and keeps its
    /// place in the queue. Whatever is held while its counters have places for it, by the limits of the claimer, is
    /// claimed like what is ready. A run that was asked to end is neither held nor counted.
    /// One that began uncounted is counted at its next claim, and not held. An expired
    /// lease of a paused workflow is taken away: the run waits, one epoch higher.
    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Vec<Claimed>, StoreError>>;

    /// Extends the leases by `lease` from now, and names those that are lost: whose epoch is no
    /// longer current, or that are no longer running.
    fn renew(&self, held: Vec<Lease>, lease: Duration) -> BoxFuture<'_, Result<Vec<RunId>, StoreError>>;

    /// A run's records after `after`, oldest first, at most `limit`.
    fn history(&self, run: RunId, after: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<StoredRecord>, StoreError>>;

    /// Runs that fit, newest first.
    fn runs(&self, query: RunQuery) -> BoxFuture<'_, Result<Page<RunRow>, StoreError>>;

    /// Events that nobody has consumed, lowest sequence first.
    fn inbox(&self, query: InboxQuery) -> BoxFuture<'_, Result<Inbox, StoreError>>;

    /// Schedules that fit, by name.
    fn schedules(&self, query: ScheduleQuery) -> BoxFuture<'_, Result<Vec<ScheduleRow>, StoreError>>;

    /// The earliest time at which a parked run's timer, or a lease, is due, or a held run worth
    /// another look. Runs that are ready already count as due now; schedules do not count, since no claim advances them.
    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>>;

    /// The store's clock.
    fn now(&self) -> BoxFuture<'_, Result<Timestamp, StoreError>>;

    /// Counters, by workflow and key, in the order of their texts.
    fn flows(&self, query: FlowQuery) -> BoxFuture<'_, Result<Vec<FlowRow>, StoreError>>;

    /// Deletes what is over, as [`Purge`] says, in one transaction. Answers how many rows it
    /// deleted; a run counts as one, with all that belongs to it.
    fn purge(&self, purge: Purge) -> BoxFuture<'_, Result<usize, StoreError>>;

    /// A stream that speaks up when something may have become ready, from this process or,
    /// where the database can tell, from another. Hints may be merged and may be wrong; they are never
    /// the only way to find work.
    fn hints(&self) -> BoxStream<'static, Hint>;
}

/// One change of a group, with the application's own writes that belong to it.
///
/// An example is at [`Change`].
#[derive(Debug, Clone)]
pub struct Member {
    /// The change.
    pub change: Change,
    /// Runs in the same transaction, before the change's records are inserted.
    pub attach: Option<Attachment>,
}

impl From<Change> for Member {
    fn from(change: Change) -> Self {
        Self { change, attach: None }
    }
}

impl Member {
    /// The bytes of payload it carries.
    #[must_use]
    pub fn size(&self) -> usize {
        match &self.change {
            Change::Start(new) => new.input.len(),
            Change::Emit(event) => event.payload.len(),
            Change::Advance(advance) => {
                let recorded = advance.records.iter().filter_map(|record| record.what.payload());
                let started = advance.starts.iter().map(|new| &new.input);
                let sent = advance.emits.iter().map(|event| &event.payload);
                let all = recorded.chain(started).chain(sent).chain(advance.next.output());
                all.map(Payload::len).sum()
            }
            Change::Schedule(change) => change.size(),
            Change::Nothing { .. } | Change::Command(_) | Change::Unrouted(_) | Change::Flow(_) => 0,
        }
    }

    /// The run that goes on executing after it, if one does: whoever hands it in is its worker.
    ///
    /// An example is at [`Change`].
    #[must_use]
    pub fn executing(&self) -> Option<RunId> {
        match &self.change {
            Change::Advance(advance) if advance.next == Next::Running => Some(advance.lease.run),
            _ => None,
        }
    }

    /// The run that it changes, when it names one.
    #[must_use]
    pub fn subject(&self) -> Option<RunId> {
        match &self.change {
            Change::Start(new) => Some(new.id),
            Change::Advance(advance) => Some(advance.lease.run),
            Change::Command(command) => Some(command.run),
            Change::Schedule(ScheduleChange::Trigger { run, .. }) => Some(run.id),
            Change::Nothing { .. } | Change::Emit(_) | Change::Unrouted(_) | Change::Schedule(_) | Change::Flow(_) => {
                None
            }
        }
    }
}

/// What a [`Member`] changes.
///
/// ```
/// use lumina_workflow::store::{Change, Ending, Member, Next};
/// use lumina_workflow::{NewEvent, Payload, RunId};
///
/// /// What a group does, in words.
/// fn tell(members: &[Member]) -> Vec<String> {
///     let tell = |member: &Member| match &member.change {
///         Change::Start(new) => format!("starts {}", new.workflow),
///         Change::Emit(event) => format!("emits {}", event.name),
///         Change::Command(command) => format!("{:?} by {}", command.what, command.by),
///         Change::Advance(advance) => match &advance.next {
///             Next::Finish(Ending::Completed(output)) => format!("completes with {}", output.as_str()),
///             Next::Park { wake_at } => format!("parks until {wake_at:?}"),
///             _ => format!("adds {} records", advance.records.len()),
///         },
///         _ => format!("writes, attached: {}", member.attach.is_some()),
///     };
///     members.iter().map(tell).collect()
/// }
///
/// let run = RunId(uuid::Uuid::from_u128(7));
/// let member = Member::from(Change::Emit(NewEvent::new("scan-1", run, "scanned", Payload::encode(&7)?)));
/// assert_eq!(tell(std::slice::from_ref(&member)), ["emits scanned"]);
/// assert_eq!((member.size(), member.subject(), member.executing()), (1, None, None));
/// # Ok::<(), lumina_workflow::PayloadError>(())
/// ```
#[derive(Debug, Clone)]
pub enum Change {
    /// Only the attachment. The id is the caller's: when it was applied before, the stored
    /// result is the answer and the attachment does not run. Kept for a day at least.
    Nothing {
        /// Made by the caller, once per intent.
        id: Uuid,
    },
    /// Makes a run, or finds the one that its start key made. Events that wait for its id are
    /// put into its inbox.
    Start(NewRun),
    /// Writes records of a run and says how it goes on. See [`Advance`].
    Advance(Advance),
    /// Stores an event, once per id and target, if there is room: see [`EVENT_BUFFER_LIMIT`]. When the target is a run that exists and has not ended, or a key
    /// that such a run holds, the event is in that run's inbox, and the run's inbox counter is
    /// one higher; a waiting run is ready. Else it is unrouted.
    Emit(NewEvent),
    /// Somebody wants something of a run. See [`CommandKind`].
    Command(Command),
    /// Somebody wants something of a whole workflow. See [`FlowCommandKind`].
    Flow(FlowCommand),
    /// Changes a schedule's row, and starts what is due. See [`ScheduleChange`].
    Schedule(ScheduleChange),
    /// Somebody takes an unrouted event in hand.
    Unrouted(UnroutedCommand),
}

/// A wish about an event that nobody has claimed. Refused with [`Refusal::UnknownEvent`] when there is none
/// with this number, because it was routed or has expired.
///
/// An example is at [`Change`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnroutedCommand {
    /// The event's sequence.
    pub seq: u64,
    /// Into the inbox of this run, which has not ended; or, for `None`, deleted.
    pub to: Option<RunId>,
    /// Who: a person's or a program's name. Kept with the event.
    pub by: String,
}

/// A run to be made.
///
/// An example is at [`Engine`](crate::Engine).
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Its id.
    pub id: RunId,
    /// The workflow's name.
    pub workflow: String,
    /// The hash of the definition that the starter knows.
    pub hash: DefinitionHash,
    /// Starts it once for this key and workflow, when given.
    pub start_key: Option<String>,
    /// Its input.
    pub input: Payload,
    /// Higher runs first; 0 is ordinary.
    pub priority: i16,
    /// Not before this time has passed.
    pub delay: Duration,
    /// When the starting engine was built; see [`Claim`].
    pub known_since: Timestamp,
    /// The run that waits for it, when another run has started it.
    pub parent: Option<RunId>,
    /// Whose turn it takes among the runs of its workflow: a tenant, an account, a host.
    pub flow_key: Option<String>,
}

/// The right of a worker to one run.
///
/// An example is at [`Store`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lease {
    /// The run.
    pub run: RunId,
    /// The fencing number. A write is accepted when it is the run's current one, whatever the time.
    pub epoch: Epoch,
}

/// A step forward in a run.
///
/// Guards, in this order: the epoch is current, else [`Refusal::LeaseLost`]; when the run's
/// sequence is already `seq + records.len()` (with at least one record) and those records are equal (payloads that the
/// attachment computed aside), the answer is the one of the first time, with its stored
/// payload, and nothing is applied; the run's sequence is `seq`, else
/// [`Refusal::OutOfSequence`]; with `guard`, the run's inbox counter is that, else
/// [`Refusal::InboxChanged`]; the keys are free, or this run's own, else
/// [`Refusal::KeyTaken`]. Then the attachment runs, and all else follows.
///
/// An example is at [`Change`].
#[derive(Debug, Clone)]
pub struct Advance {
    /// Whose right it is.
    pub lease: Lease,
    /// The run's sequence before.
    pub seq: Seq,
    /// What is added to the history, in order. With an attachment, the record whose
    /// [`Completed`](crate::What::Completed) payload is `None` takes the attachment's result.
    pub records: Vec<Record>,
    /// Inbox sequences of the events that the records consume: never found again by `inbox`,
    /// their ids still known.
    pub consumed: Vec<u64>,
    /// Keys that the run holds from now on, until it ends. Unrouted events for them move into
    /// its inbox, and each adds one to its counter.
    pub keys: Vec<CorrelationKey>,
    /// Runs that begin with this change, as [`Change::Start`] does.
    pub starts: Vec<NewRun>,
    /// Events for others that are sent with this change, as [`Change::Emit`] does; but no
    /// inbox is too full for them.
    pub emits: Vec<NewEvent>,
    /// When given, the inbox counter that the decision is based on.
    pub guard: Option<u64>,
    /// How the run goes on.
    pub next: Next,
}

/// How a run goes on after an [`Advance`].
///
/// An example is at [`Change`].
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// It is still being executed under the same lease.
    Running,
    /// It waits, and nobody executes it; ready at this time by itself, when given. Ready at once when,
    /// after all else of this change was applied, the inbox counter is no longer `guard`: the
    /// keys or the attachment have brought something in.
    Park {
        /// The earliest of its deadlines and timers.
        wake_at: Option<Timestamp>,
    },
    /// It is ready at once for whoever claims it.
    Release,
    /// `on_failure` begins, under the same lease, for this failure. The cause and the time are kept in the row; those
    /// that are there already stay.
    Failing {
        /// The first terminal request.
        cause: Failure,
    },
    /// Nobody executes it, and nothing wakes it, until somebody resumes or cancels it.
    Pause {
        /// Who asked.
        by: String,
    },
    /// It has ended. Its keys are free again; what is left in its inbox is unrouted.
    Finish(Ending),
    /// Its code does not fit its history. Claimed only by a worker with another definition
    /// hash, once per hash, or after [`CommandKind::Resume`].
    Block {
        /// What differed, in words.
        reason: String,
        /// The hash of the definition it was executed with; 0 when its worker had none.
        hash: DefinitionHash,
    },
}

impl Next {
    /// The output that it carries.
    fn output(&self) -> Option<&Payload> {
        match self {
            Self::Finish(Ending::Completed(output)) => Some(output),
            _ => None,
        }
    }
}

/// How a run ended.
///
/// An example is at [`Change`].
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// With this output.
    Completed(Payload),
    /// With this failure.
    Failed(Failure),
    /// On somebody's request.
    Cancelled(Failure),
}

impl Ending {
    pub(crate) fn into_result(self) -> Result<Payload, Failure> {
        match self {
            Self::Completed(output) => Ok(output),
            Self::Failed(failure) | Self::Cancelled(failure) => Err(failure),
        }
    }
}

/// A wish about a run, recorded with who wished it.
///
/// An example is at [`Change`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The run.
    pub run: RunId,
    /// The wish.
    pub what: CommandKind,
    /// Who: a person's or a program's name.
    pub by: String,
}

/// What can be wished of a run. Each adds one to the inbox counter when it changes anything.
///
/// On a run that a worker executes, a wish is kept in its row, and the worker acts on it. On any other,
/// all but a cancel take effect at once, as if somebody had claimed the run for a moment: its epoch is one
/// higher, so that nobody who held it before can write, and its history ends in the record that
/// [`control::judge`] tells.
///
/// ```
/// use lumina_workflow::store::{Change, Command, CommandKind};
/// use lumina_workflow::RunId;
///
/// let run = RunId(uuid::Uuid::from_u128(7));
/// let change = Change::Command(Command { run, what: CommandKind::Cancel, by: "ada".to_owned() });
/// # let _ = change;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandKind {
    /// End it. Kept in the row if the run has not ended, is not failing, and was not asked before;
    /// a run that nobody executes is ready, be it pending, waiting, paused or blocked.
    Cancel,
    /// Hold it: no timer of it fires and nothing that comes in wakes it, until it is resumed or cancelled.
    Pause,
    /// Let a paused run go on, or a blocked one try again: it is ready, the blocked one whatever its
    /// definition hash. A delayed start that was paused keeps its time, and the time of `on_failure` stood still.
    Resume,
    /// Go back to a step: see [`What::Rewound`](crate::What::Rewound). The run is ready for any worker that
    /// has its workflow, its main function executes, whatever it failed with or was asked is forgotten, its deadline
    /// begins anew, and if it had ended it has not: it holds its keys again (else [`Refusal::KeyTaken`]), and
    /// unrouted events for it and its keys are in its inbox. Refused for a run that is executed or has not begun.
    Rewind {
        /// The ordinal of the step in the main function.
        step: u32,
        /// The place in the history from which on the main function went wrong.
        at: Seq,
        /// How long the history was when this was decided; else [`Refusal::OutOfSequence`].
        seq: Seq,
    },
}

/// The application's writes in the same transaction. Opaque to the engine: only the store's
/// own crate makes it and opens it. It may run more than once, since a group may be repeated
/// after it was rolled back, so it must be a function of the database alone.
///
/// ```
/// use lumina_workflow::store::Attachment;
///
/// /// What a store's crate wraps, and opens again.
/// struct Statement(&'static str);
///
/// let attachment = Attachment::new(Statement("DELETE FROM cart"));
/// assert_eq!(attachment.open::<Statement>().map(|statement| statement.0), Some("DELETE FROM cart"));
/// assert!(attachment.open::<String>().is_none());
/// ```
#[derive(Clone)]
pub struct Attachment(Arc<dyn Any + Send + Sync>);

impl Attachment {
    /// Wraps what the store's crate knows how to open.
    pub fn new<T: Any + Send + Sync>(inner: T) -> Self {
        Self(Arc::new(inner))
    }

    /// The same writes for two kinds of store: each opens its own.
    ///
    /// ```
    /// # use lumina_workflow::store::Attachment;
    /// let either = Attachment::new("for one").or(Attachment::new(2));
    /// assert_eq!(either.open::<&str>(), Some(&"for one"));
    /// assert_eq!(either.open::<i32>(), Some(&2));
    /// assert!(either.open::<u8>().is_none());
    /// ```
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::new(Either(self, other))
    }

    /// Opens it again, if it is of this type.
    #[must_use]
    pub fn open<T: Any + Send + Sync>(&self) -> Option<&T> {
        match self.0.downcast_ref() {
            Some(Either(one, other)) => one.open().or_else(|| other.open()),
            None => self.0.downcast_ref(),
        }
    }
}

/// For two kinds of store.
struct Either(Attachment, Attachment);

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attachment")
    }
}
