//! Answers that are stored, and that nobody has applied yet.

use lumina_workflow::RunId;
use lumina_workflow_sqlite::Tx;
use rusqlite::params;
use uuid::Uuid;

use super::{ReadError, Records, Written, micros, unpack_jobs};
use crate::guards::Guard;
use crate::records::AnswerId;

impl Records {
    /// Those of a run's batches; what was said before an end first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn unapplied_of_run(&self, run: RunId) -> Result<Vec<AnswerId>, ReadError> {
        self.find_answers(
            "SELECT a.id FROM enrichment e JOIN enrichment_answer a ON a.enrichment = e.id
             WHERE e.run = ? AND a.applied_at IS NULL ORDER BY a.is_final, a.id",
            run.0,
        )
        .await
    }

    /// What was said before the end, of the run that an answer is for.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn said_before(&self, answer: AnswerId) -> Result<Vec<AnswerId>, ReadError> {
        self.find_answers(
            "SELECT a.id FROM enrichment_answer told JOIN enrichment t ON t.id = told.enrichment
             JOIN enrichment e ON e.run = t.run JOIN enrichment_answer a ON a.enrichment = e.id
             WHERE told.id = ? AND NOT a.is_final AND a.applied_at IS NULL ORDER BY a.id",
            answer.0,
        )
        .await
    }

    /// Those of one batch, as the provider calls it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn unapplied_of(&self, enrichment: &str) -> Result<Vec<AnswerId>, ReadError> {
        self.find_answers(
            "SELECT id FROM enrichment_answer WHERE enrichment = ? AND applied_at IS NULL ORDER BY is_final, id",
            enrichment.to_owned(),
        )
        .await
    }

    async fn find_answers(
        &self,
        sql: &'static str,
        of: impl rusqlite::ToSql + Send + 'static,
    ) -> Result<Vec<AnswerId>, ReadError> {
        self.read(move |connection| {
            let mut find = connection.prepare_cached(sql)?;
            find.query_map([of], |row| Ok(AnswerId(row.get(0)?)))?.collect()
        })
        .await
    }
}

/// Whether somebody is pending again because an answer to a run's batches says that nobody has looked at them.
pub(super) fn is_anybody_let_go(tx: &Tx<'_>, run: Uuid) -> Written<bool> {
    let connection = tx.connection();
    let mut cut_short = connection.prepare_cached(
        "SELECT p.jobs FROM enrichment e JOIN enrichment_post p ON p.run = e.run AND p.attempt = e.attempt
         WHERE e.run = ? AND e.ended_at IS NOT NULL AND e.status IS NOT 'FINISHED'",
    )?;
    let mut find = connection.prepare_cached("SELECT 1 FROM enrichment_job WHERE id = ? AND status = 'pending'")?;
    let mut posts = cut_short.query([run])?;
    while let Some(post) = posts.next()? {
        for job in unpack_jobs(&post.get::<_, Vec<u8>>(0)?) {
            if find.exists([job])? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Nobody who runs will apply what is stored for a run: late results see to it, beside what the provider still has to
/// say.
pub(super) fn leave_to_late_results(tx: &Tx<'_>, run: Uuid, with_kept: bool) -> Written<()> {
    tx.connection()
        .prepare_cached(
            "UPDATE enrichment SET ask_at = ?1 WHERE run = ?2 AND (ended_at IS NULL OR EXISTS (
                 SELECT 1 FROM enrichment_answer a
                 WHERE a.enrichment = enrichment.id AND a.applied_at IS NULL AND (a.is_final OR ?3)))",
        )?
        .execute(params![micros(tx.now()), run, with_kept])?;
    Ok(())
}

/// A run of its own applies an answer. Should that be cancelled, or fail, late results see to it.
pub(super) fn look_after(tx: &Tx<'_>, enrichment: &str) -> Written<()> {
    if !Guard::LateAnswers.is_removed() {
        tx.connection()
            .prepare_cached("UPDATE enrichment SET ask_at = ? WHERE id = ?")?
            .execute(params![micros(tx.now()), enrichment])?;
    }
    Ok(())
}
