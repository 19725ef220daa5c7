//! Counters as others see them, and when they are worth a look.

use lumina_workflow::store::{FlowQuery, FlowRow, Stamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::book::window;
use crate::column::{from_int, limit, timestamp};
use crate::fault::Fault;
use crate::group::Group;

macro_rules! flow_columns {
    () => {
        "SELECT workflow, key, in_flight, held + paused + CASE WHEN key <> '' THEN 0 ELSE coalesce((SELECT sum(k.held) \
         FROM workflow_flow AS k INDEXED BY workflow_flow_held WHERE k.held > 0 AND k.workflow = f.workflow \
         AND k.key <> ''), 0) END, window_started, window_ends, window_count, paused_by, paused_at, resumed_by, resumed_at \
         FROM workflow_flow AS f "
    };
}

/// Counters by workflow and key.
pub(crate) fn rows(conn: &Connection, query: &FlowQuery) -> Result<Vec<FlowRow>, Fault> {
    const WHOLES: &str = concat!(
        flow_columns!(),
        "INDEXED BY workflow_flow_whole WHERE key = '' ORDER BY workflow LIMIT ?3"
    );
    const KEYS: &str = concat!(
        flow_columns!(),
        "WHERE workflow = ?1 AND (?2 IS NULL OR key > ?2) ORDER BY key LIMIT ?3"
    );
    let sql = if query.workflow.is_some() { KEYS } else { WHOLES };
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params![query.workflow, query.after, limit(query.limit)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(flow_row(row)?);
    }
    Ok(found)
}

fn flow_row(row: &Row<'_>) -> Result<FlowRow, Fault> {
    let key: String = row.get(1)?;
    Ok(FlowRow {
        workflow: row.get(0)?,
        key: Some(key).filter(|key| !key.is_empty()),
        in_flight: from_int(row.get(2)?),
        throttled: from_int(row.get(3)?),
        window: window(row, 4)?,
        paused: stamp(row, 7)?,
        resumed: stamp(row, 9)?,
    })
}

fn stamp(row: &Row<'_>, index: usize) -> Result<Option<Stamp>, Fault> {
    let Some(by) = row.get(index)? else { return Ok(None) };
    let at = timestamp(row.get(index + 1)?)?;
    Ok(Some(Stamp { by, at }))
}

/// The earliest time at which something that is held, in a workflow that is not paused, is
/// worth a look: workflow by workflow, so that only the head of each is read.
pub(crate) fn next_release(conn: &Connection) -> Result<Option<i64>, Fault> {
    const NEXT: &str = "SELECT workflow, release_at FROM workflow_flow INDEXED BY workflow_flow_release \
         WHERE release_at IS NOT NULL AND workflow > ?1 ORDER BY workflow, release_at LIMIT 1";
    const PAUSED: &str = "SELECT 1 FROM workflow_flow WHERE workflow = ?1 AND key = '' AND paused_by IS NOT NULL";
    let (mut above, mut first) = (String::new(), None::<i64>);
    loop {
        let next = conn
            .prepare_cached(NEXT)?
            .query_row([&above], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((workflow, at)): Option<(String, i64)> = next else {
            return Ok(first);
        };
        if !conn.prepare_cached(PAUSED)?.exists([&workflow])? {
            first = first.into_iter().chain([at]).min();
        }
        above = workflow;
    }
}

/// Forgets counters of keys that count nothing.
pub(crate) fn purge(group: &Group<'_>, before: i64, count: usize) -> Result<usize, Fault> {
    const SQL: &str = "DELETE FROM workflow_flow WHERE (workflow, key) IN (SELECT workflow, key FROM workflow_flow \
         INDEXED BY workflow_flow_idle WHERE in_flight = 0 AND promised = 0 AND held = 0 AND key <> '' \
         AND last_rank < ?1 AND coalesce(window_ends, ?2) <= ?2 ORDER BY last_rank, workflow, key LIMIT ?3)";
    group.execute(SQL, params![before, group.now, limit(count)])
}
