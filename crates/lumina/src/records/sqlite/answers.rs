//! Answers: stored before they are processed, routed to whoever waits, applied idempotently.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use lumina_enrichment::job::{JobEvent, JobStatus};
use lumina_workflow::store::Attachment;
use lumina_workflow::{CorrelationKey, NewEvent, Payload, RunId, StepError, Target};
use lumina_workflow_sqlite::Tx;
use rusqlite::{OptionalExtension, params};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::batches::{close_batch, release_slot};
use super::posts::accept;
use super::{ReadError, Records, Written, micros, run_id, unpack_jobs, writes};
use crate::records::{AnswerFate, AnswerId, AnswerRef, Applied, JobAnswer, JobId, LeadRow, NewAnswer, StoredAnswer};
use crate::workflows::{ACCEPTED_EVENT, COMPLETE_EVENT, ENRICHMENT_NAMESPACE};

/// No stored body unpacks to more: the provider's callbacks are refused above that size.
const UNPACKED_LIMIT: u64 = 33 * 1024 * 1024;

impl Records {
    /// Stores an answer and tells whom it concerns. The result is an [`AnswerFate`].
    #[must_use]
    pub fn store_answer(answer: NewAnswer) -> Attachment {
        let hash = hex(&Sha256::digest(&answer.body));
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
                let mut find =
                    connection.prepare_cached("SELECT enrichment, status, body FROM enrichment_answer WHERE id = ?")?;
                let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?));
                find.query_row([id.0], read).optional()
            })
            .await?;
        let Some((enrichment, status, packed)) = row else {
            return Ok(None);
        };
        let body = unpack(&packed).map_err(|error| ReadError(format!("answer {}: {error}", id.0)))?;
        Ok(Some(StoredAnswer {
            enrichment,
            status,
            body,
        }))
    }

    /// Applies an answer to the jobs that its batch sent, and with `close` ends the run's
    /// batch. Jobs that the answer does not name were not looked at, if it is of that kind.
    /// Doing it again changes nothing. The result is [`Applied`].
    #[must_use]
    pub fn apply_answer(
        answer: AnswerId,
        results: Vec<(JobId, JobAnswer)>,
        cost: Option<u64>,
        unnamed_not_looked_at: bool,
        close: Option<RunId>,
    ) -> Attachment {
        writes(move |tx| {
            let mut applied = apply(tx, answer, &results, cost, unnamed_not_looked_at)?;
            if let Some(run) = close {
                applied.stale = close_batch(tx, run, "the provider's final answer does not name it")?.stale;
            }
            Ok(applied)
        })
    }
}

