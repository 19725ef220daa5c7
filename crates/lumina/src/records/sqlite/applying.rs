//! Applying answers: idempotent for each batch and job, and never backwards.

use std::collections::{BTreeMap, BTreeSet};

use lumina_enrichment::job::{JobEvent, JobStatus};
use lumina_workflow::store::Attachment;
use lumina_workflow::{RunId, StepError};
use lumina_workflow_sqlite::Tx;
use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use super::answers::end_enrichment;
use super::batches::{close_batch, free_place};
use super::leads::write_lead;
use super::unapplied::is_anybody_let_go;
use super::{Records, Written, from_micros, micros, unpack_jobs, writes};
use crate::records::{AnswerId, Applied, JobAnswer, Out, PauseReason, Settled, Subject, Verdicts};

const NOT_LOOKED_AT: &str = "the provider has not looked at it";

impl Records {
    /// Applies an answer to the jobs that its batch sent. Doing it again changes nothing. The result is [`Applied`].
    #[must_use]
    pub fn apply_answer(answer: AnswerId, verdicts: Verdicts) -> Attachment {
        writes(move |tx| apply(tx, answer, &verdicts))
    }

    /// Applies several in their order, at once.
    #[must_use]
    pub fn apply_answers(answers: Vec<(AnswerId, Verdicts)>) -> Attachment {
        writes(move |tx| {
            for (answer, verdicts) in &answers {
                apply(tx, *answer, verdicts)?;
            }
            Ok(())
        })
    }

    /// Ends a run's batch when its answer has been applied, unless the same jobs were sent a second time and that
    /// answer is still to come, or what was told before the end has to be applied first. The result is [`Settled`].
    #[must_use]
    pub fn settle_batch(run: RunId) -> Attachment {
        writes(move |tx| {
            let mut settled = Settled {
                still_out: find_still_out(tx, run)?,
                ..Settled::default()
            };
            if settled.still_out.is_none() {
                settled.hear_kept = is_told_elsewhere(tx, run)?;
            }
            if settled.still_out.is_none() && !settled.hear_kept {
                settled.stale = close_batch(tx, run, "the provider's final answer does not name it")?.stale;
            }
            Ok(settled)
        })
    }
}

/// The batch that an answer is for.
struct Sent {
    enrichment: String,
    status: Option<String>,
    is_final: bool,
    run: Uuid,
    jobs: Vec<Uuid>,
}

fn find_sent(tx: &Tx<'_>, answer: AnswerId) -> Written<Sent> {
    let mut find = tx.connection().prepare_cached(
        "SELECT e.id, a.status, a.is_final, p.run, p.jobs FROM enrichment_answer a JOIN enrichment e ON e.id = a.enrichment
         JOIN enrichment_post p ON p.run = e.run AND p.attempt = e.attempt WHERE a.id = ?",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Sent {
            enrichment: row.get(0)?,
            status: row.get(1)?,
            is_final: row.get(2)?,
            run: row.get(3)?,
            jobs: unpack_jobs(&row.get::<_, Vec<u8>>(4)?),
        })
    };
    let found = find.query_row([answer.0], read).optional()?;
    found.ok_or_else(|| StepError::fail("no batch of ours is known for this answer").into())
}

fn apply(tx: &Tx<'_>, answer: AnswerId, verdicts: &Verdicts) -> Written<Applied> {
    let sent = find_sent(tx, answer)?;
    tx.connection()
        .prepare_cached("UPDATE enrichment_answer SET applied_at = ? WHERE id = ?")?
        .execute(params![micros(tx.now()), answer.0])?;
    if sent.is_final {
        end_enrichment(tx, &sent.enrichment, sent.status.as_deref(), verdicts.cost)?;
        free_place(tx, &sent.enrichment)?;
    }
    let applied = apply_to_jobs(tx, &sent, verdicts)?;
    if applied.not_looked_at > 0 {
        super::sweep::pause(
            tx,
            PauseReason::Credits,
            "the provider did not look up what it was sent: check its credits",
        )?;
    }
    Ok(applied)
}

