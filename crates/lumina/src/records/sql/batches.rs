//! Batches: what a run may take, and its end.

use lumina_enrichment::job::{JobEvent, JobStatus};
use lumina_workflow::RunId;
use lumina_workflow::store::{Attachment, NewRun, Outcome};
use uuid::Uuid;

use super::pauses::pause;
use super::places::release_slot;
use super::posts::{close_post, open_post};
use super::unapplied::leave_to_late_results;
use super::{micros, money, pack_jobs};
use crate::records::db::{Got, Lock, Tx, sql, values};
use crate::records::handle::writes;
use crate::records::{Allowance, Applied, BATCH_SIZE, Records, Taken};

impl Records {
    /// Closes the open batch and takes its jobs, as far as budget and balance allow. The
    /// result is [`Taken`].
    #[must_use]
    pub fn take_batch(run: RunId, allowance: Allowance) -> Attachment {
        writes!(|tx, run, allowance| take_batch(tx, *run, *allowance))
    }

    /// Ends a run's batch: what was never sent is free again, what is out and unanswered is
    /// stale, and its answer is asked for later. The result is [`Applied`].
    #[must_use]
    pub fn close_batch(run: RunId, reason: String) -> Attachment {
        writes!(|tx, run, reason| close_batch(tx, *run, reason))
    }

    /// Hands a refused batch to two new runs, half each; a single job is failed. The result
    /// is how many runs were started.
    #[must_use]
    pub fn split_batch(run: RunId, halves: [NewRun; 2], reason: String) -> Attachment {
        writes!(|tx, run, halves, reason| split_batch(tx, *run, halves, reason))
    }
}

/// Starts a run of the enrichment workflow, and puts it in line for a place.
pub(super) async fn start_batch_run(tx: &impl Tx, new: &NewRun) -> Got<()> {
    if let Outcome::Existing { .. } = tx.start(new).await? {
        return Ok(());
    }
    tx.execute(
        sql!("INSERT INTO batch (run, state, priority) VALUES (?, 'waiting', ?)"),
        &values![new.id, new.priority],
    )
    .await?;
    Ok(())
}

/// Gives jobs to a run.
pub(super) async fn own(tx: &impl Tx, jobs: &[Uuid], run: RunId) -> Got<()> {
    let each: Vec<_> = jobs.iter().map(|job| values![run, *job]).collect();
    tx.update_each(
        sql!("UPDATE enrichment_job SET run = ?, reason = NULL WHERE id = ?"),
        &each,
    )
    .await?;
    Ok(())
}

async fn take_batch(tx: &impl Tx, run: RunId, allowance: Allowance) -> Got<Taken> {
    // First nobody can join any more, then the jobs are read: one that joined is seen.
    leave_open_batch(tx, run).await?;
    let mut jobs = pending_jobs(tx, run).await?;
    jobs.truncate(BATCH_SIZE);
    let allowed = money::allow(tx, allowance).await?;
    let left = jobs.split_off(jobs.len().min(usize::try_from(allowed.credits).unwrap_or(usize::MAX)));
    if !left.is_empty() {
        leave(tx, &left, &allowed).await?;
    }
    if !jobs.is_empty() {
        tx.execute(
            sql!("UPDATE batch SET jobs = ? WHERE run = ?"),
            &values![jobs.len(), run],
        )
        .await?;
        open_post(tx, run, 1, &pack_jobs(&jobs)).await?;
    }
    Ok(Taken {
        jobs: jobs.len() as u64,
        left: left.len() as u64,
    })
}

/// Nobody can join a run's batch any more.
async fn leave_open_batch(tx: &impl Tx, run: RunId) -> Got<()> {
    tx.execute(sql!("DELETE FROM open_batch WHERE run = ?"), &values![run])
        .await?;
    Ok(())
}

/// What budget or balance do not allow is free for a later run, and nothing starts one until then.
async fn leave(tx: &impl Tx, jobs: &[Uuid], allowed: &money::Left) -> Got<()> {
    let each: Vec<_> = jobs.iter().map(|job| values![allowed.why, *job]).collect();
    tx.update_each(
        sql!("UPDATE enrichment_job SET run = NULL, reason = ? WHERE id = ? AND status = 'pending'"),
        &each,
    )
    .await?;
    pause(tx, allowed.bound, allowed.why).await
}

