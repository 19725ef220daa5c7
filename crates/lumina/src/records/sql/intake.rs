//! Subscribers on their way in: subscriber and pending job commit together.

use lumina_enrichment::subscriber::NewSubscriber;
use lumina_workflow::store::{Attachment, NewRun};
use lumina_workflow_sqlite::Tx;
use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use super::batches::{join_open_batch, start_batch_run};
use super::{Records, Written, micros, run_id, span, writes};
use crate::records::{BATCH_SIZE, Channel, Intake, IntakeReport, IntakeRow, SingleIntake};

impl Records {
    /// Stores subscribers with their lookups, and sees to it that the lookups are worked off.
    /// The result is an [`IntakeReport`].
    #[must_use]
    pub fn intake(intake: Intake) -> Attachment {
        writes(move |tx| take_in(tx, &intake))
    }
}

struct Stored {
    subscriber: Uuid,
    created: bool,
    /// Whether a lookup may be created.
    wants_lookup: bool,
}

fn take_in(tx: &Tx<'_>, intake: &Intake) -> Written<IntakeReport> {
    let mut report = IntakeReport::default();
    let mut jobs = Vec::new();
    let mut single = None;
    if let Some(delivery) = &intake.delivery {
        super::deliveries::keep(tx, delivery)?;
    }
    for row in &intake.rows {
        let stored = store_subscriber(tx, row, intake)?;
        count(&mut report, &row.subscriber, &stored);
        single = Some(SingleIntake {
            subscriber: stored.subscriber,
            created: stored.created,
            run: None,
        });
        if stored.wants_lookup
            && (jobs.len() as u64) < intake.lookups
            && create_job(tx, row, stored.subscriber, intake.channel)?
        {
            jobs.push(row.job.0);
        }
    }
    report.jobs = jobs.len() as u64;
    let run = trigger(tx, intake, &jobs)?;
    report.single = single
        .filter(|_| intake.rows.len() == 1)
        .map(|single| SingleIntake { run, ..single });
    Ok(report)
}

fn count(report: &mut IntakeReport, subscriber: &NewSubscriber, stored: &Stored) {
    match stored.created {
        true => {
            report.created += 1;
            report.created_personal += u64::from(subscriber.class.is_looked_up());
        }
        false => report.known += 1,
    }
}

fn store_subscriber(tx: &Tx<'_>, row: &IntakeRow, intake: &Intake) -> Written<Stored> {
    let subscriber = &row.subscriber;
    if insert_subscriber(tx, row)? {
        let wants_lookup = subscriber.class.is_looked_up();
        return Ok(Stored {
            subscriber: row.id.0,
            created: true,
            wants_lookup,
        });
    }
    let connection = tx.connection();
    let mut find = connection.prepare_cached("SELECT id FROM subscriber WHERE dedupe_key = ?")?;
    let known: Uuid = find.query_row([subscriber.dedupe_key.as_str()], |row| row.get(0))?;
    if intake.channel == Channel::File {
        return Ok(Stored {
            subscriber: known,
            created: false,
            wants_lookup: false,
        });
    }
    update_subscriber(tx, known, subscriber)?;
    let wants_lookup = subscriber.class.is_looked_up() && is_due_again(tx, known, intake)?;
    Ok(Stored {
        subscriber: known,
        created: false,
        wants_lookup,
    })
}

fn insert_subscriber(tx: &Tx<'_>, row: &IntakeRow) -> Written<bool> {
    let subscriber = &row.subscriber;
    let metadata = (!subscriber.metadata.is_empty()).then(|| subscriber.metadata.as_json());
    let now = micros(tx.now());
    let mut insert = tx.connection().prepare_cached(
        "INSERT INTO subscriber (id, email, dedupe_key, class, is_role, source, name, metadata, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (dedupe_key) DO NOTHING",
    )?;
    let inserted = insert.execute(params![
        row.id.0,
        subscriber.email.as_str(),
        subscriber.dedupe_key.as_str(),
        subscriber.class.as_str(),
        subscriber.is_role,
        subscriber.source,
        subscriber.name,
        metadata,
        now,
        now
    ])?;
    Ok(inserted == 1)
}

