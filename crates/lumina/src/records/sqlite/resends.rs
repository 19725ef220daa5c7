//! Sending a batch once more, when nobody knows what became of the first time.

use std::time::Duration;

use lumina_workflow::store::Attachment;
use lumina_workflow::{RunId, StepError};
use lumina_workflow_sqlite::Tx;
use rusqlite::params;
use uuid::Uuid;

use super::batches::count_out;
use super::posts::{find_accepted, jobs_of, open_post};
use super::{Records, Written, micros, money, pack_jobs, span, writes};
use crate::guards::Guard;
use crate::records::{Again, Resend};

/// How long the provider keeps results. What it has not answered by then it will not.
const RESULTS_KEPT: Duration = Duration::from_secs(90 * 24 * 3_600);

impl Records {
    /// Opens the next attempt with the same jobs, once everything that was sent before the last one has ended, a
    /// place is free and the budget allows it; defers until then. The result is [`Again`].
    #[must_use]
    pub fn send_again(run: RunId, attempt: u32, resend: Resend) -> Attachment {
        writes(move |tx| send_again(tx, run, attempt, resend))
    }
}

fn send_again(tx: &Tx<'_>, run: RunId, attempt: u32, resend: Resend) -> Written<Again> {
    let defer = |why: &str| StepError::defer(resend.look_again, why.to_owned());
    if let Some(out) = find_accepted(tx.connection(), run.0)? {
        return Ok(Again::Accepted(out));
    }
    let left = unanswered(tx, run.0, attempt)?;
    if left.is_empty() {
        return Ok(Again::Ready(0));
    }
    let is_removed = Guard::ReconcileWindow.is_removed();
    if !is_removed && is_anything_out_before(tx, run.0, attempt, resend.window)? {
        return Err(defer("waits for the batches that were sent before to end").into());
    }
    if let Some(pause) = super::sweep::find_pause(tx.connection())? {
        return Err(defer(&pause.message).into());
    }
    if count_out(tx)? >= u64::from(resend.max_in_flight) {
        return Err(defer("waits for a place among the batches that are out").into());
    }
    let day = money::day_of(tx.now());
    if money::left_of(tx.connection(), resend.budgets, &day)?.credits < left.len() as u64 {
        return Err(defer("waits for the budget").into());
    }
    open_post(tx, run, attempt + 1, &pack_jobs(&left))?;
    tx.connection()
        .prepare_cached("UPDATE batch SET state = 'holding' WHERE run = ?")?
        .execute([run.0])?;
    Ok(Again::Ready(left.len()))
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
    let mut find = tx.connection().prepare_cached(
        "SELECT EXISTS (
             SELECT 1 FROM enrichment_post p LEFT JOIN enrichment e ON e.id = p.enrichment_id
             WHERE (p.run <> ?1 OR p.attempt < ?2) AND p.state IN ('accepted', 'unknown')
               AND p.posted_at <= (SELECT posted_at FROM enrichment_post WHERE run = ?1 AND attempt = ?2)
               AND p.posted_at > iif(p.state = 'unknown', ?3, ?4)
               AND e.ended_at IS NULL)",
    )?;
    let ago = |time| micros(tx.now()).saturating_sub(span(time));
    Ok(find.query_row(params![run, attempt, ago(window), ago(RESULTS_KEPT)], |row| row.get(0))?)
}
