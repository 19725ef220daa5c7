//! Sending a batch once more, when nobody knows what became of the first time.

use std::time::Duration;

use lumina_enrichment::job::{JobEvent, JobStatus};
use lumina_workflow::store::Attachment;
use lumina_workflow::{RunId, StepError};
use uuid::Uuid;

use super::answers::is_closed;
use super::pauses::find_pause;
use super::places::{count_out, release_slot};
use super::posts::{Post, open_post};
use super::sent::{find_accepted, jobs_of};
use super::{micros, money, pack_jobs, span};
use crate::guards::Guard;
use crate::records::db::{Got, Lock, Sql, Tx, sql, values};
use crate::records::handle::writes;
use crate::records::{Again, Budgets, Records, Resend};

/// How long the provider keeps results. What it has not answered by then it will not.
const RESULTS_KEPT: Duration = Duration::from_secs(90 * 24 * 3_600);

/// Before webhook subscribers.
const FIRST: i16 = 20;

impl Records {
    /// Opens the next attempt with the same jobs, once everything that was sent before the last one has ended, it has
    /// a place and the budget allows it; defers until then, or puts it in line for a place. The result is [`Again`].
    #[must_use]
    pub fn send_again(run: RunId, attempt: u32, resend: Resend) -> Attachment {
        writes!(|tx, run, attempt, resend| send_again(tx, *run, *attempt, *resend))
    }
}

async fn send_again(tx: &impl Tx, run: RunId, attempt: u32, resend: Resend) -> Got<Again> {
    let defer = |why: &str| StepError::defer(resend.look_again, why.to_owned());
    if let Some(out) = find_accepted(tx, run.0).await? {
        release_slot(tx, run.0).await?;
        return Ok(Again::Accepted(out));
    }
    let mut left = unanswered(tx, run.0, attempt).await?;
    if left.is_empty() {
        return Ok(Again::Ready(0));
    }
    let is_removed = Guard::ReconcileWindow.is_removed();
    if !is_removed && is_anything_out_before(tx, run.0, attempt, resend.window).await? {
        return Err(defer("waits for the batches that were sent before to end").into());
    }
    // No day may pay for all of them any more. Of none it is waited for a budget.
    let affordable = usize::try_from(resend.budgets.at_most()).unwrap_or(usize::MAX);
    left.truncate(affordable.max(1));
    tx.lock(Lock::Money).await?;
    let obstacle = find_obstacle(tx, left.len(), resend.budgets).await?;
    match (obstacle, has_place(tx, run).await?) {
        (Some(why), true) => return Err(defer(&why).into()),
        (None, true) => {}
        (None, false) if count_out(tx).await? < u64::from(resend.max_in_flight) => {}
        (_, false) => {
            move_to(tx, run, "waiting").await?;
            return Ok(Again::InLine);
        }
    }
    open_post(tx, run, attempt + 1, &pack_jobs(&left)).await?;
    move_to(tx, run, "holding").await?;
    Ok(Again::Ready(left.len()))
}

/// What is in the way of buying so many.
async fn find_obstacle(tx: &impl Tx, jobs: usize, budgets: Budgets) -> Got<Option<String>> {
    if let Some(pause) = find_pause(tx).await? {
        return Ok(Some(pause.message));
    }
    let today = money::day_of(tx.now());
    let left = money::left_of(tx, budgets, &today).await?;
    Ok((left.credits < jobs as u64).then(|| left.why.to_owned()))
}

/// Whoever was in a POST that is only now known to have been accepted, and is free to be bought again because another
/// POST of the same run was not looked at: they wait for its answer instead.
pub(super) async fn take_back(tx: &impl Tx, post: Post) -> Got<()> {
    let mut status = JobStatus::Pending.apply(JobEvent::Submitted);
    if is_closed(tx, post.run).await? {
        status = status.and_then(|submitted| submitted.apply(JobEvent::RunEnded));
    }
    let status = status.expect("what is pending can be sent, and then given up");
    let finished = status.is_end().then(|| micros(tx.now()));
    let reason = "a batch that it was in is out after all";
    let mut each = Vec::new();
    for job in jobs_of(tx, post.run, post.attempt).await? {
        each.push(values![post.run, status.as_str(), finished, reason, job]);
    }
    tx.update_each(
        sql!(
            "UPDATE enrichment_job SET run = ?1, status = ?2, finished_at = ?3, reason = ?4
             WHERE id = ?5 AND status = 'pending' AND run IS DISTINCT FROM ?1"
        ),
        &each,
    )
    .await?;
    Ok(())
}