fn apply_to_jobs(tx: &Tx<'_>, sent: &Sent, verdicts: &Verdicts) -> Written<Applied> {
    let named = best_of_each(tx, &sent.jobs, verdicts)?;
    let unnamed = verdicts.unnamed_not_looked_at.then_some(&JobAnswer::NotLookedAt);
    let may_be_charged = jobs_of_others(tx, sent)?;
    let mut applied = Applied::default();
    for job in &sent.jobs {
        let Some(result) = named.get(job).copied().or(unnamed) else {
            continue;
        };
        // Whom another POST of the same jobs may still answer, or has left out, is not free to be bought again.
        if matches!(result, JobAnswer::NotLookedAt) && may_be_charged.contains(job) {
            continue;
        }
        match apply_one(tx, *job, sent.run, result)? {
            Some(JobStatus::Enriched) => applied.enriched += 1,
            Some(JobStatus::NotFound) => applied.not_found += 1,
            Some(JobStatus::Pending) => applied.not_looked_at += 1,
            _ => {}
        }
    }
    Ok(applied)
}

/// Of several records about one job the one that says most.
fn best_of_each<'v>(tx: &Tx<'_>, jobs: &[Uuid], verdicts: &'v Verdicts) -> Written<BTreeMap<Uuid, &'v JobAnswer>> {
    let is_untagged = |subject: &Subject| matches!(subject, Subject::Email(_));
    let by_email = match verdicts.records.iter().any(|(subject, _)| is_untagged(subject)) {
        true => find_addresses(tx, jobs)?,
        false => BTreeMap::new(),
    };
    let mut best: BTreeMap<Uuid, &JobAnswer> = BTreeMap::new();
    for (subject, answer) in &verdicts.records {
        let job = match subject {
            Subject::Job(job) => Some(job.0),
            Subject::Email(email) => by_email.get(&email.to_lowercase()).copied(),
        };
        let Some(job) = job else { continue };
        let present = best.entry(job).or_insert(answer);
        if rank(answer) > rank(present) {
            *present = answer;
        }
    }
    Ok(best)
}

fn rank(answer: &JobAnswer) -> u8 {
    match answer {
        JobAnswer::NotLookedAt => 0,
        JobAnswer::NotFound => 1,
        JobAnswer::Found(_) => 2,
    }
}

fn find_addresses(tx: &Tx<'_>, jobs: &[Uuid]) -> Written<BTreeMap<String, Uuid>> {
    let mut find = tx.connection().prepare_cached(
        "SELECT s.email FROM enrichment_job j JOIN subscriber s ON s.id = j.subscriber WHERE j.id = ?",
    )?;
    let mut by_email = BTreeMap::new();
    for job in jobs {
        let email: Option<String> = find.query_row([job], |row| row.get(0)).optional()?;
        by_email.extend(email.map(|email| (email.to_lowercase(), *job)));
    }
    Ok(by_email)
}

/// Whoever was in another POST of the same run that may charge for them, or has: it is on its way, its outcome is
/// unknown and its window not over, or no answer to it that was applied says that it has not looked at everybody.
fn jobs_of_others(tx: &Tx<'_>, sent: &Sent) -> Written<BTreeSet<Uuid>> {
    let mut find = tx.connection().prepare_cached(
        "SELECT p.jobs FROM enrichment_post p LEFT JOIN enrichment e ON e.id = p.enrichment_id
         WHERE p.run = ?1 AND p.enrichment_id IS NOT ?2 AND (p.state = 'open'
             OR (p.state = 'unknown' AND p.out_until > ?3)
             OR (p.state = 'accepted' AND (e.ended_at IS NULL
                 OR coalesce(e.status, '') NOT IN ('CANCELED', 'CREDITS_INSUFFICIENT')
                 OR EXISTS (SELECT 1 FROM enrichment_answer a
                            WHERE a.enrichment = e.id AND a.is_final AND a.applied_at IS NULL))))",
    )?;
    let mut others = find.query(params![sent.run, sent.enrichment, micros(tx.now())])?;
    let mut jobs = BTreeSet::new();
    while let Some(post) = others.next()? {
        jobs.extend(unpack_jobs(&post.get::<_, Vec<u8>>(0)?));
    }
    Ok(jobs)
}

