//! Stored answers on request: listed, and routed anew.

use lumina_workflow::store::Attachment;
use rusqlite::{OptionalExtension, Row, params};
use sha2::{Digest, Sha256};

use super::answers::{find_run, route};
use super::{ReadError, Records, bad_word, from_micros, writes};
use crate::records::{AnswerId, AnswerSource, AnswerState, ListedAnswer, NewAnswer, Replayed};

/// What [`read_listed`] reads.
const LISTED: &str = "SELECT a.id, a.enrichment, a.source, a.status, a.is_final, a.received_at, a.applied_at, e.run,
    EXISTS (SELECT 1 FROM enrichment_answer o WHERE o.enrichment = a.enrichment AND o.is_final AND o.applied_at IS NOT NULL)
    FROM enrichment_answer a LEFT JOIN enrichment e ON e.id = a.enrichment";

impl Records {
    /// Routes a stored answer, under the id that it is stored under, as if it came in again and were new. The result
    /// is [`Replayed`].
    #[must_use]
    pub fn replay_answer(answer: NewAnswer) -> Attachment {
        let hash = hex::encode(Sha256::digest(&answer.body));
        writes(move |tx| {
            let run = find_run(tx, &answer)?;
            Ok(Replayed {
                fate: route(tx, &answer, &hash, run)?,
                workflow_id: run,
            })
        })
    }

    /// Stored answers, newest first; with `unclaimed`, only those that no batch of ours is known for.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn answers(&self, unclaimed: bool, limit: usize) -> Result<Vec<ListedAnswer>, ReadError> {
        self.read(move |connection| {
            let mut find = connection.prepare_cached(&format!(
                "{LISTED} WHERE NOT ?1 OR e.id IS NULL ORDER BY a.id DESC LIMIT ?2"
            ))?;
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
            let mut find = connection.prepare_cached(&format!("{LISTED} WHERE a.id = ?"))?;
            find.query_row([id.0], read_listed).optional()
        })
        .await
    }
}

fn read_listed(row: &Row<'_>) -> rusqlite::Result<ListedAnswer> {
    let source: String = row.get(2)?;
    let is_final: bool = row.get(4)?;
    let applied_at = row.get::<_, Option<i64>>(6)?.map(|at| from_micros(6, at)).transpose()?;
    let workflow_id = row.get(7)?;
    let state = match (workflow_id, applied_at, is_final) {
        (None, _, _) => AnswerState::Unclaimed,
        (_, Some(_), _) => AnswerState::Applied,
        (_, None, true) if row.get(8)? => AnswerState::Superseded,
        (_, None, true) => AnswerState::Waiting,
        (_, None, false) => AnswerState::Kept,
    };
    Ok(ListedAnswer {
        id: AnswerId(row.get(0)?),
        enrichment_id: row.get(1)?,
        source: AnswerSource::parse(&source).ok_or_else(|| bad_word(2, &source))?,
        status: row.get(3)?,
        is_final,
        state,
        workflow_id,
        received_at: from_micros(5, row.get(5)?)?,
        applied_at,
    })
}