async fn has_place(tx: &impl Tx, run: RunId) -> Got<bool> {
    tx.value(
        sql!("SELECT EXISTS (SELECT 1 FROM batch WHERE run = ? AND state = 'holding')"),
        &values![run],
    )
    .await
}

/// It goes before whoever has not been sent at all, and would else be overtaken for as long as there is a line.
async fn move_to(tx: &impl Tx, run: RunId, state: &str) -> Got<()> {
    tx.execute(
        sql!("UPDATE batch SET state = ?, priority = ? WHERE run = ?"),
        &values![state, FIRST, run],
    )
    .await?;
    Ok(())
}

async fn unanswered(tx: &impl Tx, run: Uuid, attempt: u32) -> Got<Vec<Uuid>> {
    let jobs = jobs_of(tx, run, attempt).await?;
    let each: Vec<_> = jobs.iter().map(|job| values![*job, run]).collect();
    let open = tx.find_each(
        sql!("SELECT id FROM enrichment_job WHERE id = ? AND run = ? AND status = 'submitted'"),
        &each,
        |row| row.get(0),
    );
    Ok(open.await?.into_iter().flatten().collect())
}

/// While one that was sent earlier may still be looked up, sending again could be charged: only a repeat of a
/// finished lookup is free, and the provider works off what it has in order. Whether its run is over does not matter.
/// What left no later than it was noted that nobody knows the outcome of this one may have been there before it.
async fn is_anything_out_before(tx: &impl Tx, run: Uuid, attempt: u32, window: Duration) -> Got<bool> {
    let noted: Option<i64> = tx
        .value(
            sql!("SELECT posted_at FROM enrichment_post WHERE run = ? AND attempt = ?"),
            &values![run, attempt],
        )
        .await?;
    let ago = |time| micros(tx.now()).saturating_sub(span(time));
    let unheard_of = values![run, attempt, noted, ago(window), ago(2 * window)];
    let accepted = values![run, attempt, noted, ago(RESULTS_KEPT)];
    Ok(tx.value(&UNHEARD_OF_BEFORE, &unheard_of).await? || tx.value(&ACCEPTED_BEFORE, &accepted).await?)
}

/// Of unknown outcome, within its window. Or made ready to leave, by a process that nobody has missed yet: a call takes
/// less than a window, and its sign comes within another.
static UNHEARD_OF_BEFORE: Sql = Sql::new(
    "SELECT EXISTS (SELECT 1 FROM enrichment_post INDEXED BY enrichment_post_out
         WHERE state = 'unknown' AND state IN ('accepted', 'unknown')
           AND (run <> ?1 OR attempt < ?2) AND coalesce(leaving_at, posted_at) <= ?3 AND posted_at > ?4)
         OR EXISTS (SELECT 1 FROM batch b INDEXED BY batch_holding
                    CROSS JOIN enrichment_post p ON p.run = b.run
         WHERE b.state = 'holding' AND p.state = 'open'
           AND p.run <> ?1 AND p.leaving_at <= ?3 AND p.leaving_at > ?5)",
);

/// What was accepted and has not ended belongs to a batch that is open, or is asked about later: there are few of
/// those, and of others many.
static ACCEPTED_BEFORE: Sql = Sql::new(
    "SELECT EXISTS (SELECT 1 FROM batch b INDEXED BY batch_open
                    CROSS JOIN enrichment e ON e.run = b.run
                    CROSS JOIN enrichment_post p ON p.run = e.run AND p.attempt = e.attempt
         WHERE b.closed_at IS NULL AND e.ended_at IS NULL AND (p.run <> ?1 OR p.attempt < ?2)
           AND coalesce(p.leaving_at, p.posted_at) <= ?3 AND p.posted_at > ?4)
         OR EXISTS (SELECT 1 FROM enrichment e INDEXED BY enrichment_asked
                    CROSS JOIN enrichment_post p ON p.run = e.run AND p.attempt = e.attempt
         WHERE e.ask_at IS NOT NULL AND e.ended_at IS NULL AND (p.run <> ?1 OR p.attempt < ?2)
           AND coalesce(p.leaving_at, p.posted_at) <= ?3 AND p.posted_at > ?4)",
);
