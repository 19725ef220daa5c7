//! When the next claim is worth it.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::column::timestamp;
use crate::fault::Fault;
use crate::flow;

/// The earliest of the timers and leases, and of the times at which held runs are worth a
/// look; `now` when a run is ready already.
pub(crate) fn next_due(conn: &Connection, now: i64) -> Result<Option<Timestamp>, Fault> {
    const READY: &str = "SELECT 1 FROM workflow_run INDEXED BY workflow_run_ready WHERE ready_rank IS NOT NULL LIMIT 1";
    const LEASE: &str = "SELECT lease_until FROM workflow_run INDEXED BY workflow_run_lease \
         WHERE lease_until IS NOT NULL ORDER BY lease_until LIMIT 1";
    let ready = conn.prepare_cached(READY)?.exists([])?.then_some(now);
    let lease: Option<i64> = conn.prepare_cached(LEASE)?.query_row([], |row| row.get(0)).optional()?;
    let timer = timer(conn)?;
    ready
        .into_iter()
        .chain(lease)
        .chain(timer)
        .chain(keyed_timer(conn)?)
        .chain(flow::next_release(conn)?)
        .min()
        .map(timestamp)
        .transpose()
}

fn timer(conn: &Connection) -> Result<Option<i64>, Fault> {
    const SQL: &str = "SELECT wake_at FROM workflow_run INDEXED BY workflow_run_timer \
         WHERE wake_at IS NOT NULL AND flow_key IS NULL AND priority = ?1 ORDER BY wake_at LIMIT 1";
    let mut first = None;
    let mut above = None;
    while let Some(priority) = next_priority(conn, above)? {
        let at: i64 = conn.prepare_cached(SQL)?.query_row([priority], |row| row.get(0))?;
        first = first.into_iter().chain([at]).min();
        above = Some(priority);
    }
    Ok(first)
}

fn keyed_timer(conn: &Connection) -> Result<Option<i64>, Fault> {
    const SQL: &str = "SELECT wake_at FROM workflow_run INDEXED BY workflow_run_keyed_timer \
         WHERE wake_at IS NOT NULL AND flow_key IS NOT NULL ORDER BY wake_at LIMIT 1";
    Ok(conn.prepare_cached(SQL)?.query_row([], |row| row.get(0)).optional()?)
}

/// The next lower priority among the runs with a timer: one step of the index for each that
/// occurs, so that the cost does not grow with the number of runs.
pub(crate) fn next_priority(conn: &Connection, above: Option<i64>) -> Result<Option<i64>, Fault> {
    const SQL: &str = "SELECT priority FROM workflow_run INDEXED BY workflow_run_timer \
         WHERE wake_at IS NOT NULL AND flow_key IS NULL AND priority < ?1 ORDER BY priority DESC LIMIT 1";
    let above = above.unwrap_or(i64::MAX);
    Ok(conn
        .prepare_cached(SQL)?
        .query_row([above], |row| row.get(0))
        .optional()?)
}
