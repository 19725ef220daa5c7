//! How a run goes on after a step.

use jiff::Timestamp;
use lumina_workflow::store::{Advance, Ending, Next, RunStatus};
use lumina_workflow::{DefinitionHash, Failure, RunId};

use super::turn::{self, Turn};
use super::{event, key};
use crate::fault::Fault;
use crate::flow;
use crate::group::Group;
use crate::param::params;

/// What the row has after the step, whatever follows.
pub(super) struct Goal<'k> {
    pub seq: i64,
    pub inbox: i64,
    pub keys: Option<&'k str>,
    /// How many events fewer its inbox holds: what it has consumed, less what has moved in.
    pub leaving: i64,
    /// A park would overlook something: the run is ready instead.
    pub must_run: bool,
    /// A schedule has started it, which may wait for its end.
    pub scheduled: bool,
    pub counted: bool,
    pub keyed: bool,
}

pub(super) async fn go(group: &Group, step: &Advance, goal: &Goal<'_>) -> Result<(), Fault> {
    let run = step.lease.run;
    match &step.next {
        Next::Finish(_) => leave(group, run, goal).await?,
        Next::Block { hash, .. } => note_tried(group, run, *hash).await?,
        _ => {}
    }
    let rank = match &step.next {
        Next::Park { .. } if !goal.must_run => None,
        Next::Park { .. } | Next::Release if goal.keyed => Some(flow::rank(group, run).await?),
        Next::Park { .. } | Next::Release => Some(group.next_rank()),
        _ => None,
    };
    let turn = turn(group, step, goal, rank)?;
    turn::write(group, vec![turn]).await
}

/// The row as it will be, and whom that wakes. `rank` is its place among the ready ones, if it is one.
pub(super) fn turn<'t>(
    group: &Group,
    step: &'t Advance,
    goal: &Goal<'t>,
    rank: Option<i64>,
) -> Result<Turn<'t>, Fault> {
    let mut turn = Turn {
        keys: goal.keys.map(Into::into),
        leaving: goal.leaving,
        ..Turn::running(step.lease.run, goal.seq, goal.inbox)
    };
    match &step.next {
        Next::Running => {}
        Next::Park { wake_at } if rank.is_none() => {
            turn.status = RunStatus::Waiting;
            turn.wake_at = wake_at.map(Timestamp::as_microsecond);
            turn.wake_at.into_iter().for_each(|at| group.note_timer(at));
        }
        Next::Park { .. } | Next::Release => {
            turn.status = RunStatus::Waiting;
            turn.ready_rank = rank;
            group.note_ready();
        }
        Next::Failing { cause } => {
            turn.failing = true;
            turn.failure = Some(json(cause));
        }
        Next::Pause { by } => {
            turn.status = RunStatus::Paused;
            turn.pause_by = Some(by);
        }
        Next::Finish(ending) => end(group, ending, goal, &mut turn)?,
        Next::Block { reason, .. } => {
            turn.status = RunStatus::Blocked;
            turn.blocked = Some(reason);
            group.note_ready();
        }
    }
    Ok(turn)
}

fn end<'t>(group: &Group, ending: &'t Ending, goal: &Goal<'_>, turn: &mut Turn<'t>) -> Result<(), Fault> {
    match ending {
        Ending::Completed(output) => {
            turn.status = RunStatus::Completed;
            turn.output = Some(group.payloads().write(output)?);
        }
        Ending::Failed(failure) => {
            turn.status = RunStatus::Failed;
            turn.failure = Some(json(failure));
        }
        Ending::Cancelled(failure) => {
            turn.status = RunStatus::Cancelled;
            turn.failure = Some(json(failure));
        }
    }
    if goal.scheduled {
        group.note_schedule();
    }
    Ok(())
}

/// What it held is free again.
async fn leave(group: &Group, run: RunId, goal: &Goal<'_>) -> Result<(), Fault> {
    if goal.inbox > 0 {
        event::leave_behind(group, vec![run.0]).await?;
    }
    key::release(group, goal.keys).await?;
    if goal.counted {
        flow::give_back(group, run).await?;
    }
    Ok(())
}

async fn note_tried(group: &Group, run: RunId, hash: DefinitionHash) -> Result<(), Fault> {
    const TRIED: &str = "INSERT INTO lumina.workflow_tried (run, hash) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    group.execute(TRIED, params![run, hash.0.cast_signed()]).await?;
    Ok(())
}

fn json(failure: &Failure) -> String {
    serde_json::to_string(failure).expect("a failure is plain data with a JSON form")
}
