//! What a person decides about lookups: another try, or giving them up.

use lumina_enrichment::job::{IllegalTransition, JobEvent, JobStatus};
use lumina_workflow::StepError;
use lumina_workflow::store::Attachment;
use uuid::Uuid;

use super::jobs::find_other_open;
use super::{micros, span, unpack_jobs};
use crate::records::db::{Got, Lock, Row, Tx, sql, values};
use crate::records::handle::writes;
use crate::records::{Decided, JobId, KeptJob, Records, RetriedPage, Retrying};

/// How many lookups one transaction looks at.
const LOOKUPS_AT_ONCE: usize = 1_000;

impl Records {
    /// These lookups become pending again, those that may. The result is [`Decided`].
    #[must_use]
    pub fn retry_jobs(ids: Vec<JobId>, how: Retrying) -> Attachment {
        writes!(|tx, ids, how| retry_jobs(tx, ids, *how))
    }

    /// The next lookups after this one that failed, or may be paid for twice, become pending again. The result is
    /// [`RetriedPage`].
    #[must_use]
    pub fn retry_all(after: Option<JobId>, how: Retrying) -> Attachment {
        writes!(|tx, after, how| retry_page(tx, *after, *how))
    }

    /// These lookups are given up, those that were not sent. The result is [`Decided`].
    #[must_use]
    pub fn fail_jobs(ids: Vec<JobId>, reason: String) -> Attachment {
        writes!(|tx, ids, reason| fail_jobs(tx, ids, reason))
    }
}

/// A lookup that somebody decides about.
struct Job {
    id: Uuid,
    status: JobStatus,
    run: Option<Uuid>,
    subscriber: Uuid,
    dedupe_key: String,
}

/// Nothing when it is done, else why it is not.
type Refusal = Option<String>;

async fn retry_jobs(tx: &impl Tx, ids: &[JobId], how: Retrying) -> Got<Decided> {
    let mut decided = Decided::default();
    for id in ids {
        let job = find(tx, id.0).await?;
        let refusal = match &job {
            Some(job) => retry(tx, job, how).await?,
            None => there_is_none(),
        };
        note(&mut decided, *id, job, refusal);
    }
    Ok(decided)
}

async fn fail_jobs(tx: &impl Tx, ids: &[JobId], reason: &str) -> Got<Decided> {
    let mut decided = Decided::default();
    for id in ids {
        hold_run_of(tx, id.0).await?;
        let job = find(tx, id.0).await?;
        let refusal = match &job {
            Some(job) => fail(tx, job, reason).await?,
            None => there_is_none(),
        };
        note(&mut decided, *id, job, refusal);
    }
    Ok(decided)
}

fn there_is_none() -> Refusal {
    Some("there is no such lookup".to_owned())
}

fn note(decided: &mut Decided, id: JobId, job: Option<Job>, refusal: Refusal) {
    match refusal {
        None => decided.changed.push(id),
        Some(why) => decided.kept.push(KeptJob {
            id,
            status: job.map(|job| job.status.to_string()),
            why,
        }),
    }
}

/// While it is decided, its run does not make it ready to be sent.
async fn hold_run_of(tx: &impl Tx, job: Uuid) -> Got<()> {
    let find = sql!("SELECT run FROM enrichment_job WHERE id = ?");
    let run: Option<Option<Uuid>> = tx.find(find, &values![job], |row| row.get(0)).await?;
    match run.flatten() {
        Some(run) => tx.lock(Lock::Run(run)).await,
        None => Ok(()),
    }
}

/// Nobody else changes it until the transaction ends.
async fn find(tx: &impl Tx, id: Uuid) -> Got<Option<Job>> {
    tx.find(
        sql!("SELECT status, run, subscriber, dedupe_key FROM enrichment_job WHERE id = ? /*+ FOR UPDATE */"),
        &values![id],
        |row| read_job(row, id),
    )
    .await
}

fn read_job(row: &Row<'_>, id: Uuid) -> Got<Job> {
    let status: String = row.get(0)?;
    Ok(Job {
        id,
        status: status.parse().map_err(StepError::fail)?,
        run: row.get(1)?,
        subscriber: row.get(2)?,
        dedupe_key: row.get(3)?,
    })
}

async fn retry_page(tx: &impl Tx, after: Option<JobId>, how: Retrying) -> Got<RetriedPage> {
    let after = after.map_or(Uuid::nil(), |job| job.0);
    let ids: Vec<Uuid> = tx
        .list(
            sql!(
                "SELECT id FROM enrichment_job WHERE id > ?1 AND (status = 'failed' OR (?2 AND status = 'stale'))
                 ORDER BY id LIMIT ?3"
            ),
            &values![after, how.may_pay_twice, LOOKUPS_AT_ONCE],
            |row| row.get(0),
        )
        .await?;
    let mut page = RetriedPage {
        last: ids.last().copied().map(JobId),
        ..RetriedPage::default()
    };
    for id in ids {
        let done = match find(tx, id).await? {
            Some(job) => retry(tx, &job, how).await?.is_none(),
            None => false,
        };
        page.retried += u64::from(done);
    }
    Ok(page)
}

