//! Applying answers: idempotent for each batch and job, and never backwards.

use std::collections::{BTreeMap, BTreeSet};

use lumina_enrichment::email::AddressClass;
use lumina_enrichment::job::{JobEvent, JobStatus};
use lumina_workflow::StepError;
use lumina_workflow::store::Attachment;
use uuid::Uuid;

use super::answers::end_enrichment;
use super::jobs::find_other_open;
use super::leads::{Person, write_leads};
use super::pauses::pause;
use super::places::free_place;
use super::{micros, unpack_jobs};
use crate::records::db::{Got, Lock, Row, Tx, sql, values};
use crate::records::handle::writes;
use crate::records::{AnswerId, Applied, JobAnswer, LeadRow, PauseReason, Records, Subject, Verdicts};

const NOT_LOOKED_AT: &str = "the provider has not looked at it";

impl Records {
    /// Applies an answer to the jobs that its batch sent. Doing it again changes nothing. The result is [`Applied`].
    #[must_use]
    pub fn apply_answer(answer: AnswerId, verdicts: Verdicts) -> Attachment {
        writes!(|tx, answer, verdicts| apply(tx, *answer, verdicts))
    }

    /// Applies several in their order, at once.
    #[must_use]
    pub fn apply_answers(answers: Vec<(AnswerId, Verdicts)>) -> Attachment {
        writes!(|tx, answers| apply_all(tx, answers))
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

async fn find_sent(tx: &impl Tx, answer: AnswerId) -> Got<Sent> {
    let unknown = || StepError::fail("no batch of ours is known for this answer");
    let run: Option<Uuid> = tx
        .find(
            sql!("SELECT e.run FROM enrichment_answer a JOIN enrichment e ON e.id = a.enrichment WHERE a.id = ?"),
            &values![answer.0],
            |row| row.get(0),
        )
        .await?;
    // What else comes of the run's batches, and what becomes of them, waits.
    tx.lock(Lock::Run(run.ok_or_else(unknown)?)).await?;
    let found = tx
        .find(
            sql!(
                "SELECT e.id, a.status, a.is_final, p.run, p.jobs
             FROM enrichment_answer a JOIN enrichment e ON e.id = a.enrichment
             JOIN enrichment_post p ON p.run = e.run AND p.attempt = e.attempt WHERE a.id = ?"
            ),
            &values![answer.0],
            read_sent,
        )
        .await?;
    Ok(found.ok_or_else(unknown)?)
}

fn read_sent(row: &Row<'_>) -> Got<Sent> {
    Ok(Sent {
        enrichment: row.get(0)?,
        status: row.get(1)?,
        is_final: row.get(2)?,
        run: row.get(3)?,
        jobs: unpack_jobs(&row.get::<Vec<u8>>(4)?),
    })
}

async fn apply_all(tx: &impl Tx, answers: &[(AnswerId, Verdicts)]) -> Got<()> {
    for (answer, verdicts) in answers {
        apply(tx, *answer, verdicts).await?;
    }
    Ok(())
}

async fn apply(tx: &impl Tx, answer: AnswerId, verdicts: &Verdicts) -> Got<Applied> {
    let sent = find_sent(tx, answer).await?;
    tx.execute(
        sql!("UPDATE enrichment_answer SET applied_at = ? WHERE id = ?"),
        &values![micros(tx.now()), answer.0],
    )
    .await?;
    if sent.is_final {
        end_enrichment(tx, &sent.enrichment, sent.status.as_deref(), verdicts.cost).await?;
        free_place(tx, &sent.enrichment).await?;
    }
    let applied = apply_to_jobs(tx, &sent, verdicts).await?;
    if applied.not_looked_at > 0 {
        let why = "the provider did not look up what it was sent: check its credits";
        pause(tx, PauseReason::Credits, why).await?;
    }
    Ok(applied)
}

async fn apply_to_jobs(tx: &impl Tx, sent: &Sent, verdicts: &Verdicts) -> Got<Applied> {
    let named = best_of_each(tx, &sent.jobs, verdicts).await?;
    let unnamed = verdicts.unnamed_not_looked_at.then_some(&JobAnswer::NotLookedAt);
    let may_be_charged = jobs_of_others(tx, sent).await?;
    let mut answered = Vec::with_capacity(sent.jobs.len());
    for job in &sent.jobs {
        let Some(answer) = named.get(job).copied().or(unnamed) else {
            continue;
        };
        // Whom another POST of the same jobs may still answer, or has left out, is not free to be bought again.
        if matches!(answer, JobAnswer::NotLookedAt) && may_be_charged.contains(job) {
            continue;
        }
        answered.push((*job, answer));
    }
    let changes = judge(tx, sent.run, &answered).await?;
    write_leads(tx, &changes.leads).await?;
    end_jobs(tx, &changes.ended).await?;
    let count = |wanted| changes.ended.iter().filter(|(_, status)| *status == wanted).count() as u64;
    Ok(Applied {
        enriched: count(JobStatus::Enriched),
        not_found: count(JobStatus::NotFound),
        not_looked_at: free_jobs(tx, &changes.freed).await?,
        stale: 0,
    })
}

/// Of several records about one job the one that says most.
async fn best_of_each<'v>(tx: &impl Tx, jobs: &[Uuid], verdicts: &'v Verdicts) -> Got<BTreeMap<Uuid, &'v JobAnswer>> {
    let is_untagged = |subject: &Subject| matches!(subject, Subject::Email(_));
    let by_email = match verdicts.records.iter().any(|(subject, _)| is_untagged(subject)) {
        true => find_addresses(tx, jobs).await?,
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

async fn find_addresses(tx: &impl Tx, jobs: &[Uuid]) -> Got<BTreeMap<String, Uuid>> {
    let each: Vec<_> = jobs.iter().map(|job| values![*job]).collect();
    let emails = tx.find_each(
        sql!("SELECT s.email FROM enrichment_job j JOIN subscriber s ON s.id = j.subscriber WHERE j.id = ?"),
        &each,
        |row| row.get::<String>(0),
    );
    let by_email = |(job, email): (&Uuid, Option<String>)| Some((email?.to_lowercase(), *job));
    Ok(jobs.iter().zip(emails.await?).filter_map(by_email).collect())
}

/// Whoever was in another POST of the same run that may charge for them, or has: it is on its way, its outcome is
/// unknown and its window not over, or no answer to it that was applied says that it has not looked at everybody.
async fn jobs_of_others(tx: &impl Tx, sent: &Sent) -> Got<BTreeSet<Uuid>> {
    let others = tx
        .list(
            sql!(
                "SELECT p.jobs FROM enrichment_post p LEFT JOIN enrichment e ON e.id = p.enrichment_id
                 WHERE p.run = ?1 AND p.enrichment_id IS DISTINCT FROM ?2 AND (p.state = 'open'
                     OR (p.state = 'unknown' AND p.out_until > ?3)
                     OR (p.state = 'accepted' AND (e.ended_at IS NULL
                         OR coalesce(e.status, '') NOT IN ('CANCELED', 'CREDITS_INSUFFICIENT')
                         OR EXISTS (SELECT 1 FROM enrichment_answer a
                                    WHERE a.enrichment = e.id AND a.is_final AND a.applied_at IS NULL))))"
            ),
            &values![sent.run, &sent.enrichment, micros(tx.now())],
            |row| Ok(unpack_jobs(&row.get::<Vec<u8>>(0)?)),
        )
        .await?;
    Ok(others.into_iter().flatten().collect())
}

/// What answers change.
#[derive(Default)]
struct Changes<'v> {
    leads: Vec<(Person, &'v LeadRow)>,
    ended: Vec<(Uuid, JobStatus)>,
    freed: Vec<Job>,
}

/// A job that is answered. Nobody else changes it until the transaction ends.
struct Job {
    id: Uuid,
    status: String,
    subscriber: Uuid,
    dedupe_key: String,
    class: String,
    run: Option<Uuid>,
}

async fn find_jobs(tx: &impl Tx, answered: &[(Uuid, &JobAnswer)]) -> Got<Vec<Option<Job>>> {
    let each: Vec<_> = answered.iter().map(|(job, _)| values![*job]).collect();
    tx.find_each(
        sql!(
            "SELECT j.id, j.status, j.subscriber, j.dedupe_key, s.class, j.run
             FROM enrichment_job j JOIN subscriber s ON s.id = j.subscriber WHERE j.id = ? /*+ FOR UPDATE OF j */"
        ),
        &each,
        |row| {
            Ok(Job {
                id: row.get(0)?,
                status: row.get(1)?,
                subscriber: row.get(2)?,
                dedupe_key: row.get(3)?,
                class: row.get(4)?,
                run: row.get(5)?,
            })
        },
    )
    .await
}

/// What their answers change about jobs.
///
/// That nobody looked frees a job only for as long as the run that sent it is the last that had it: a run that has
/// taken it up since may have sent it again.
async fn judge<'v>(tx: &impl Tx, run: Uuid, answered: &[(Uuid, &'v JobAnswer)]) -> Got<Changes<'v>> {
    let jobs = find_jobs(tx, answered).await?;
    let mut changes = Changes::default();
    for ((_, answer), job) in answered.iter().zip(jobs) {
        let Some(job) = job else { continue };
        let event = match answer {
            JobAnswer::NotLookedAt if job.run != Some(run) => continue,
            JobAnswer::Found(_) => JobEvent::Found,
            JobAnswer::NotFound => JobEvent::NotFound,
            JobAnswer::NotLookedAt => JobEvent::NotLookedAt,
        };
        let status: JobStatus = job.status.parse().map_err(StepError::fail)?;
        let next = status.apply(event).map_err(StepError::fail)?;
        if let JobAnswer::Found(lead) = answer {
            changes.leads.push((person(&job)?, lead));
        }
        match next {
            _ if next == status => {}
            _ if next.is_end() => changes.ended.push((job.id, next)),
            _ => changes.freed.push(job),
        }
    }
    Ok(changes)
}