/// What is stored for the run by then is left to late results, and what comes later finds the batch closed.
pub(super) async fn close_batch(tx: &impl Tx, run: RunId, reason: &str) -> Got<Applied> {
    tx.lock(Lock::Run(run.0)).await?;
    leave_open_batch(tx, run).await?;
    tx.execute(
        sql!(
            "UPDATE enrichment_job INDEXED BY enrichment_job_run SET run = NULL, reason = ?
             WHERE run = ? AND status = ? AND status IN ('pending', 'submitted')"
        ),
        &values![reason, run, JobStatus::Pending.as_str()],
    )
    .await?;
    let stale = give_up_submitted(tx, run, reason).await?;
    close_post(tx, run.0, "open", "closed").await?;
    leave_to_late_results(tx, run.0, stale > 0).await?;
    tx.execute(
        sql!("UPDATE batch SET closed_at = ? WHERE run = ?"),
        &values![micros(tx.now()), run],
    )
    .await?;
    release_slot(tx, run.0).await?;
    Ok(Applied {
        stale,
        ..Applied::default()
    })
}

/// What is out and unanswered is stale.
async fn give_up_submitted(tx: &impl Tx, run: RunId, reason: &str) -> Got<u64> {
    let stale = JobStatus::Submitted
        .apply(JobEvent::RunEnded)
        .expect("a submitted job can be given up");
    let submitted = JobStatus::Submitted.as_str();
    tx.execute(
        sql!(
            "UPDATE enrichment_job INDEXED BY enrichment_job_run SET status = ?, reason = ?, finished_at = ?
             WHERE run = ? AND status = ? AND status IN ('pending', 'submitted')"
        ),
        &values![stale.as_str(), reason, micros(tx.now()), run, submitted],
    )
    .await
}

async fn split_batch(tx: &impl Tx, run: RunId, halves: &[NewRun; 2], reason: &str) -> Got<usize> {
    let jobs = refused_jobs(tx, run).await?;
    let started = match jobs.as_slice() {
        [] => 0,
        [alone] => {
            refuse(tx, *alone, reason).await?;
            0
        }
        many => {
            hand_over(tx, run, many, halves).await?;
            2
        }
    };
    close_batch(tx, run, "its batch was divided").await?;
    Ok(started)
}

/// To two runs, half each, that stand where this one stood in line.
async fn hand_over(tx: &impl Tx, run: RunId, jobs: &[Uuid], halves: &[NewRun; 2]) -> Got<()> {
    let priority = tx
        .value(sql!("SELECT priority FROM batch WHERE run = ?"), &values![run])
        .await?;
    let (first, second) = jobs.split_at(jobs.len() / 2);
    for (half, new) in [first, second].into_iter().zip(halves) {
        let new = NewRun {
            priority,
            ..new.clone()
        };
        start_batch_run(tx, &new).await?;
        own(tx, half, new.id).await?;
    }
    Ok(())
}

/// The jobs of a batch that was refused for an address. When it had been sent before, and nobody knew what became of
/// it, that is known now: it had the same address in it, and was refused as well.
async fn refused_jobs(tx: &impl Tx, run: RunId) -> Got<Vec<Uuid>> {
    close_post(tx, run.0, "open", "refused").await?;
    let is_accepted: bool = tx
        .value(
            sql!("SELECT EXISTS (SELECT 1 FROM enrichment WHERE run = ?)"),
            &values![run],
        )
        .await?;
    if !is_accepted {
        close_post(tx, run.0, "unknown", "refused").await?;
        let pending = JobStatus::Submitted
            .apply(JobEvent::NotLookedAt)
            .expect("what was not looked at can be sent again");
        tx.execute(
            sql!(
                "UPDATE enrichment_job INDEXED BY enrichment_job_run SET status = ?, submitted_at = NULL
                 WHERE run = ? AND status = ? AND status IN ('pending', 'submitted')"
            ),
            &values![pending.as_str(), run, JobStatus::Submitted.as_str()],
        )
        .await?;
    }
    pending_jobs(tx, run).await
}

/// A run's jobs that are not sent. An index over some rows serves only a statement that repeats which those are.
async fn pending_jobs(tx: &impl Tx, run: RunId) -> Got<Vec<Uuid>> {
    tx.list(
        sql!(
            "SELECT id FROM enrichment_job INDEXED BY enrichment_job_run
             WHERE run = ? AND status = 'pending' AND status IN ('pending', 'submitted') ORDER BY id"
        ),
        &values![run],
        |row| row.get(0),
    )
    .await
}

async fn refuse(tx: &impl Tx, job: Uuid, reason: &str) -> Got<()> {
    let failed = JobStatus::Pending
        .apply(JobEvent::Refused)
        .expect("a pending job can be refused");
    tx.execute(
        sql!("UPDATE enrichment_job SET status = ?, reason = ?, finished_at = ? WHERE id = ?"),
        &values![failed.as_str(), reason, micros(tx.now()), job],
    )
    .await?;
    Ok(())
}
