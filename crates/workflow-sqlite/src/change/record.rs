//! Rows of history.

use lumina_workflow::store::StoredRecord;
use lumina_workflow::{
    Epoch, Payload, Record, RunId, Seq, StepKey, StepKind, StepRef, What, WhatRow, WorkerId, truncate,
};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use crate::column::{from_int, limit, phase, phase_word, text, time, to_int};
use crate::fault::Fault;
use crate::group::Group;
use crate::payloads::Payloads;

/// Inserts a record at its place. `computed` is what the attachment returned, for the record
/// that waits for it.
pub(super) fn insert(
    group: &Group<'_>,
    run: RunId,
    seq: Seq,
    record: &Record,
    computed: Option<&Payload>,
) -> Result<(), Fault> {
    const SQL: &str = "INSERT INTO workflow_record (run, seq, phase, ordinal, step, key, kind, what, attempt, payload, \
         detail, started_at, ended_at, worker, epoch) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
    let row = record.what.to_row();
    let payload = row
        .payload
        .as_ref()
        .or_else(|| computed.filter(|_| awaits_payload(record)));
    let step = record.step.as_ref();
    group.execute(
        SQL,
        params![
            run.0,
            to_int(seq.0),
            phase_word(record.phase),
            step.map(|step| step.ordinal),
            step.map(|step| &step.name),
            step.map(|step| step.key.to_string()),
            step.map(|step| step.kind.as_str()),
            row.what,
            row.attempt,
            group.payloads.write_optional(payload)?,
            row.detail,
            record.started_at.as_microsecond(),
            record.ended_at.as_microsecond(),
            record.worker.0,
            to_int(record.epoch.0),
        ],
    )?;
    Ok(())
}

/// Whether its payload comes from the attachment.
pub(super) fn awaits_payload(record: &Record) -> bool {
    matches!(record.what, What::Completed { payload: None, .. })
}

/// A run's records after a place, oldest first.
pub(crate) fn read(
    conn: &Connection,
    payloads: &Payloads,
    run: RunId,
    after: Seq,
    count: usize,
) -> Result<Vec<StoredRecord>, Fault> {
    const SQL: &str = "SELECT seq, phase, ordinal, step, key, kind, what, attempt, payload, detail, started_at, \
         ended_at, worker, epoch FROM workflow_record WHERE run = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
    let mut statement = conn.prepare_cached(SQL)?;
    let mut rows = statement.query(params![run.0, to_int(after.0), limit(count)])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(decode(row, payloads).map_err(|fault| fault.within(|| format!("the history of run {run}")))?);
    }
    Ok(records)
}

fn decode(row: &Row<'_>, payloads: &Payloads) -> Result<StoredRecord, Fault> {
    let detail = match row.get_ref(9)? {
        ValueRef::Null => None,
        _ => Some(text(row, 9)?),
    };
    let what = What::from_row(text(row, 6)?, row.get(7)?, payloads.read_optional(row, 8)?, detail)?;
    let record = Record {
        phase: phase(row, 1)?,
        step: step(row)?,
        what,
        started_at: time(row, 10)?,
        ended_at: time(row, 11)?,
        worker: WorkerId(row.get::<_, Uuid>(12)?),
        epoch: Epoch(from_int(row.get(13)?)),
    };
    Ok(StoredRecord {
        seq: Seq(from_int(row.get(0)?)),
        record,
    })
}

fn step(row: &Row<'_>) -> Result<Option<StepRef>, Fault> {
    let Some(ordinal) = row.get(2)? else { return Ok(None) };
    let (key, kind) = (text(row, 4)?, text(row, 5)?);
    let unknown =
        |what: &str, word: &str| Fault::Broken(format!("`{word}` is no step's {what} that this version knows"));
    Ok(Some(StepRef {
        ordinal,
        name: text(row, 3)?.to_owned(),
        key: StepKey::parse(key).ok_or_else(|| unknown("key", key))?,
        kind: StepKind::parse(kind).ok_or_else(|| unknown("kind", kind))?,
    }))
}

/// Whether what is stored is what is to be written; with an attachment, payloads that it
/// computed are left out of the comparison.
pub(super) fn is_same(stored: &Record, new: &Record, attached: bool) -> bool {
    let computed = attached && awaits_payload(new);
    let parts = |record: &Record| {
        let row = record.what.to_row();
        WhatRow {
            payload: row.payload.filter(|_| !computed),
            ..row
        }
    };
    stored.phase == new.phase
        && stored.step == new.step
        && stored.worker == new.worker
        && stored.epoch == new.epoch
        && stored.started_at == truncate(new.started_at)
        && stored.ended_at == truncate(new.ended_at)
        && parts(stored) == parts(new)
}
