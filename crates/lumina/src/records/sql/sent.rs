//! What was sent, or is about to be.

use jiff::Timestamp;
use lumina_workflow::RunId;
use uuid::Uuid;

use super::unpack_jobs;
use crate::records::db::{Db, Got, Row, sql, values};
use crate::records::handle::reads;
use crate::records::{JobId, Lookup, Out, ReadError, Records, Standing};

impl Records {
    /// The addresses that a POST sends, in the order of its jobs. Whoever has an answer meanwhile is left out.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn lookups(&self, run: RunId, attempt: u32) -> Result<Vec<Lookup>, ReadError> {
        reads!(self, |db| find_lookups(db, run.0, attempt))
    }

    /// What is known of a POST that is about to be made.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn standing(&self, run: RunId, attempt: u32) -> Result<Standing, ReadError> {
        reads!(self, |db| find_standing(db, run.0, attempt))
    }

    /// When a POST was made, as far as it is known.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn posted_at(&self, run: RunId, attempt: u32) -> Result<Option<Timestamp>, ReadError> {
        reads!(self, |db| find_posted_at(db, run.0, attempt))
    }
}

async fn find_lookups(db: &impl Db, run: Uuid, attempt: u32) -> Got<Vec<Lookup>> {
    let jobs = jobs_of(db, run, attempt).await?;
    let each: Vec<_> = jobs.iter().map(|job| values![*job, run]).collect();
    let emails = db.find_each(
        sql!(
            "SELECT s.email FROM enrichment_job j JOIN subscriber s ON s.id = j.subscriber
             WHERE j.id = ? AND j.run = ? AND j.status IN ('pending', 'submitted')"
        ),
        &each,
        |row| row.get(0),
    );
    let lookup = |(job, email): (&Uuid, Option<String>)| {
        Some(Lookup {
            job: JobId(*job),
            email: email?,
        })
    };
    Ok(jobs.iter().zip(emails.await?).filter_map(lookup).collect())
}

async fn find_standing(db: &impl Db, run: Uuid, attempt: u32) -> Got<Standing> {
    // First this: what it says may become accepted before the second question is answered, and never the other way.
    let state: Option<String> = db
        .find(
            sql!("SELECT state FROM enrichment_post WHERE run = ? AND attempt = ?"),
            &values![run, attempt],
            |row| row.get(0),
        )
        .await?;
    if let Some(out) = find_accepted(db, run).await? {
        return Ok(Standing::Accepted(out));
    }
    Ok(match state.as_deref() {
        Some("open") => Standing::Open,
        Some("unknown") => Standing::Unknown,
        _ => Standing::Over,
    })
}

async fn find_posted_at(db: &impl Db, run: Uuid, attempt: u32) -> Got<Option<Timestamp>> {
    let at = db
        .find(
            sql!("SELECT posted_at FROM enrichment_post WHERE run = ? AND attempt = ?"),
            &values![run, attempt],
            |row| row.optional_time(0),
        )
        .await?;
    Ok(at.flatten())
}

/// The last POST of a run that is known to have been accepted.
pub(super) async fn find_accepted(db: &impl Db, run: Uuid) -> Got<Option<Out>> {
    db.find(
        sql!(
            "SELECT enrichment_id, posted_at FROM enrichment_post WHERE run = ? AND state = 'accepted'
             ORDER BY attempt DESC LIMIT 1"
        ),
        &values![run],
        read_out,
    )
    .await
}

/// A batch that is out, of its provider's id and its time.
pub(super) fn read_out(row: &Row<'_>) -> Got<Out> {
    Ok(Out {
        enrichment: row.get(0)?,
        posted_at: row.time(1)?,
    })
}

/// The jobs of a POST; none when there is no such one.
pub(super) async fn jobs_of(db: &impl Db, run: Uuid, attempt: u32) -> Got<Vec<Uuid>> {
    let packed: Option<Vec<u8>> = db
        .find(
            sql!("SELECT jobs FROM enrichment_post WHERE run = ? AND attempt = ?"),
            &values![run, attempt],
            |row| row.get(0),
        )
        .await?;
    Ok(packed.as_deref().map(unpack_jobs).unwrap_or_default())
}
