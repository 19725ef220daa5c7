//! What a command does to a run: decided here, once for every store.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Command, CommandKind, Refusal, RunStatus};
use crate::history::{Phase, Record, What};
use crate::id::{Epoch, Seq, WorkerId};

/// What of a run decides about a command.
///
/// An example is at [`judge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Its status.
    pub status: RunStatus,
    /// Its phase.
    pub phase: Phase,
    /// Whether somebody has asked it to end.
    pub cancel_asked: bool,
    /// Whether somebody has asked it to pause, or it is paused.
    pub pause_asked: bool,
    /// How many records its history has.
    pub seq: Seq,
}

/// What a store does about a command.
///
/// An example is at [`judge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it is so already, or too late.
    Nothing,
    /// A worker executes the run: the wish is in the row, and the worker is told.
    Tell,
    /// The run, which is pending, waiting or paused, is ready, to act on a cancel.
    Wake,
    /// The blocked run is ready for any worker that has its workflow.
    Unblock,
    /// The pending or waiting run is paused.
    Hold,
    /// The paused run goes on.
    Release,
    /// The run goes back.
    Rewind,
}

/// Decides.
///
/// # Errors
/// What the run's status or history does not allow.
///
/// ```
/// use lumina_workflow::store::control::{Effect, Standing, judge, record};
/// use lumina_workflow::store::{Command, CommandKind, RunStatus};
/// use lumina_workflow::{Epoch, Phase, RunId, Seq};
///
/// let run = RunId(uuid::Uuid::from_u128(7));
/// let pause = Command { run, what: CommandKind::Pause, by: "ada".to_owned() };
/// let (status, phase, seq) = (RunStatus::Waiting, Phase::Main, Seq(3));
/// let waiting = Standing { status, phase, cancel_asked: false, pause_asked: false, seq };
///
/// let effect = judge(&pause, &waiting)?;
/// assert_eq!(effect, Effect::Hold);
/// assert!(record(&pause, effect, phase, Epoch(4), jiff::Timestamp::UNIX_EPOCH).is_some());
/// # Ok::<(), lumina_workflow::store::Refusal>(())
/// ```
pub fn judge(command: &Command, run: &Standing) -> Result<Effect, Refusal> {
    match command.what {
        CommandKind::Cancel => judge_cancel(run).map_err(|problem| refuse(command, run, problem)),
        CommandKind::Pause => judge_pause(run).map_err(|problem| refuse(command, run, problem)),
        CommandKind::Resume => judge_resume(run).map_err(|problem| refuse(command, run, problem)),
        CommandKind::Rewind { seq, .. } => judge_rewind(command, run, seq),
    }
}

fn refuse(command: &Command, run: &Standing, problem: &'static str) -> Refusal {
    Refusal::WrongStatus {
        run: command.run,
        status: run.status,
        problem,
    }
}

fn judge_cancel(run: &Standing) -> Result<Effect, &'static str> {
    if run.status.is_end() {
        return Err("it has ended, so it cannot be cancelled");
    }
    if run.cancel_asked || run.phase == Phase::OnFailure {
        return Ok(Effect::Nothing);
    }
    Ok(match run.status {
        RunStatus::Running => Effect::Tell,
        RunStatus::Blocked => Effect::Unblock,
        _ => Effect::Wake,
    })
}

fn judge_pause(run: &Standing) -> Result<Effect, &'static str> {
    if run.status.is_end() {
        return Err("it has ended, so it cannot be paused");
    }
    if run.status == RunStatus::Blocked {
        return Err("nobody executes a blocked run, so it need not be paused");
    }
    if run.pause_asked || (run.cancel_asked && run.phase == Phase::Main) {
        return Ok(Effect::Nothing);
    }
    Ok(match run.status {
        RunStatus::Running => Effect::Tell,
        _ => Effect::Hold,
    })
}

fn judge_resume(run: &Standing) -> Result<Effect, &'static str> {
    match run.status {
        RunStatus::Paused => Ok(Effect::Release),
        RunStatus::Blocked => Ok(Effect::Unblock),
        // It was asked of a worker that gave the run back, or lost it, before it came to that.
        RunStatus::Running | RunStatus::Waiting if run.pause_asked => Ok(Effect::Tell),
        _ => Err("only a paused or blocked run can be resumed"),
    }
}

fn judge_rewind(command: &Command, run: &Standing, seq: Seq) -> Result<Effect, Refusal> {
    if run.status == RunStatus::Running {
        let problem = "a run that is executed cannot go back: pause it first";
        return Err(refuse(command, run, problem));
    }
    if seq != run.seq {
        return Err(Refusal::OutOfSequence {
            run: command.run,
            found: run.seq,
        });
    }
    match run.seq {
        Seq(0) => Err(refuse(command, run, "it has not begun, so it cannot go back")),
        _ => Ok(Effect::Rewind),
    }
}

/// The record that tells of a command's effect in the run's history, under the epoch that the
/// command has raised. `None` when the run's worker, or the next one, writes it.
///
/// An example is at [`judge`].
#[must_use]
pub fn record(command: &Command, effect: Effect, phase: Phase, epoch: Epoch, now: Timestamp) -> Option<Record> {
    let by = command.by.clone();
    let (phase, what) = match (effect, command.what) {
        (Effect::Hold, _) => (phase, What::Paused { by }),
        (Effect::Release, _) | (Effect::Unblock, CommandKind::Resume) => (phase, What::Resumed { by }),
        (Effect::Rewind, CommandKind::Rewind { step, at, .. }) => (Phase::Main, What::Rewound { by, step, at }),
        _ => return None,
    };
    Some(Record {
        phase,
        step: None,
        what,
        started_at: now,
        ended_at: now,
        worker: WorkerId(Uuid::nil()),
        epoch,
    })
}