/// What came anew replaces what was there; what did not come stays.
fn update_subscriber(tx: &Tx<'_>, id: Uuid, subscriber: &NewSubscriber) -> Written<()> {
    let metadata = (!subscriber.metadata.is_empty()).then(|| subscriber.metadata.as_json());
    let mut update = tx.connection().prepare_cached(
        "UPDATE subscriber SET source = ?, name = coalesce(?, name), metadata = coalesce(?, metadata), updated_at = ?
         WHERE id = ?",
    )?;
    update.execute(params![
        subscriber.source,
        subscriber.name,
        metadata,
        micros(tx.now()),
        id
    ])?;
    Ok(())
}

/// A known subscriber is looked up again only when the last lookup is long enough ago and was
/// answered. One that was never looked up stays so: somebody declined it. A stale lookup may
/// have been paid for.
fn is_due_again(tx: &Tx<'_>, subscriber: Uuid, intake: &Intake) -> Written<bool> {
    let mut last = tx.connection().prepare_cached(
        "SELECT status IN ('enriched', 'not_found'), finished_at FROM enrichment_job
         WHERE subscriber = ? ORDER BY id DESC LIMIT 1",
    )?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let last: Option<(bool, Option<i64>)> = last.query_row([subscriber], read).optional()?;
    let limit = micros(tx.now()).saturating_sub(span(intake.refresh_after));
    Ok(matches!(last, Some((true, Some(finished))) if finished <= limit))
}

/// False when an open lookup of the address is in the way.
fn create_job(tx: &Tx<'_>, row: &IntakeRow, subscriber: Uuid, channel: Channel) -> Written<bool> {
    let mut insert = tx.connection().prepare_cached(
        "INSERT INTO enrichment_job (id, subscriber, dedupe_key, status, priority, created_at)
         VALUES (?, ?, ?, 'pending', ?, ?) ON CONFLICT DO NOTHING",
    )?;
    let inserted = insert.execute(params![
        row.job.0,
        subscriber,
        row.subscriber.dedupe_key.as_str(),
        channel.priority(),
        micros(tx.now())
    ])?;
    Ok(inserted == 1)
}

/// The trigger is the last thing in the transaction, in a savepoint of its own: when it fails,
/// the jobs stay pending, the failure is logged and counted, and the sweep starts them later.
fn trigger(tx: &Tx<'_>, intake: &Intake, jobs: &[Uuid]) -> Written<Option<lumina_workflow::RunId>> {
    if jobs.is_empty() {
        return Ok(None);
    }
    let connection = tx.connection();
    connection.execute_batch("SAVEPOINT trigger_runs")?;
    match start_runs(tx, intake, jobs) {
        Ok(run) => {
            connection.execute_batch("RELEASE trigger_runs")?;
            Ok(Some(run))
        }
        Err(error) => {
            connection.execute_batch("ROLLBACK TO trigger_runs; RELEASE trigger_runs")?;
            tracing::error!(jobs = jobs.len(), %error, "no run could be started for new lookups; the sweep will");
            super::deliveries::count(tx, "trigger_failed")?;
            Ok(None)
        }
    }
}

/// Full hundreds have runs of their own; the rest joins the open batch. The last run counts.
fn start_runs(tx: &Tx<'_>, intake: &Intake, jobs: &[Uuid]) -> Written<lumina_workflow::RunId> {
    let mut spare = intake.runs.iter();
    let mut take = || {
        spare
            .next()
            .expect("an intake brings a run for each hundred rows, and two")
    };
    let hundreds = jobs.chunks_exact(BATCH_SIZE);
    let rest = hundreds.remainder();
    let mut last = None;
    for hundred in hundreds {
        let new = NewRun {
            delay: std::time::Duration::ZERO,
            priority: intake.channel.priority(),
            ..take().clone()
        };
        start_batch_run(tx, &new)?;
        own(tx, hundred, new.id.0)?;
        last = Some(new.id);
    }
    if !rest.is_empty() {
        last = Some(join_open_batch(tx, intake, rest, &mut take)?);
    }
    Ok(last.unwrap_or_else(|| run_id(Uuid::nil())))
}

/// Gives jobs to a run.
pub(super) fn own(tx: &Tx<'_>, jobs: &[Uuid], run: Uuid) -> Written<()> {
    let mut update = tx
        .connection()
        .prepare_cached("UPDATE enrichment_job SET run = ?, reason = NULL WHERE id = ?")?;
    for job in jobs {
        update.execute(params![run, job])?;
    }
    Ok(())
}
