//! Batches: the open one, the turn among what is out, what a run may take, and its end.

use std::time::Duration;

use lumina_enrichment::job::{JobEvent, JobStatus};
use lumina_workflow::store::{Attachment, NewRun, Outcome, RunStatus};
use lumina_workflow::{RunId, StepError};
use lumina_workflow_sqlite::Tx;
use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use super::intake::own;
use super::posts::{close_post, find_accepted, open_post};
use super::unapplied::leave_to_late_results;
use super::{Records, Written, micros, money, pack_jobs, run_id, writes};
use crate::guards::Guard;
use crate::records::{Allowance, Applied, BATCH_SIZE, Intake, Taken};

/// A run that found no place asks again after this time, should nobody have told it.
const SLOT_FALLBACK: Duration = Duration::from_secs(30 * 60);

impl Records {
    /// Takes a place among the batches that may be out at once, or defers.
    #[must_use]
    pub fn take_slot(run: RunId, max_in_flight: u32) -> Attachment {
        writes(move |tx| take_slot(tx, run, max_in_flight))
    }

    /// Closes the open batch and takes its jobs, as far as budget and balance allow. The
    /// result is [`Taken`].
    #[must_use]
    pub fn take_batch(run: RunId, allowance: Allowance) -> Attachment {
        writes(move |tx| take_batch(tx, run, allowance))
    }

    /// Ends a run's batch: what was never sent is free again, what is out and unanswered is
    /// stale, and its answer is asked for later. The result is [`Applied`].
    #[must_use]
    pub fn close_batch(run: RunId, reason: String) -> Attachment {
        writes(move |tx| close_batch(tx, run, &reason))
    }

    /// Hands a refused batch to two new runs, half each; a single job is failed. The result
    /// is how many runs were started.
    #[must_use]
    pub fn split_batch(run: RunId, halves: [NewRun; 2], reason: String) -> Attachment {
        writes(move |tx| split_batch(tx, run, &halves, &reason))
    }
}

/// Starts a run of the enrichment workflow, and puts it in line for a place.
pub(super) fn start_batch_run(tx: &Tx<'_>, new: &NewRun) -> Written<()> {
    if let Outcome::Existing { .. } = tx.start(new)? {
        return Ok(());
    }
    let mut insert = tx
        .connection()
        .prepare_cached("INSERT INTO batch (run, state, priority) VALUES (?, 'waiting', ?)")?;
    insert.execute(params![new.id.0, new.priority])?;
    Ok(())
}

/// Lets jobs join the open batch of their channel, as many as fit; the rest opens the next.
pub(super) fn join_open_batch<'a>(
    tx: &Tx<'_>,
    intake: &Intake,
    jobs: &[Uuid],
    spare: &mut impl FnMut() -> &'a NewRun,
) -> Written<RunId> {
    let slot = intake.channel.slot();
    let (mut run, mut joined) = find_open_batch(tx, slot)?.unwrap_or((Uuid::nil(), BATCH_SIZE));
    let mut left = jobs;
    while !left.is_empty() {
        if joined >= BATCH_SIZE {
            let new = NewRun {
                delay: intake.linger,
                priority: intake.channel.priority(),
                ..spare().clone()
            };
            start_batch_run(tx, &new)?;
            (run, joined) = (new.id.0, 0);
        }
        let (fitting, rest) = left.split_at(left.len().min(BATCH_SIZE - joined));
        own(tx, fitting, run)?;
        joined += fitting.len();
        write_open_batch(tx, slot, run, joined)?;
        left = rest;
    }
    Ok(run_id(run))
}

