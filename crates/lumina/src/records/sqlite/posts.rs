//! Each time a batch is sent: open, accepted, or of unknown outcome.

use std::time::Duration;

use jiff::Timestamp;
use lumina_enrichment::job::{JobEvent, JobStatus};
use lumina_workflow::store::Attachment;
use lumina_workflow::{RunId, StepError};
use lumina_workflow_sqlite::Tx;
use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use super::{ReadError, Records, Written, from_micros, micros, pack_jobs, span, unpack_jobs, writes};
use crate::records::{JobId, Lookup};

/// How long a run waits for batches that were sent before its own to end, before it looks again.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

impl Records {
    /// The addresses that a POST sends, in the order of its jobs.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn lookups(&self, run: RunId, attempt: u32) -> Result<Vec<Lookup>, ReadError> {
        self.read(move |connection| {
            let jobs = jobs_of(connection, run.0, attempt)?.unwrap_or_default();
            let mut find = connection.prepare_cached(
                "SELECT s.email FROM enrichment_job j JOIN subscriber s ON s.id = j.subscriber WHERE j.id = ?",
            )?;
            let email = |job: &Uuid| find.query_row([job], |row| row.get(0));
            let emails = jobs.iter().map(email).collect::<rusqlite::Result<Vec<String>>>()?;
            Ok(jobs
                .into_iter()
                .zip(emails)
                .map(|(job, email)| Lookup { job: JobId(job), email })
                .collect())
        })
        .await
    }

    /// The provider has accepted a POST under this id.
    #[must_use]
    pub fn accept(
        run: RunId,
        attempt: u32,
        enrichment: String,
        posted_at: Timestamp,
        deadline: Duration,
    ) -> Attachment {
        writes(move |tx| accept(tx, run.0, attempt, &enrichment, Some(posted_at), deadline))
    }

    /// Nobody knows whether the provider has accepted a POST. The result is the provider's id,
    /// if a callback has named it meanwhile.
    #[must_use]
    pub fn mark_unknown(run: RunId, attempt: u32, window: Duration) -> Attachment {
        writes(move |tx| mark_unknown(tx, run.0, attempt, window))
    }

    /// Opens the next attempt with the same jobs, once everything that was sent before the last one has
    /// ended; defers until then. The result is the number of jobs.
    #[must_use]
    pub fn send_again(run: RunId, attempt: u32, window: Duration) -> Attachment {
        writes(move |tx| send_again(tx, run, attempt, window))
    }

    /// When a POST was made, as far as it is known.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn posted_at(&self, run: RunId, attempt: u32) -> Result<Option<Timestamp>, ReadError> {
        self.read(move |connection| {
            let mut find =
                connection.prepare_cached("SELECT posted_at FROM enrichment_post WHERE run = ? AND attempt = ?")?;
            let at: Option<Option<i64>> = find.query_row(params![run.0, attempt], |row| row.get(0)).optional()?;
            at.flatten().map(|at| from_micros(0, at)).transpose()
        })
        .await
    }
}

fn jobs_of(connection: &rusqlite::Connection, run: Uuid, attempt: u32) -> rusqlite::Result<Option<Vec<Uuid>>> {
    let mut find = connection.prepare_cached("SELECT jobs FROM enrichment_post WHERE run = ? AND attempt = ?")?;
    let packed: Option<Vec<u8>> = find.query_row(params![run, attempt], |row| row.get(0)).optional()?;
    Ok(packed.as_deref().map(unpack_jobs))
}

pub(super) fn open_post(tx: &Tx<'_>, run: RunId, attempt: u32, jobs: &[u8]) -> Written<()> {
    let mut insert = tx.connection().prepare_cached(
        "INSERT INTO enrichment_post (run, attempt, state, jobs) VALUES (?, ?, 'open', ?) ON CONFLICT DO NOTHING",
    )?;
    insert.execute(params![run.0, attempt, jobs])?;
    Ok(())
}

