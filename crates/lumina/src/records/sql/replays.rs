//! Stored answers on request: listed, and routed anew.

use lumina_workflow::store::Attachment;
use sha2::{Digest, Sha256};

use super::answers::{find_run, route};
use crate::records::db::{Db, Got, Row, Tx, sql, values};
use crate::records::handle::{reads, writes};
use crate::records::{AnswerId, AnswerSource, AnswerState, ListedAnswer, NewAnswer, ReadError, Records, Replayed};

/// What [`read_listed`] reads.
macro_rules! listed {
    ($which:literal) => {
        concat!(
            "SELECT a.id, a.enrichment, a.source, a.status, a.is_final, a.received_at, a.applied_at, e.run, ",
            "EXISTS (SELECT 1 FROM enrichment_answer o WHERE o.enrichment = a.enrichment AND o.is_final ",
            "AND o.applied_at IS NOT NULL) ",
            "FROM enrichment_answer a LEFT JOIN enrichment e ON e.id = a.enrichment ",
            $which
        )
    };
}

impl Records {
    /// Routes a stored answer, under the id that it is stored under, as if it came in again and were new. The result
    /// is [`Replayed`].
    #[must_use]
    pub fn replay_answer(answer: NewAnswer) -> Attachment {
        let hash = hex::encode(Sha256::digest(&answer.body));
        writes!(|tx, answer, hash| replay(tx, answer, hash))
    }

    /// Stored answers, newest first; with `unclaimed`, only those that no batch of ours is known for.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn answers(&self, unclaimed: bool, limit: usize) -> Result<Vec<ListedAnswer>, ReadError> {
        reads!(self, |db| list_answers(db, unclaimed, limit))
    }

    /// One stored answer without its body.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn listed_answer(&self, id: AnswerId) -> Result<Option<ListedAnswer>, ReadError> {
        reads!(self, |db| find_listed(db, id))
    }
}

async fn replay(tx: &impl Tx, answer: &NewAnswer, hash: &str) -> Got<Replayed> {
    let run = find_run(tx, answer).await?;
    Ok(Replayed {
        fate: route(tx, answer, hash, run).await?,
        workflow_id: run,
    })
}

async fn list_answers(db: &impl Db, unclaimed: bool, limit: usize) -> Got<Vec<ListedAnswer>> {
    db.list(
        sql!(listed!("WHERE NOT ?1 OR e.id IS NULL ORDER BY a.id DESC LIMIT ?2")),
        &values![unclaimed, limit],
        read_listed,
    )
    .await
}

async fn find_listed(db: &impl Db, id: AnswerId) -> Got<Option<ListedAnswer>> {
    db.find(sql!(listed!("WHERE a.id = ?")), &values![id.0], read_listed)
        .await
}

fn read_listed(row: &Row<'_>) -> Got<ListedAnswer> {
    let is_final: bool = row.get(4)?;
    let applied_at = row.optional_time(6)?;
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
        source: row.word(2, AnswerSource::parse)?,
        status: row.get(3)?,
        is_final,
        state,
        workflow_id,
        received_at: row.time(5)?,
        applied_at,
    })
}
