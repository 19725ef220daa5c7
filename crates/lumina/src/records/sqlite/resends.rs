//! Sending a batch once more, when nobody knows what became of the first time.

use std::time::Duration;

use lumina_enrichment::job::{JobEvent, JobStatus};
use lumina_workflow::store::Attachment;
use lumina_workflow::{RunId, StepError};
use lumina_workflow_sqlite::Tx;
use rusqlite::params;
use uuid::Uuid;

use super::answers::is_closed;
use super::batches::{count_out, release_slot};
use super::posts::{find_accepted, jobs_of, open_post};
use super::{Records, Written, micros, money, pack_jobs, span, writes};
use crate::guards::Guard;
use crate::records::{Again, Budgets, Resend};

/// How long the provider keeps results. What it has not answered by then it will not.
const RESULTS_KEPT: Duration = Duration::from_secs(90 * 24 * 3_600);

/// Before webhook subscribers.
const FIRST: i16 = 20;

impl Records {
    /// Opens the next attempt with the same jobs, once everything that was sent before the last one has ended, it has
    /// a place and the budget allows it; defers until then, or puts it in line for a place. The result is [`Again`].
    #[must_use]
    pub fn send_again(run: RunId, attempt: u32, resend: Resend) -> Attachment {
        writes(move |tx| send_again(tx, run, attempt, resend))
    }
}

fn send_again(tx: &Tx<'_>, run: RunId, attempt: u32, resend: Resend) -> Written<Again> {
    let defer = |why: &str| StepError::defer(resend.look_again, why.to_owned());
    if let Some(out) = find_accepted(tx.connection(), run.0)? {
        release_slot(tx, run.0)?;
        return Ok(Again::Accepted(out));
    }
    let mut left = unanswered(tx, run.0, attempt)?;
    if left.is_empty() {
        return Ok(Again::Ready(0));
    }
    let is_removed = Guard::ReconcileWindow.is_removed();
    if !is_removed && is_anything_out_before(tx, run.0, attempt, resend.window)? {
        return Err(defer("waits for the batches that were sent before to end").into());
    }
    // No day may pay for all of them any more. Of none it is waited for a budget.
    let affordable = usize::try_from(resend.budgets.at_most()).unwrap_or(usize::MAX);
    left.truncate(affordable.max(1));
    let obstacle = find_obstacle(tx, left.len(), resend.budgets)?;
    match (obstacle, has_place(tx, run)?) {
        (Some(why), true) => return Err(defer(&why).into()),
        (None, true) => {}
        (None, false) if count_out(tx)? < u64::from(resend.max_in_flight) => {}
        (_, false) => {
            move_to(tx, run, "waiting")?;
            return Ok(Again::InLine);
        }
    }
    open_post(tx, run, attempt + 1, &pack_jobs(&left))?;
    move_to(tx, run, "holding")?;
    Ok(Again::Ready(left.len()))
}

/// What is in the way of buying so many.
fn find_obstacle(tx: &Tx<'_>, jobs: usize, budgets: Budgets) -> Written<Option<String>> {
    if let Some(pause) = super::sweep::find_pause(tx.connection())? {
        return Ok(Some(pause.message));
    }
    let left = money::left_of(tx.connection(), budgets, &money::day_of(tx.now()))?;
    Ok((left.credits < jobs as u64).then(|| left.why.to_owned()))
}

