//! Places in the queue: runs with a flow key take turns.

use lumina_workflow::RunId;

use super::MOVES;
use crate::column::{int, limit, optional_int, run_id, string};
use crate::fault::Fault;
use crate::group::Group;
use crate::param::params;

/// The place of a run that becomes ready.
pub(crate) async fn rank(group: &Group, run: RunId) -> Result<i64, Fault> {
    const SQL: &str = "SELECT workflow, flow_key, priority FROM lumina.workflow_run WHERE id = $1 AND flow_key > ''";
    let Some(row) = group.db.find(SQL, params![run]).await? else {
        return Ok(group.next_rank());
    };
    fair_rank(group, &string(&row, 0)?, &string(&row, 1)?, int(&row, 2)?).await
}

/// The first place in the queue of this priority that is behind the last place of the key:
/// among what is ready, and among what is held for the whole workflow's sake. With nobody
/// there, the end of the queue.
pub(crate) async fn fair_rank(group: &Group, workflow: &str, key: &str, priority: i64) -> Result<i64, Fault> {
    const SAVE: &str = "UPDATE lumina.workflow_flow SET last_rank = $3 WHERE workflow = $1 AND key = $2";
    if key.is_empty() {
        return Ok(group.next_rank());
    }
    let last = last_rank(group, workflow, key).await?;
    let slot = optional_int(&group.db.one(SLOT, params![priority, last, workflow]).await?, 0)?;
    let rank = slot.unwrap_or_else(|| group.next_rank_behind(last));
    group.execute(SAVE, params![workflow, key, rank]).await?;
    Ok(rank)
}

/// The last place of the key, which nobody else goes by before this transaction is over.
async fn last_rank(group: &Group, workflow: &str, key: &str) -> Result<i64, Fault> {
    const LAST: &str = "SELECT last_rank FROM lumina.workflow_flow WHERE workflow = $1 AND key = $2 FOR UPDATE";
    const MAKE: &str = "INSERT INTO lumina.workflow_flow (workflow, key) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    loop {
        if let Some(row) = group.db.find(LAST, params![workflow, key]).await? {
            return int(&row, 0);
        }
        group.execute(MAKE, params![workflow, key]).await?;
    }
}

const SLOT: &str = "SELECT min(rank) FROM (\
     (SELECT ready_rank AS rank FROM lumina.workflow_run WHERE ready_rank IS NOT NULL \
     AND priority = $1 AND ready_rank > $2 ORDER BY ready_rank LIMIT 1) \
     UNION ALL (SELECT held_rank FROM lumina.workflow_run WHERE held_in IS NOT NULL \
     AND workflow = $3 AND held_in = 'w' AND priority = $1 AND held_rank > $2 ORDER BY held_rank LIMIT 1) \
     UNION ALL (SELECT held_rank FROM lumina.workflow_run WHERE held_in IS NOT NULL \
     AND workflow = $3 AND held_in = 'p' AND priority = $1 AND held_rank > $2 ORDER BY held_rank LIMIT 1)) AS slots";

/// Timers of runs with a flow key that are due: the runs are ready, and wait for their turn.
pub(crate) async fn ripen(group: &Group) -> Result<(), Fault> {
    const DUE: &str = "SELECT id FROM lumina.workflow_run \
         WHERE wake_at IS NOT NULL AND flow_key IS NOT NULL AND wake_at <= $1 ORDER BY wake_at, id LIMIT $2 \
         FOR UPDATE SKIP LOCKED";
    const READY: &str = "UPDATE lumina.workflow_run SET ready_rank = $2, wake_at = NULL WHERE id = $1";
    let due = group.db.query(DUE, params![group.now, limit(MOVES)]).await?;
    for row in &due {
        let run = run_id(row, 0)?;
        let rank = rank(group, run).await?;
        group.execute(READY, params![run, rank]).await?;
    }
    if due.len() == MOVES {
        group.note_ready();
    }
    Ok(())
}
