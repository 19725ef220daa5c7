//! Counters as others see them.

use lumina_workflow::store::{FlowQuery, FlowRow, Stamp};
use tokio_postgres::Row;

use super::book::window;
use crate::column::{limit, number, optional_string, string, time};
use crate::fault::Fault;
use crate::group::Group;
use crate::param::params;
use crate::session::Session;

macro_rules! flow_columns {
    () => {
        "SELECT workflow, key, in_flight, held + paused + CASE WHEN key <> '' THEN 0 ELSE coalesce((SELECT sum(k.held) \
         FROM lumina.workflow_flow AS k WHERE k.held > 0 AND k.workflow = f.workflow \
         AND k.key <> ''), 0)::bigint END, window_started, window_ends, window_count, paused_by, paused_at, resumed_by, \
         resumed_at FROM lumina.workflow_flow AS f "
    };
}

/// Counters by workflow and key.
pub(crate) async fn rows(db: &Session, query: &FlowQuery) -> Result<Vec<FlowRow>, Fault> {
    const WHOLES: &str = concat!(flow_columns!(), "WHERE key = '' ORDER BY workflow LIMIT $1");
    const KEYS: &str = concat!(
        flow_columns!(),
        "WHERE workflow = $1 AND ($2 IS NULL OR key > $2) ORDER BY key LIMIT $3"
    );
    let count = limit(query.limit);
    let rows = match &query.workflow {
        Some(workflow) => db.query(KEYS, params![workflow, &query.after, count]).await?,
        None => db.query(WHOLES, params![count]).await?,
    };
    rows.iter().map(flow_row).collect()
}

fn flow_row(row: &Row) -> Result<FlowRow, Fault> {
    Ok(FlowRow {
        workflow: string(row, 0)?,
        key: Some(string(row, 1)?).filter(|key| !key.is_empty()),
        in_flight: number(row, 2)?,
        throttled: number(row, 3)?,
        window: window(row, 4)?,
        paused: stamp(row, 7)?,
        resumed: stamp(row, 9)?,
    })
}

fn stamp(row: &Row, index: usize) -> Result<Option<Stamp>, Fault> {
    let Some(by) = optional_string(row, index)? else {
        return Ok(None);
    };
    let at = time(row, index + 1)?;
    Ok(Some(Stamp { by, at }))
}

/// Forgets counters of keys that count nothing.
pub(crate) async fn purge(group: &Group, before: i64, count: usize) -> Result<u64, Fault> {
    const SQL: &str = "WITH old AS MATERIALIZED (SELECT workflow, key \
         FROM lumina.workflow_flow WHERE in_flight = 0 AND promised = 0 AND held = 0 AND key <> '' \
         AND last_rank < $1 AND coalesce(window_ends, $2) <= $2 ORDER BY last_rank, workflow, key LIMIT $3 \
         FOR UPDATE SKIP LOCKED) \
         DELETE FROM lumina.workflow_flow AS f USING old WHERE f.workflow = old.workflow AND f.key = old.key";
    group.execute(SQL, params![before, group.now, limit(count)]).await
}
