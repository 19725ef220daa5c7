//! From columns to the engine's types and back.

use std::time::Duration;

use jiff::Timestamp;
use lumina_workflow::store::{Limit, RunRow, RunStatus, Throttled};
use lumina_workflow::{CorrelationKey, DefinitionHash, Epoch, Phase, RunId, Seq, StoredEvent, Target, WorkerId};
use rusqlite::Row;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use uuid::Uuid;

use crate::fault::Fault;
use crate::flow::Place;
use crate::payloads::Payloads;

/// Numbers that only grow from zero, as SQLite keeps them.
pub(crate) fn to_int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// And back.
pub(crate) fn from_int(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A LIMIT.
pub(crate) fn limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A time so much later, or the last one that there is.
pub(crate) fn later(now: i64, by: Duration) -> i64 {
    let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    now.saturating_add(by).min(Timestamp::MAX.as_microsecond())
}

/// A time from its column.
pub(crate) fn timestamp(micros: i64) -> Result<Timestamp, Fault> {
    Timestamp::from_microsecond(micros).map_err(|_| Fault::Broken(format!("{micros} is no time in microseconds")))
}

pub(crate) fn text<'r>(row: &'r Row<'_>, index: usize) -> Result<&'r str, Fault> {
    row.get_ref(index)?
        .as_str()
        .map_err(|_| Fault::Broken(format!("column {index} of a row is no text")))
}

pub(crate) fn run_id(row: &Row<'_>, index: usize) -> Result<RunId, Fault> {
    Ok(RunId(row.get::<_, Uuid>(index)?))
}

pub(crate) fn time(row: &Row<'_>, index: usize) -> Result<Timestamp, Fault> {
    timestamp(row.get(index)?)
}

pub(crate) fn optional_time(row: &Row<'_>, index: usize) -> Result<Option<Timestamp>, Fault> {
    row.get::<_, Option<i64>>(index)?.map(timestamp).transpose()
}

pub(crate) fn status(row: &Row<'_>, index: usize) -> Result<RunStatus, Fault> {
    let word = text(row, index)?;
    RunStatus::parse(word).ok_or_else(|| Fault::Broken(format!("`{word}` is no status that this version knows")))
}

pub(crate) fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Main => "main",
        Phase::OnFailure => "on_failure",
    }
}

pub(crate) fn phase(row: &Row<'_>, index: usize) -> Result<Phase, Fault> {
    match text(row, index)? {
        "main" => Ok(Phase::Main),
        "on_failure" => Ok(Phase::OnFailure),
        word => Err(Fault::Broken(format!("`{word}` is no phase that this version knows"))),
    }
}

/// The columns of [`run_row`], in its order, and those that only the claim looks at.
macro_rules! run_columns {
    () => {
        "id, workflow, hash, start_key, status, phase, input, output, failure, failing_since, blocked, \
         CASE WHEN status = 'cancelled' OR (phase = 'main' AND finished_at IS NULL) THEN cancel_by END, priority, \
         seq, inbox, epoch, worker, coalesce(lease_until, wake_at), created_at, updated_at, finished_at, \
         parent, flow_key, begun_at, pause_by, paused_at, buffered, \
         known_since, any_hash, coalesce(ready_rank, lease_until, wake_at, held_rank, updated_at), \
         admitted, held_in, cancel_by IS NOT NULL, held_at, \
         CASE WHEN held_in = 'p' THEN 'workflow_paused' WHEN held_in IS NOT NULL THEN coalesce((SELECT closed_by \
         FROM workflow_flow AS f WHERE f.workflow = workflow_run.workflow AND f.key = substr(held_in, 2)), 'in_flight') END"
    };
}
pub(crate) use run_columns;

/// The place of `known_since` in [`run_columns`].
pub(crate) const KNOWN_SINCE: usize = 27;

/// The place of `any_hash` in [`run_columns`].
pub(crate) const ANY_HASH: usize = 28;

/// The place, in [`run_columns`], of the time since when the run is to be claimed.
pub(crate) const SINCE: usize = 29;

/// The place, in [`run_columns`], of what flow control needs.
const FLOW: usize = 30;

