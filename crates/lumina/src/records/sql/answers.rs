//! Answers: stored before they are processed, and routed to whoever waits.

use std::sync::Arc;

use jiff::Timestamp;
use lumina_workflow::store::Attachment;
use lumina_workflow::{CorrelationKey, NewEvent, Payload, RunId, StepError, Target};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::micros;
use super::packing::{pack, unpack};
use super::places::free_place;
use super::posts::{Post, accept};
use super::unapplied::{is_anybody_let_go, look_after};
use crate::guards::Guard;
use crate::records::db::{Db, Got, Lock, Row, Sql, Tx, Value, sql, values};
use crate::records::handle::{reads, writes};
use crate::records::{AnswerFate, AnswerId, AnswerRef, NewAnswer, ReadError, Records, StoredAnswer};
use crate::workflows::{ACCEPTED_EVENT, COMPLETE_EVENT, ENRICHMENT_NAMESPACE};

/// An answer that is ready to be stored, its body hashed and packed: that takes longer than others should wait for.
#[derive(Debug, Clone)]
pub struct PackedAnswer {
    answer: NewAnswer,
    hash: String,
    packed: Vec<u8>,
}

impl PackedAnswer {
    /// Hashes and packs it.
    #[must_use]
    pub fn new(answer: NewAnswer) -> Self {
        Self {
            hash: hex::encode(Sha256::digest(&answer.body)),
            packed: pack(&answer.body),
            answer,
        }
    }

    /// Whether the provider will say nothing more.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.answer.is_final
    }

    /// The bytes of its body, packed.
    #[must_use]
    pub fn size(&self) -> usize {
        self.packed.len()
    }

    pub(super) fn answer(&self) -> &NewAnswer {
        &self.answer
    }
}

impl Records {
    /// Stores an answer and tells whom it concerns. The result is an [`AnswerFate`].
    #[must_use]
    pub fn store_answer(answer: NewAnswer) -> Attachment {
        Self::store_packed(Arc::new(PackedAnswer::new(answer)))
    }

    /// The same, of one that is ready.
    #[must_use]
    pub fn store_packed(answer: Arc<PackedAnswer>) -> Attachment {
        writes!(|tx, answer| store_answer(tx, answer))
    }

    /// A stored answer.
    ///
    /// # Errors
    /// When the database cannot be read or the body cannot be unpacked.
    pub async fn answer(&self, id: AnswerId) -> Result<Option<StoredAnswer>, ReadError> {
        let packed = reads!(self, |db| find_packed(db, id))?;
        let Some(packed) = packed else { return Ok(None) };
        let body = unpack(&packed.body).map_err(|error| ReadError(format!("answer {}: {error}", id.0)))?;
        Ok(Some(StoredAnswer { body, ..packed }))
    }
}

async fn find_packed(db: &impl Db, id: AnswerId) -> Got<Option<StoredAnswer>> {
    db.find(
        sql!("SELECT enrichment, status, is_final, body FROM enrichment_answer WHERE id = ?"),
        &values![id.0],
        read_packed,
    )
    .await
}

/// A stored answer whose body is still packed.
fn read_packed(row: &Row<'_>) -> Got<StoredAnswer> {
    Ok(StoredAnswer {
        enrichment: row.get(0)?,
        status: row.get(1)?,
        is_final: row.get(2)?,
        body: row.get(3)?,
    })
}

async fn store_answer(tx: &impl Tx, new: &PackedAnswer) -> Got<AnswerFate> {
    let PackedAnswer { answer, hash, .. } = new;
    let run = find_run(tx, answer).await?;
    let Some(id) = insert(tx, new).await? else {
        return Ok(AnswerFate::Duplicate);
    };
    if id == answer.id {
        return route(tx, answer, hash, run).await;
    }
    route(tx, &under(id, answer)?, hash, run).await?;
    Ok(AnswerFate::Duplicate)
}

/// The same answer under the id that it is stored under.
fn under(id: AnswerId, answer: &NewAnswer) -> Got<NewAnswer> {
    let mut same = answer.clone();
    same.id = id;
    same.late_run.start_key = Some(id.0.to_string());
    same.late_run.input = Payload::encode(&id).map_err(StepError::fail)?;
    Ok(same)
}

