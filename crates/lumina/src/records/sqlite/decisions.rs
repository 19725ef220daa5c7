//! What a person decides about lookups: another try, or giving them up.

use lumina_enrichment::job::{IllegalTransition, JobEvent, JobStatus};
use lumina_workflow::StepError;
use lumina_workflow::store::Attachment;
use lumina_workflow_sqlite::Tx;
use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use super::{Records, Written, from_micros, micros, span, unpack_jobs, writes};
use crate::records::{Decided, JobId, KeptJob, RetriedPage, Retrying};

/// How many lookups one transaction looks at.
const LOOKUPS_AT_ONCE: usize = 1_000;

impl Records {
    /// These lookups become pending again, those that may. The result is [`Decided`].
    #[must_use]
    pub fn retry_jobs(ids: Vec<JobId>, how: Retrying) -> Attachment {
        writes(move |tx| decide(tx, &ids, |tx, job| retry(tx, job, how)))
    }

    /// The next lookups after this one that failed, or may be paid for twice, become pending again. The result is
    /// [`RetriedPage`].
    #[must_use]
    pub fn retry_all(after: Option<JobId>, how: Retrying) -> Attachment {
        writes(move |tx| retry_page(tx, after, how))
    }

    /// These lookups are given up, those that were not sent. The result is [`Decided`].
    #[must_use]
    pub fn fail_jobs(ids: Vec<JobId>, reason: String) -> Attachment {
        writes(move |tx| decide(tx, &ids, |tx, job| fail(tx, job, &reason)))
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

fn decide(tx: &Tx<'_>, ids: &[JobId], act: impl Fn(&Tx<'_>, &Job) -> Written<Refusal>) -> Written<Decided> {
    let mut decided = Decided::default();
    for id in ids {
        let job = find(tx, id.0)?;
        let refusal = match &job {
            Some(job) => act(tx, job)?,
            None => Some("there is no such lookup".to_owned()),
        };
        match refusal {
            None => decided.changed.push(*id),
            Some(why) => decided.kept.push(KeptJob {
                id: *id,
                status: job.map(|job| job.status.to_string()),
                why,
            }),
        }
    }
    Ok(decided)
}

fn find(tx: &Tx<'_>, id: Uuid) -> Written<Option<Job>> {
    let mut find = tx
        .connection()
        .prepare_cached("SELECT status, run, subscriber, dedupe_key FROM enrichment_job WHERE id = ?")?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let Some((status, run, subscriber, dedupe_key)) = find.query_row([id], read).optional()? else {
        return Ok(None);
    };
    Ok(Some(Job {
        id,
        status: status.parse().map_err(StepError::fail)?,
        run,
        subscriber,
        dedupe_key,
    }))
}

fn retry_page(tx: &Tx<'_>, after: Option<JobId>, how: Retrying) -> Written<RetriedPage> {
    let mut find_next = tx.connection().prepare_cached(
        "SELECT id FROM enrichment_job WHERE id > ?1 AND (status = 'failed' OR (?2 AND status = 'stale'))
         ORDER BY id LIMIT ?3",
    )?;
    let after = after.map_or(Uuid::nil(), |job| job.0);
    let ids: Vec<Uuid> = find_next
        .query_map(params![after, how.may_pay_twice, LOOKUPS_AT_ONCE], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut page = RetriedPage {
        last: ids.last().copied().map(JobId),
        ..RetriedPage::default()
    };
    for id in ids {
        let done = match find(tx, id)? {
            Some(job) => retry(tx, &job, how)?.is_none(),
            None => false,
        };
        page.retried += u64::from(done);
    }
    Ok(page)
}

fn retry(tx: &Tx<'_>, job: &Job, how: Retrying) -> Written<Refusal> {
    let may_pay_twice = how.may_pay_twice;
    let next = match job.status.apply(JobEvent::Retried { may_pay_twice }) {
        Ok(next) => next,
        Err(illegal) => return Ok(Some(explain(illegal))),
    };
    if let Some(obstacle) = find_other(tx, job, how)? {
        return Ok(Some(obstacle));
    }
    tx.connection()
        .prepare_cached(
            "UPDATE enrichment_job SET status = ?, run = NULL, reason = NULL, finished_at = NULL WHERE id = ?",
        )?
        .execute(params![next.as_str(), job.id])?;
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
fn find_other(tx: &Tx<'_>, job: &Job, how: Retrying) -> Written<Refusal> {
    let connection = tx.connection();
    let open: Option<Uuid> = connection
        .prepare_cached(
            "SELECT id FROM enrichment_job WHERE dedupe_key = ? AND status IN ('pending', 'submitted') AND id <> ?",
        )?
        .query_row(params![job.dedupe_key, job.id], |row| row.get(0))
        .optional()?;
    if let Some(other) = open {
        return Ok(Some(format!("another lookup of its address is open: {other}")));
    }
    if how.may_pay_twice {
        return Ok(None);
    }
    let limit = micros(tx.now()).saturating_sub(span(how.refresh_after));
    let answered: Option<i64> = connection
        .prepare_cached(
            "SELECT max(finished_at) FROM enrichment_job
             WHERE subscriber = ? AND status IN ('enriched', 'not_found') AND finished_at > ? AND id <> ?",
        )?
        .query_row(params![job.subscriber, limit, job.id], |row| row.get(0))?;
    let told = |at: i64| -> rusqlite::Result<String> {
        let at = from_micros(0, at)?.strftime("%Y-%m-%d");
        Ok(format!(
            "its address was looked up on {at}, and is not bought again until enrichment.refresh_after is over"
        ))
    };
    Ok(answered.map(told).transpose()?)
}

fn fail(tx: &Tx<'_>, job: &Job, reason: &str) -> Written<Refusal> {
    let why = match job.status {
        JobStatus::Pending if is_being_sent(tx, job)? => {
            "it is being sent just now, so it may be charged: its answer settles it"
        }
        JobStatus::Pending => {
            give_up(tx, job, reason)?;
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
fn is_being_sent(tx: &Tx<'_>, job: &Job) -> Written<bool> {
    let mut find = tx.connection().prepare_cached(
        "SELECT jobs FROM enrichment_post WHERE run = ? AND state IN ('open', 'unknown', 'accepted')",
    )?;
    let mut posts = find.query([job.run])?;
    while let Some(post) = posts.next()? {
        let jobs: Vec<u8> = post.get(0)?;
        if unpack_jobs(&jobs).contains(&job.id) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn give_up(tx: &Tx<'_>, job: &Job, reason: &str) -> Written<()> {
    let failed = job.status.apply(JobEvent::Refused).map_err(StepError::fail)?;
    tx.connection()
        .prepare_cached("UPDATE enrichment_job SET status = ?, reason = ?, finished_at = ? WHERE id = ?")?
        .execute(params![failed.as_str(), reason, micros(tx.now()), job.id])?;
    Ok(())
}