fn person(job: &Job) -> Got<Person> {
    let class: AddressClass = job.class.parse().map_err(StepError::fail)?;
    Ok(Person {
        subscriber: job.subscriber,
        class,
        job: job.id,
    })
}

async fn end_jobs(tx: &impl Tx, ended: &[(Uuid, JobStatus)]) -> Got<()> {
    let now = micros(tx.now());
    let each: Vec<_> = ended
        .iter()
        .map(|(job, status)| values![status.as_str(), now, *job])
        .collect();
    tx.update_each(
        sql!("UPDATE enrichment_job SET status = ?, finished_at = ?, reason = NULL WHERE id = ?"),
        &each,
    )
    .await?;
    Ok(())
}

/// Whom the provider has not looked at is pending again, where no other open lookup of the address is in the way.
/// Answers how many are.
async fn free_jobs(tx: &impl Tx, freed: &[Job]) -> Got<u64> {
    let mut free = 0;
    for job in freed {
        if find_other_open(tx, job.subscriber, &job.dedupe_key, job.id)
            .await?
            .is_some()
        {
            continue;
        }
        tx.execute(
            sql!("UPDATE enrichment_job SET status = ?, finished_at = NULL, reason = ?, run = NULL WHERE id = ?"),
            &values![JobStatus::Pending.as_str(), NOT_LOOKED_AT, job.id],
        )
        .await?;
        free += 1;
    }
    Ok(free)
}
