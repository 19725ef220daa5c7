//! Each time a batch is sent: open, accepted, refused, or of unknown outcome.

use std::time::Duration;

use jiff::Timestamp;
use lumina_enrichment::job::{JobEvent, JobStatus};
use lumina_workflow::RunId;
use lumina_workflow::store::Attachment;
use lumina_workflow_sqlite::Tx;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::batches::release_slot;
use super::resends::take_back;
use super::{ReadError, Records, Written, from_micros, micros, money, span, unpack_jobs, writes};
use crate::records::{JobId, Lookup, Out, PauseReason, Standing};

impl Records {
    /// The addresses that a POST sends, in the order of its jobs. Whoever has an answer meanwhile is left out.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn lookups(&self, run: RunId, attempt: u32) -> Result<Vec<Lookup>, ReadError> {
        self.read(move |connection| {
            let jobs = jobs_of(connection, run.0, attempt)?.unwrap_or_default();
            let mut find = connection.prepare_cached(
                "SELECT s.email FROM enrichment_job j JOIN subscriber s ON s.id = j.subscriber
                 WHERE j.id = ? AND j.run = ? AND j.status IN ('pending', 'submitted')",
            )?;
            let mut lookups = Vec::with_capacity(jobs.len());
            for job in jobs {
                let email: Option<String> = find.query_row(params![job, run.0], |row| row.get(0)).optional()?;
                lookups.extend(email.map(|email| Lookup { job: JobId(job), email }));
            }
            Ok(lookups)
        })
        .await
    }

    /// What is known of a POST that is about to be made.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn standing(&self, run: RunId, attempt: u32) -> Result<Standing, ReadError> {
        self.read(move |connection| {
            if let Some(out) = find_accepted(connection, run.0)? {
                return Ok(Standing::Accepted(out));
            }
            let mut find =
                connection.prepare_cached("SELECT state FROM enrichment_post WHERE run = ? AND attempt = ?")?;
            let state: Option<String> = find.query_row(params![run.0, attempt], |row| row.get(0)).optional()?;
            Ok(match state.as_deref() {
                Some("open") => Standing::Open,
                Some("unknown") => Standing::Unknown,
                _ => Standing::Over,
            })
        })
        .await
    }

    /// A POST that was made ready is not made: one of the same jobs before it is known to have been accepted.
    #[must_use]
    pub fn withdraw(run: RunId) -> Attachment {
        writes(move |tx| {
            close_post(tx, run.0, "open", "closed")?;
            release_slot(tx, run.0)
        })
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

    /// The provider refuses what concerns no single address: what was to be sent was not taken, and nothing more is
    /// until a probe says otherwise.
    #[must_use]
    pub fn refuse_and_pause(run: RunId, message: String) -> Attachment {
        writes(move |tx| {
            close_post(tx, run.0, "open", "refused")?;
            super::sweep::pause(tx, PauseReason::Refused, &message)
        })
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

/// The last POST of a run that is known to have been accepted.
pub(super) fn find_accepted(connection: &Connection, run: Uuid) -> rusqlite::Result<Option<Out>> {
    let mut find = connection.prepare_cached(
        "SELECT enrichment_id, posted_at FROM enrichment_post WHERE run = ? AND state = 'accepted'
         ORDER BY attempt DESC LIMIT 1",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Out {
            enrichment: row.get(0)?,
            posted_at: from_micros(1, row.get(1)?)?,
        })
    };
    find.query_row([run], read).optional()
}

pub(super) fn jobs_of(connection: &Connection, run: Uuid, attempt: u32) -> rusqlite::Result<Option<Vec<Uuid>>> {
    let mut find = connection.prepare_cached("SELECT jobs FROM enrichment_post WHERE run = ? AND attempt = ?")?;
    let packed: Option<Vec<u8>> = find.query_row(params![run, attempt], |row| row.get(0)).optional()?;
    Ok(packed.as_deref().map(unpack_jobs))
}

