//! Places among what may be out at once, and the line for them.

use std::time::Duration;

use lumina_workflow::store::{Attachment, RunStatus};
use lumina_workflow::{RunId, StepError};
use uuid::Uuid;

use super::micros;
use super::pauses::find_pause;
use super::sent::find_accepted;
use crate::guards::Guard;
use crate::records::Records;
use crate::records::db::{Got, Lock, Tx, sql, values};
use crate::records::handle::writes;

/// A run that found no place asks again after this time, should nobody have told it.
const SLOT_FALLBACK: Duration = Duration::from_secs(30 * 60);

/// How many in line are looked at at first: nearly always the first of them is the one.
const FIRST_IN_LINE: usize = 16;

impl Records {
    /// Takes a place among the batches that may be out at once, or defers.
    #[must_use]
    pub fn take_slot(run: RunId, max_in_flight: u32) -> Attachment {
        writes!(|tx, run, max_in_flight| take_slot(tx, *run, *max_in_flight))
    }
}

async fn take_slot(tx: &impl Tx, run: RunId, max: u32) -> Got<()> {
    let state: Option<String> = tx
        .find(sql!("SELECT state FROM batch WHERE run = ?"), &values![run], |row| {
            row.get(0)
        })
        .await?;
    // What is known to have been accepted need not be sent a second time, and needs no place for that.
    if state.as_deref() == Some("holding") || find_accepted(tx, run.0).await?.is_some() {
        return Ok(());
    }
    if let Some(pause) = find_pause(tx).await? {
        return Err(StepError::defer(SLOT_FALLBACK, pause.message).into());
    }
    tx.lock(Lock::Money).await?;
    let out = count_out(tx).await?;
    if out >= u64::from(max) {
        return Err(StepError::defer(SLOT_FALLBACK, format!("{out} batches are out, and {max} may be")).into());
    }
    tx.execute(
        sql!(
            "INSERT INTO batch (run, state, priority) VALUES (?, 'holding', 0)
             ON CONFLICT (run) DO UPDATE SET state = 'holding'"
        ),
        &values![run],
    )
    .await?;
    Ok(())
}

/// Places that are taken: by those who are about to send, and by what is out, until its time is over. Whoever takes
/// one by it has [`Lock::Money`].
pub(super) async fn count_out(tx: &impl Tx) -> Got<u64> {
    if Guard::InFlightCap.is_removed() {
        return Ok(0);
    }
    tx.value(
        sql!(
            "SELECT (SELECT count(*) FROM batch INDEXED BY batch_holding WHERE state = 'holding')
                  + (SELECT count(*) FROM enrichment_post WHERE out_until > ?)"
        ),
        &values![micros(tx.now())],
    )
    .await
}

/// Gives the place of what was out to whoever is first in line.
pub(super) async fn free_place(tx: &impl Tx, enrichment: &str) -> Got<()> {
    let freed = tx
        .execute(
            sql!("UPDATE enrichment_post SET out_until = NULL WHERE enrichment_id = ? AND out_until IS NOT NULL"),
            &values![enrichment],
        )
        .await?;
    if freed > 0 {
        hasten_waiting(tx, 1).await?;
    }
    Ok(())
}

/// Gives a run's place to whoever is first in line. What it has out keeps its own.
pub(super) async fn release_slot(tx: &impl Tx, run: Uuid) -> Got<()> {
    let released = tx
        .execute(
            sql!("UPDATE batch SET state = 'released' WHERE run = ? AND state <> 'released'"),
            &values![run],
        )
        .await?;
    if released > 0 {
        hasten_waiting(tx, 1).await?;
    }
    Ok(())
}

/// Lets those that have a place and have sent nothing go on now: they may wait for what was in the
/// way. One that waits between two attempts waits on.
pub(super) async fn hasten_unsent(tx: &impl Tx) -> Got<()> {
    let runs: Vec<Uuid> = tx
        .list(
            sql!("SELECT run FROM batch INDEXED BY batch_holding WHERE state = 'holding' ORDER BY run"),
            &[],
            |row| row.get(0),
        )
        .await?;
    for run in runs {
        tx.make_due(RunId(run)).await?;
    }
    Ok(())
}

/// Lets the first in line ask again now. One that has not begun is not in line: its open batch
/// still lingers for more.
pub(super) async fn hasten_waiting(tx: &impl Tx, count: u64) -> Got<()> {
    let (mut hastened, mut passed, mut looked_at) = (0, 0, FIRST_IN_LINE);
    loop {
        let line = read_line(tx, passed, looked_at).await?;
        for run in &line {
            if hastened == count {
                return Ok(());
            }
            // Whoever was told already has a place of its own to come for.
            let waits = tx.run_status(*run).await? == Some(RunStatus::Waiting);
            hastened += u64::from(waits && tx.make_due(*run).await?);
        }
        if hastened == count || line.len() < looked_at {
            return Ok(());
        }
        (passed, looked_at) = (passed + line.len(), 4 * looked_at);
    }
}

/// So many that are in line, behind the first ones.
async fn read_line(tx: &impl Tx, passed: usize, many: usize) -> Got<Vec<RunId>> {
    tx.list(
        sql!(
            "SELECT run FROM batch INDEXED BY batch_waiting WHERE state = 'waiting' ORDER BY priority DESC, run
             LIMIT ? OFFSET ?"
        ),
        &values![many, passed],
        |row| Ok(RunId(row.get(0)?)),
    )
    .await
}