/// The POST whose answer is still to come, or to be applied, while jobs wait for it.
fn find_still_out(tx: &Tx<'_>, run: RunId) -> Written<Option<Out>> {
    let mut find = tx.connection().prepare_cached(
        "SELECT e.id, p.posted_at FROM enrichment e JOIN enrichment_post p ON p.run = e.run AND p.attempt = e.attempt
         WHERE e.run = ?1 AND p.posted_at IS NOT NULL AND (e.ended_at IS NULL OR EXISTS (
                 SELECT 1 FROM enrichment_answer a WHERE a.enrichment = e.id AND a.is_final AND a.applied_at IS NULL))
           AND EXISTS (SELECT 1 FROM enrichment_job INDEXED BY enrichment_job_run
                       WHERE run = ?1 AND status = 'submitted' AND status IN ('pending', 'submitted'))
         ORDER BY e.attempt DESC LIMIT 1",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Out {
            enrichment: row.get(0)?,
            posted_at: from_micros(1, row.get(1)?)?,
        })
    };
    Ok(find.query_row([run.0], read).optional()?)
}

/// Whether the final answer has left somebody out, and something that was told before is still to be applied.
fn is_told_elsewhere(tx: &Tx<'_>, run: RunId) -> Written<bool> {
    let mut find = tx.connection().prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM enrichment_job INDEXED BY enrichment_job_run
                        WHERE run = ?1 AND status = 'submitted' AND status IN ('pending', 'submitted')),
                EXISTS (SELECT 1 FROM enrichment e JOIN enrichment_answer a ON a.enrichment = e.id
                        WHERE e.run = ?1 AND NOT a.is_final AND a.applied_at IS NULL)",
    )?;
    let (is_waiting, is_told): (bool, bool) = find.query_row([run.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(is_told && (is_waiting || is_anybody_let_go(tx, run.0)?))
}

/// One job's answer; the status it has now, if that is new.
///
/// That nobody looked frees a job only for as long as the run that sent it is the last that had it: a run that has
/// taken it up since may have sent it again.
fn apply_one(tx: &Tx<'_>, job: Uuid, run: Uuid, answer: &JobAnswer) -> Written<Option<JobStatus>> {
    let mut find = tx
        .connection()
        .prepare_cached("SELECT status, subscriber, run FROM enrichment_job WHERE id = ?")?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let found: Option<(String, Uuid, Option<Uuid>)> = find.query_row([job], read).optional()?;
    let Some((status, subscriber, owner)) = found else {
        return Ok(None);
    };
    if matches!(answer, JobAnswer::NotLookedAt) && owner != Some(run) {
        return Ok(None);
    }
    let status: JobStatus = status.parse().map_err(StepError::fail)?;
    let event = match answer {
        JobAnswer::Found(_) => JobEvent::Found,
        JobAnswer::NotFound => JobEvent::NotFound,
        JobAnswer::NotLookedAt => JobEvent::NotLookedAt,
    };
    let next = status.apply(event).map_err(StepError::fail)?;
    if let JobAnswer::Found(lead) = answer {
        write_lead(tx, subscriber, job, lead)?;
    }
    if next == status {
        return Ok(None);
    }
    Ok(write_status(tx, job, next)?.then_some(next))
}

/// False where another open lookup of the address is in the way of this one's.
fn write_status(tx: &Tx<'_>, job: Uuid, status: JobStatus) -> Written<bool> {
    let finished = status.is_end().then(|| micros(tx.now()));
    let reason = (!status.is_end()).then_some(NOT_LOOKED_AT);
    let written = tx
        .connection()
        .prepare_cached(
            "UPDATE OR IGNORE enrichment_job SET status = ?1, finished_at = ?2, reason = ?3,
             run = iif(?2 IS NULL, NULL, run) WHERE id = ?4",
        )?
        .execute(params![status.as_str(), finished, reason, job])?;
    Ok(written > 0)
}
