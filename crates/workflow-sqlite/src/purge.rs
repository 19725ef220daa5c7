//! Forgetting what is over.

use std::time::Duration;

use lumina_workflow::RunId;
use lumina_workflow::store::Purge;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::change;
use crate::column::{limit, run_scope};
use crate::fault::Fault;
use crate::flow;
use crate::group::Group;

/// How long the answer of a change without a subject is kept: whoever asks again has lost its
/// answer in a crash or on the way, which shows within minutes.
const ANSWER_KEPT: Duration = Duration::from_secs(24 * 3_600);

const NEXT_WORKFLOW: &str = "SELECT workflow FROM workflow_run INDEXED BY workflow_run_ended \
     WHERE finished_at IS NOT NULL AND workflow > ?1 ORDER BY workflow LIMIT 1";

const ENDED: &str = "SELECT finished_at, id, keys FROM workflow_run INDEXED BY workflow_run_ended \
     WHERE finished_at IS NOT NULL AND workflow = ?1 AND finished_at < ?2 ORDER BY finished_at, id LIMIT ?3";

/// Deletes at most so many of each kind. A run counts as one, with all that belongs to it.
pub(crate) fn purge(group: &Group<'_>, purge: &Purge) -> Result<usize, Fault> {
    let (before, count) = (purge.before.as_microsecond(), purge.limit);
    match &purge.workflow {
        Some(workflow) => delete_runs(group, ended(group.conn, workflow, before, count)?),
        None => Ok(runs(group, before, count)?
            + events(group, count)?
            + answers(group, count)?
            + schedules(group, before, count)?
            + flow::purge(group, before, count)?),
    }
}

/// A run that ended.
struct Ended {
    at: i64,
    run: RunId,
    keys: Option<String>,
}

/// Runs of all workflows, oldest first: the index is by workflow, and there are few of those.
fn runs(group: &Group<'_>, before: i64, count: usize) -> Result<usize, Fault> {
    let (mut all, mut last) = (Vec::new(), String::new());
    let mut next = group.conn.prepare_cached(NEXT_WORKFLOW)?;
    while let Some(workflow) = next.query_row([&last], |row| row.get(0)).optional()? {
        last = workflow;
        all.extend(ended(group.conn, &last, before, count)?);
    }
    all.sort_by_key(|ended| (ended.at, ended.run));
    all.truncate(count);
    delete_runs(group, all)
}

/// The oldest of a workflow's runs that ended before a time.
fn ended(conn: &Connection, workflow: &str, before: i64, count: usize) -> Result<Vec<Ended>, Fault> {
    let mut statement = conn.prepare_cached(ENDED)?;
    let rows = statement.query_map(params![workflow, before, limit(count)], |row| {
        Ok(Ended {
            at: row.get(0)?,
            run: RunId(row.get::<_, Uuid>(1)?),
            keys: row.get(2)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn delete_runs(group: &Group<'_>, ended: Vec<Ended>) -> Result<usize, Fault> {
    let count = ended.len();
    for Ended { run, keys, .. } in ended {
        delete_run(group, run, keys.as_deref())?;
    }
    Ok(count)
}

fn delete_run(group: &Group<'_>, run: RunId, keys: Option<&str>) -> Result<(), Fault> {
    const BY_HAND: &str = "DELETE FROM workflow_event_id WHERE run = ?1 AND by_hand = 1";
    const OWN_IDS: &str = "DELETE FROM workflow_event_id WHERE scope = ?1 AND by_hand = 0 AND NOT EXISTS (SELECT 1 \
         FROM workflow_unrouted AS u WHERE u.scope = ?1 AND u.scope_key = '' AND u.id = workflow_event_id.id)";
    const KEYED_IDS: &str = "DELETE FROM workflow_event_id WHERE scope = ?1 AND scope_key = ?2 AND run = ?3";
    for (namespace, key) in change::keys_of(keys)? {
        group.execute(KEYED_IDS, params![namespace, key, run.0])?;
    }
    group.execute(OWN_IDS, [run_scope(run)])?;
    group.execute(BY_HAND, [run.0])?;
    group.execute("DELETE FROM workflow_record WHERE run = ?1", [run.0])?;
    group.execute("DELETE FROM workflow_tried WHERE run = ?1", [run.0])?;
    group.execute("DELETE FROM workflow_run WHERE id = ?1", [run.0])?;
    Ok(())
}

fn events(group: &Group<'_>, count: usize) -> Result<usize, Fault> {
    const SQL: &str = "SELECT seq, scope, scope_key, id FROM workflow_unrouted WHERE expires_at <= ?1 \
         ORDER BY expires_at LIMIT ?2";
    let mut statement = group.conn.prepare_cached(SQL)?;
    let rows = statement.query_map(params![group.now, limit(count)], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    })?;
    let over: Vec<(i64, Value, String, String)> = rows.collect::<Result<_, _>>()?;
    for (seq, scope, key, id) in &over {
        const KNOWN: &str = "DELETE FROM workflow_event_id WHERE scope = ?1 AND scope_key = ?2 AND id = ?3";
        group.execute(KNOWN, params![scope, key, id])?;
        group.execute("DELETE FROM workflow_unrouted WHERE seq = ?1", [seq])?;
    }
    Ok(over.len())
}

/// Answers are in the order they came in, so that the oldest are the first rows.
fn answers(group: &Group<'_>, count: usize) -> Result<usize, Fault> {
    const SQL: &str = "DELETE FROM workflow_applied WHERE seq IN \
         (SELECT seq FROM workflow_applied ORDER BY seq LIMIT ?2) AND at <= ?1";
    let kept = i64::try_from(ANSWER_KEPT.as_micros()).expect("a day fits");
    group.execute(SQL, params![group.now.saturating_sub(kept), limit(count)])
}

/// Schedules that nobody has declared for so long.
fn schedules(group: &Group<'_>, before: i64, count: usize) -> Result<usize, Fault> {
    const SQL: &str = "DELETE FROM workflow_schedule WHERE name IN \
         (SELECT name FROM workflow_schedule WHERE removed_at < ?1 ORDER BY name LIMIT ?2)";
    group.execute(SQL, params![before, limit(count)])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{migrate, read};

    fn plan(conn: &Connection, sql: &str) -> String {
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let count = statement.parameter_count();
        let params = rusqlite::params_from_iter(vec![0; count]);
        let lines = statement.query_map(params, |row| row.get::<_, String>(3)).unwrap();
        lines.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
    }

    /// What is deleted is found at the head of an index, and whether a schedule's run is open in
    /// an index that has nothing else, however many runs there are.
    #[test]
    fn purges_and_schedules_read_heads_of_indices() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate::engine(&mut conn, Path::new("memory"), 0).unwrap();
        let ended =
            "SEARCH workflow_run USING INDEX workflow_run_ended (workflow=? AND finished_at>? AND finished_at<?)";
        assert_eq!(plan(&conn, ENDED), ended);
        let next = "SEARCH workflow_run USING COVERING INDEX workflow_run_ended (workflow>?)";
        assert_eq!(plan(&conn, NEXT_WORKFLOW), next);
        let schedules = plan(&conn, read::schedules::SELECT);
        let open = "SEARCH workflow_run USING INDEX workflow_run_scheduled (start_key>? AND start_key<?)";
        assert!(schedules.contains(open), "{schedules}");
    }
}