/// Makes ready to send these jobs, and counts what they may cost on this day.
pub(super) fn open_post(tx: &Tx<'_>, run: RunId, attempt: u32, jobs: &[u8]) -> Written<()> {
    let mut insert = tx.connection().prepare_cached(
        "INSERT INTO enrichment_post (run, attempt, state, jobs, day, reserved) VALUES (?1, ?2, 'open', ?3, ?4, ?5)
         ON CONFLICT DO NOTHING",
    )?;
    insert.execute(params![run.0, attempt, jobs, money::day_of(tx.now()), jobs.len() / 16])?;
    Ok(())
}

/// What was not sent, or not taken, costs nothing and takes no place.
pub(super) fn close_post(tx: &Tx<'_>, run: Uuid, from: &str, to: &str) -> Written<()> {
    tx.connection()
        .prepare_cached(
            "UPDATE enrichment_post SET state = ?, day = NULL, reserved = 0, out_until = NULL WHERE run = ? AND state = ?",
        )?
        .execute(params![to, run, from])?;
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
    take_place(tx, run, attempt)?;
    connection
        .prepare_cached(
            "UPDATE enrichment_post SET state = 'accepted', enrichment_id = ?1, posted_at = coalesce(posted_at, ?2, ?3),
             out_until = iif(state = 'open' OR out_until > ?3, coalesce(posted_at, ?2, ?3) + ?4, NULL)
             WHERE run = ?5 AND attempt = ?6 AND enrichment_id IS NULL",
        )?
        .execute(params![
            enrichment,
            posted_at.map(micros),
            micros(tx.now()),
            span(deadline),
            run,
            attempt
        ])?;
    connection
        .prepare_cached(
            "INSERT INTO enrichment (id, run, attempt, registered_at, ask_at) VALUES (?1, ?2, ?3, ?4,
             (SELECT ?4 FROM batch WHERE run = ?2 AND closed_at IS NOT NULL)) ON CONFLICT DO NOTHING",
        )?
        .execute(params![enrichment, run, attempt, micros(tx.now())])?;
    if let Some(at) = posted_at {
        date_reservation(tx, run, attempt, at)?;
    }
    take_back(tx, run, attempt)?;
    submit_jobs(tx, run, attempt)
}

/// What a run holds a place for is out now, and takes it by itself from here on. One that was out before, and is
/// only now known to have been accepted, has none any more once its time is over.
fn take_place(tx: &Tx<'_>, run: Uuid, attempt: u32) -> Written<()> {
    tx.connection()
        .prepare_cached(
            "UPDATE batch SET state = 'released' WHERE run = ?1 AND state = 'holding'
             AND EXISTS (SELECT 1 FROM enrichment_post WHERE run = ?1 AND attempt = ?2 AND state = 'open')",
        )?
        .execute(params![run, attempt])?;
    Ok(())
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

/// What a POST may cost counts on the day on which it was made. Where nobody knows when that was, it is the day that
/// was counted last, just before it was sent: not the day on which it is noticed, or told, that it was.
fn date_reservation(tx: &Tx<'_>, run: Uuid, attempt: u32, at: Timestamp) -> Written<()> {
    tx.connection()
        .prepare_cached("UPDATE enrichment_post SET day = ? WHERE run = ? AND attempt = ? AND day IS NOT NULL")?
        .execute(params![money::day_of(at), run, attempt])?;
    Ok(())
}

pub(super) fn mark_unknown(tx: &Tx<'_>, run: Uuid, attempt: u32, window: Duration) -> Written<Option<String>> {
    let connection = tx.connection();
    let mut find =
        connection.prepare_cached("SELECT enrichment_id FROM enrichment_post WHERE run = ? AND attempt = ?")?;
    let named: Option<Option<String>> = find.query_row(params![run, attempt], |row| row.get(0)).optional()?;
    if let Some(named) = named.flatten() {
        return Ok(Some(named));
    }
    take_place(tx, run, attempt)?;
    connection
        .prepare_cached(
            "UPDATE enrichment_post SET state = 'unknown', posted_at = coalesce(posted_at, ?1),
             out_until = coalesce(out_until, coalesce(posted_at, ?1) + ?2)
             WHERE run = ?3 AND attempt = ?4 AND state = 'open'",
        )?
        .execute(params![micros(tx.now()), span(window), run, attempt])?;
    submit_jobs(tx, run, attempt)?;
    Ok(None)
}
