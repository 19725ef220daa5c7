//! The end of a run's batch, when its answer has been applied.

use lumina_workflow::RunId;
use lumina_workflow::store::Attachment;

use super::batches::close_batch;
use super::sent::read_out;
use super::unapplied::is_anybody_let_go;
use crate::records::db::{Got, Tx, sql, values};
use crate::records::handle::writes;
use crate::records::{Out, Records, Settled};

impl Records {
    /// Ends a run's batch when its answer has been applied, unless the same jobs were sent a second time and that
    /// answer is still to come, or what was told before the end has to be applied first. The result is [`Settled`].
    #[must_use]
    pub fn settle_batch(run: RunId) -> Attachment {
        writes!(|tx, run| settle_batch(tx, *run))
    }
}

async fn settle_batch(tx: &impl Tx, run: RunId) -> Got<Settled> {
    let mut settled = Settled {
        still_out: find_still_out(tx, run).await?,
        ..Settled::default()
    };
    if settled.still_out.is_none() {
        settled.hear_kept = is_told_elsewhere(tx, run).await?;
    }
    if settled.still_out.is_none() && !settled.hear_kept {
        let reason = "the provider's final answer does not name it";
        settled.stale = close_batch(tx, run, reason).await?.stale;
    }
    Ok(settled)
}

/// The POST whose answer is still to come, or to be applied, while jobs wait for it.
async fn find_still_out(tx: &impl Tx, run: RunId) -> Got<Option<Out>> {
    tx.find(
        sql!(
            "SELECT e.id, p.posted_at
             FROM enrichment e JOIN enrichment_post p ON p.run = e.run AND p.attempt = e.attempt
             WHERE e.run = ?1 AND p.posted_at IS NOT NULL AND (e.ended_at IS NULL OR EXISTS (
                     SELECT 1 FROM enrichment_answer a
                     WHERE a.enrichment = e.id AND a.is_final AND a.applied_at IS NULL))
               AND EXISTS (SELECT 1 FROM enrichment_job INDEXED BY enrichment_job_run
                           WHERE run = ?1 AND status = 'submitted' AND status IN ('pending', 'submitted'))
             ORDER BY e.attempt DESC LIMIT 1"
        ),
        &values![run],
        read_out,
    )
    .await
}

/// Whether the final answer has left somebody out, and something that was told before is still to be applied.
async fn is_told_elsewhere(tx: &impl Tx, run: RunId) -> Got<bool> {
    let found: Option<(bool, bool)> = tx
        .find(
            sql!(
                "SELECT EXISTS (SELECT 1 FROM enrichment_job INDEXED BY enrichment_job_run
                                WHERE run = ?1 AND status = 'submitted' AND status IN ('pending', 'submitted')),
                        EXISTS (SELECT 1 FROM enrichment e JOIN enrichment_answer a ON a.enrichment = e.id
                                WHERE e.run = ?1 AND NOT a.is_final AND a.applied_at IS NULL)"
            ),
            &values![run],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .await?;
    let (is_waiting, is_told) = found.unwrap_or_default();
    Ok(is_told && (is_waiting || is_anybody_let_go(tx, run.0).await?))
}
