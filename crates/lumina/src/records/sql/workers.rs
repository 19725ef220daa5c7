//! Processes that execute runs: they say that they are there, and who is there is listed.

use std::time::Duration;

use lumina_workflow::store::Attachment;
use uuid::Uuid;

use super::{micros, span};
use crate::records::db::{Db, Got, Row, Tx, sql, values};
use crate::records::handle::{reads, writes};
use crate::records::{ReadError, Records, WorkerRow, WorkerSign};

/// One that has not been heard of for so long will not come back.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3_600);

impl Records {
    /// A process says that it is there. Those that have said nothing for a day are forgotten.
    #[must_use]
    pub fn note_worker(sign: WorkerSign) -> Attachment {
        writes!(|tx, sign| note(tx, sign))
    }

    /// A process ends, and has nothing any more.
    #[must_use]
    pub fn forget_worker(id: Uuid) -> Attachment {
        writes!(|tx, id| forget(tx, *id))
    }

    /// Processes that have been there within a day, those that started last first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn workers(&self) -> Result<Vec<WorkerRow>, ReadError> {
        reads!(self, |db| list(db))
    }
}

async fn note(tx: &impl Tx, sign: &WorkerSign) -> Got<()> {
    let now = micros(tx.now());
    tx.execute(
        sql!(
            "INSERT INTO worker (id, host, pid, version, command, started_at, seen_at, draining_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7) ON CONFLICT (id) DO UPDATE SET
                 seen_at = excluded.seen_at, draining_at = coalesce(worker.draining_at, excluded.draining_at)"
        ),
        &values![
            sign.id,
            &*sign.host,
            sign.pid,
            &*sign.version,
            &*sign.command,
            now,
            sign.is_draining.then_some(now)
        ],
    )
    .await?;
    tx.execute(
        sql!("DELETE FROM worker WHERE seen_at < ?"),
        &values![now - span(FORGOTTEN)],
    )
    .await?;
    Ok(())
}

async fn forget(tx: &impl Tx, id: Uuid) -> Got<()> {
    tx.execute(sql!("DELETE FROM worker WHERE id = ?"), &values![id])
        .await?;
    Ok(())
}

async fn list(db: &impl Db) -> Got<Vec<WorkerRow>> {
    db.list(
        sql!(
            "SELECT w.id, w.host, w.pid, w.version, w.command, w.started_at, w.seen_at, w.draining_at, coalesce(h.runs, 0)
             FROM worker w LEFT JOIN (SELECT worker, count(*) AS runs FROM workflow_run
                 WHERE lease_until IS NOT NULL GROUP BY worker) h ON h.worker = w.id
             ORDER BY w.started_at DESC, w.id"
        ),
        &[],
        read_worker,
    )
    .await
}

fn read_worker(row: &Row<'_>) -> Got<WorkerRow> {
    let draining_at = row.optional_time(7)?;
    Ok(WorkerRow {
        sign: WorkerSign {
            id: row.get(0)?,
            host: row.get(1)?,
            pid: row.get(2)?,
            version: row.get(3)?,
            command: row.get(4)?,
            is_draining: draining_at.is_some(),
        },
        started_at: row.time(5)?,
        seen_at: row.time(6)?,
        draining_at,
        runs: row.get(8)?,
    })
}
