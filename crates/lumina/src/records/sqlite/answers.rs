//! Answers: stored before they are processed, and routed to whoever waits.

use jiff::Timestamp;
use lumina_workflow::store::Attachment;
use lumina_workflow::{CorrelationKey, NewEvent, Payload, StepError, Target};
use lumina_workflow_sqlite::Tx;
use rusqlite::{OptionalExtension, params};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::batches::free_place;
use super::packing::{pack, unpack};
use super::posts::accept;
use super::unapplied::{is_anybody_let_go, look_after};
use super::{ReadError, Records, Written, micros, run_id, span, writes};
use crate::guards::Guard;
use crate::records::{AnswerFate, AnswerId, AnswerRef, NewAnswer, StoredAnswer};
use crate::workflows::{ACCEPTED_EVENT, COMPLETE_EVENT, ENRICHMENT_NAMESPACE};

/// What is written where the provider's status would be, when it no longer knows the batch.
const GONE: &str = "GONE";

/// A batch that was given up is asked about at least once a day.
const LONGEST_PAUSE: std::time::Duration = std::time::Duration::from_secs(24 * 3_600);

impl Records {
    /// Stores an answer and tells whom it concerns. The result is an [`AnswerFate`].
    #[must_use]
    pub fn store_answer(answer: NewAnswer) -> Attachment {
        let hash = hex::encode(Sha256::digest(&answer.body));
        let packed = pack(&answer.body);
        writes(move |tx| store_answer(tx, &answer, &hash, &packed))
    }

    /// A stored answer.
    ///
    /// # Errors
    /// When the database cannot be read or the body cannot be unpacked.
    pub async fn answer(&self, id: AnswerId) -> Result<Option<StoredAnswer>, ReadError> {
        let row = self
            .read(move |connection| {
                let mut find = connection
                    .prepare_cached("SELECT enrichment, status, is_final, body FROM enrichment_answer WHERE id = ?")?;
                find.query_row([id.0], read_packed).optional()
            })
            .await?;
        let Some(packed) = row else { return Ok(None) };
        let body = unpack(&packed.body).map_err(|error| ReadError(format!("answer {}: {error}", id.0)))?;
        Ok(Some(StoredAnswer { body, ..packed }))
    }

    /// The batches whose run is over, and which are to be looked after now: their answer never came, or nobody has
    /// applied it. Longest due first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn due_for_asking(&self, now: Timestamp, limit: usize) -> Result<Vec<String>, ReadError> {
        self.read(move |connection| {
            let mut find = connection.prepare_cached(
                "SELECT id FROM enrichment WHERE ask_at IS NOT NULL AND ask_at <= ? ORDER BY ask_at LIMIT ?",
            )?;
            find.query_map(params![micros(now), limit], |row| row.get(0))?.collect()
        })
        .await
    }

    /// A batch whose run is over has been asked about in vain: again after twice as long each time, beginning with
    /// this long.
    #[must_use]
    pub fn ask_later(enrichment: String, first: std::time::Duration) -> Attachment {
        writes(move |tx| {
            tx.connection()
                .prepare_cached(
                    "UPDATE enrichment SET asked = asked + 1, ask_at = ?1 + min(?2 << min(asked, 20), ?3)
                     WHERE id = ?4 AND ask_at IS NOT NULL",
                )?
                .execute(params![
                    micros(tx.now()),
                    span(first.min(LONGEST_PAUSE)),
                    span(LONGEST_PAUSE),
                    enrichment
                ])?;
            Ok(())
        })
    }

    /// Whether the provider has said, or no longer knows, how a batch ended. Then it is not asked about any more.
    #[must_use]
    pub fn stop_asking_if_ended(enrichment: String) -> Attachment {
        writes(move |tx| {
            let mut stop = tx
                .connection()
                .prepare_cached("UPDATE enrichment SET ask_at = NULL WHERE id = ? AND ended_at IS NOT NULL")?;
            Ok(stop.execute([&enrichment])? > 0)
        })
    }

    /// The provider no longer knows a batch: no answer will come.
    #[must_use]
    pub fn mark_gone(enrichment: String) -> Attachment {
        writes(move |tx| {
            end_enrichment(tx, &enrichment, Some(GONE), None)?;
            free_place(tx, &enrichment)
        })
    }
}

