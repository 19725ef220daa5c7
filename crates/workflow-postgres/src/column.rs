//! From columns to the engine's types and back.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use lumina_workflow::store::{Limit, RunRow, RunStatus, Throttled};
use lumina_workflow::{CorrelationKey, DefinitionHash, Epoch, Phase, RunId, Seq, StoredEvent, Target, WorkerId};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::fault::Fault;
use crate::flow::Place;
use crate::payloads::Payloads;
use crate::text;

/// Numbers that only grow from zero, as PostgreSQL keeps them.
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

pub(crate) fn text(row: &Row, index: usize) -> Result<Cow<'_, str>, Fault> {
    Ok(text::read(row.try_get(index)?))
}

pub(crate) fn optional_text(row: &Row, index: usize) -> Result<Option<Cow<'_, str>>, Fault> {
    Ok(row.try_get::<_, Option<&str>>(index)?.map(text::read))
}

pub(crate) fn string(row: &Row, index: usize) -> Result<String, Fault> {
    text(row, index).map(Cow::into_owned)
}

pub(crate) fn optional_string(row: &Row, index: usize) -> Result<Option<String>, Fault> {
    Ok(optional_text(row, index)?.map(Cow::into_owned))
}

pub(crate) fn int(row: &Row, index: usize) -> Result<i64, Fault> {
    Ok(row.try_get(index)?)
}

pub(crate) fn number(row: &Row, index: usize) -> Result<u64, Fault> {
    int(row, index).map(from_int)
}

pub(crate) fn optional_int(row: &Row, index: usize) -> Result<Option<i64>, Fault> {
    Ok(row.try_get(index)?)
}

pub(crate) fn flag(row: &Row, index: usize) -> Result<bool, Fault> {
    Ok(row.try_get(index)?)
}

pub(crate) fn run_id(row: &Row, index: usize) -> Result<RunId, Fault> {
    Ok(RunId(row.try_get(index)?))
}

pub(crate) fn optional_id(row: &Row, index: usize) -> Result<Option<Uuid>, Fault> {
    Ok(row.try_get(index)?)
}

pub(crate) fn time(row: &Row, index: usize) -> Result<Timestamp, Fault> {
    timestamp(int(row, index)?)
}

pub(crate) fn optional_time(row: &Row, index: usize) -> Result<Option<Timestamp>, Fault> {
    optional_int(row, index)?.map(timestamp).transpose()
}

/// A number that the engine has in fewer bits.
pub(crate) fn small<N: TryFrom<i64>>(row: &Row, index: usize) -> Result<N, Fault> {
    let found = int(row, index)?;
    N::try_from(found).map_err(|_| Fault::Broken(format!("{found} in column {index} is out of range")))
}

pub(crate) fn status(row: &Row, index: usize) -> Result<RunStatus, Fault> {
    let word = text(row, index)?;
    RunStatus::parse(&word).ok_or_else(|| Fault::Broken(format!("`{word}` is no status that this version knows")))
}

pub(crate) fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Main => "main",
        Phase::OnFailure => "on_failure",
    }
}

pub(crate) fn phase(row: &Row, index: usize) -> Result<Phase, Fault> {
    match &*text(row, index)? {
        "main" => Ok(Phase::Main),
        "on_failure" => Ok(Phase::OnFailure),
        word => Err(Fault::Broken(format!("`{word}` is no phase that this version knows"))),
    }
}

/// The columns of [`run_row`], in its order, and those that only the claim looks at.
macro_rules! run_columns {
    () => {
        "r.id, r.workflow, r.hash, r.start_key, r.status, r.phase, r.input, r.output, r.failure, r.failing_since, r.blocked, \
         CASE WHEN r.status = 'cancelled' OR (r.phase = 'main' AND r.finished_at IS NULL) THEN r.cancel_by END, r.priority, \
         r.seq, r.inbox, r.epoch, r.worker, coalesce(r.lease_until, r.wake_at), r.created_at, r.updated_at, r.finished_at, \
         r.parent, r.flow_key, r.begun_at, r.pause_by, r.paused_at, r.buffered, \
         coalesce(r.ready_rank, r.lease_until, r.wake_at, r.held_rank, r.updated_at), \
         r.admitted, r.held_in, r.cancel_by IS NOT NULL, r.held_at, \
         CASE WHEN r.held_in = 'p' THEN 'workflow_paused' WHEN r.held_in IS NOT NULL THEN coalesce((SELECT f.closed_by \
         FROM lumina.workflow_flow AS f WHERE f.workflow = r.workflow AND f.key = substr(r.held_in, 2)), 'in_flight') END"
    };
}
pub(crate) use run_columns;

