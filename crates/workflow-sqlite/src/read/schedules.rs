//! Schedules as workers and people look at them.

use lumina_workflow::RunId;
use lumina_workflow::store::{ScheduleQuery, ScheduleRow, Wish};
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use crate::column::{from_int, limit, optional_time, text, time};
use crate::fault::Fault;
use crate::payloads::Payloads;

/// The columns of [`schedule_row`], in its order. The schedule's runs are those whose start keys
/// begin with its name and an `@`, which `A` follows.
pub(crate) const SELECT: &str = "SELECT name, workflow, spec, input, revision, next_at, paused_by, paused_at, resumed_by, \
     resumed_at, triggered_by, triggered_at, removed_at, last_tick, last_run, started, skipped, missed, triggers, \
     created_at, updated_at, \
     EXISTS (SELECT 1 FROM workflow_run INDEXED BY workflow_run_scheduled \
         WHERE finished_at IS NULL AND substr(start_key, 1, 9) = 'schedule:' \
         AND start_key >= 'schedule:' || name || '@' AND start_key < 'schedule:' || name || 'A') \
     FROM workflow_schedule";

/// Those that fit, by name.
pub(crate) fn read(conn: &Connection, payloads: &Payloads, query: &ScheduleQuery) -> Result<Vec<ScheduleRow>, Fault> {
    let sql = format!("{SELECT} WHERE (?1 IS NULL OR name = ?1) AND (?2 IS NULL OR name > ?2) ORDER BY name LIMIT ?3");
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params![query.name, query.after, limit(query.limit)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(schedule_row(row, payloads)?);
    }
    Ok(found)
}

/// The one of this name.
pub(crate) fn find(conn: &Connection, payloads: &Payloads, name: &str) -> Result<Option<ScheduleRow>, Fault> {
    let sql = format!("{SELECT} WHERE name = ?1");
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query([name])?;
    rows.next()?.map(|row| schedule_row(row, payloads)).transpose()
}

fn schedule_row(row: &Row<'_>, payloads: &Payloads) -> Result<ScheduleRow, Fault> {
    let spec = text(row, 2)?;
    Ok(ScheduleRow {
        name: row.get(0)?,
        workflow: row.get(1)?,
        spec: serde_json::from_str(spec).map_err(|e| Fault::Broken(format!("a schedule's spec: {e}")))?,
        input: payloads.read(row, 3)?,
        revision: from_int(row.get(4)?),
        next_at: optional_time(row, 5)?,
        paused: wish(row, 6)?,
        resumed: wish(row, 8)?,
        triggered: wish(row, 10)?,
        removed_at: optional_time(row, 12)?,
        last_tick: optional_time(row, 13)?,
        last_run: row.get::<_, Option<Uuid>>(14)?.map(RunId),
        started: from_int(row.get(15)?),
        skipped: from_int(row.get(16)?),
        missed: from_int(row.get(17)?),
        triggers: from_int(row.get(18)?),
        created_at: time(row, 19)?,
        updated_at: time(row, 20)?,
        running: row.get(21)?,
    })
}

fn wish(row: &Row<'_>, index: usize) -> Result<Option<Wish>, Fault> {
    let by: Option<String> = row.get(index)?;
    let at = optional_time(row, index + 1)?;
    Ok(by.zip(at).map(|(by, at)| Wish { by, at }))
}