/// A stored answer whose body is still packed.
fn read_packed(row: &rusqlite::Row<'_>) -> rusqlite::Result<StoredAnswer> {
    Ok(StoredAnswer {
        enrichment: row.get(0)?,
        status: row.get(1)?,
        is_final: row.get(2)?,
        body: row.get(3)?,
    })
}

fn store_answer(tx: &Tx<'_>, answer: &NewAnswer, hash: &str, packed: &[u8]) -> Written<AnswerFate> {
    let run = find_run(tx, answer)?;
    let Some(id) = insert(tx, answer, hash, packed)? else {
        return Ok(AnswerFate::Duplicate);
    };
    if id == answer.id {
        return route(tx, answer, hash, run);
    }
    route(tx, &under(id, answer)?, hash, run)?;
    Ok(AnswerFate::Duplicate)
}

/// The same answer under the id that it is stored under.
fn under(id: AnswerId, answer: &NewAnswer) -> Written<NewAnswer> {
    let mut same = answer.clone();
    same.id = id;
    same.late_run.start_key = Some(id.0.to_string());
    same.late_run.input = Payload::encode(&id).map_err(StepError::fail)?;
    Ok(same)
}

/// Tells whom an answer concerns, if that is known.
pub(super) fn route(tx: &Tx<'_>, answer: &NewAnswer, hash: &str, run: Option<Uuid>) -> Written<AnswerFate> {
    let event_id = format!("{}:{hash}", answer.enrichment);
    let Some(run) = run else {
        if answer.is_final {
            let key = CorrelationKey::new(ENRICHMENT_NAMESPACE, answer.enrichment.clone());
            tx.emit(&make_event(event_id, key, answer)?)?;
        }
        return Ok(AnswerFate::Unrouted);
    };
    if !answer.is_final {
        return keep(tx, run, answer);
    }
    end_enrichment(tx, &answer.enrichment, answer.status.as_deref(), answer.cost)?;
    free_place(tx, &answer.enrichment)?;
    if is_closed(tx, run)? {
        if !Guard::LateAnswers.is_removed() {
            tx.start(&answer.late_run)?;
            look_after(tx, &answer.enrichment)?;
        }
        return Ok(AnswerFate::Late);
    }
    tx.emit(&make_event(event_id, run_id(run), answer)?)?;
    Ok(AnswerFate::Routed)
}

/// What is told before the end is only kept, for its run may still hear the end. When the run has given somebody up,
/// it may be all that is ever told of them.
fn keep(tx: &Tx<'_>, run: Uuid, answer: &NewAnswer) -> Written<AnswerFate> {
    let mut find = tx.connection().prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM batch WHERE run = ?1 AND closed_at IS NOT NULL) AND EXISTS (SELECT 1 FROM enrichment_job INDEXED BY enrichment_job_stale WHERE run = ?1 AND status = 'stale')",
    )?;
    let is_given_up: bool = find.query_row([run], |row| row.get(0))?;
    let is_given_up = is_given_up || (is_closed(tx, run)? && is_anybody_let_go(tx, run)?);
    if !is_given_up || Guard::LateAnswers.is_removed() {
        return Ok(AnswerFate::Kept);
    }
    tx.start(&answer.late_run)?;
    look_after(tx, &answer.enrichment)?;
    Ok(AnswerFate::Late)
}

fn make_event(id: String, target: impl Into<Target>, answer: &NewAnswer) -> Written<NewEvent> {
    let told = AnswerRef {
        answer: answer.id,
        enrichment: answer.enrichment.clone(),
    };
    let payload = Payload::encode(&told).map_err(StepError::fail)?;
    Ok(NewEvent::new(id, target, COMPLETE_EVENT, payload))
}

