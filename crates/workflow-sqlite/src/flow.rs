//! Flow control: who is held, and by which counter.

mod book;
mod command;
mod read;
mod standing;
mod turn;

use lumina_workflow::RunId;
use lumina_workflow::store::{Claim, Limit, RunRow, RunStatus};
use rusqlite::{OptionalExtension, params};

pub(crate) use book::Book;
pub(crate) use command::apply;
pub(crate) use read::{next_release, purge, rows};
pub(crate) use standing::{News, Standing};
pub(crate) use turn::{fair_rank, rank, ripen};

use crate::column::to_int;
use crate::fault::Fault;
use crate::group::Group;

/// A claim moves at most this many runs from one queue into another, so that its transaction
/// stays short; the next one goes on.
pub(crate) const MOVES: usize = 1_000;

/// The queue of runs whose workflow is paused.
pub(crate) const PAUSED: &str = "p";

/// The queue at a workflow's counter.
pub(crate) const WHOLE: &str = "w";

/// The queue at a key's counter.
fn of_key(key: &str) -> String {
    format!("k{key}")
}

/// The key of the counter that a queue belongs to; empty for the workflow's own.
fn key_of(queue: &str) -> &str {
    queue.get(1..).unwrap_or_default()
}

/// What a run's row says of flow control.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub admitted: i64,
    pub held_in: Option<String>,
    /// Somebody has asked it to end, whether it has acted on it or not.
    pub cancelled: bool,
}

const NOT_ADMITTED: i64 = 0;
const COUNTED: i64 = 1;
const UNCOUNTED: i64 = 2;

/// Which limit stands in the way of a run that would be claimed.
pub(crate) fn throttle(
    book: &mut Book<'_, '_>,
    claim: &Claim,
    run: &RunRow,
    place: &Place,
) -> Result<Option<Limit>, Fault> {
    if place.cancelled {
        return Ok(None);
    }
    if book.is_paused(&run.workflow) {
        return Ok(Some(Limit::WorkflowPaused));
    }
    let limits = claim.limits_of(&run.workflow);
    if limits.is_none() || place.admitted != NOT_ADMITTED {
        return Ok(None);
    }
    let promised = place.held_in.as_deref() == Some(WHOLE);
    book.throttle(run, &limits, promised)
}

/// Counts a run that is being claimed, and takes it out of where it was held. Answers what its
/// row shall say of it.
pub(crate) fn admit(book: &mut Book<'_, '_>, claim: &Claim, run: &RunRow, place: &Place) -> Result<i64, Fault> {
    const FREE: &str = "UPDATE workflow_run SET held_in = NULL, held_rank = NULL, held_at = NULL WHERE id = ?1";
    if let Some(queue) = &place.held_in {
        book.leave(run, queue)?;
        book.group.execute(FREE, [run.id.0])?;
    }
    let limits = claim.limits_of(&run.workflow);
    if limits.is_none() || place.cancelled || place.admitted == COUNTED {
        return Ok(match place.admitted {
            NOT_ADMITTED => UNCOUNTED,
            admitted => admitted,
        });
    }
    // What began without limits takes its place without asking, and is no beginning any more.
    book.count(run, &limits, place.admitted == NOT_ADMITTED)?;
    Ok(COUNTED)
}

/// Holds a run at its place in the queue.
pub(crate) fn hold(book: &mut Book<'_, '_>, run: &RunRow, place: &Place, limit: Limit, rank: i64) -> Result<(), Fault> {
    const HOLD: &str = "UPDATE workflow_run SET ready_rank = NULL, wake_at = NULL, held_in = ?2, held_rank = ?3, \
         held_at = ?4 WHERE id = ?1";
    const TAKE_AWAY: &str = "UPDATE workflow_run SET status = 'waiting', epoch = ?2, lease_until = NULL, \
         updated_at = ?3 WHERE id = ?1";
    let queue = match limit {
        Limit::WorkflowPaused => PAUSED.to_owned(),
        _ if limit.is_per_key() => of_key(run.flow_key.as_deref().unwrap_or_default()),
        _ => WHOLE.to_owned(),
    };
    if place.held_in.as_deref() == Some(&queue) {
        return book.keep(run, &queue, limit);
    }
    if let Some(former) = &place.held_in {
        book.leave(run, former)?;
    }
    book.enter(run, &queue, limit)?;
    let group = book.group;
    if run.status == RunStatus::Running {
        group.execute(TAKE_AWAY, params![run.id.0, to_int(run.epoch.0 + 1), group.now])?;
    }
    group.execute(HOLD, params![run.id.0, queue, rank, group.now])?;
    Ok(())
}

/// Makes a held run ready at the place that it has.
pub(crate) fn let_go(group: &Group<'_>, run: RunId) -> Result<(), Fault> {
    const FIND: &str = "SELECT workflow, flow_key, held_in FROM workflow_run WHERE id = ?1 AND held_in IS NOT NULL";
    const READY: &str = "UPDATE workflow_run SET ready_rank = held_rank, held_in = NULL, held_rank = NULL, \
         held_at = NULL WHERE id = ?1 RETURNING ready_rank";
    let found = group
        .conn
        .prepare_cached(FIND)?
        .query_row([run.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((workflow, key, queue)): Option<(String, Option<String>, String)> = found else {
        return Ok(());
    };
    group.note_ready();
    let rank = group.conn.prepare_cached(READY)?.query_row([run.0], |row| row.get(0))?;
    group.note_rank(rank);
    book::leave_outside(group, &workflow, key.as_deref(), &queue)
}

/// A run that has ended, and was counted, gives its place back.
pub(crate) fn give_back(group: &Group<'_>, run: RunId) -> Result<(), Fault> {
    const SQL: &str = "UPDATE workflow_flow SET in_flight = max(in_flight - 1, 0), \
         release_at = CASE WHEN held + paused > 0 AND paused_by IS NULL THEN min(coalesce(release_at, ?2), ?2) \
         ELSE release_at END \
         WHERE (workflow, key) IN (SELECT workflow, '' FROM workflow_run WHERE id = ?1 \
         UNION ALL SELECT workflow, flow_key FROM workflow_run WHERE id = ?1 AND flow_key > '')";
    group.execute(SQL, params![run.0, group.now])?;
    group.note_ready();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rusqlite::Connection;

    use crate::claim::tests::plan;
    use crate::migrate;

    /// However many runs are held, at however many counters: only heads of indices are read.
    #[test]
    fn flow_control_reads_heads_of_indices() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate::engine(&mut conn, Path::new("memory"), 0).unwrap();
        let cases = [
            (
                super::book::DUE,
                "SEARCH workflow_flow USING COVERING INDEX workflow_flow_release (workflow=? AND release_at>? AND release_at<?)",
            ),
            (
                super::book::OTHER_LIMITS,
                "SEARCH workflow_flow USING INDEX workflow_flow_held (workflow=? AND limits<?)",
            ),
            (
                super::turn::KEYED_TIMERS,
                "SEARCH workflow_run USING INDEX workflow_run_keyed_timer (wake_at>? AND wake_at<?)",
            ),
            (
                super::turn::SLOT,
                "SEARCH workflow_run USING COVERING INDEX workflow_run_held \
                 (workflow=? AND held_in=? AND priority=? AND held_rank>?)",
            ),
            (
                super::turn::SLOT,
                "SEARCH workflow_run USING COVERING INDEX workflow_run_ready (priority=? AND ready_rank>?)",
            ),
        ];
        for (sql, used) in cases {
            let plan = plan(&conn, sql);
            assert!(plan.contains(used), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
