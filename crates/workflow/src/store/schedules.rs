//! Schedules in a store: their rows, and the changes that are guarded by them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::NewRun;
use crate::id::RunId;
use crate::payload::Payload;
use crate::schedule::ScheduleSpec;

/// A schedule as the database shows it.
///
/// An example is at [`Schedule`](crate::Schedule).
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleRow {
    /// Its name.
    pub name: String,
    /// The workflow whose runs it starts.
    pub workflow: String,
    /// When it ticks.
    pub spec: ScheduleSpec,
    /// What its runs are started with.
    pub input: Payload,
    /// One higher for each change of the row.
    pub revision: u64,
    /// The first tick that nothing was decided about; none when there is no further one.
    pub next_at: Option<Timestamp>,
    /// Who holds it, when somebody does: then its ticks start nothing.
    pub paused: Option<Wish>,
    /// Who let it go on last.
    pub resumed: Option<Wish>,
    /// Who started a run of it beside its ticks last.
    pub triggered: Option<Wish>,
    /// When it was no longer declared.
    pub removed_at: Option<Timestamp>,
    /// Whether a run of it has not ended.
    pub running: bool,
    /// The last tick that started a run.
    pub last_tick: Option<Timestamp>,
    /// The last run that was started, by a tick or beside them.
    pub last_run: Option<RunId>,
    /// How many runs its ticks have started.
    pub started: u64,
    /// How many ticks were dropped because a run had not ended.
    pub skipped: u64,
    /// How many ticks were too old to be caught up.
    pub missed: u64,
    /// How many runs were started beside its ticks: by hand, or because a worker started.
    pub triggers: u64,
    /// When it was first declared.
    pub created_at: Timestamp,
    /// When its row last changed.
    pub updated_at: Timestamp,
}

impl ScheduleRow {
    /// Whether its ticks start runs: it is declared, and nobody holds it.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.paused.is_none() && self.removed_at.is_none()
    }
}

/// Who wanted something of a schedule, and when.
///
/// An example is at [`Schedule`](crate::Schedule).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// A person's or a program's name.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// Which schedules are asked for, by name.
///
/// An example is at [`Schedule`](crate::Schedule).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScheduleQuery {
    /// This one.
    pub name: Option<String>,
    /// Only those after this name: where the last page ended.
    pub after: Option<String>,
    /// At most this many.
    pub limit: usize,
}

/// A change of a schedule's row. Each that is applied, and has an effect, adds one to the
/// row's revision.
///
/// An example is at [`Schedule`](crate::Schedule).
#[derive(Debug, Clone)]
pub enum ScheduleChange {
    /// Writes it down. Has an effect when there is no such row, or its workflow or spec differs,
    /// or it was removed: then it has this workflow, spec and next time, and is no longer removed.
    /// Without an effect its row is left alone, but for an input that differs. Counters and a
    /// pause stay in either case.
    Declare(Declaration),
    /// It is no longer declared: it has no next time any more. No effect on one that is unknown
    /// or removed already.
    Remove {
        /// Its name.
        name: String,
    },
    /// What becomes of ticks that are due. See [`Tick`].
    Tick(Tick),
    /// Holds it. No effect on one that is held; refused with [`Refusal::UnknownSchedule`](super::Refusal)
    /// when there is none, or it was removed.
    Pause {
        /// Its name.
        name: String,
        /// Who.
        by: String,
    },
    /// Lets it go on, with this next time. No effect on one that is not held; refused like a
    /// pause, and with [`Refusal::ScheduleChanged`](super::Refusal) when the revision is another one.
    Resume {
        /// Its name.
        name: String,
        /// Who.
        by: String,
        /// The revision that the next time was reckoned from.
        revision: u64,
        /// Its next time.
        next_at: Option<Timestamp>,
    },
    /// Starts this run of it now; its next time stays. When the run is there already, this was
    /// applied before, and nothing is done. Refused like a pause, and with
    /// [`Refusal::ScheduleChanged`](super::Refusal) when its workflow is another one.
    Trigger {
        /// Its name.
        name: String,
        /// Who.
        by: String,
        /// The run.
        run: NewRun,
    },
}

impl ScheduleChange {
    /// The schedule's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Declare(declaration) => &declaration.name,
            Self::Tick(tick) => &tick.name,
            Self::Remove { name }
            | Self::Pause { name, .. }
            | Self::Resume { name, .. }
            | Self::Trigger { name, .. } => name,
        }
    }

    /// The bytes of payload that it carries.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Declare(declaration) => declaration.input.len(),
            Self::Tick(tick) => tick.starts.iter().map(|(_, run)| run.input.len()).sum(),
            Self::Trigger { run, .. } => run.input.len(),
            Self::Remove { .. } | Self::Pause { .. } | Self::Resume { .. } => 0,
        }
    }
}

/// A schedule to be written down.
///
/// An example is at [`Schedule`](crate::Schedule).
#[derive(Debug, Clone, PartialEq)]
pub struct Declaration {
    /// Its name.
    pub name: String,
    /// The workflow whose runs it starts.
    pub workflow: String,
    /// When it ticks.
    pub spec: ScheduleSpec,
    /// What its runs are started with.
    pub input: Payload,
    /// Its first tick, should it be new or other than before.
    pub next_at: Option<Timestamp>,
}

/// What becomes of ticks that are due.
///
/// Guard: the row's revision is this one, and it is neither held nor removed; else
/// [`Refusal::ScheduleChanged`](super::Refusal), and nothing is applied. So of all workers that
/// decide about a tick one has it, and applying the same change again is refused and starts
/// nothing: the row tells what became of it.
///
/// An example is at [`Schedule`](crate::Schedule).
#[derive(Debug, Clone)]
pub struct Tick {
    /// The schedule's name.
    pub name: String,
    /// The revision that was decided about.
    pub revision: u64,
    /// Ticks that start a run, with that run: made as [`Change::Start`](super::Change::Start)
    /// makes it, so that one whose start key exists is not made again and not counted.
    pub starts: Vec<(Timestamp, NewRun)>,
    /// Ticks that were dropped because a run had not ended.
    pub skipped: u64,
    /// Ticks that were too old.
    pub missed: u64,
    /// The next tick.
    pub next_at: Option<Timestamp>,
}
