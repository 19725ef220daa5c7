//! Jobs on request: created for who was never looked up, listed.

use lumina_enrichment::job::JobStatus;
use lumina_workflow::store::Attachment;
use lumina_workflow_sqlite::Tx;
use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use super::{ReadError, Records, Written, from_micros, micros, writes};
use crate::records::{Channel, JobId, JobRow};

impl Records {
    /// Creates lookups for personal subscribers that have none, oldest first, one for each id
    /// given. The result is how many.
    #[must_use]
    pub fn create_jobs(ids: Vec<JobId>) -> Attachment {
        writes(move |tx| create_jobs(tx, &ids))
    }

    /// How many personal subscribers were never looked up.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn count_never_looked_up(&self) -> Result<u64, ReadError> {
        self.read(|connection| {
            connection.query_row(
                "SELECT count(*) FROM subscriber s WHERE class = 'personal'
                 AND NOT EXISTS (SELECT 1 FROM enrichment_job j WHERE j.subscriber = s.id)",
                [],
                |row| row.get(0),
            )
        })
        .await
    }

    /// Jobs, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn jobs(&self, status: Option<JobStatus>, limit: usize) -> Result<Vec<JobRow>, ReadError> {
        self.read(move |connection| {
            let mut find = connection.prepare_cached(
                "SELECT j.id, s.email, j.status, j.reason, j.run, j.created_at, j.finished_at
                 FROM enrichment_job j JOIN subscriber s ON s.id = j.subscriber
                 WHERE ?1 IS NULL OR j.status = ?1 ORDER BY j.id DESC LIMIT ?2",
            )?;
            let status = status.map(JobStatus::as_str);
            find.query_map(params![status, limit], read_job)?.collect()
        })
        .await
    }

    /// These jobs, in this order; those that are not there are left out.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn jobs_of(&self, ids: Vec<JobId>) -> Result<Vec<JobRow>, ReadError> {
        self.read(move |connection| {
            let mut find = connection.prepare_cached(
                "SELECT j.id, s.email, j.status, j.reason, j.run, j.created_at, j.finished_at
                 FROM enrichment_job j JOIN subscriber s ON s.id = j.subscriber WHERE j.id = ?",
            )?;
            let mut jobs = Vec::new();
            for id in &ids {
                jobs.extend(find.query_row([id.0], read_job).optional()?);
            }
            Ok(jobs)
        })
        .await
    }
}

fn read_job(row: &rusqlite::Row<'_>) -> rusqlite::Result<JobRow> {
    Ok(JobRow {
        id: JobId(row.get(0)?),
        email: row.get(1)?,
        status: row.get(2)?,
        reason: row.get(3)?,
        workflow_id: row.get(4)?,
        created_at: from_micros(5, row.get(5)?)?,
        finished_at: row.get::<_, Option<i64>>(6)?.map(|at| from_micros(6, at)).transpose()?,
    })
}

fn create_jobs(tx: &Tx<'_>, ids: &[JobId]) -> Written<usize> {
    let connection = tx.connection();
    let mut find = connection.prepare_cached(
        "SELECT id, dedupe_key FROM subscriber s WHERE class = 'personal'
         AND NOT EXISTS (SELECT 1 FROM enrichment_job j WHERE j.subscriber = s.id) ORDER BY id LIMIT ?",
    )?;
    let found: Vec<(Uuid, String)> = find
        .query_map([ids.len()], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO enrichment_job (id, subscriber, dedupe_key, status, priority, created_at)
         VALUES (?, ?, ?, 'pending', ?, ?) ON CONFLICT DO NOTHING",
    )?;
    let mut created = 0;
    for ((subscriber, dedupe_key), job) in found.iter().zip(ids) {
        let priority = Channel::File.priority();
        created += insert.execute(params![job.0, subscriber, dedupe_key, priority, micros(tx.now())])?;
    }
    Ok(created)
}
