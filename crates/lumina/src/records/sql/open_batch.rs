//! The batch that lookups can still join, one a channel.

use lumina_workflow::RunId;
use lumina_workflow::store::{NewRun, RunStatus};
use uuid::Uuid;

use super::batches::{own, start_batch_run};
use crate::records::db::{Got, Lock, Tx, sql, values};
use crate::records::{BATCH_SIZE, Intake};

/// Lets jobs join the open batch of their channel, as many as fit; the rest opens the next.
pub(super) async fn join_open_batch(
    tx: &impl Tx,
    intake: &Intake,
    jobs: &[Uuid],
    spare: &mut std::slice::Iter<'_, NewRun>,
) -> Got<RunId> {
    let slot = intake.channel.slot();
    tx.lock(Lock::OpenBatch(slot)).await?;
    let (mut run, mut joined) = find_open_batch(tx, slot)
        .await?
        .unwrap_or((RunId(Uuid::nil()), BATCH_SIZE));
    let mut left = jobs;
    while !left.is_empty() {
        if joined >= BATCH_SIZE {
            let new = NewRun {
                delay: intake.linger,
                priority: intake.channel.priority(),
                ..take_spare(spare)
            };
            start_batch_run(tx, &new).await?;
            (run, joined) = (new.id, 0);
        }
        let (fitting, rest) = left.split_at(left.len().min(BATCH_SIZE - joined));
        own(tx, fitting, run).await?;
        joined += fitting.len();
        write_open_batch(tx, slot, run, joined).await?;
        left = rest;
    }
    Ok(run)
}

/// The next of the runs that an intake brings.
pub(super) fn take_spare(spare: &mut std::slice::Iter<'_, NewRun>) -> NewRun {
    let next = spare.next();
    next.expect("an intake brings a run for each hundred rows, and two")
        .clone()
}

/// The batch that can be joined: its run must be able to take what joins. It cannot begin meanwhile, for it begins by
/// deleting the row.
async fn find_open_batch(tx: &impl Tx, slot: &str) -> Got<Option<(RunId, usize)>> {
    let found = tx
        .find(
            sql!("SELECT run, jobs FROM open_batch WHERE slot = ? /*+ FOR UPDATE */"),
            &values![slot],
            |row| Ok((RunId(row.get(0)?), row.get(1)?)),
        )
        .await?;
    let Some((run, jobs)) = found else {
        return Ok(None);
    };
    let takes = match tx.run_status(run).await? {
        None | Some(RunStatus::Blocked) => false,
        Some(status) => !status.is_end(),
    };
    Ok(takes.then_some((run, jobs)))
}

/// A full batch is closed, and does not linger.
async fn write_open_batch(tx: &impl Tx, slot: &str, run: RunId, jobs: usize) -> Got<()> {
    if jobs >= BATCH_SIZE {
        tx.execute(sql!("DELETE FROM open_batch WHERE slot = ?"), &values![slot])
            .await?;
        tx.make_due(run).await?;
        return Ok(());
    }
    tx.execute(
        sql!(
            "INSERT INTO open_batch (slot, run, jobs) VALUES (?, ?, ?)
             ON CONFLICT (slot) DO UPDATE SET run = excluded.run, jobs = excluded.jobs"
        ),
        &values![slot, run, jobs],
    )
    .await?;
    Ok(())
}
