//! Each time a batch is sent: open, accepted, refused, or of unknown outcome.

use std::time::Duration;

use jiff::Timestamp;
use lumina_enrichment::job::{JobEvent, JobStatus};
use lumina_workflow::RunId;
use lumina_workflow::store::Attachment;
use uuid::Uuid;

use super::places::release_slot;
use super::resends::take_back;
use super::sent::jobs_of;
use super::{micros, money, pauses, span};
use crate::records::db::{Got, Tx, sql, values};
use crate::records::handle::writes;
use crate::records::{PauseReason, Records};

impl Records {
    /// A POST that was made ready is not made: one of the same jobs before it is known to have been accepted.
    #[must_use]
    pub fn withdraw(run: RunId) -> Attachment {
        writes!(|tx, run| withdraw(tx, run.0))
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
        let post = Post { run: run.0, attempt };
        writes!(|tx, post, enrichment, posted_at, deadline| accept(tx, *post, enrichment, Some(*posted_at), *deadline))
    }

    /// Nobody knows whether the provider has accepted a POST. The result is the provider's id,
    /// if a callback has named it meanwhile.
    #[must_use]
    pub fn mark_unknown(run: RunId, attempt: u32, window: Duration) -> Attachment {
        let post = Post { run: run.0, attempt };
        writes!(|tx, post, window| mark_unknown(tx, *post, *window))
    }

    /// The provider refuses what concerns no single address: what was to be sent was not taken, and nothing more is
    /// until a probe says otherwise.
    #[must_use]
    pub fn refuse_and_pause(run: RunId, message: String) -> Attachment {
        writes!(|tx, run, message| refuse_and_pause(tx, run.0, message))
    }
}

/// One time that a batch is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Post {
    pub run: Uuid,
    pub attempt: u32,
}

async fn withdraw(tx: &impl Tx, run: Uuid) -> Got<()> {
    close_post(tx, run, "open", "closed").await?;
    release_slot(tx, run).await
}

async fn refuse_and_pause(tx: &impl Tx, run: Uuid, message: &str) -> Got<()> {
    close_post(tx, run, "open", "refused").await?;
    pauses::pause(tx, PauseReason::Refused, message).await
}

/// Makes ready to send these jobs, and counts what they may cost on this day.
pub(super) async fn open_post(tx: &impl Tx, run: RunId, attempt: u32, jobs: &[u8]) -> Got<()> {
    let day = money::day_of(tx.now());
    tx.execute(
        sql!(
            "INSERT INTO enrichment_post (run, attempt, state, jobs, day, reserved) VALUES (?1, ?2, 'open', ?3, ?4, ?5)
             ON CONFLICT DO NOTHING"
        ),
        &values![run, attempt, jobs, &day, jobs.len() / 16],
    )
    .await?;
    Ok(())
}

/// What was not sent, or not taken, costs nothing and takes no place.
pub(super) async fn close_post(tx: &impl Tx, run: Uuid, from: &str, to: &str) -> Got<()> {
    tx.execute(
        sql!(
            "UPDATE enrichment_post SET state = ?, day = NULL, reserved = 0, out_until = NULL
             WHERE run = ? AND state = ?"
        ),
        &values![to, run, from],
    )
    .await?;
    Ok(())
}

/// Registers the provider's id for a POST. When its time is not known, as for one that a callback reveals, it counts
/// from when it was last made ready to leave.
pub(super) async fn accept(
    tx: &impl Tx,
    post: Post,
    enrichment: &str,
    posted_at: Option<Timestamp>,
    deadline: Duration,
) -> Got<()> {
    let (Post { run, attempt }, now) = (post, micros(tx.now()));
    take_place(tx, post).await?;
    tx.execute(
        sql!(
            "UPDATE enrichment_post SET state = 'accepted', enrichment_id = ?1, posted_at = coalesce(posted_at, ?2, leaving_at, ?3),
             out_until = CASE WHEN state = 'open' OR out_until > ?3
                              THEN coalesce(posted_at, ?2, leaving_at, ?3) + ?4 END
             WHERE run = ?5 AND attempt = ?6 AND enrichment_id IS NULL"
        ),
        &values![enrichment, posted_at.map(micros), now, span(deadline), run, attempt],
    )
    .await?;
    tx.execute(
        sql!(
            "INSERT INTO enrichment (id, run, attempt, registered_at, ask_at) VALUES (?1, ?2, ?3, ?4,
             (SELECT ?4 FROM batch WHERE run = ?2 AND closed_at IS NOT NULL)) ON CONFLICT DO NOTHING"
        ),
        &values![enrichment, run, attempt, now],
    )
    .await?;
    if let Some(at) = posted_at {
        date_reservation(tx, post, at).await?;
    }
    take_back(tx, post).await?;
    submit_jobs(tx, post).await
}

/// What a run holds a place for is out now, and takes it by itself from here on. One that was out before, and is
/// only now known to have been accepted, has none any more once its time is over.
async fn take_place(tx: &impl Tx, post: Post) -> Got<()> {
    tx.execute(
        sql!(
            "UPDATE batch SET state = 'released' WHERE run = ?1 AND state = 'holding'
             AND EXISTS (SELECT 1 FROM enrichment_post WHERE run = ?1 AND attempt = ?2 AND state = 'open')"
        ),
        &values![post.run, post.attempt],
    )
    .await?;
    Ok(())
}

async fn submit_jobs(tx: &impl Tx, post: Post) -> Got<()> {
    let submitted = JobStatus::Pending
        .apply(JobEvent::Submitted)
        .expect("a pending job can be submitted");
    let (pending, now) = (JobStatus::Pending.as_str(), micros(tx.now()));
    let jobs = jobs_of(tx, post.run, post.attempt).await?;
    let each: Vec<_> = jobs
        .iter()
        .map(|job| values![submitted.as_str(), now, *job, post.run, pending])
        .collect();
    tx.update_each(
        sql!(
            "UPDATE enrichment_job SET status = ?, submitted_at = coalesce(submitted_at, ?)
             WHERE id = ? AND run = ? AND status = ?"
        ),
        &each,
    )
    .await?;
    Ok(())
}

/// What a POST may cost counts on the day on which it was made. Where nobody knows when that was, it is the day that
/// was counted last, just before it was sent: not the day on which it is noticed, or told, that it was.
async fn date_reservation(tx: &impl Tx, post: Post, at: Timestamp) -> Got<()> {
    let day = money::day_of(at);
    tx.execute(
        sql!("UPDATE enrichment_post SET day = ? WHERE run = ? AND attempt = ? AND day IS NOT NULL"),
        &values![&day, post.run, post.attempt],
    )
    .await?;
    Ok(())
}

pub(super) async fn mark_unknown(tx: &impl Tx, post: Post, window: Duration) -> Got<Option<String>> {
    let Post { run, attempt } = post;
    let named: Option<Option<String>> = tx
        .find(
            sql!("SELECT enrichment_id FROM enrichment_post WHERE run = ? AND attempt = ?"),
            &values![run, attempt],
            |row| row.get(0),
        )
        .await?;
    if let Some(named) = named.flatten() {
        return Ok(Some(named));
    }
    take_place(tx, post).await?;
    tx.execute(
        sql!(
            "UPDATE enrichment_post SET state = 'unknown', posted_at = coalesce(posted_at, ?1),
             out_until = coalesce(out_until, coalesce(posted_at, ?1) + ?2)
             WHERE run = ?3 AND attempt = ?4 AND state = 'open'"
        ),
        &values![micros(tx.now()), span(window), run, attempt],
    )
    .await?;
    submit_jobs(tx, post).await?;
    Ok(None)
}
