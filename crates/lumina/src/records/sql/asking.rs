//! Batches whose run is over, and that the provider is asked about again.

use std::time::Duration;

use jiff::Timestamp;
use lumina_workflow::store::Attachment;

use super::answers::end_enrichment;
use super::places::free_place;
use super::{micros, span};
use crate::records::db::{Db, Got, Tx, sql, values};
use crate::records::handle::{reads, writes};
use crate::records::{ReadError, Records};

/// What is written where the provider's status would be, when it no longer knows the batch.
const GONE: &str = "GONE";

/// A batch that was given up is asked about at least once a day.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3_600);

impl Records {
    /// The batches whose run is over, and which are to be looked after now: their answer never came, or nobody has
    /// applied it. Longest due first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn due_for_asking(&self, now: Timestamp, limit: usize) -> Result<Vec<String>, ReadError> {
        reads!(self, |db| find_due(db, now, limit))
    }

    /// A batch whose run is over has been asked about in vain: again after twice as long each time, beginning with
    /// this long.
    #[must_use]
    pub fn ask_later(enrichment: String, first: Duration) -> Attachment {
        writes!(|tx, enrichment, first| ask_later(tx, enrichment, *first))
    }

    /// Whether the provider has said, or no longer knows, how a batch ended. Then it is not asked about any more.
    #[must_use]
    pub fn stop_asking_if_ended(enrichment: String) -> Attachment {
        writes!(|tx, enrichment| stop_if_ended(tx, enrichment))
    }

    /// The provider no longer knows a batch: no answer will come.
    #[must_use]
    pub fn mark_gone(enrichment: String) -> Attachment {
        writes!(|tx, enrichment| mark_gone(tx, enrichment))
    }
}

async fn find_due(db: &impl Db, now: Timestamp, limit: usize) -> Got<Vec<String>> {
    db.list(
        sql!("SELECT id FROM enrichment WHERE ask_at IS NOT NULL AND ask_at <= ? ORDER BY ask_at, id LIMIT ?"),
        &values![micros(now), limit],
        |row| row.get(0),
    )
    .await
}

async fn ask_later(tx: &impl Tx, enrichment: &str, first: Duration) -> Got<()> {
    let asked: Option<u32> = tx
        .find(
            sql!("SELECT asked FROM enrichment WHERE id = ? AND ask_at IS NOT NULL"),
            &values![enrichment],
            |row| row.get(0),
        )
        .await?;
    let Some(asked) = asked else { return Ok(()) };
    let pause = first.min(LONGEST_PAUSE) * 2_u32.pow(asked.min(20));
    let next = micros(tx.now()).saturating_add(span(pause.min(LONGEST_PAUSE)));
    tx.execute(
        sql!("UPDATE enrichment SET asked = asked + 1, ask_at = ? WHERE id = ? AND ask_at IS NOT NULL"),
        &values![next, enrichment],
    )
    .await?;
    Ok(())
}

async fn stop_if_ended(tx: &impl Tx, enrichment: &str) -> Got<bool> {
    let stopped = tx
        .execute(
            sql!("UPDATE enrichment SET ask_at = NULL WHERE id = ? AND ended_at IS NOT NULL"),
            &values![enrichment],
        )
        .await?;
    Ok(stopped > 0)
}

async fn mark_gone(tx: &impl Tx, enrichment: &str) -> Got<()> {
    end_enrichment(tx, enrichment, Some(GONE), None).await?;
    free_place(tx, enrichment).await
}