fn store_answer(tx: &Tx<'_>, answer: &NewAnswer, hash: &str, packed: &[u8]) -> Written<AnswerFate> {
    let run = find_run(tx, answer)?;
    if !insert(tx, answer, hash, packed)? {
        return Ok(AnswerFate::Duplicate);
    }
    let event_id = format!("{}:{hash}", answer.enrichment);
    let Some(run) = run else {
        if answer.is_final {
            let key = CorrelationKey::new(ENRICHMENT_NAMESPACE, answer.enrichment.clone());
            tx.emit(&make_event(event_id, key, answer)?)?;
        }
        return Ok(AnswerFate::Unrouted);
    };
    if !answer.is_final {
        return Ok(AnswerFate::Kept);
    }
    end_enrichment(tx, answer)?;
    release_slot(tx, run)?;
    if is_closed(tx, run)? {
        tx.start(&answer.late_run)?;
        return Ok(AnswerFate::Late);
    }
    tx.emit(&make_event(event_id, run_id(run), answer)?)?;
    Ok(AnswerFate::Routed)
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
fn find_run(tx: &Tx<'_>, answer: &NewAnswer) -> Written<Option<Uuid>> {
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

fn insert(tx: &Tx<'_>, answer: &NewAnswer, hash: &str, packed: &[u8]) -> Written<bool> {
    let mut insert = tx.connection().prepare_cached(
        "INSERT INTO enrichment_answer (id, enrichment, body_hash, status, is_final, source, body, received_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
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
    Ok(inserted == 1)
}

fn end_enrichment(tx: &Tx<'_>, answer: &NewAnswer) -> Written<()> {
    tx.connection()
        .prepare_cached(
            "UPDATE enrichment SET status = ?, cost = coalesce(?, cost), ended_at = coalesce(ended_at, ?) WHERE id = ?",
        )?
        .execute(params![answer.status, answer.cost, micros(tx.now()), answer.enrichment])?;
    Ok(())
}

fn is_closed(tx: &Tx<'_>, run: Uuid) -> Written<bool> {
    let mut find = tx
        .connection()
        .prepare_cached("SELECT closed_at IS NOT NULL FROM batch WHERE run = ?")?;
    Ok(find.query_row([run], |row| row.get(0)).optional()?.unwrap_or(true))
}

/// The batch that an answer is for: its run, and the jobs that were sent with it.
fn batch_of(tx: &Tx<'_>, answer: AnswerId) -> Written<Option<(Uuid, Vec<Uuid>)>> {
    let mut find = tx.connection().prepare_cached(
        "SELECT p.run, p.jobs FROM enrichment_answer a JOIN enrichment e ON e.id = a.enrichment
         JOIN enrichment_post p ON p.run = e.run AND p.attempt = e.attempt WHERE a.id = ?",
    )?;
    let found = find
        .query_row([answer.0], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)))
        .optional()?;
    Ok(found.map(|(run, packed)| (run, unpack_jobs(&packed))))
}

fn apply(
    tx: &Tx<'_>,
    answer: AnswerId,
    results: &[(JobId, JobAnswer)],
    cost: Option<u64>,
    unnamed_not_looked_at: bool,
) -> Written<Applied> {
    let mut applied = Applied::default();
    let Some((run, jobs)) = batch_of(tx, answer)? else {
        return Err(StepError::fail("no batch of ours is known for this answer").into());
    };
    let named: BTreeMap<Uuid, &JobAnswer> = results.iter().map(|(job, result)| (job.0, result)).collect();
    let unnamed = unnamed_not_looked_at.then_some(&JobAnswer::NotLookedAt);
    for job in jobs {
        let Some(result) = named.get(&job).copied().or(unnamed) else {
            continue;
        };
        match apply_one(tx, job, result)? {
            Some(JobStatus::Enriched) => applied.enriched += 1,
            Some(JobStatus::NotFound) => applied.not_found += 1,
            Some(JobStatus::Pending) => applied.not_looked_at += 1,
            _ => {}
        }
    }
    let now = micros(tx.now());
    let connection = tx.connection();
    connection
        .prepare_cached("UPDATE enrichment_answer SET applied_at = ? WHERE id = ?")?
        .execute(params![now, answer.0])?;
    connection
        .prepare_cached(
            "UPDATE enrichment SET cost = coalesce(?, cost) WHERE id = (SELECT enrichment FROM enrichment_answer WHERE id = ?)",
        )?
        .execute(params![cost, answer.0])?;
    connection
        .prepare_cached("UPDATE batch SET cost = (SELECT sum(cost) FROM enrichment WHERE run = ?1) WHERE run = ?1")?
        .execute([run])?;
    if applied.not_looked_at > 0 {
        super::sweep::pause(
            tx,
            crate::records::PauseReason::Credits,
            "the provider did not look up what it was sent: check its credits",
        )?;
    }
    Ok(applied)
}

/// One job's answer; the status it has now, if that is new.
fn apply_one(tx: &Tx<'_>, job: Uuid, answer: &JobAnswer) -> Written<Option<JobStatus>> {
    let mut find = tx
        .connection()
        .prepare_cached("SELECT status, subscriber FROM enrichment_job WHERE id = ?")?;
    let found: Option<(String, Uuid)> = find.query_row([job], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((status, subscriber)) = found else {
        return Ok(None);
    };
    let status: JobStatus = status.parse().map_err(StepError::fail)?;
    let event = match answer {
        JobAnswer::Found(_) => JobEvent::Found,
        JobAnswer::NotFound => JobEvent::NotFound,
        JobAnswer::NotLookedAt => JobEvent::NotLookedAt,
    };
    let next = status.apply(event).map_err(StepError::fail)?;
    if let JobAnswer::Found(lead) = answer {
        write_lead(tx, subscriber, lead)?;
    }
    if next == status {
        return Ok(None);
    }
    write_status(tx, job, next)?;
    Ok(Some(next))
}

fn write_status(tx: &Tx<'_>, job: Uuid, status: JobStatus) -> Written<()> {
    let finished = status.is_end().then(|| micros(tx.now()));
    let reason = (!status.is_end()).then_some("the provider has not looked at it");
    tx.connection()
        .prepare_cached(
            "UPDATE enrichment_job SET status = ?1, finished_at = ?2, reason = ?3, run = iif(?2 IS NULL, NULL, run) WHERE id = ?4",
        )?
        .execute(params![status.as_str(), finished, reason, job])?;
    Ok(())
}

fn write_lead(tx: &Tx<'_>, subscriber: Uuid, lead: &LeadRow) -> Written<()> {
    let class: String = tx
        .connection()
        .prepare_cached("SELECT class FROM subscriber WHERE id = ?")?
        .query_row([subscriber], |row| row.get(0))?;
    let class = class.parse().map_err(StepError::fail)?;
    let gem = lumina_enrichment::icp::is_hidden_gem(class, JobStatus::Enriched, lead.icp_score);
    let reasons = serde_json::to_string(&lead.icp_reasons).map_err(StepError::fail)?;
    tx.connection()
        .prepare_cached(
            "INSERT OR REPLACE INTO lead (subscriber, full_name, title, seniority, company_name, company_domain, headcount,
             headcount_range, industry, linkedin_url, icp_score, icp_reasons, hidden_gem, enriched_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            subscriber,
            lead.full_name,
            lead.title,
            lead.seniority,
            lead.company.name,
            lead.company.domain,
            lead.company.headcount,
            lead.company.headcount_range,
            lead.company.industry,
            lead.linkedin_url,
            lead.icp_score,
            reasons,
            gem,
            micros(tx.now())
        ])?;
    Ok(())
}

fn pack(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    let packed = encoder.write_all(body).and_then(|()| encoder.finish());
    packed.expect("writing into memory does not fail")
}

fn unpack(packed: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    flate2::read::DeflateDecoder::new(packed)
        .take(UNPACKED_LIMIT)
        .read_to_end(&mut body)?;
    Ok(body)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