/// Tells whom an answer concerns, if that is known. It was found by [`find_run`], in the same transaction.
pub(super) async fn route(tx: &impl Tx, answer: &NewAnswer, hash: &str, run: Option<Uuid>) -> Got<AnswerFate> {
    let event_id = format!("{}:{hash}", answer.enrichment);
    let Some(run) = run else {
        if answer.is_final {
            let key = CorrelationKey::new(ENRICHMENT_NAMESPACE, answer.enrichment.clone());
            tx.emit(&make_event(event_id, key, answer)?).await?;
        }
        return Ok(AnswerFate::Unrouted);
    };
    if !answer.is_final {
        // It is only kept: its run may still hear the end.
        return match is_closed(tx, run).await? && has_given_up(tx, run).await? {
            true => tell_late(tx, answer).await,
            false => Ok(AnswerFate::Kept),
        };
    }
    end_enrichment(tx, &answer.enrichment, answer.status.as_deref(), answer.cost).await?;
    free_place(tx, &answer.enrichment).await?;
    if is_closed(tx, run).await? {
        return tell_late(tx, answer).await;
    }
    tx.emit(&make_event(event_id, RunId(run), answer)?).await?;
    Ok(AnswerFate::Routed)
}

/// Whether a run, whose batch is closed, has given somebody up: then what was told before the end may be all that is
/// ever told of them.
pub(super) async fn has_given_up(tx: &impl Tx, run: Uuid) -> Got<bool> {
    Ok(is_anybody_stale(tx, run).await? || is_anybody_let_go(tx, run).await?)
}

/// A run of its own applies it.
pub(super) async fn tell_late(tx: &impl Tx, answer: &NewAnswer) -> Got<AnswerFate> {
    if !Guard::LateAnswers.is_removed() {
        tx.start(&answer.late_run).await?;
        look_after(tx, &answer.enrichment).await?;
    }
    Ok(AnswerFate::Late)
}

async fn is_anybody_stale(tx: &impl Tx, run: Uuid) -> Got<bool> {
    tx.value(
        sql!(
            "SELECT EXISTS (SELECT 1 FROM enrichment_job INDEXED BY enrichment_job_stale
                            WHERE run = ? AND status = 'stale')"
        ),
        &values![run],
    )
    .await
}

fn make_event(id: String, target: impl Into<Target>, answer: &NewAnswer) -> Got<NewEvent> {
    let told = AnswerRef {
        answer: answer.id,
        enrichment: answer.enrichment.clone(),
    };
    let payload = Payload::encode(&told).map_err(StepError::fail)?;
    Ok(NewEvent::new(id, target, COMPLETE_EVENT, payload))
}

/// The run whose batch this is: by the provider's id, else by a POST that has none yet and
/// that the signed body names. Then the id is registered first, and the run is told. Its batch is not closed until the
/// transaction ends, unless it is by now.
pub(super) async fn find_run(tx: &impl Tx, answer: &NewAnswer) -> Got<Option<Uuid>> {
    if let Some(run) = registered_run(tx, &answer.enrichment).await? {
        tx.lock(Lock::Run(run)).await?;
        return Ok(Some(run));
    }
    let Some((run, attempt)) = answer.named else {
        return Ok(None);
    };
    tx.lock(Lock::Run(run.0)).await?;
    // The run itself may have heard of it, while it was waited for.
    if let Some(run) = registered_run(tx, &answer.enrichment).await? {
        return Ok(Some(run));
    }
    let is_open: bool = tx
        .value(
            sql!(
                "SELECT EXISTS (SELECT 1 FROM enrichment_post
                 WHERE run = ? AND attempt = ? AND enrichment_id IS NULL AND state IN ('open', 'unknown'))"
            ),
            &values![run, attempt],
        )
        .await?;
    if !is_open {
        return Ok(None);
    }
    reveal(tx, Post { run: run.0, attempt }, answer).await?;
    Ok(Some(run.0))
}

