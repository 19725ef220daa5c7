//! Stored answers on request: listed, and routed anew.

use rusqlite::{OptionalExtension, Row, params};

use super::{ReadError, Records, from_micros};
use crate::records::{AnswerId, AnswerState, ListedAnswer};

impl Records {
    /// Stored answers, newest first; with `unclaimed`, only those that no batch of ours is known for.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn answers(&self, unclaimed: bool, limit: usize) -> Result<Vec<ListedAnswer>, ReadError> {
        self.read(move |connection| {
            let mut find = connection.prepare_cached(
                "SELECT a.id, a.enrichment, a.source, a.status, a.is_final, a.received_at, a.applied_at, e.run
                 FROM enrichment_answer a LEFT JOIN enrichment e ON e.id = a.enrichment
                 WHERE NOT ?1 OR e.id IS NULL ORDER BY a.id DESC LIMIT ?2",
            )?;
            find.query_map(params![unclaimed, limit], read_listed)?.collect()
        })
        .await
    }

    /// One stored answer without its body.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn listed_answer(&self, id: AnswerId) -> Result<Option<ListedAnswer>, ReadError> {
        self.read(move |connection| {
            let mut find = connection.prepare_cached(
                "SELECT a.id, a.enrichment, a.source, a.status, a.is_final, a.received_at, a.applied_at, e.run
                 FROM enrichment_answer a LEFT JOIN enrichment e ON e.id = a.enrichment WHERE a.id = ?",
            )?;
            find.query_row([id.0], read_listed).optional()
        })
        .await
    }
}

fn read_listed(row: &Row<'_>) -> rusqlite::Result<ListedAnswer> {
    let is_final: bool = row.get(4)?;
    let applied_at = row.get::<_, Option<i64>>(6)?.map(|at| from_micros(6, at)).transpose()?;
    let workflow_id = row.get(7)?;
    let state = match (workflow_id, applied_at, is_final) {
        (None, _, _) => AnswerState::Unclaimed,
        (_, Some(_), _) => AnswerState::Applied,
        (_, None, true) => AnswerState::Waiting,
        (_, None, false) => AnswerState::Kept,
    };
    Ok(ListedAnswer {
        id: AnswerId(row.get(0)?),
        enrichment_id: row.get(1)?,
        source: row.get(2)?,
        status: row.get(3)?,
        is_final,
        state,
        workflow_id,
        received_at: from_micros(5, row.get(5)?)?,
        applied_at,
    })
}
