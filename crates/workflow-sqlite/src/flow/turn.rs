//! Places in the queue: runs with a flow key take turns.

use lumina_workflow::RunId;
use rusqlite::{OptionalExtension, params};

use super::MOVES;
use crate::column::{limit, run_id};
use crate::fault::Fault;
use crate::group::Group;

/// The place of a run that becomes ready.
pub(crate) fn rank(group: &Group<'_>, run: RunId) -> Result<i64, Fault> {
    const SQL: &str = "SELECT workflow, flow_key, priority FROM workflow_run WHERE id = ?1 AND flow_key > ''";
    let found = group
        .conn
        .prepare_cached(SQL)?
        .query_row([run.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((workflow, key, priority)): Option<(String, String, i64)> = found else {
        return Ok(group.next_rank());
    };
    fair_rank(group, &workflow, &key, priority)
}

/// The first place in the queue of this priority that is behind the last place of the key:
/// among what is ready, and among what is held for the whole workflow's sake. With nobody
/// there, the end of the queue.
pub(crate) fn fair_rank(group: &Group<'_>, workflow: &str, key: &str, priority: i64) -> Result<i64, Fault> {
    const LAST: &str = "SELECT last_rank FROM workflow_flow WHERE workflow = ?1 AND key = ?2";
    const SAVE: &str = "INSERT INTO workflow_flow (workflow, key, last_rank) VALUES (?1, ?2, ?3) \
         ON CONFLICT DO UPDATE SET last_rank = excluded.last_rank";
    if key.is_empty() {
        return Ok(group.next_rank());
    }
    let mut statement = group.conn.prepare_cached(LAST)?;
    let last = statement
        .query_row([workflow, key], |row| row.get::<_, i64>(0))
        .optional()?;
    let last = last.unwrap_or(i64::MIN);
    let slot = group
        .conn
        .prepare_cached(SLOT)?
        .query_row(params![priority, last, workflow], |row| row.get::<_, Option<i64>>(0))?;
    let rank = slot.unwrap_or_else(|| group.next_rank_behind(last));
    group.note_rank(rank);
    group.execute(SAVE, params![workflow, key, rank])?;
    Ok(rank)
}

pub(super) const SLOT: &str = "SELECT min(rank) FROM (\
     SELECT (SELECT ready_rank FROM workflow_run INDEXED BY workflow_run_ready WHERE ready_rank IS NOT NULL \
     AND priority = ?1 AND ready_rank > ?2 ORDER BY ready_rank LIMIT 1) AS rank \
     UNION ALL SELECT (SELECT held_rank FROM workflow_run INDEXED BY workflow_run_held WHERE held_in IS NOT NULL \
     AND workflow = ?3 AND held_in = 'w' AND priority = ?1 AND held_rank > ?2 ORDER BY held_rank LIMIT 1) \
     UNION ALL SELECT (SELECT held_rank FROM workflow_run INDEXED BY workflow_run_held WHERE held_in IS NOT NULL \
     AND workflow = ?3 AND held_in = 'p' AND priority = ?1 AND held_rank > ?2 ORDER BY held_rank LIMIT 1))";

pub(super) const KEYED_TIMERS: &str = "SELECT id FROM workflow_run INDEXED BY workflow_run_keyed_timer \
     WHERE wake_at IS NOT NULL AND flow_key IS NOT NULL AND wake_at <= ?1 ORDER BY wake_at, id LIMIT ?2";

/// Timers of runs with a flow key that are due: the runs are ready, and wait for their turn.
/// Answers when the next one is due.
pub(crate) fn ripen(group: &Group<'_>) -> Result<i64, Fault> {
    const READY: &str = "UPDATE workflow_run SET ready_rank = ?2, wake_at = NULL WHERE id = ?1";
    const NEXT: &str = "SELECT wake_at FROM workflow_run INDEXED BY workflow_run_keyed_timer \
         WHERE wake_at IS NOT NULL AND flow_key IS NOT NULL ORDER BY wake_at LIMIT 1";
    let due = {
        let mut statement = group.conn.prepare_cached(KEYED_TIMERS)?;
        let mut rows = statement.query(params![group.now, limit(MOVES)])?;
        let mut due = Vec::new();
        while let Some(row) = rows.next()? {
            due.push(run_id(row, 0)?);
        }
        due
    };
    for run in &due {
        let rank = rank(group, *run)?;
        group.execute(READY, params![run.0, rank])?;
    }
    if due.len() == MOVES {
        group.note_ready();
    }
    let next = group
        .conn
        .prepare_cached(NEXT)?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(next.unwrap_or(i64::MAX))
}
