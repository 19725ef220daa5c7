//! The sweep: what nobody works off gets a run; what waits in line is told; pauses.

use std::time::Duration;

use lumina_workflow::store::{Attachment, NewRun, RunStatus};
use lumina_workflow_sqlite::Tx;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::batches::{close_batch, count_out, hasten_unsent, hasten_waiting, start_batch_run};
use super::intake::own;
use super::posts::mark_unknown;
use super::{ReadError, Records, Written, bad_word, from_micros, micros, money, run_id, writes};
use crate::guards::Guard;
use crate::records::{BATCH_SIZE, Budgets, Pause, PauseReason, SWEEP_JOBS};

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
        writes(move |tx| run_sweep(tx, &sweep))
    }

    /// Something is in the way: nothing is bought until a probe says otherwise.
    #[must_use]
    pub fn pause(reason: PauseReason, message: String) -> Attachment {
        writes(move |tx| pause(tx, reason, &message))
    }

    /// What was in the way has gone. Whoever is in line is told, and whoever has a place and has sent nothing.
    #[must_use]
    pub fn resume(reason: PauseReason, max_in_flight: u32) -> Attachment {
        writes(move |tx| {
            end_pause(tx, reason)?;
            hasten_unsent(tx)?;
            hasten_waiting(tx, u64::from(max_in_flight))
        })
    }

    /// A probe has found that it is still in the way.
    #[must_use]
    pub fn postpone_probe(reason: PauseReason) -> Attachment {
        writes(move |tx| {
            tx.connection()
                .prepare_cached("UPDATE pause SET looked_at = ? WHERE reason = ?")?
                .execute(params![micros(tx.now()), reason.as_str()])?;
            Ok(())
        })
    }

    /// What is in the way now.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn pauses(&self) -> Result<Vec<Pause>, ReadError> {
        self.read(read_pauses).await
    }
}

pub(super) fn read_pauses(connection: &Connection) -> rusqlite::Result<Vec<Pause>> {
    let mut find = connection.prepare_cached("SELECT reason, message, since, looked_at FROM pause ORDER BY since")?;
    find.query_map([], read_pause)?.collect()
}

fn read_pause(row: &rusqlite::Row<'_>) -> rusqlite::Result<Pause> {
    let word: String = row.get(0)?;
    let reason = PauseReason::parse(&word).ok_or_else(|| bad_word(0, &word))?;
    Ok(Pause {
        reason,
        message: row.get(1)?,
        since: from_micros(2, row.get(2)?)?,
        looked_at: from_micros(3, row.get(3)?)?,
    })
}

pub(super) fn find_pause(connection: &Connection) -> rusqlite::Result<Option<Pause>> {
    let mut find =
        connection.prepare_cached("SELECT reason, message, since, looked_at FROM pause ORDER BY since LIMIT 1")?;
    find.query_row([], read_pause).optional()
}

/// Begins a pause, or says more of the one that is there.
pub(super) fn pause(tx: &Tx<'_>, reason: PauseReason, message: &str) -> Written<()> {
    let connection = tx.connection();
    let known = connection
        .prepare_cached("UPDATE pause SET message = ? WHERE reason = ?")?
        .execute(params![message, reason.as_str()])?;
    if known > 0 {
        return Ok(());
    }
    connection
        .prepare_cached("INSERT INTO pause (reason, message, since, looked_at) VALUES (?1, ?2, ?3, ?3)")?
        .execute(params![reason.as_str(), message, micros(tx.now())])?;
    tracing::warn!(
        reason = reason.as_str(),
        why = message,
        "lookups are paused: nothing is bought until this has gone"
    );
    Ok(())
}

fn end_pause(tx: &Tx<'_>, reason: PauseReason) -> Written<()> {
    let ended = tx
        .connection()
        .prepare_cached("DELETE FROM pause WHERE reason = ?")?
        .execute([reason.as_str()])?;
    if ended > 0 {
        tracing::info!(reason = reason.as_str(), "a pause of lookups is over");
    }
    Ok(())
}

fn run_sweep(tx: &Tx<'_>, sweep: &Sweep) -> Written<Swept> {
    clean_up(tx, sweep.window)?;
    lift_budget_pause(tx, sweep.budgets)?;
    if let Some(pause) = find_pause(tx.connection())? {
        return Ok(Swept {
            paused: Some(pause.message),
            ..Swept::default()
        });
    }
    let free = u64::from(sweep.max_in_flight).saturating_sub(count_out(tx)?);
    if free > 0 {
        hasten_waiting(tx, free)?;
    }
    if Guard::Sweep.is_removed() {
        return Ok(Swept::default());
    }
    start_unowned(tx, sweep)
}

/// A new day or month, a larger budget, or answers that cost less than they might have.
fn lift_budget_pause(tx: &Tx<'_>, budgets: Budgets) -> Written<()> {
    if money::left_of(tx.connection(), budgets, &money::day_of(tx.now()))?.credits > 0 {
        end_pause(tx, PauseReason::Budget)?;
    }
    Ok(())
}

/// Runs let go of their jobs when they end. One whose own error handling failed could not: it
/// is done here. What it was about to send may have been sent.
fn clean_up(tx: &Tx<'_>, window: Duration) -> Written<()> {
    let mut find = tx
        .connection()
        .prepare_cached("SELECT run FROM batch INDEXED BY batch_open WHERE closed_at IS NULL")?;
    let open: Vec<Uuid> = find.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let mut cleaned = 0;
    for run in open {
        let ended = tx.run_status(run_id(run))?.is_none_or(RunStatus::is_end);
        if ended && cleaned < ORPHANS_AT_ONCE {
            if let Some(attempt) = open_attempt(tx, run)? {
                mark_unknown(tx, run, attempt, window)?;
            }
            close_batch(tx, run_id(run), "its run ended without letting go of it")?;
            cleaned += 1;
        }
    }
    Ok(())
}

fn open_attempt(tx: &Tx<'_>, run: Uuid) -> Written<Option<u32>> {
    let mut find = tx
        .connection()
        .prepare_cached("SELECT attempt FROM enrichment_post WHERE run = ? AND state = 'open'")?;
    Ok(find.query_row([run], |row| row.get(0)).optional()?)
}

fn start_unowned(tx: &Tx<'_>, sweep: &Sweep) -> Written<Swept> {
    let mut find = tx.connection().prepare_cached(
        "SELECT id, priority FROM enrichment_job INDEXED BY enrichment_job_unowned
         WHERE run IS NULL AND status = 'pending' ORDER BY priority DESC, id LIMIT ?",
    )?;
    let jobs: Vec<(Uuid, i16)> = find
        .query_map([SWEEP_JOBS], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut swept = Swept {
        jobs: jobs.len() as u64,
        ..Swept::default()
    };
    for (hundred, new) in jobs.chunks(BATCH_SIZE).zip(&sweep.runs) {
        let priority = hundred.iter().map(|(_, priority)| *priority).max().unwrap_or(0);
        let ids: Vec<Uuid> = hundred.iter().map(|(id, _)| *id).collect();
        start_batch_run(
            tx,
            &NewRun {
                priority,
                ..new.clone()
            },
        )?;
        own(tx, &ids, new.id.0)?;
        swept.started.push(new.id.0);
    }
    Ok(swept)
}
