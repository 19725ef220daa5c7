//! Schedules as workers and people look at them.

use lumina_workflow::RunId;
use lumina_workflow::store::{ScheduleQuery, ScheduleRow, Wish};
use tokio_postgres::Row;

use crate::column::{flag, limit, number, optional_id, optional_string, optional_time, string, text, time};
use crate::fault::Fault;
use crate::param::params;
use crate::payloads::Payloads;
use crate::session::Session;

/// The columns of [`schedule_row`], in its order. The schedule's runs are those whose start keys
/// begin with its name and an `@`, which `A` follows.
macro_rules! select {
    () => {
        "SELECT name, workflow, spec, input, revision, next_at, paused_by, paused_at, resumed_by, \
         resumed_at, triggered_by, triggered_at, removed_at, last_tick, last_run, started, skipped, missed, triggers, \
         created_at, updated_at, \
         EXISTS (SELECT 1 FROM lumina.workflow_run AS r \
             WHERE r.finished_at IS NULL AND substr(r.start_key, 1, 9) = 'schedule:' \
             AND r.start_key >= 'schedule:' || s.name || '@' AND r.start_key < 'schedule:' || s.name || 'A') \
         FROM lumina.workflow_schedule AS s"
    };
}

/// Those that fit, by name.
pub(crate) async fn read(db: &Session, payloads: &Payloads, query: &ScheduleQuery) -> Result<Vec<ScheduleRow>, Fault> {
    const SQL: &str = concat!(
        select!(),
        " WHERE ($1 IS NULL OR name = $1) AND ($2 IS NULL OR name > $2) ORDER BY name LIMIT $3"
    );
    let rows = db
        .query(SQL, params![&query.name, &query.after, limit(query.limit)])
        .await?;
    rows.iter().map(|row| schedule_row(row, payloads)).collect()
}

/// The one of this name.
pub(crate) async fn find(db: &Session, payloads: &Payloads, name: &str) -> Result<Option<ScheduleRow>, Fault> {
    const SQL: &str = concat!(select!(), " WHERE name = $1");
    let row = db.find(SQL, params![name]).await?;
    row.map(|row| schedule_row(&row, payloads)).transpose()
}

fn schedule_row(row: &Row, payloads: &Payloads) -> Result<ScheduleRow, Fault> {
    Ok(ScheduleRow {
        name: string(row, 0)?,
        workflow: string(row, 1)?,
        spec: serde_json::from_str(&text(row, 2)?).map_err(|e| Fault::Broken(format!("a schedule's spec: {e}")))?,
        input: payloads.read(row, 3)?,
        revision: number(row, 4)?,
        next_at: optional_time(row, 5)?,
        paused: wish(row, 6)?,
        resumed: wish(row, 8)?,
        triggered: wish(row, 10)?,
        removed_at: optional_time(row, 12)?,
        last_tick: optional_time(row, 13)?,
        last_run: optional_id(row, 14)?.map(RunId),
        started: number(row, 15)?,
        skipped: number(row, 16)?,
        missed: number(row, 17)?,
        triggers: number(row, 18)?,
        created_at: time(row, 19)?,
        updated_at: time(row, 20)?,
        running: flag(row, 21)?,
    })
}

fn wish(row: &Row, index: usize) -> Result<Option<Wish>, Fault> {
    let by = optional_string(row, index)?;
    let at = optional_time(row, index + 1)?;
    Ok(by.zip(at).map(|(by, at)| Wish { by, at }))
}
