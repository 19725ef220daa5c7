//! Answers that are stored, and that nobody has applied yet.

use lumina_workflow::RunId;
use uuid::Uuid;

use super::{micros, unpack_jobs};
use crate::guards::Guard;
use crate::records::db::{Db, Got, Sql, Tx, Value, sql, values};
use crate::records::handle::reads;
use crate::records::{AnswerId, ReadError, Records};

impl Records {
    /// Those of a run's batches; what was said before an end first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn unapplied_of_run(&self, run: RunId) -> Result<Vec<AnswerId>, ReadError> {
        let find = sql!(
            "SELECT a.id FROM enrichment e JOIN enrichment_answer a ON a.enrichment = e.id
             WHERE e.run = ? AND a.applied_at IS NULL ORDER BY a.is_final, a.id"
        );
        reads!(self, |db| find_answers(db, find, run.into()))
    }

    /// What was said before the end, of the run that an answer is for.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn said_before(&self, answer: AnswerId) -> Result<Vec<AnswerId>, ReadError> {
        let find = sql!(
            "SELECT a.id FROM enrichment_answer told JOIN enrichment t ON t.id = told.enrichment
             JOIN enrichment e ON e.run = t.run JOIN enrichment_answer a ON a.enrichment = e.id
             WHERE told.id = ? AND NOT a.is_final AND a.applied_at IS NULL ORDER BY a.id"
        );
        reads!(self, |db| find_answers(db, find, answer.0.into()))
    }

    /// Those of one batch, as the provider calls it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn unapplied_of(&self, enrichment: &str) -> Result<Vec<AnswerId>, ReadError> {
        let find =
            sql!("SELECT id FROM enrichment_answer WHERE enrichment = ? AND applied_at IS NULL ORDER BY is_final, id");
        let enrichment = enrichment.to_owned();
        reads!(self, |db| find_answers(db, find, (&enrichment).into()))
    }
}

async fn find_answers(db: &impl Db, find: &Sql, of: Value<'_>) -> Got<Vec<AnswerId>> {
    db.list(find, &[of], |row| Ok(AnswerId(row.get(0)?))).await
}

/// Whether somebody is pending again because an answer to a run's batches says that nobody has looked at them.
pub(super) async fn is_anybody_let_go(tx: &impl Tx, run: Uuid) -> Got<bool> {
    let cut_short = tx
        .list(
            sql!(
                "SELECT p.jobs FROM enrichment e JOIN enrichment_post p ON p.run = e.run AND p.attempt = e.attempt
             WHERE e.run = ? AND e.ended_at IS NOT NULL AND e.status IS DISTINCT FROM 'FINISHED'"
            ),
            &values![run],
            |row| Ok(unpack_jobs(&row.get::<Vec<u8>>(0)?)),
        )
        .await?;
    let jobs: Vec<_> = cut_short.iter().flatten().map(|job| values![*job]).collect();
    let pending = tx.find_each(
        sql!("SELECT 1 FROM enrichment_job WHERE id = ? AND status = 'pending'"),
        &jobs,
        |_| Ok(()),
    );
    Ok(pending.await?.iter().any(Option::is_some))
}

/// Nobody who runs will apply what is stored for a run: late results see to it, beside what the provider still has to
/// say.
pub(super) async fn leave_to_late_results(tx: &impl Tx, run: Uuid, with_kept: bool) -> Got<()> {
    tx.execute(
        sql!(
            "UPDATE enrichment SET ask_at = ?1 WHERE run = ?2 AND (ended_at IS NULL OR EXISTS (
                 SELECT 1 FROM enrichment_answer a
                 WHERE a.enrichment = enrichment.id AND a.applied_at IS NULL AND (a.is_final OR ?3)))"
        ),
        &values![micros(tx.now()), run, with_kept],
    )
    .await?;
    Ok(())
}

/// A run of its own applies an answer. Should that be cancelled, or fail, late results see to it.
pub(super) async fn look_after(tx: &impl Tx, enrichment: &str) -> Got<()> {
    if !Guard::LateAnswers.is_removed() {
        tx.execute(
            sql!("UPDATE enrichment SET ask_at = ? WHERE id = ?"),
            &values![micros(tx.now()), enrichment],
        )
        .await?;
    }
    Ok(())
}