/// The batch that can be joined: its run must be able to take what joins.
fn find_open_batch(tx: &Tx<'_>, slot: &str) -> Written<Option<(Uuid, usize)>> {
    let mut find = tx
        .connection()
        .prepare_cached("SELECT run, jobs FROM open_batch WHERE slot = ?")?;
    let found: Option<(Uuid, usize)> = find
        .query_row([slot], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((run, jobs)) = found else { return Ok(None) };
    let takes = match tx.run_status(run_id(run))? {
        None | Some(RunStatus::Blocked) => false,
        Some(status) => !status.is_end(),
    };
    Ok(takes.then_some((run, jobs)))
}

/// A full batch is closed, and does not linger.
fn write_open_batch(tx: &Tx<'_>, slot: &str, run: Uuid, jobs: usize) -> Written<()> {
    let connection = tx.connection();
    if jobs >= BATCH_SIZE {
        connection
            .prepare_cached("DELETE FROM open_batch WHERE slot = ?")?
            .execute([slot])?;
        tx.make_due(run_id(run))?;
        return Ok(());
    }
    let mut upsert = connection.prepare_cached(
        "INSERT INTO open_batch (slot, run, jobs) VALUES (?, ?, ?)
         ON CONFLICT (slot) DO UPDATE SET run = excluded.run, jobs = excluded.jobs",
    )?;
    upsert.execute(params![slot, run, jobs])?;
    Ok(())
}

fn take_slot(tx: &Tx<'_>, run: RunId, max: u32) -> Written<()> {
    let connection = tx.connection();
    let mut find = connection.prepare_cached("SELECT state FROM batch WHERE run = ?")?;
    let state: Option<String> = find.query_row([run.0], |row| row.get(0)).optional()?;
    // What is known to have been accepted need not be sent a second time, and needs no place for that.
    if state.as_deref() == Some("holding") || find_accepted(connection, run.0)?.is_some() {
        return Ok(());
    }
    if let Some(pause) = super::sweep::find_pause(connection)? {
        return Err(StepError::defer(SLOT_FALLBACK, pause.message).into());
    }
    let out = count_out(tx)?;
    if out >= u64::from(max) {
        return Err(StepError::defer(SLOT_FALLBACK, format!("{out} batches are out, and {max} may be")).into());
    }
    connection
        .prepare_cached(
            "INSERT INTO batch (run, state, priority) VALUES (?, 'holding', 0)
             ON CONFLICT (run) DO UPDATE SET state = 'holding'",
        )?
        .execute([run.0])?;
    Ok(())
}

/// Places that are taken: by those who are about to send, and by what is out, until its time is over.
pub(super) fn count_out(tx: &Tx<'_>) -> Written<u64> {
    if Guard::InFlightCap.is_removed() {
        return Ok(0);
    }
    let mut count = tx.connection().prepare_cached(
        "SELECT (SELECT count(*) FROM batch INDEXED BY batch_holding WHERE state = 'holding')
              + (SELECT count(*) FROM enrichment_post WHERE out_until > ?)",
    )?;
    Ok(count.query_row([micros(tx.now())], |row| row.get(0))?)
}

/// Gives the place of what was out to whoever is first in line.
pub(super) fn free_place(tx: &Tx<'_>, enrichment: &str) -> Written<()> {
    let mut release = tx.connection().prepare_cached(
        "UPDATE enrichment_post SET out_until = NULL WHERE enrichment_id = ? AND out_until IS NOT NULL",
    )?;
    if release.execute([enrichment])? > 0 {
        hasten_waiting(tx, 1)?;
    }
    Ok(())
}

/// Gives a run's place to whoever is first in line. What it has out keeps its own.
pub(super) fn release_slot(tx: &Tx<'_>, run: Uuid) -> Written<()> {
    let mut release = tx
        .connection()
        .prepare_cached("UPDATE batch SET state = 'released' WHERE run = ? AND state <> 'released'")?;
    if release.execute([run])? > 0 {
        hasten_waiting(tx, 1)?;
    }
    Ok(())
}

/// Lets those that have a place and have sent nothing go on now: they may wait for what was in the
/// way. One that waits between two attempts waits on.
pub(super) fn hasten_unsent(tx: &Tx<'_>) -> Written<()> {
    let mut find = tx
        .connection()
        .prepare_cached("SELECT run FROM batch INDEXED BY batch_holding WHERE state = 'holding' ORDER BY run")?;
    let runs: Vec<Uuid> = find.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for run in runs {
        tx.make_due(run_id(run))?;
    }
    Ok(())
}

/// Lets the first in line ask again now. One that has not begun is not in line: its open batch
/// still lingers for more.
pub(super) fn hasten_waiting(tx: &Tx<'_>, count: u64) -> Written<()> {
    let mut line = tx.connection().prepare_cached(
        "SELECT run FROM batch INDEXED BY batch_waiting WHERE state = 'waiting' ORDER BY priority DESC, run",
    )?;
    let mut runs = line.query([])?;
    let mut hastened = 0;
    while hastened < count
        && let Some(row) = runs.next()?
    {
        let run = run_id(row.get(0)?);
        // Whoever was told already has a place of its own to come for.
        let told_now = tx.run_status(run)? == Some(RunStatus::Waiting) && tx.make_due(run)?;
        hastened += u64::from(told_now);
    }
    Ok(())
}

fn take_batch(tx: &Tx<'_>, run: RunId, allowance: Allowance) -> Written<Taken> {
    let connection = tx.connection();
    // First nobody can join any more, then the jobs are read: one that joined is seen.
    connection
        .prepare_cached("DELETE FROM open_batch WHERE run = ?")?
        .execute([run.0])?;
    let mut jobs = pending_jobs(tx, run)?;
    jobs.truncate(BATCH_SIZE);
    let allowed = money::allow(tx, allowance)?;
    let left = jobs.split_off(jobs.len().min(usize::try_from(allowed.credits).unwrap_or(usize::MAX)));
    if !left.is_empty() {
        leave(tx, &left, &allowed)?;
    }
    if !jobs.is_empty() {
        connection
            .prepare_cached("UPDATE batch SET jobs = ? WHERE run = ?")?
            .execute(params![jobs.len(), run.0])?;
        open_post(tx, run, 1, &pack_jobs(&jobs))?;
    }
    Ok(Taken {
        jobs: jobs.len() as u64,
        left: left.len() as u64,
    })
}

/// What budget or balance do not allow is free for a later run, and nothing starts one until then.
fn leave(tx: &Tx<'_>, jobs: &[Uuid], allowed: &money::Left) -> Written<()> {
    let mut update = tx
        .connection()
        .prepare_cached("UPDATE enrichment_job SET run = NULL, reason = ? WHERE id = ?")?;
    for job in jobs {
        update.execute(params![allowed.why, job])?;
    }
    super::sweep::pause(tx, allowed.bound, allowed.why)
}

pub(super) fn close_batch(tx: &Tx<'_>, run: RunId, reason: &str) -> Written<Applied> {
    let connection = tx.connection();
    connection
        .prepare_cached("DELETE FROM open_batch WHERE run = ?")?
        .execute([run.0])?;
    connection
        .prepare_cached(
            "UPDATE enrichment_job INDEXED BY enrichment_job_run SET run = NULL, reason = ?
             WHERE run = ? AND status = ? AND status IN ('pending', 'submitted')",
        )?
        .execute(params![reason, run.0, JobStatus::Pending.as_str()])?;
    let stale = JobStatus::Submitted
        .apply(JobEvent::RunEnded)
        .expect("a submitted job can be given up");
    let stale = connection
        .prepare_cached(
            "UPDATE enrichment_job INDEXED BY enrichment_job_run SET status = ?, reason = ?, finished_at = ?
             WHERE run = ? AND status = ? AND status IN ('pending', 'submitted')",
        )?
        .execute(params![
            stale.as_str(),
            reason,
            micros(tx.now()),
            run.0,
            JobStatus::Submitted.as_str()
        ])?;
    close_post(tx, run.0, "open", "closed")?;
    leave_to_late_results(tx, run.0, stale > 0)?;
    connection
        .prepare_cached("UPDATE batch SET closed_at = ? WHERE run = ?")?
        .execute(params![micros(tx.now()), run.0])?;
    release_slot(tx, run.0)?;
    Ok(Applied {
        stale: stale as u64,
        ..Applied::default()
    })
}

fn split_batch(tx: &Tx<'_>, run: RunId, halves: &[NewRun; 2], reason: &str) -> Written<usize> {
    let jobs = refused_jobs(tx, run)?;
    let started = match jobs.as_slice() {
        [] => 0,
        [alone] => {
            refuse(tx, *alone, reason)?;
            0
        }
        many => {
            let mut find = tx
                .connection()
                .prepare_cached("SELECT priority FROM batch WHERE run = ?")?;
            let priority = find.query_row([run.0], |row| row.get(0))?;
            let (first, second) = many.split_at(many.len() / 2);
            for (half, new) in [first, second].into_iter().zip(halves) {
                let new = &NewRun {
                    priority,
                    ..new.clone()
                };
                start_batch_run(tx, new)?;
                own(tx, half, new.id.0)?;
            }
            2
        }
    };
    close_batch(tx, run, "its batch was divided")?;
    Ok(started)
}

/// The jobs of a batch that was refused for an address. When it had been sent before, and nobody knew what became of
/// it, that is known now: it had the same address in it, and was refused as well.
fn refused_jobs(tx: &Tx<'_>, run: RunId) -> Written<Vec<Uuid>> {
    let connection = tx.connection();
    close_post(tx, run.0, "open", "refused")?;
    let is_accepted: bool = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM enrichment WHERE run = ?)")?
        .query_row([run.0], |row| row.get(0))?;
    if !is_accepted {
        close_post(tx, run.0, "unknown", "refused")?;
        let pending = JobStatus::Submitted
            .apply(JobEvent::NotLookedAt)
            .expect("what was not looked at can be sent again");
        connection
            .prepare_cached(
                "UPDATE enrichment_job INDEXED BY enrichment_job_run SET status = ?, submitted_at = NULL
                 WHERE run = ? AND status = ? AND status IN ('pending', 'submitted')",
            )?
            .execute(params![pending.as_str(), run.0, JobStatus::Submitted.as_str()])?;
    }
    pending_jobs(tx, run)
}

/// A run's jobs that are not sent. An index over some rows serves only a statement that repeats which those are.
fn pending_jobs(tx: &Tx<'_>, run: RunId) -> Written<Vec<Uuid>> {
    let mut find = tx.connection().prepare_cached(
        "SELECT id FROM enrichment_job INDEXED BY enrichment_job_run
         WHERE run = ? AND status = 'pending' AND status IN ('pending', 'submitted') ORDER BY id",
    )?;
    Ok(find
        .query_map([run.0], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?)
}

fn refuse(tx: &Tx<'_>, job: Uuid, reason: &str) -> Written<()> {
    let failed = JobStatus::Pending
        .apply(JobEvent::Refused)
        .expect("a pending job can be refused");
    tx.connection()
        .prepare_cached("UPDATE enrichment_job SET status = ?, reason = ?, finished_at = ? WHERE id = ?")?
        .execute(params![failed.as_str(), reason, micros(tx.now()), job])?;
    Ok(())
}
