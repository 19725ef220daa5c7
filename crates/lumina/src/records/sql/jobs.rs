//! Jobs on request: created for who was never looked up, listed.

use lumina_enrichment::job::JobStatus;
use lumina_workflow::store::Attachment;
use uuid::Uuid;

use super::micros;
use crate::records::db::{Db, Got, Lock, Row, Tx, sql, values};
use crate::records::handle::{reads, writes};
use crate::records::{Channel, JobId, JobRow, ReadError, Records};

impl Records {
    /// Creates lookups for personal subscribers that have none, oldest first, one for each id
    /// given. The result is how many.
    #[must_use]
    pub fn create_jobs(ids: Vec<JobId>) -> Attachment {
        writes!(|tx, ids| create_jobs(tx, ids))
    }

    /// How many personal subscribers were never looked up.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn count_never_looked_up(&self) -> Result<u64, ReadError> {
        let count = sql!(
            "SELECT count(*) FROM subscriber s WHERE class = 'personal'
             AND NOT EXISTS (SELECT 1 FROM enrichment_job j WHERE j.subscriber = s.id)"
        );
        reads!(self, |db| db.value(count, &[]))
    }

    /// Jobs, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn jobs(&self, status: Option<JobStatus>, limit: usize) -> Result<Vec<JobRow>, ReadError> {
        reads!(self, |db| list_jobs(db, status, limit))
    }

    /// These jobs, in this order; those that are not there are left out.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn jobs_of(&self, ids: Vec<JobId>) -> Result<Vec<JobRow>, ReadError> {
        reads!(self, |db| find_jobs(db, &ids))
    }
}

async fn list_jobs(db: &impl Db, status: Option<JobStatus>, limit: usize) -> Got<Vec<JobRow>> {
    db.list(
        sql!(
            "SELECT j.id, s.email, j.status, j.reason, j.run, j.created_at, j.finished_at
             FROM enrichment_job j JOIN subscriber s ON s.id = j.subscriber
             WHERE ?1 IS NULL OR j.status = ?1 ORDER BY j.id DESC LIMIT ?2"
        ),
        &values![status.map(JobStatus::as_str), limit],
        read_job,
    )
    .await
}

async fn find_jobs(db: &impl Db, ids: &[JobId]) -> Got<Vec<JobRow>> {
    let each: Vec<_> = ids.iter().map(|id| values![id.0]).collect();
    let jobs = db.find_each(
        sql!(
            "SELECT j.id, s.email, j.status, j.reason, j.run, j.created_at, j.finished_at
             FROM enrichment_job j JOIN subscriber s ON s.id = j.subscriber WHERE j.id = ?"
        ),
        &each,
        read_job,
    );
    Ok(jobs.await?.into_iter().flatten().collect())
}

fn read_job(row: &Row<'_>) -> Got<JobRow> {
    Ok(JobRow {
        id: JobId(row.get(0)?),
        email: row.get(1)?,
        status: row.get(2)?,
        reason: row.get(3)?,
        workflow_id: row.get(4)?,
        created_at: row.time(5)?,
        finished_at: row.optional_time(6)?,
    })
}

/// Whoever signs up again just now, or is taken up by somebody else, is passed over.
async fn create_jobs(tx: &impl Tx, ids: &[JobId]) -> Got<u64> {
    let found: Vec<(Uuid, String)> = tx
        .list(
            sql!(
                "SELECT id, dedupe_key FROM subscriber s WHERE class = 'personal'
                 AND NOT EXISTS (SELECT 1 FROM enrichment_job j WHERE j.subscriber = s.id) ORDER BY id LIMIT ?
                 /*+ FOR UPDATE SKIP LOCKED */"
            ),
            &values![ids.len()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .await?;
    let (priority, now) = (Channel::File.priority(), micros(tx.now()));
    let mut each = Vec::with_capacity(found.len());
    for ((subscriber, dedupe_key), job) in found.iter().zip(ids) {
        each.push(values![job.0, *subscriber, dedupe_key, priority, now]);
    }
    let created = tx.insert_each(
        sql!(
            "INSERT INTO enrichment_job (id, subscriber, dedupe_key, status, priority, created_at)
             VALUES (?, ?, ?, 'pending', ?, ?) ON CONFLICT DO NOTHING /*+ RETURNING id */"
        ),
        &each,
    );
    Ok(created.await?.into_iter().filter(|is_new| *is_new).count() as u64)
}

/// An open lookup of an address beside this one, if there is one. Nobody else opens one until the transaction ends.
pub(super) async fn find_other_open(
    tx: &impl Tx,
    subscriber: Uuid,
    dedupe_key: &str,
    beside: Uuid,
) -> Got<Option<Uuid>> {
    tx.lock(Lock::Address(subscriber)).await?;
    tx.find(
        sql!("SELECT id FROM enrichment_job WHERE dedupe_key = ? AND status IN ('pending', 'submitted') AND id <> ?"),
        &values![dedupe_key, beside],
        |row| row.get(0),
    )
    .await
}