/// What of a run's row flow control goes by.
pub(crate) fn place(row: &Row<'_>) -> Result<Place, Fault> {
    Ok(Place {
        admitted: row.get(FLOW)?,
        held_in: row.get(FLOW + 1)?,
        cancelled: row.get(FLOW + 2)?,
    })
}

fn throttled(row: &Row<'_>) -> Result<Option<Throttled>, Fault> {
    let Some(since) = optional_time(row, FLOW + 3)? else {
        return Ok(None);
    };
    let word = text(row, FLOW + 4)?;
    let unknown = || Fault::Broken(format!("`{word}` is no limit that this version knows"));
    let limit = Limit::parse(word).ok_or_else(unknown)?;
    Ok(Some(Throttled { limit, since }))
}

/// Reads a run.
pub(crate) fn run_row(row: &Row<'_>, payloads: &Payloads) -> Result<RunRow, Fault> {
    let id = run_id(row, 0)?;
    let of_run = |fault: Fault| fault.within(|| format!("run {id}"));
    let failure = match row.get_ref(8)? {
        ValueRef::Null => None,
        _ => Some(serde_json::from_str(text(row, 8)?).map_err(|e| Fault::Broken(format!("a run's failure: {e}")))?),
    };
    Ok(RunRow {
        id,
        workflow: text(row, 1)?.to_owned(),
        hash: DefinitionHash(row.get::<_, i64>(2)?.cast_unsigned()),
        start_key: row.get(3)?,
        status: status(row, 4)?,
        phase: phase(row, 5)?,
        input: payloads.read(row, 6).map_err(of_run)?,
        output: payloads.read_optional(row, 7).map_err(of_run)?,
        failure,
        failing_since: optional_time(row, 9)?,
        blocked: row.get(10)?,
        cancel_by: row.get(11)?,
        priority: row.get(12)?,
        seq: Seq(from_int(row.get(13)?)),
        inbox: from_int(row.get(14)?),
        epoch: Epoch(from_int(row.get(15)?)),
        worker: row.get::<_, Option<Uuid>>(16)?.map(WorkerId),
        due_at: optional_time(row, 17)?,
        created_at: time(row, 18)?,
        updated_at: time(row, 19)?,
        finished_at: optional_time(row, 20)?,
        parent: row.get::<_, Option<Uuid>>(21)?.map(RunId),
        flow_key: row.get(22)?,
        throttled: throttled(row)?,
        begun_at: optional_time(row, 23)?,
        pause_by: row.get(24)?,
        paused_at: optional_time(row, 25)?,
        buffered: from_int(row.get(26)?),
    })
}

/// An event's target as the two columns that all event tables share.
pub(crate) fn scope(target: &Target) -> (ToSqlOutput<'_>, &str) {
    match target {
        Target::Run(run) => (ToSqlOutput::Borrowed(ValueRef::Blob(run.0.as_bytes())), ""),
        Target::Key(key) => (
            ToSqlOutput::Borrowed(ValueRef::Text(key.namespace.as_bytes())),
            &key.key,
        ),
    }
}

/// A run as an event's target.
pub(crate) fn run_scope(run: RunId) -> Value {
    Value::Blob(run.0.as_bytes().to_vec())
}

fn target(row: &Row<'_>, index: usize) -> Result<Target, Fault> {
    match row.get_ref(index)? {
        ValueRef::Blob(_) => run_id(row, index).map(Target::Run),
        _ => Ok(Target::Key(CorrelationKey::new(
            text(row, index)?,
            text(row, index + 1)?,
        ))),
    }
}

/// The columns of [`stored_event`], in its order.
macro_rules! event_columns {
    () => {
        "seq, id, scope, scope_key, name, key, payload, received_at, sent_by"
    };
}
pub(crate) use event_columns;

/// Reads an event of the inbox, or an unrouted one.
pub(crate) fn stored_event(row: &Row<'_>, payloads: &Payloads) -> Result<StoredEvent, Fault> {
    let id = text(row, 1)?;
    let payload = payloads.read(row, 6);
    Ok(StoredEvent {
        seq: from_int(row.get(0)?),
        id: id.to_owned(),
        target: target(row, 2)?,
        name: text(row, 4)?.to_owned(),
        key: row.get(5)?,
        payload: payload.map_err(|fault| fault.within(|| format!("event {id}")))?,
        received_at: time(row, 7)?,
        by: row.get(8)?,
    })
}
