//! Making a run.

use lumina_workflow::Target;
use lumina_workflow::store::{Attachment, MemberResult, NewRun, Outcome};
use rusqlite::{Params, params};

use super::event::deliver_unrouted;
use crate::attachment;
use crate::column::{later, run_id};
use crate::fault::Fault;
use crate::flow::fair_rank;
use crate::group::Group;

pub(super) fn apply(group: &Group<'_>, new: &NewRun, attach: Option<&Attachment>) -> Result<MemberResult, Fault> {
    if attach.is_some() {
        if let Some(outcome) = existing(group, new)? {
            return Ok(Ok(outcome));
        }
        if let Err(refusal) = attachment::run(group, attach)? {
            return Ok(Err(refusal));
        }
    }
    start(group, new).map(Ok)
}

/// Makes the run, or says which one is there already.
pub(crate) fn start(group: &Group<'_>, new: &NewRun) -> Result<Outcome, Fault> {
    if let Some(outcome) = existing(group, new)? {
        return Ok(outcome);
    }
    insert(group, new)?;
    deliver_unrouted(group, new.id, &[Target::Run(new.id)])?;
    Ok(Outcome::Started)
}

/// The run of this start key, or of this very id. A start that is applied again cannot be told
/// from a second one with the same id: both find the run.
pub(super) fn existing(group: &Group<'_>, new: &NewRun) -> Result<Option<Outcome>, Fault> {
    const BY_KEY: &str = "SELECT id, input FROM workflow_run INDEXED BY workflow_run_start_key \
         WHERE workflow = ?1 AND start_key = ?2 AND start_key IS NOT NULL";
    const BY_ID: &str = "SELECT id, input FROM workflow_run WHERE id = ?1";
    if let Some(key) = &new.start_key
        && let Some(found) = find(group, new, BY_KEY, [&new.workflow, key])?
    {
        return Ok(Some(found));
    }
    find(group, new, BY_ID, [new.id.0])
}

fn find(group: &Group<'_>, new: &NewRun, sql: &str, params: impl Params) -> Result<Option<Outcome>, Fault> {
    let mut statement = group.conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let run = run_id(row, 0)?;
    let same_input = group.payloads.has(row, 1, &new.input);
    Ok(Some(Outcome::Existing {
        run,
        same_input: same_input.map_err(|fault| fault.within(|| format!("run {run}")))?,
    }))
}

fn insert(group: &Group<'_>, new: &NewRun) -> Result<(), Fault> {
    const SQL: &str = "INSERT INTO workflow_run (id, epoch, seq, inbox, status, phase, priority, ready_rank, wake_at, \
         hash, known_since, answered, any_hash, created_at, updated_at, workflow, start_key, input, parent, flow_key) \
         VALUES (?1, 0, 0, 0, 'pending', 'main', ?2, ?3, ?4, ?5, ?6, 0, 0, ?7, ?7, ?8, ?9, ?10, ?11, ?12)";
    let wake_at = (!new.delay.is_zero()).then(|| later(group.now, new.delay));
    let ready_rank = match wake_at {
        Some(at) => {
            match new.flow_key {
                Some(_) => group.note_keyed_timer(at),
                None => group.note_timer(at),
            }
            None
        }
        None => {
            group.note_ready();
            let key = new.flow_key.as_deref().unwrap_or_default();
            Some(fair_rank(group, &new.workflow, key, new.priority.into())?)
        }
    };
    group.execute(
        SQL,
        params![
            new.id.0,
            new.priority,
            ready_rank,
            wake_at,
            new.hash.0.cast_signed(),
            new.known_since.as_microsecond(),
            group.now,
            new.workflow,
            new.start_key,
            group.payloads.write(&new.input)?,
            new.parent.map(|parent| parent.0),
            new.flow_key,
        ],
    )?;
    Ok(())
}
