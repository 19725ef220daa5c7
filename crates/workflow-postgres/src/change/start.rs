//! Making a run.

use lumina_workflow::Target;
use lumina_workflow::store::{Attachment, MemberResult, NewRun, Outcome};

use super::event::deliver_unrouted;
use crate::attachment;
use crate::column::{later, run_id};
use crate::fault::Fault;
use crate::flow::fair_rank;
use crate::group::Group;
use crate::param::{Param, params};

pub(super) async fn apply(group: &Group, new: &NewRun, attach: Option<&Attachment>) -> Result<MemberResult, Fault> {
    if attach.is_some() {
        if let Some(outcome) = existing(group, new).await? {
            return Ok(Ok(outcome));
        }
        if let Err(refusal) = attachment::run(group, attach).await? {
            return Ok(Err(refusal));
        }
    }
    start(group, new).await.map(Ok)
}

/// Makes the run, or says which one is there already.
pub(crate) async fn start(group: &Group, new: &NewRun) -> Result<Outcome, Fault> {
    loop {
        if let Some(outcome) = existing(group, new).await? {
            return Ok(outcome);
        }
        // Somebody else may have made it since.
        if insert(group, new).await? {
            deliver_unrouted(group, new.id, &[Target::Run(new.id)]).await?;
            return Ok(Outcome::Started);
        }
    }
}

/// The run of this start key, or of this very id. A start that is applied again cannot be told
/// from a second one with the same id: both find the run.
pub(super) async fn existing(group: &Group, new: &NewRun) -> Result<Option<Outcome>, Fault> {
    const BY_KEY: &str = "SELECT id, input FROM lumina.workflow_run \
         WHERE workflow = $1 AND start_key = $2 AND start_key IS NOT NULL";
    const BY_ID: &str = "SELECT id, input FROM lumina.workflow_run WHERE id = $1";
    if let Some(key) = &new.start_key
        && let Some(found) = find(group, new, BY_KEY, params![&new.workflow, key]).await?
    {
        return Ok(Some(found));
    }
    find(group, new, BY_ID, params![new.id]).await
}

async fn find(group: &Group, new: &NewRun, sql: &'static str, params: &[Param<'_>]) -> Result<Option<Outcome>, Fault> {
    let Some(row) = group.db.find(sql, params).await? else {
        return Ok(None);
    };
    let run = run_id(&row, 0)?;
    let same_input = group.payloads().has(&row, 1, &new.input);
    Ok(Some(Outcome::Existing {
        run,
        same_input: same_input.map_err(|fault| fault.within(|| format!("run {run}")))?,
    }))
}

async fn insert(group: &Group, new: &NewRun) -> Result<bool, Fault> {
    const SQL: &str = "INSERT INTO lumina.workflow_run (id, epoch, seq, inbox, status, phase, priority, ready_rank, wake_at, \
         hash, known_since, answered, any_hash, created_at, updated_at, workflow, start_key, input, parent, flow_key) \
         VALUES ($1, 0, 0, 0, 'pending', 'main', $2, $3, $4, $5, $6, 0, false, $7, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT DO NOTHING";
    let wake_at = (!new.delay.is_zero()).then(|| later(group.now, new.delay));
    let ready_rank = match wake_at {
        Some(_) => None,
        None => {
            let key = new.flow_key.as_deref().unwrap_or_default();
            Some(fair_rank(group, &new.workflow, key, new.priority.into()).await?)
        }
    };
    let params = params![
        new.id,
        i64::from(new.priority),
        ready_rank,
        wake_at,
        new.hash.0.cast_signed(),
        new.known_since.as_microsecond(),
        group.now,
        &new.workflow,
        &new.start_key,
        group.payloads().write(&new.input)?,
        new.parent.map(|parent| parent.0),
        &new.flow_key,
    ];
    if group.execute(SQL, params).await? == 0 {
        return Ok(false);
    }
    match wake_at {
        Some(at) => group.note_timer(at),
        None => group.note_ready(),
    }
    Ok(true)
}
