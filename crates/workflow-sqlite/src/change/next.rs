//! How a run goes on after a step.

use jiff::Timestamp;
use lumina_workflow::store::{Advance, Ending, Next};
use lumina_workflow::{DefinitionHash, Failure};
use rusqlite::params;

use super::{event, key};
use crate::fault::Fault;
use crate::flow;
use crate::group::Group;

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

pub(super) fn go(group: &Group<'_>, step: &Advance, goal: &Goal<'_>) -> Result<(), Fault> {
    match &step.next {
        Next::Running => run_on(group, step, goal),
        Next::Park { wake_at } if !goal.must_run => park(group, step, goal, wake_at.map(Timestamp::as_microsecond)),
        Next::Park { .. } | Next::Release => release(group, step, goal),
        Next::Failing { cause } => fail(group, step, goal, cause),
        Next::Pause { by } => pause(group, step, goal, by),
        Next::Finish(ending) => finish(group, step, goal, ending),
        Next::Block { reason, hash } => block(group, step, goal, reason, *hash),
    }
}

fn run_on(group: &Group<'_>, step: &Advance, goal: &Goal<'_>) -> Result<(), Fault> {
    const SQL: &str = "UPDATE workflow_run SET seq = ?2, inbox = ?3, answered = ?3, keys = ?4, buffered = buffered - ?5, updated_at = ?6 WHERE id = ?1";
    group.execute(
        SQL,
        params![
            step.lease.run.0,
            goal.seq,
            goal.inbox,
            goal.keys,
            goal.leaving,
            group.now
        ],
    )?;
    Ok(())
}

fn park(group: &Group<'_>, step: &Advance, goal: &Goal<'_>, wake_at: Option<i64>) -> Result<(), Fault> {
    if let Some(at) = wake_at {
        match goal.keyed {
            true => group.note_keyed_timer(at),
            false => group.note_timer(at),
        }
    }
    wait(group, step, goal, None, wake_at)
}

fn release(group: &Group<'_>, step: &Advance, goal: &Goal<'_>) -> Result<(), Fault> {
    group.note_ready();
    let rank = match goal.keyed {
        true => flow::rank(group, step.lease.run)?,
        false => group.next_rank(),
    };
    wait(group, step, goal, Some(rank), None)
}

fn wait(
    group: &Group<'_>,
    step: &Advance,
    goal: &Goal<'_>,
    ready_rank: Option<i64>,
    wake_at: Option<i64>,
) -> Result<(), Fault> {
    const SQL: &str = "UPDATE workflow_run SET status = 'waiting', seq = ?2, inbox = ?3, answered = ?3, keys = ?4, buffered = buffered - ?5, updated_at = ?6, \
         ready_rank = ?7, wake_at = ?8, lease_until = NULL WHERE id = ?1";
    let id = step.lease.run.0;
    group.execute(
        SQL,
        params![
            id,
            goal.seq,
            goal.inbox,
            goal.keys,
            goal.leaving,
            group.now,
            ready_rank,
            wake_at
        ],
    )?;
    Ok(())
}

fn pause(group: &Group<'_>, step: &Advance, goal: &Goal<'_>, by: &str) -> Result<(), Fault> {
    const SQL: &str = "UPDATE workflow_run SET status = 'paused', seq = ?2, inbox = ?3, answered = ?3, keys = ?4, buffered = buffered - ?5, updated_at = ?6, \
         pause_by = ?7, paused_at = ?6, lease_until = NULL WHERE id = ?1";
    let id = step.lease.run.0;
    group.execute(
        SQL,
        params![id, goal.seq, goal.inbox, goal.keys, goal.leaving, group.now, by],
    )?;
    Ok(())
}