/// The place, in [`run_columns`], of the time since when the run is to be claimed.
pub(crate) const SINCE: usize = 27;

/// The place, in [`run_columns`], of what flow control needs.
const FLOW: usize = 28;

/// What of a run's row flow control goes by.
pub(crate) fn place(row: &Row) -> Result<Place, Fault> {
    Ok(Place {
        admitted: int(row, FLOW)?,
        held_in: optional_string(row, FLOW + 1)?,
        cancelled: flag(row, FLOW + 2)?,
    })
}

fn throttled(row: &Row) -> Result<Option<Throttled>, Fault> {
    let Some(since) = optional_time(row, FLOW + 3)? else {
        return Ok(None);
    };
    let word = text(row, FLOW + 4)?;
    let unknown = || Fault::Broken(format!("`{word}` is no limit that this version knows"));
    let limit = Limit::parse(&word).ok_or_else(unknown)?;
    Ok(Some(Throttled { limit, since }))
}

/// Reads a run.
pub(crate) fn run_row(row: &Row, payloads: &Payloads) -> Result<RunRow, Fault> {
    let id = run_id(row, 0)?;
    let of_run = |fault: Fault| fault.within(|| format!("run {id}"));
    let failure = optional_text(row, 8)?
        .map(|text| serde_json::from_str(&text).map_err(|e| Fault::Broken(format!("a run's failure: {e}"))))
        .transpose()?;
    Ok(RunRow {
        id,
        workflow: string(row, 1)?,
        hash: DefinitionHash(int(row, 2)?.cast_unsigned()),
        start_key: optional_string(row, 3)?,
        status: status(row, 4)?,
        phase: phase(row, 5)?,
        input: payloads.read(row, 6).map_err(of_run)?,
        output: payloads.read_optional(row, 7).map_err(of_run)?,
        failure,
        failing_since: optional_time(row, 9)?,
        blocked: optional_string(row, 10)?,
        cancel_by: optional_string(row, 11)?,
        priority: small(row, 12)?,
        seq: Seq(number(row, 13)?),
        inbox: number(row, 14)?,
        epoch: Epoch(number(row, 15)?),
        worker: optional_id(row, 16)?.map(WorkerId),
        due_at: optional_time(row, 17)?,
        created_at: time(row, 18)?,
        updated_at: time(row, 19)?,
        finished_at: optional_time(row, 20)?,
        parent: optional_id(row, 21)?.map(RunId),
        flow_key: optional_string(row, 22)?,
        throttled: throttled(row)?,
        begun_at: optional_time(row, 23)?,
        pause_by: optional_string(row, 24)?,
        paused_at: optional_time(row, 25)?,
        buffered: number(row, 26)?,
    })
}

/// An event's target as the two columns that all event tables share.
pub(crate) fn scope(target: &Target) -> (String, Cow<'_, str>) {
    match target {
        Target::Run(run) => (RUN_SCOPE.to_owned(), run.0.to_string().into()),
        Target::Key(key) => (format!("k{}", key.namespace), (&*key.key).into()),
    }
}

/// The scope of events that are addressed to a run.
pub(crate) const RUN_SCOPE: &str = "r";

fn target(row: &Row, index: usize) -> Result<Target, Fault> {
    let (scope, key) = (text(row, index)?, text(row, index + 1)?);
    match scope.strip_prefix('k') {
        Some(namespace) => Ok(Target::Key(CorrelationKey::new(namespace, key))),
        None => Uuid::parse_str(&key)
            .map(|id| Target::Run(RunId(id)))
            .map_err(|_| Fault::Broken(format!("`{key}` is no run's id"))),
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
pub(crate) fn stored_event(row: &Row, payloads: &Payloads) -> Result<StoredEvent, Fault> {
    let id = string(row, 1)?;
    let payload = payloads.read(row, 6);
    Ok(StoredEvent {
        seq: number(row, 0)?,
        target: target(row, 2)?,
        name: string(row, 4)?,
        key: optional_string(row, 5)?,
        payload: payload.map_err(|fault| fault.within(|| format!("event {id}")))?,
        received_at: time(row, 7)?,
        by: optional_string(row, 8)?,
        id,
    })
}