/// The run that an id of the provider's is registered for.
pub(super) static REGISTERED: Sql = Sql::new("SELECT run FROM enrichment WHERE id = ?");

async fn registered_run(tx: &impl Tx, enrichment: &str) -> Got<Option<Uuid>> {
    tx.find(&REGISTERED, &values![enrichment], |row| row.get(0)).await
}

/// An answer proves that a POST was accepted.
async fn reveal(tx: &impl Tx, post: Post, answer: &NewAnswer) -> Got<()> {
    accept(tx, post, &answer.enrichment, None, answer.deadline).await?;
    let payload = Payload::encode(&answer.enrichment).map_err(StepError::fail)?;
    let id = format!("accepted:{}", answer.enrichment);
    tx.emit(&NewEvent::new(id, RunId(post.run), ACCEPTED_EVENT, payload))
        .await?;
    Ok(())
}

/// The id that the answer is stored under, unless the very same body was there and is done with. One that came as
/// something said before the end is new as an end; an end that nobody has applied is told again, for it may have come
/// before it was known whose it is.
///
/// Two statements: one that may also update keeps a journal of its own, whether it does or not.
async fn insert(tx: &impl Tx, new: &PackedAnswer) -> Got<Option<AnswerId>> {
    let answer = &new.answer;
    let inserted = tx.execute(&INSERT, &row(new, tx.now())).await?;
    match (inserted, answer.is_final) {
        (1.., _) => Ok(Some(answer.id)),
        (0, true) => find_unfinished(tx, answer, &new.hash).await,
        (0, false) => Ok(None),
    }
}

/// Inserts a [`row`], unless the very same body is there.
pub(super) static INSERT: Sql = Sql::new(
    "INSERT INTO enrichment_answer (id, enrichment, body_hash, status, is_final, source, body, received_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (enrichment, body_hash) DO NOTHING /*+ RETURNING id */",
);

pub(super) fn row(new: &PackedAnswer, now: Timestamp) -> [Value<'_>; 8] {
    let PackedAnswer { answer, hash, packed } = new;
    values![
        answer.id.0,
        &answer.enrichment,
        hash,
        &answer.status,
        answer.is_final,
        answer.source.as_str(),
        packed.as_slice(),
        micros(now),
    ]
}

/// The same body, if it is an end only now, or one that nobody has applied.
async fn find_unfinished(tx: &impl Tx, answer: &NewAnswer, hash: &str) -> Got<Option<AnswerId>> {
    tx.find(
        sql!(
            "UPDATE enrichment_answer SET status = ?, is_final = TRUE, source = ?, applied_at = NULL
             WHERE enrichment = ? AND body_hash = ? AND NOT (is_final AND applied_at IS NOT NULL) RETURNING id"
        ),
        &values![&answer.status, answer.source.as_str(), &answer.enrichment, hash],
        |row| Ok(AnswerId(row.get(0)?)),
    )
    .await
}

/// It is not asked about any more, unless something that is stored is still left to late results: then they look once
/// more.
pub(super) async fn end_enrichment(tx: &impl Tx, enrichment: &str, status: Option<&str>, cost: Option<u64>) -> Got<()> {
    tx.execute(
        sql!(
            "UPDATE enrichment SET status = ?1, cost = coalesce(?2, cost), ended_at = coalesce(ended_at, ?3),
             ask_at = CASE WHEN ask_at IS NOT NULL AND EXISTS (
                 SELECT 1 FROM enrichment_answer a WHERE a.enrichment = ?4 AND a.applied_at IS NULL) THEN ask_at END
             WHERE id = ?4"
        ),
        &values![status, cost, micros(tx.now()), enrichment],
    )
    .await?;
    Ok(())
}

/// Whether a run's batch is closed. One that is not on record is.
pub(super) static IS_CLOSED: Sql = Sql::new("SELECT closed_at IS NOT NULL FROM batch WHERE run = ?");

pub(super) async fn is_closed(tx: &impl Tx, run: Uuid) -> Got<bool> {
    let closed = tx.find(&IS_CLOSED, &values![run], |row| row.get(0)).await?;
    Ok(closed.unwrap_or(true))
}
