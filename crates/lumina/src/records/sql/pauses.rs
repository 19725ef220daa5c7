//! What keeps lookups from being bought.

use lumina_workflow::store::Attachment;

use super::micros;
use super::places::{hasten_unsent, hasten_waiting};
use crate::records::db::{Db, Got, Row, Tx, sql, values};
use crate::records::handle::{reads, writes};
use crate::records::{Pause, PauseReason, ReadError, Records};

impl Records {
    /// Something is in the way: nothing is bought until a probe says otherwise.
    #[must_use]
    pub fn pause(reason: PauseReason, message: String) -> Attachment {
        writes!(|tx, reason, message| pause(tx, *reason, message))
    }

    /// What was in the way has gone. Whoever is in line is told, and whoever has a place and has sent nothing.
    #[must_use]
    pub fn resume(reason: PauseReason, max_in_flight: u32) -> Attachment {
        writes!(|tx, reason, max_in_flight| resume(tx, *reason, *max_in_flight))
    }

    /// A probe has found that it is still in the way.
    #[must_use]
    pub fn postpone_probe(reason: PauseReason) -> Attachment {
        writes!(|tx, reason| postpone_probe(tx, *reason))
    }

    /// What is in the way now.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn pauses(&self) -> Result<Vec<Pause>, ReadError> {
        reads!(self, |db| read_pauses(db))
    }
}

pub(super) async fn read_pauses(db: &impl Db) -> Got<Vec<Pause>> {
    db.list(
        sql!("SELECT reason, message, since, looked_at FROM pause ORDER BY since, reason"),
        &[],
        read_pause,
    )
    .await
}

pub(super) async fn find_pause(db: &impl Db) -> Got<Option<Pause>> {
    db.find(
        sql!("SELECT reason, message, since, looked_at FROM pause ORDER BY since, reason LIMIT 1"),
        &[],
        read_pause,
    )
    .await
}

fn read_pause(row: &Row<'_>) -> Got<Pause> {
    Ok(Pause {
        reason: row.word(0, PauseReason::parse)?,
        message: row.get(1)?,
        since: row.time(2)?,
        looked_at: row.time(3)?,
    })
}

/// Begins a pause, or says more of the one that is there.
pub(super) async fn pause(tx: &impl Tx, reason: PauseReason, message: &str) -> Got<()> {
    let known = tx
        .execute(
            sql!("UPDATE pause SET message = ? WHERE reason = ?"),
            &values![message, reason.as_str()],
        )
        .await?;
    if known > 0 {
        return Ok(());
    }
    let begun = tx
        .execute(
            sql!(
                "INSERT INTO pause (reason, message, since, looked_at) VALUES (?1, ?2, ?3, ?3)
                 ON CONFLICT (reason) DO NOTHING"
            ),
            &values![reason.as_str(), message, micros(tx.now())],
        )
        .await?;
    if begun > 0 {
        tracing::warn!(
            reason = reason.as_str(),
            why = message,
            "lookups are paused: nothing is bought until this has gone"
        );
    }
    Ok(())
}

pub(super) async fn end_pause(tx: &impl Tx, reason: PauseReason) -> Got<()> {
    let ended = tx
        .execute(sql!("DELETE FROM pause WHERE reason = ?"), &values![reason.as_str()])
        .await?;
    if ended > 0 {
        tracing::info!(reason = reason.as_str(), "a pause of lookups is over");
    }
    Ok(())
}

async fn resume(tx: &impl Tx, reason: PauseReason, max_in_flight: u32) -> Got<()> {
    end_pause(tx, reason).await?;
    hasten_unsent(tx).await?;
    hasten_waiting(tx, u64::from(max_in_flight)).await
}

async fn postpone_probe(tx: &impl Tx, reason: PauseReason) -> Got<()> {
    tx.execute(
        sql!("UPDATE pause SET looked_at = ? WHERE reason = ?"),
        &values![micros(tx.now()), reason.as_str()],
    )
    .await?;
    Ok(())
}