async fn retry(tx: &impl Tx, job: &Job, how: Retrying) -> Got<Refusal> {
    let may_pay_twice = how.may_pay_twice;
    let next = match job.status.apply(JobEvent::Retried { may_pay_twice }) {
        Ok(next) => next,
        Err(illegal) => return Ok(Some(explain(illegal))),
    };
    if let Some(obstacle) = find_other(tx, job, how).await? {
        return Ok(Some(obstacle));
    }
    tx.execute(
        sql!("UPDATE enrichment_job SET status = ?, run = NULL, reason = NULL, finished_at = NULL WHERE id = ?"),
        &values![next.as_str(), job.id],
    )
    .await?;
    Ok(None)
}

fn explain(illegal: IllegalTransition) -> String {
    match illegal {
        IllegalTransition::RetryStale => {
            "it was sent and not answered, so it may have been charged: --may-pay-twice sends it again all the same"
                .to_owned()
        }
        IllegalTransition::Retry(JobStatus::Pending) => "it is pending already".to_owned(),
        IllegalTransition::Retry(JobStatus::Submitted) => "it is out at the provider now".to_owned(),
        IllegalTransition::Retry(JobStatus::Enriched) => "it was answered: somebody was found".to_owned(),
        IllegalTransition::Retry(JobStatus::NotFound) => "it was answered: nobody was found".to_owned(),
        other => other.to_string(),
    }
}

/// Another lookup of the same address that makes this one needless.
async fn find_other(tx: &impl Tx, job: &Job, how: Retrying) -> Got<Refusal> {
    if let Some(other) = find_other_open(tx, job.subscriber, &job.dedupe_key, job.id).await? {
        return Ok(Some(format!("another lookup of its address is open: {other}")));
    }
    if how.may_pay_twice {
        return Ok(None);
    }
    let limit = micros(tx.now()).saturating_sub(span(how.refresh_after));
    let answered = tx
        .find(
            sql!(
                "SELECT max(finished_at) FROM enrichment_job
             WHERE subscriber = ? AND status IN ('enriched', 'not_found') AND finished_at > ? AND id <> ?"
            ),
            &values![job.subscriber, limit, job.id],
            |row| row.optional_time(0),
        )
        .await?;
    Ok(answered.flatten().map(|at| {
        let at = at.strftime("%Y-%m-%d");
        format!("its address was looked up on {at}, and is not bought again until enrichment.refresh_after is over")
    }))
}

async fn fail(tx: &impl Tx, job: &Job, reason: &str) -> Got<Refusal> {
    let why = match job.status {
        JobStatus::Pending if is_being_sent(tx, job).await? => {
            "it is being sent just now, so it may be charged: its answer settles it"
        }
        JobStatus::Pending => {
            give_up(tx, job, reason).await?;
            return Ok(None);
        }
        JobStatus::Submitted => {
            "it is out at the provider and may be charged: given up now, a later retry could buy it a second time \
             unasked. Its answer settles it"
        }
        JobStatus::Stale => {
            "it was sent and not answered, so it may have been charged: given up, a later retry could buy it a second \
             time unasked. It stays stale; --may-pay-twice retries it"
        }
        JobStatus::Failed => "it has failed already",
        JobStatus::Enriched => "it was answered: somebody was found",
        JobStatus::NotFound => "it was answered: nobody was found",
    };
    Ok(Some(why.to_owned()))
}

/// Whether a batch of its run names it that may have been accepted, or is about to be sent.
async fn is_being_sent(tx: &impl Tx, job: &Job) -> Got<bool> {
    let posts = tx
        .list(
            sql!("SELECT jobs FROM enrichment_post WHERE run = ? AND state IN ('open', 'unknown', 'accepted')"),
            &values![job.run],
            |row| Ok(unpack_jobs(&row.get::<Vec<u8>>(0)?)),
        )
        .await?;
    Ok(posts.iter().any(|jobs| jobs.contains(&job.id)))
}

async fn give_up(tx: &impl Tx, job: &Job, reason: &str) -> Got<()> {
    let failed = job.status.apply(JobEvent::Refused).map_err(StepError::fail)?;
    tx.execute(
        sql!("UPDATE enrichment_job SET status = ?, reason = ?, finished_at = ? WHERE id = ?"),
        &values![failed.as_str(), reason, micros(tx.now()), job.id],
    )
    .await?;
    Ok(())
}
