//! Subscribers on their way in: subscriber and pending job commit together.

use lumina_workflow::RunId;
use lumina_workflow::store::{Attachment, NewRun};
use uuid::Uuid;

use super::batches::{own, start_batch_run};
use super::deliveries;
use super::micros;
use super::open_batch::{join_open_batch, take_spare};
use super::subscribers::{Stored, store_subscribers};
use crate::records::db::{Got, Tx, sql, values};
use crate::records::handle::writes;
use crate::records::{BATCH_SIZE, Intake, IntakeReport, IntakeRow, Records, SingleIntake};

impl Records {
    /// Stores subscribers with their lookups, and sees to it that the lookups are worked off.
    /// The result is an [`IntakeReport`].
    #[must_use]
    pub fn intake(intake: Intake) -> Attachment {
        writes!(|tx, intake| take_in(tx, intake))
    }
}

async fn take_in(tx: &impl Tx, intake: &Intake) -> Got<IntakeReport> {
    if let Some(delivery) = &intake.delivery {
        deliveries::keep(tx, delivery).await?;
    }
    let stored = store_subscribers(tx, intake).await?;
    let mut report = count(intake, &stored);
    let jobs = create_jobs(tx, intake, &stored).await?;
    report.jobs = jobs.len() as u64;
    let run = trigger(tx, intake, &jobs).await?;
    if let [alone] = stored.as_slice() {
        report.single = Some(SingleIntake {
            subscriber: alone.subscriber,
            created: alone.created,
            run,
        });
    }
    Ok(report)
}

fn count(intake: &Intake, stored: &[Stored]) -> IntakeReport {
    let mut report = IntakeReport::default();
    for (row, stored) in intake.rows.iter().zip(stored) {
        match stored.created {
            true => {
                report.created += 1;
                report.created_personal += u64::from(row.subscriber.class.is_looked_up());
            }
            false => report.known += 1,
        }
    }
    report
}

/// A lookup for each that wants one, in the order of the rows, until there are as many as may be. An open lookup of
/// the address is in the way of another.
async fn create_jobs(tx: &impl Tx, intake: &Intake, stored: &[Stored]) -> Got<Vec<Uuid>> {
    let rows = intake.rows.iter().zip(stored);
    let wanted: Vec<_> = rows.filter(|(_, stored)| stored.wants_lookup).collect();
    let most = usize::try_from(intake.lookups).unwrap_or(usize::MAX);
    let (mut jobs, mut left) = (Vec::new(), wanted.as_slice());
    while jobs.len() < most && !left.is_empty() {
        let (some, rest) = left.split_at(left.len().min(most - jobs.len()));
        let created = insert_jobs(tx, intake, some).await?;
        let created = some.iter().zip(created).filter(|(_, is_new)| *is_new);
        jobs.extend(created.map(|((row, _), _)| row.job.0));
        left = rest;
    }
    Ok(jobs)
}

async fn insert_jobs(tx: &impl Tx, intake: &Intake, wanted: &[(&IntakeRow, &Stored)]) -> Got<Vec<bool>> {
    let (priority, now) = (intake.channel.priority(), micros(tx.now()));
    let mut each = Vec::with_capacity(wanted.len());
    for (row, stored) in wanted {
        let dedupe_key = row.subscriber.dedupe_key.as_str();
        each.push(values![row.job.0, stored.subscriber, dedupe_key, priority, now]);
    }
    tx.insert_each(
        sql!(
            "INSERT INTO enrichment_job (id, subscriber, dedupe_key, status, priority, created_at)
             VALUES (?, ?, ?, 'pending', ?, ?) ON CONFLICT DO NOTHING /*+ RETURNING id */"
        ),
        &each,
    )
    .await
}

/// The trigger is the last thing in the transaction, in a savepoint of its own: when it fails,
/// the jobs stay pending, the failure is logged and counted, and the sweep starts them later. Not so when the whole
/// transaction is in others' way, or has lost its server: then all of it is done again.
async fn trigger(tx: &impl Tx, intake: &Intake, jobs: &[Uuid]) -> Got<Option<RunId>> {
    if jobs.is_empty() {
        return Ok(None);
    }
    tx.execute(sql!("SAVEPOINT trigger_runs"), &[]).await?;
    match start_runs(tx, intake, jobs).await {
        Ok(run) => {
            tx.execute(sql!("RELEASE SAVEPOINT trigger_runs"), &[]).await?;
            Ok(Some(run))
        }
        Err(failure) if failure.is_of_the_transaction() => Err(failure),
        Err(error) => {
            tx.execute(sql!("ROLLBACK TO SAVEPOINT trigger_runs"), &[]).await?;
            tx.execute(sql!("RELEASE SAVEPOINT trigger_runs"), &[]).await?;
            tracing::error!(jobs = jobs.len(), %error, "no run could be started for new lookups; the sweep will");
            deliveries::count(tx, "trigger_failed").await?;
            Ok(None)
        }
    }
}

/// Full hundreds have runs of their own; the rest joins the open batch. The last run counts.
async fn start_runs(tx: &impl Tx, intake: &Intake, jobs: &[Uuid]) -> Got<RunId> {
    let mut spare = intake.runs.iter();
    let hundreds = jobs.chunks_exact(BATCH_SIZE);
    let rest = hundreds.remainder();
    let mut last = RunId(Uuid::nil());
    for hundred in hundreds {
        let new = NewRun {
            delay: std::time::Duration::ZERO,
            priority: intake.channel.priority(),
            ..take_spare(&mut spare)
        };
        start_batch_run(tx, &new).await?;
        own(tx, hundred, new.id).await?;
        last = new.id;
    }
    if !rest.is_empty() {
        last = join_open_batch(tx, intake, rest, &mut spare).await?;
    }
    Ok(last)
}
