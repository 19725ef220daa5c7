//! The sweep: what nobody works off gets a run; what waits in line is told.

use std::time::Duration;

use lumina_workflow::RunId;
use lumina_workflow::store::{Attachment, NewRun, RunStatus};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::batches::{close_batch, own, start_batch_run};
use super::money;
use super::pauses::{end_pause, find_pause};
use super::places::{count_out, hasten_waiting};
use super::posts::{Post, mark_unknown};
use crate::guards::Guard;
use crate::records::db::{Got, Lock, Tx, sql, values};
use crate::records::handle::writes;
use crate::records::{BATCH_SIZE, Budgets, PauseReason, Records, SWEEP_JOBS};

/// How many runs that ended without letting go of their jobs one sweep cleans up after.
const ORPHANS_AT_ONCE: usize = 100;

/// What a sweep works with.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// Prepared runs: one for each hundred of [`SWEEP_JOBS`].
    pub runs: Vec<NewRun>,
    /// How many batches may be out.
    pub max_in_flight: u32,
    /// What may be spent.
    pub budgets: Budgets,
    /// How long a POST of unknown outcome is watched for signs that it was accepted.
    pub window: Duration,
}

/// What a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// Runs that were started.
    pub started: Vec<Uuid>,
    /// Jobs that they took up.
    pub jobs: u64,
    /// What is in the way, if anything.
    pub paused: Option<String>,
}

impl Records {
    /// Starts runs for pending jobs that nobody owns, unless something is in the way. The result is [`Swept`].
    #[must_use]
    pub fn sweep(sweep: Sweep) -> Attachment {
        writes!(|tx, sweep| run_sweep(tx, sweep))
    }
}

async fn run_sweep(tx: &impl Tx, sweep: &Sweep) -> Got<Swept> {
    clean_up(tx, sweep.window).await?;
    lift_budget_pause(tx, sweep.budgets).await?;
    if let Some(pause) = find_pause(tx).await? {
        return Ok(Swept {
            paused: Some(pause.message),
            ..Swept::default()
        });
    }
    let free = u64::from(sweep.max_in_flight).saturating_sub(count_out(tx).await?);
    if free > 0 {
        hasten_waiting(tx, free).await?;
    }
    if Guard::Sweep.is_removed() {
        return Ok(Swept::default());
    }
    start_unowned(tx, sweep).await
}

/// A new day or month, a larger budget, or answers that cost less than they might have.
async fn lift_budget_pause(tx: &impl Tx, budgets: Budgets) -> Got<()> {
    let today = money::day_of(tx.now());
    if money::left_of(tx, budgets, &today).await?.credits > 0 {
        end_pause(tx, PauseReason::Budget).await?;
    }
    Ok(())
}

/// Runs let go of their jobs when they end. One whose own error handling failed could not: it
/// is done here. What it was about to send may have been sent.
async fn clean_up(tx: &impl Tx, window: Duration) -> Got<()> {
    let open = tx.list(
        sql!("SELECT run FROM batch INDEXED BY batch_open WHERE closed_at IS NULL ORDER BY run"),
        &[],
        |row| Ok(RunId(row.get(0)?)),
    );
    let open = open.await?;
    let doing = tx.run_statuses(&open).await?;
    let doing = open.into_iter().zip(doing);
    let ended = doing.filter(|(_, status)| status.is_none_or(RunStatus::is_end));
    for (run, _) in ended.take(ORPHANS_AT_ONCE) {
        clean_up_after(tx, run, window).await?;
    }
    Ok(())
}

async fn clean_up_after(tx: &impl Tx, run: RunId, window: Duration) -> Got<()> {
    tx.lock(Lock::Run(run.0)).await?;
    let is_open = tx
        .find(
            sql!("SELECT 1 FROM batch WHERE run = ? AND closed_at IS NULL"),
            &values![run],
            |_| Ok(()),
        )
        .await?;
    if is_open.is_none() {
        return Ok(());
    }
    if let Some(attempt) = open_attempt(tx, run).await? {
        mark_unknown(tx, Post { run: run.0, attempt }, window).await?;
    }
    close_batch(tx, run, "its run ended without letting go of it").await?;
    Ok(())
}

async fn open_attempt(tx: &impl Tx, run: RunId) -> Got<Option<u32>> {
    tx.find(
        sql!("SELECT attempt FROM enrichment_post WHERE run = ? AND state = 'open'"),
        &values![run],
        |row| row.get(0),
    )
    .await
}

/// Another sweep takes up others.
async fn start_unowned(tx: &impl Tx, sweep: &Sweep) -> Got<Swept> {
    let jobs: Vec<(Uuid, i16)> = tx
        .list(
            sql!(
                "SELECT id, priority FROM enrichment_job INDEXED BY enrichment_job_unowned
                 WHERE run IS NULL AND status = 'pending' ORDER BY priority DESC, id LIMIT ?
                 /*+ FOR UPDATE SKIP LOCKED */"
            ),
            &values![SWEEP_JOBS],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .await?;
    let mut swept = Swept {
        jobs: jobs.len() as u64,
        ..Swept::default()
    };
    for (hundred, new) in jobs.chunks(BATCH_SIZE).zip(&sweep.runs) {
        let priority = hundred.iter().map(|(_, priority)| *priority).max().unwrap_or(0);
        let ids: Vec<Uuid> = hundred.iter().map(|(id, _)| *id).collect();
        let new = NewRun {
            priority,
            ..new.clone()
        };
        start_batch_run(tx, &new).await?;
        own(tx, &ids, new.id).await?;
        swept.started.push(new.id.0);
    }
    Ok(swept)
}