/// Registers the provider's id for a POST. When its time is not known, as for one that a
/// callback reveals, it counts from now.
pub(super) fn accept(
    tx: &Tx<'_>,
    run: Uuid,
    attempt: u32,
    enrichment: &str,
    posted_at: Option<Timestamp>,
    deadline: Duration,
) -> Written<()> {
    let connection = tx.connection();
    let posted = posted_at.map(micros);
    connection
        .prepare_cached(
            "UPDATE enrichment_post SET state = 'accepted', enrichment_id = ?, posted_at = coalesce(posted_at, ?, ?)
             WHERE run = ? AND attempt = ? AND enrichment_id IS NULL",
        )?
        .execute(params![enrichment, posted, micros(tx.now()), run, attempt])?;
    connection
        .prepare_cached(
            "INSERT INTO enrichment (id, run, attempt, registered_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )?
        .execute(params![enrichment, run, attempt, micros(tx.now())])?;
    submit_jobs(tx, run, attempt)?;
    hold_until(tx, run, attempt, deadline)
}

fn submit_jobs(tx: &Tx<'_>, run: Uuid, attempt: u32) -> Written<()> {
    let submitted = JobStatus::Pending
        .apply(JobEvent::Submitted)
        .expect("a pending job can be submitted");
    let mut update = tx.connection().prepare_cached(
        "UPDATE enrichment_job SET status = ?, submitted_at = coalesce(submitted_at, ?) WHERE id = ? AND run = ? AND status = ?",
    )?;
    for job in jobs_of(tx.connection(), run, attempt)?.unwrap_or_default() {
        update.execute(params![
            submitted.as_str(),
            micros(tx.now()),
            job,
            run,
            JobStatus::Pending.as_str()
        ])?;
    }
    Ok(())
}

/// The place is held until this long after the POST; its reservation counts on the POST's day.
fn hold_until(tx: &Tx<'_>, run: Uuid, attempt: u32, time: Duration) -> Written<()> {
    let posted: Option<i64> = tx
        .connection()
        .prepare_cached("SELECT posted_at FROM enrichment_post WHERE run = ? AND attempt = ?")?
        .query_row(params![run, attempt], |row| row.get(0))?;
    let posted = posted.unwrap_or_else(|| micros(tx.now()));
    let day = from_micros(0, posted)?.strftime("%Y-%m-%d").to_string();
    tx.connection()
        .prepare_cached("UPDATE batch SET slot_until = iif(state = 'holding', ?, slot_until), day = ? WHERE run = ? AND closed_at IS NULL")?
        .execute(params![posted.saturating_add(span(time)), day, run])?;
    Ok(())
}

fn mark_unknown(tx: &Tx<'_>, run: Uuid, attempt: u32, window: Duration) -> Written<Option<String>> {
    let connection = tx.connection();
    let mut find =
        connection.prepare_cached("SELECT enrichment_id FROM enrichment_post WHERE run = ? AND attempt = ?")?;
    let named: Option<Option<String>> = find.query_row(params![run, attempt], |row| row.get(0)).optional()?;
    if let Some(named) = named.flatten() {
        return Ok(Some(named));
    }
    connection
        .prepare_cached(
            "UPDATE enrichment_post SET state = 'unknown', posted_at = coalesce(posted_at, ?) WHERE run = ? AND attempt = ?",
        )?
        .execute(params![micros(tx.now()), run, attempt])?;
    submit_jobs(tx, run, attempt)?;
    hold_until(tx, run, attempt, window)?;
    Ok(None)
}

fn send_again(tx: &Tx<'_>, run: RunId, attempt: u32, window: Duration) -> Written<usize> {
    if is_anything_out_before(tx, run.0, attempt, window)? {
        return Err(StepError::defer(LOOK_AGAIN, "waits for the batches that were sent before to end").into());
    }
    let connection = tx.connection();
    let jobs = jobs_of(connection, run.0, attempt)?.unwrap_or_default();
    let mut open = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM enrichment_job WHERE id = ? AND run = ? AND status = 'submitted')",
    )?;
    let mut left = Vec::new();
    for job in jobs {
        if open.query_row(params![job, run.0], |row| row.get(0))? {
            left.push(job);
        }
    }
    open_post(tx, run, attempt + 1, &pack_jobs(&left))?;
    connection
        .prepare_cached("UPDATE batch SET state = 'holding', slot_until = NULL WHERE run = ?")?
        .execute([run.0])?;
    Ok(left.len())
}

/// While one that was sent earlier may still be looked up, sending again could be charged:
/// only a repeat of a finished lookup is free.
fn is_anything_out_before(tx: &Tx<'_>, run: Uuid, attempt: u32, window: Duration) -> Written<bool> {
    let mut find = tx.connection().prepare_cached(
        "SELECT EXISTS (
             SELECT 1 FROM enrichment_post p JOIN batch b ON b.run = p.run
             LEFT JOIN enrichment e ON e.id = p.enrichment_id
             WHERE p.run <> ?1 AND b.closed_at IS NULL
               AND p.posted_at <= (SELECT posted_at FROM enrichment_post WHERE run = ?1 AND attempt = ?2)
               AND ((p.state = 'accepted' AND e.ended_at IS NULL) OR (p.state = 'unknown' AND p.posted_at > ?3)))",
    )?;
    let window_began = micros(tx.now()).saturating_sub(span(window));
    Ok(find.query_row(params![run, attempt, window_began], |row| row.get(0))?)
}
