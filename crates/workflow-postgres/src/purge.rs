//! Forgetting what is over.

use std::time::Duration;

use lumina_workflow::store::Purge;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::change;
use crate::column::{RUN_SCOPE, int, limit, optional_string, run_id};
use crate::fault::Fault;
use crate::flow;
use crate::group::Group;
use crate::param::{Param, params};

/// How long the answer of a change without a subject is kept: whoever asks again has lost its
/// answer in a crash or on the way, which shows within minutes.
const ANSWER_KEPT: Duration = Duration::from_secs(24 * 3_600);

/// Runs of all workflows, oldest first: the index is by workflow, and there are few of those.
const OLDEST: &str = "WITH RECURSIVE w(workflow) AS (\
     (SELECT workflow FROM lumina.workflow_run WHERE finished_at IS NOT NULL ORDER BY workflow LIMIT 1) \
     UNION ALL SELECT n.workflow FROM w CROSS JOIN LATERAL (SELECT r.workflow FROM lumina.workflow_run AS r \
     WHERE r.finished_at IS NOT NULL AND r.workflow > w.workflow ORDER BY r.workflow LIMIT 1) AS n) \
     SELECT r.id FROM w CROSS JOIN LATERAL (SELECT o.id, o.finished_at FROM lumina.workflow_run AS o \
     WHERE o.finished_at IS NOT NULL AND o.workflow = w.workflow AND o.finished_at < $1 \
     ORDER BY o.finished_at, o.id LIMIT $2) AS r ORDER BY r.finished_at, r.id LIMIT $2";

const OLDEST_OF: &str = "SELECT id FROM lumina.workflow_run \
     WHERE finished_at IS NOT NULL AND workflow = $3 AND finished_at < $1 ORDER BY finished_at, id LIMIT $2";

/// Deletes at most so many of each kind. A run counts as one, with all that belongs to it.
///
/// What is to go is found once, by an array or a `MATERIALIZED`. What stands behind an `IN` may be asked anew for each
/// row, and then finds others than those which are gone already.
pub(crate) async fn purge(group: &Group, purge: &Purge) -> Result<usize, Fault> {
    let (before, count) = (purge.before.as_microsecond(), purge.limit);
    let deleted = match &purge.workflow {
        Some(workflow) => runs(group, OLDEST_OF, before, params![before, limit(count), workflow]).await?,
        None => {
            runs(group, OLDEST, before, params![before, limit(count)]).await?
                + events(group, count).await?
                + answers(group, count).await?
                + schedules(group, before, count).await?
                + flow::purge(group, before, count).await?
        }
    };
    Ok(usize::try_from(deleted).unwrap_or(usize::MAX))
}

/// Deletes the runs that a statement finds. What somebody else has in hand is passed over: it may be sent back.
async fn runs(group: &Group, sql: &'static str, before: i64, params: &[Param<'_>]) -> Result<u64, Fault> {
    const LOCK: &str = "SELECT r.id, r.keys FROM lumina.workflow_run AS r \
         WHERE r.id = ANY($1) AND r.finished_at IS NOT NULL AND r.finished_at < $2 ORDER BY r.id FOR UPDATE SKIP LOCKED";
    let found = group.db.query(sql, params).await?;
    let ids = ids_of(&found)?;
    if ids.is_empty() {
        return Ok(0);
    }
    let locked = group.db.query(LOCK, params![ids, before]).await?;
    forget_keyed(group, &locked).await?;
    delete(group, ids_of(&locked)?).await
}

fn ids_of(rows: &[Row]) -> Result<Vec<Uuid>, Fault> {
    rows.iter().map(|row| Ok(run_id(row, 0)?.0)).collect()
}

/// The ids of events that came to these runs by their keys.
async fn forget_keyed(group: &Group, runs: &[Row]) -> Result<(), Fault> {
    const SQL: &str = "DELETE FROM lumina.workflow_event_id AS e USING unnest($1::text[], $2::text[], $3::uuid[]) \
         AS k(scope, scope_key, run) WHERE e.scope = k.scope AND e.scope_key = k.scope_key AND e.run = k.run";
    let (mut scopes, mut keys, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for row in runs {
        for (namespace, key) in change::keys_of(optional_string(row, 1)?.as_deref())? {
            scopes.push(format!("k{namespace}"));
            keys.push(key);
            ids.push(run_id(row, 0)?.0);
        }
    }
    if ids.is_empty() {
        return Ok(());
    }
    let texts = |texts: &[String]| {
        Param::Texts(
            texts
                .iter()
                .map(|text| Some(crate::text::write(text).into_owned().into()))
                .collect(),
        )
    };
    group.execute(SQL, &[texts(&scopes), texts(&keys), ids.into()]).await?;
    Ok(())
}

async fn delete(group: &Group, runs: Vec<Uuid>) -> Result<u64, Fault> {
    const BY_HAND: &str = "DELETE FROM lumina.workflow_event_id WHERE run = ANY($1) AND by_hand";
    const OWN_IDS: &str = "DELETE FROM lumina.workflow_event_id AS e WHERE e.scope = $2 AND e.scope_key = ANY($1) \
         AND NOT e.by_hand AND NOT EXISTS (SELECT 1 FROM lumina.workflow_unrouted AS u WHERE u.scope = e.scope \
         AND u.scope_key = e.scope_key AND u.id = e.id)";
    let names: Vec<String> = runs.iter().map(Uuid::to_string).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    group.execute(OWN_IDS, params![names, RUN_SCOPE]).await?;
    group.execute(BY_HAND, params![runs.clone()]).await?;
    group
        .execute(
            "DELETE FROM lumina.workflow_record WHERE run = ANY($1)",
            params![runs.clone()],
        )
        .await?;
    group
        .execute(
            "DELETE FROM lumina.workflow_tried WHERE run = ANY($1)",
            params![runs.clone()],
        )
        .await?;
    group
        .execute("DELETE FROM lumina.workflow_run WHERE id = ANY($1)", params![runs])
        .await
}

async fn events(group: &Group, count: usize) -> Result<u64, Fault> {
    const SQL: &str = "WITH gone AS (DELETE FROM lumina.workflow_unrouted WHERE seq = ANY (ARRAY (SELECT seq \
         FROM lumina.workflow_unrouted WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)) \
         RETURNING scope, scope_key, id), \
         ids AS (DELETE FROM lumina.workflow_event_id AS e USING gone AS g WHERE e.scope = g.scope \
         AND e.scope_key = g.scope_key AND e.id = g.id) SELECT count(*) FROM gone";
    let gone = group.db.one(SQL, params![group.now, limit(count)]).await?;
    Ok(crate::column::from_int(int(&gone, 0)?))
}

async fn answers(group: &Group, count: usize) -> Result<u64, Fault> {
    const SQL: &str = "DELETE FROM lumina.workflow_applied WHERE id = ANY (ARRAY (SELECT id FROM lumina.workflow_applied \
         WHERE at <= $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED))";
    let kept = i64::try_from(ANSWER_KEPT.as_micros()).expect("a day fits");
    group
        .execute(SQL, params![group.now.saturating_sub(kept), limit(count)])
        .await
}

/// Schedules that nobody has declared for so long.
async fn schedules(group: &Group, before: i64, count: usize) -> Result<u64, Fault> {
    const SQL: &str = "DELETE FROM lumina.workflow_schedule WHERE name = ANY (ARRAY (SELECT name FROM lumina.workflow_schedule \
         WHERE removed_at < $1 ORDER BY name LIMIT $2 FOR UPDATE SKIP LOCKED))";
    group.execute(SQL, params![before, limit(count)]).await
}