/// The run whose batch this is: by the provider's id, else by a POST that has none yet and
/// that the signed body names. Then the id is registered first, and the run is told.
pub(super) fn find_run(tx: &Tx<'_>, answer: &NewAnswer) -> Written<Option<Uuid>> {
    let mut known = tx
        .connection()
        .prepare_cached("SELECT run FROM enrichment WHERE id = ?")?;
    if let Some(run) = known.query_row([&answer.enrichment], |row| row.get(0)).optional()? {
        return Ok(Some(run));
    }
    let Some((run, attempt)) = answer.named else {
        return Ok(None);
    };
    let mut open = tx.connection().prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM enrichment_post
         WHERE run = ? AND attempt = ? AND enrichment_id IS NULL AND state IN ('open', 'unknown'))",
    )?;
    if !open.query_row(params![run.0, attempt], |row| row.get(0))? {
        return Ok(None);
    }
    accept(tx, run.0, attempt, &answer.enrichment, None, answer.deadline)?;
    let payload = Payload::encode(&answer.enrichment).map_err(StepError::fail)?;
    tx.emit(&NewEvent::new(
        format!("accepted:{}", answer.enrichment),
        run,
        ACCEPTED_EVENT,
        payload,
    ))?;
    Ok(Some(run.0))
}

/// The id that the answer is stored under, unless the very same body was there and is done with. One that came as
/// something said before the end is new as an end; an end that nobody has applied is told again, for it may have come
/// before it was known whose it is.
///
/// Two statements: one that may also update keeps a journal of its own, whether it does or not.
fn insert(tx: &Tx<'_>, answer: &NewAnswer, hash: &str, packed: &[u8]) -> Written<Option<AnswerId>> {
    let mut insert = tx.connection().prepare_cached(
        "INSERT INTO enrichment_answer (id, enrichment, body_hash, status, is_final, source, body, received_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (enrichment, body_hash) DO NOTHING",
    )?;
    let inserted = insert.execute(params![
        answer.id.0,
        answer.enrichment,
        hash,
        answer.status,
        answer.is_final,
        answer.source.as_str(),
        packed,
        micros(tx.now())
    ])?;
    match (inserted, answer.is_final) {
        (1.., _) => Ok(Some(answer.id)),
        (0, true) => find_unfinished(tx, answer, hash),
        (0, false) => Ok(None),
    }
}

/// The same body, if it is an end only now, or one that nobody has applied.
fn find_unfinished(tx: &Tx<'_>, answer: &NewAnswer, hash: &str) -> Written<Option<AnswerId>> {
    let mut update = tx.connection().prepare_cached(
        "UPDATE enrichment_answer SET status = ?, is_final = 1, source = ?, applied_at = NULL
         WHERE enrichment = ? AND body_hash = ? AND NOT (is_final AND applied_at IS NOT NULL) RETURNING id",
    )?;
    let values = params![answer.status, answer.source.as_str(), answer.enrichment, hash];
    Ok(update.query_row(values, |row| Ok(AnswerId(row.get(0)?))).optional()?)
}

/// It is not asked about any more, unless something that is stored is still left to late results: then they look once
/// more.
pub(super) fn end_enrichment(tx: &Tx<'_>, enrichment: &str, status: Option<&str>, cost: Option<u64>) -> Written<()> {
    tx.connection()
        .prepare_cached(
            "UPDATE enrichment SET status = ?1, cost = coalesce(?2, cost), ended_at = coalesce(ended_at, ?3),
             ask_at = iif(ask_at IS NOT NULL AND EXISTS (
                 SELECT 1 FROM enrichment_answer a WHERE a.enrichment = ?4 AND a.applied_at IS NULL), ask_at, NULL)
             WHERE id = ?4",
        )?
        .execute(params![status, cost, micros(tx.now()), enrichment])?;
    Ok(())
}

pub(super) fn is_closed(tx: &Tx<'_>, run: Uuid) -> Written<bool> {
    let mut find = tx
        .connection()
        .prepare_cached("SELECT closed_at IS NOT NULL FROM batch WHERE run = ?")?;
    Ok(find.query_row([run], |row| row.get(0)).optional()?.unwrap_or(true))
}
