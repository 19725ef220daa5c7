//! Forgetting what is over.

use std::time::Duration;

use lumina_workflow::RunId;
use rusqlite::params;
use rusqlite::types::Value;
use uuid::Uuid;

use crate::change;
use crate::column::{limit, run_scope};
use crate::fault::Fault;
use crate::flow;
use crate::group::Group;

/// How long the answer of a change without a subject is kept: whoever asks again has lost its
/// answer in a crash or on the way, which shows within minutes.
const ANSWER_KEPT: Duration = Duration::from_secs(24 * 3_600);

/// Deletes at most `count` of each kind. A run counts as one, with all that belongs to it.
pub(crate) fn purge(group: &Group<'_>, before: i64, count: usize) -> Result<usize, Fault> {
    let counters = flow::purge(group, before, count)?;
    Ok(counters + runs(group, before, count)? + events(group, count)? + answers(group, count)?)
}

fn runs(group: &Group<'_>, before: i64, count: usize) -> Result<usize, Fault> {
    const SQL: &str = "SELECT id, keys FROM workflow_run INDEXED BY workflow_run_finished \
         WHERE finished_at IS NOT NULL AND finished_at < ?1 ORDER BY finished_at LIMIT ?2";
    let mut statement = group.conn.prepare_cached(SQL)?;
    let rows = statement.query_map(params![before, limit(count)], |row| {
        Ok((RunId(row.get::<_, Uuid>(0)?), row.get::<_, Option<String>>(1)?))
    })?;
    let ended: Vec<_> = rows.collect::<Result<_, _>>()?;
    for (run, keys) in &ended {
        delete_run(group, *run, keys.as_deref())?;
    }
    Ok(ended.len())
}

fn delete_run(group: &Group<'_>, run: RunId, keys: Option<&str>) -> Result<(), Fault> {
    const OWN_IDS: &str = "DELETE FROM workflow_event_id WHERE scope = ?1 AND NOT EXISTS (SELECT 1 \
         FROM workflow_unrouted AS u WHERE u.scope = ?1 AND u.scope_key = '' AND u.id = workflow_event_id.id)";
    const KEYED_IDS: &str = "DELETE FROM workflow_event_id WHERE scope = ?1 AND scope_key = ?2 AND run = ?3";
    for (namespace, key) in change::keys_of(keys)? {
        group.execute(KEYED_IDS, params![namespace, key, run.0])?;
    }
    group.execute(OWN_IDS, [run_scope(run)])?;
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
