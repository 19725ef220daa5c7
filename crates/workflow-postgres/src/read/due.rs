//! When the next claim is worth it.

use futures_util::future::try_join;
use jiff::Timestamp;

use crate::column::{flag, int, optional_time, time};
use crate::fault::Fault;
use crate::param::params;
use crate::session::Session;
use crate::transaction::planned;

/// The earliest of the timers and leases, and of the times at which held runs are worth a
/// look; `now` when a run is ready already. Timers are looked at priority by priority, so that only the head of each
/// is read. That there is one is asked in the order of an index: in no order, the server reads the table from its
/// beginning, and believes that one will soon come.
const SQL: &str = "WITH RECURSIVE p(priority, wake_at) AS (\
     (SELECT priority, wake_at FROM lumina.workflow_run WHERE wake_at IS NOT NULL AND flow_key IS NULL \
     ORDER BY priority DESC, wake_at LIMIT 1) \
     UNION ALL SELECT n.priority, n.wake_at FROM p CROSS JOIN LATERAL (SELECT r.priority, r.wake_at \
     FROM lumina.workflow_run AS r WHERE r.wake_at IS NOT NULL AND r.flow_key IS NULL AND r.priority < p.priority \
     ORDER BY r.priority DESC, r.wake_at LIMIT 1) AS n) \
     SELECT least(\
     (SELECT coalesce($1, lumina.now_micros()) FROM lumina.workflow_run WHERE ready_rank IS NOT NULL \
     ORDER BY priority DESC, ready_rank LIMIT 1), \
     (SELECT min(lease_until) FROM lumina.workflow_run WHERE lease_until IS NOT NULL), \
     (SELECT min(wake_at) FROM lumina.workflow_run WHERE wake_at IS NOT NULL AND flow_key IS NOT NULL), \
     (SELECT min(wake_at) FROM p), \
     (SELECT min(f.release_at) FROM lumina.workflow_flow AS f WHERE f.release_at IS NOT NULL AND NOT EXISTS (SELECT 1 \
     FROM lumina.workflow_flow AS w WHERE w.workflow = f.workflow AND w.key = '' AND w.paused_by IS NOT NULL)))";

pub(crate) async fn next_due(db: &Session, now: Option<i64>) -> Result<Option<Timestamp>, Fault> {
    planned(db, earliest(db, now)).await
}

async fn earliest(db: &Session, now: Option<i64>) -> Result<Option<Timestamp>, Fault> {
    optional_time(&db.one(SQL, params![now]).await?, 0)
}

/// Whether a claim may find something. What is held is worth a look when limits have changed, what is blocked when
/// definitions have.
pub(crate) async fn is_anything_due(db: &Session, now: Option<i64>) -> Result<bool, Fault> {
    const OTHERS: &str = "SELECT (SELECT 1 FROM lumina.workflow_run WHERE blocked IS NOT NULL ORDER BY workflow LIMIT 1) \
         IS NOT NULL OR (SELECT 1 FROM lumina.workflow_flow WHERE held > 0 ORDER BY workflow, limits LIMIT 1) IS NOT NULL, \
         lumina.now_micros()";
    let (due, others) = planned(db, try_join(earliest(db, now), db.one(OTHERS, &[]))).await?;
    let now = now.map_or_else(|| int(&others, 1), Ok)?;
    Ok(flag(&others, 0)? || due.is_some_and(|due| due.as_microsecond() <= now))
}

/// The database's clock.
pub(crate) async fn now(db: &Session) -> Result<Timestamp, Fault> {
    time(&db.one("SELECT lumina.now_micros()", &[]).await?, 0)
}