/// The first terminal request wins: a failure that is there already stays.
fn fail(group: &Group<'_>, step: &Advance, goal: &Goal<'_>, cause: &Failure) -> Result<(), Fault> {
    const SQL: &str = "UPDATE workflow_run SET phase = 'on_failure', seq = ?2, inbox = ?3, answered = ?3, keys = ?4, buffered = buffered - ?5, updated_at = ?6, \
         failure = coalesce(failure, ?7), failing_since = coalesce(failing_since, ?6) WHERE id = ?1";
    let id = step.lease.run.0;
    group.execute(
        SQL,
        params![
            id,
            goal.seq,
            goal.inbox,
            goal.keys,
            goal.leaving,
            group.now,
            json(cause)
        ],
    )?;
    Ok(())
}

fn finish(group: &Group<'_>, step: &Advance, goal: &Goal<'_>, ending: &Ending) -> Result<(), Fault> {
    let id = step.lease.run;
    if goal.scheduled {
        group.note_schedule();
    }
    if goal.inbox > 0 {
        event::leave_behind(group, id)?;
    }
    key::release(group, goal.keys)?;
    if goal.counted {
        flow::give_back(group, id)?;
    }
    let (Goal { seq, inbox, keys, .. }, now) = (goal, group.now);
    match ending {
        Ending::Completed(output) => {
            const SQL: &str = "UPDATE workflow_run SET status = 'completed', seq = ?2, inbox = ?3, answered = ?3, keys = ?4, \
                 buffered = 0, pause_by = NULL, updated_at = ?5, finished_at = ?5, admitted = 0, ready_rank = NULL, wake_at = NULL, lease_until = NULL, \
                 output = ?6 WHERE id = ?1";
            group.execute(SQL, params![id.0, seq, inbox, keys, now, group.payloads.write(output)?])?;
        }
        Ending::Failed(failure) => {
            const SQL: &str = "UPDATE workflow_run SET status = 'failed', seq = ?2, inbox = ?3, answered = ?3, keys = ?4, \
                 buffered = 0, pause_by = NULL, updated_at = ?5, finished_at = ?5, admitted = 0, ready_rank = NULL, wake_at = NULL, lease_until = NULL, \
                 failure = ?6 WHERE id = ?1";
            group.execute(SQL, params![id.0, seq, inbox, keys, now, json(failure)])?;
        }
        Ending::Cancelled(failure) => {
            const SQL: &str = "UPDATE workflow_run SET status = 'cancelled', seq = ?2, inbox = ?3, answered = ?3, keys = ?4, \
                 buffered = 0, pause_by = NULL, updated_at = ?5, finished_at = ?5, admitted = 0, ready_rank = NULL, wake_at = NULL, lease_until = NULL, \
                 failure = ?6 WHERE id = ?1";
            group.execute(SQL, params![id.0, seq, inbox, keys, now, json(failure)])?;
        }
    }
    Ok(())
}

fn block(group: &Group<'_>, step: &Advance, goal: &Goal<'_>, reason: &str, hash: DefinitionHash) -> Result<(), Fault> {
    const SQL: &str = "UPDATE workflow_run SET status = 'blocked', seq = ?2, inbox = ?3, answered = ?3, keys = ?4, buffered = buffered - ?5, updated_at = ?6, \
         ready_rank = NULL, wake_at = NULL, lease_until = NULL, blocked = ?7 \
         WHERE id = ?1 RETURNING workflow";
    const TRIED: &str = "INSERT INTO workflow_tried (run, hash) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    let id = step.lease.run.0;
    let bits = hash.0.cast_signed();
    let workflow = group.conn.prepare_cached(SQL)?.query_row(
        params![id, goal.seq, goal.inbox, goal.keys, goal.leaving, group.now, reason],
        |row| row.get(0),
    )?;
    group.execute(TRIED, params![id, bits])?;
    group.note_ready();
    group.note_blocked(workflow, hash);
    Ok(())
}

fn json(failure: &Failure) -> String {
    serde_json::to_string(failure).expect("a failure is plain data with a JSON form")
}
