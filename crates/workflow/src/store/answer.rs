//! What a store answers, and why it refuses.

use super::{EVENT_BUFFER_LIMIT, Inbox, RunStatus};
use crate::error::StepError;
use crate::event::CorrelationKey;
use crate::id::{RunId, Seq};
use crate::payload::Payload;

/// A store's answer for one member.
///
/// An example is at [`Store`](super::Store).
pub type MemberResult = Result<Outcome, Refusal>;

/// A member that was applied.
///
/// An example is at [`Store`](super::Store).
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// [`Change::Nothing`](super::Change::Nothing): what its attachment returned, now or the first time.
    Done {
        /// The attachment's result.
        payload: Option<Payload>,
    },
    /// [`Change::Start`](super::Change::Start): the run is new.
    Started,
    /// [`Change::Start`](super::Change::Start): the run was there already, with this start key or this very id.
    Existing {
        /// The run that the key belongs to.
        run: RunId,
        /// Whether its input is the same text.
        same_input: bool,
    },
    /// [`Change::Advance`](super::Change::Advance).
    Advanced {
        /// The run's inbox counter afterwards.
        inbox: u64,
        /// What the attachment returned.
        payload: Option<Payload>,
        /// The inbox after the whole group, when the run goes on and something came in for it in this group: then no
        /// [`Hint`](super::Hint) tells the same. A store may leave it out, and hint: who executes the run reads then.
        news: Option<Box<Inbox>>,
    },
    /// [`Change::Emit`](super::Change::Emit).
    Emitted(Delivery),
    /// [`Change::Unrouted`](super::Change::Unrouted).
    Handled,
    /// [`Change::Command`](super::Change::Command) and [`Change::Flow`](super::Change::Flow): whether it changed anything.
    Commanded {
        /// False when the run had been asked before or was failing already, or the workflow
        /// was what is wished already.
        effective: bool,
    },
    /// [`Change::Schedule`](super::Change::Schedule): whether it had an effect.
    Scheduled {
        /// False when the row was as it should be already.
        effective: bool,
    },
}

/// Where an event went.
///
/// An example is at [`Engine`](crate::Engine).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Into this run's inbox.
    Routed(RunId),
    /// Nobody has claimed it yet.
    Unrouted,
    /// Its id was known already.
    Duplicate,
}

/// A member that was not applied, and why.
///
/// ```
/// # use lumina_workflow::store::{Change, Command, CommandKind, Refusal};
/// # let kit = lumina_workflow::testing::TestEngine::new();
/// # let (engine, run) = (kit.engine(), lumina_workflow::RunId(uuid::Uuid::nil()));
/// # let change = Change::Command(Command { run, what: CommandKind::Cancel, by: "ada".to_owned() });
/// # kit.block_on(async {
/// let answers = engine.store().commit([change.into()].into()).await?;
/// assert_eq!(answers, [Err(Refusal::UnknownRun(run))]);
/// # Ok::<(), lumina_workflow::store::StoreError>(())
/// # })?;
/// # Ok::<(), lumina_workflow::store::StoreError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another worker has the run.
    #[error("the lease of run {0} was lost: another worker has it")]
    LeaseLost(RunId),
    /// The history has grown in another way.
    #[error("the history of run {run} is at {found:?}, not where this worker left it")]
    OutOfSequence {
        /// The run.
        run: RunId,
        /// Its sequence.
        found: Seq,
    },
    /// Something came in since.
    #[error("something came in for the run since it was last looked at")]
    InboxChanged {
        /// The counter now.
        inbox: u64,
    },
    /// Two live runs cannot hold one key.
    #[error("{}/{} is registered for run {by}, which has not ended", key.namespace, key.key)]
    KeyTaken {
        /// The key.
        key: CorrelationKey,
        /// Who holds it.
        by: RunId,
    },
    /// There is no such run.
    #[error("there is no run {0}")]
    UnknownRun(RunId),
    /// The run's status does not allow it.
    #[error("run {run} is {status}: {problem}")]
    WrongStatus {
        /// The run.
        run: RunId,
        /// Its status.
        status: RunStatus,
        /// What cannot be done, in words.
        problem: &'static str,
    },
    /// Its inbox, or what waits for a target, is full.
    #[error("{holder} holds {EVENT_BUFFER_LIMIT} events that nobody has consumed; no more are taken")]
    InboxFull {
        /// Whose.
        holder: String,
    },
    /// There is no such event among the unrouted ones.
    #[error("there is no unrouted event {0}: it was routed, or it has expired")]
    UnknownEvent(u64),
    /// There is no such schedule, or it is declared no more.
    #[error("there is no schedule {0}")]
    UnknownSchedule(String),
    /// The schedule is not as it was when this was decided.
    #[error("the schedule {0} has changed meanwhile")]
    ScheduleChanged(String),
    /// The attachment said no.
    #[error("{0}")]
    Attachment(StepError),
}

/// A call that failed as a whole.
///
/// An example is at [`Store`](super::Store).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing was applied. It may work later.
    #[error("the database cannot be used now: {0}")]
    Unavailable(String),
    /// The commit may or may not have happened. Apply it again.
    #[error("the database did not say whether it committed: {0}")]
    OutcomeUnknown(String),
    /// What is stored cannot be read, or a caller broke the rules of this trait.
    #[error("{0}")]
    Broken(String),
}