/// Whoever was in a POST that is only now known to have been accepted, and is free to be bought again because another
/// POST of the same run was not looked at: they wait for its answer instead.
pub(super) fn take_back(tx: &Tx<'_>, run: Uuid, attempt: u32) -> Written<()> {
    let mut status = JobStatus::Pending.apply(JobEvent::Submitted);
    if is_closed(tx, run)? {
        status = status.and_then(|submitted| submitted.apply(JobEvent::RunEnded));
    }
    let status = status.expect("what is pending can be sent, and then given up");
    let finished = status.is_end().then(|| micros(tx.now()));
    let mut update = tx.connection().prepare_cached(
        "UPDATE enrichment_job SET run = ?1, status = ?2, finished_at = ?3, reason = ?4
         WHERE id = ?5 AND status = 'pending' AND run IS NOT ?1",
    )?;
    let reason = "a batch that it was in is out after all";
    for job in jobs_of(tx.connection(), run, attempt)?.unwrap_or_default() {
        update.execute(params![run, status.as_str(), finished, reason, job])?;
    }
    Ok(())
}

fn has_place(tx: &Tx<'_>, run: RunId) -> Written<bool> {
    let mut find = tx
        .connection()
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM batch WHERE run = ? AND state = 'holding')")?;
    Ok(find.query_row([run.0], |row| row.get(0))?)
}

/// It goes before whoever has not been sent at all, and would else be overtaken for as long as there is a line.
fn move_to(tx: &Tx<'_>, run: RunId, state: &str) -> Written<()> {
    tx.connection()
        .prepare_cached("UPDATE batch SET state = ?, priority = ? WHERE run = ?")?
        .execute(params![state, FIRST, run.0])?;
    Ok(())
}

fn unanswered(tx: &Tx<'_>, run: Uuid, attempt: u32) -> Written<Vec<Uuid>> {
    let mut open = tx.connection().prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM enrichment_job WHERE id = ? AND run = ? AND status = 'submitted')",
    )?;
    let mut left = Vec::new();
    for job in jobs_of(tx.connection(), run, attempt)?.unwrap_or_default() {
        if open.query_row(params![job, run], |row| row.get(0))? {
            left.push(job);
        }
    }
    Ok(left)
}

/// While one that was sent earlier may still be looked up, sending again could be charged: only a repeat of a
/// finished lookup is free, and the provider works off what it has in order. Whether its run is over does not matter.
fn is_anything_out_before(tx: &Tx<'_>, run: Uuid, attempt: u32, window: Duration) -> Written<bool> {
    let connection = tx.connection();
    let mut find = connection.prepare_cached("SELECT posted_at FROM enrichment_post WHERE run = ? AND attempt = ?")?;
    let posted: Option<i64> = find.query_row(params![run, attempt], |row| row.get(0))?;
    let ago = |time| micros(tx.now()).saturating_sub(span(time));
    let mut unknown = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM enrichment_post INDEXED BY enrichment_post_out
             WHERE state = 'unknown' AND state IN ('accepted', 'unknown')
               AND (run <> ?1 OR attempt < ?2) AND posted_at <= ?3 AND posted_at > ?4)",
    )?;
    if unknown.query_row(params![run, attempt, posted, ago(window)], |row| row.get(0))? {
        return Ok(true);
    }
    // What was accepted and has not ended belongs to a batch that is open, or is asked about later: there are few of
    // those, and of others many.
    let mut accepted = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM batch b INDEXED BY batch_open
                        CROSS JOIN enrichment e ON e.run = b.run
                        CROSS JOIN enrichment_post p ON p.run = e.run AND p.attempt = e.attempt
             WHERE b.closed_at IS NULL AND e.ended_at IS NULL
               AND (p.run <> ?1 OR p.attempt < ?2) AND p.posted_at <= ?3 AND p.posted_at > ?4)
             OR EXISTS (SELECT 1 FROM enrichment e INDEXED BY enrichment_asked
                        CROSS JOIN enrichment_post p ON p.run = e.run AND p.attempt = e.attempt
             WHERE e.ask_at IS NOT NULL AND e.ended_at IS NULL
               AND (p.run <> ?1 OR p.attempt < ?2) AND p.posted_at <= ?3 AND p.posted_at > ?4)",
    )?;
    Ok(accepted.query_row(params![run, attempt, posted, ago(RESULTS_KEPT)], |row| row.get(0))?)
}
