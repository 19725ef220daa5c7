//! The credit ledger, by day and batch by batch, and what is used of the budgets.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::{money, unpack_jobs};
use crate::records::db::{Db, Failure, Got, Row, sql, values};
use crate::records::handle::reads;
use crate::records::{
    BatchAddress, BatchDetail, BudgetUse, Budgets, JobId, LedgerBatch, LedgerDay, ReadError, Records, Spending,
};

/// How many lookups one read asks after: some milliseconds.
const LOOKUPS_AT_ONCE: usize = 1_000;

/// What [`read_sent`] reads, and [`read_batch`] of it, from the view `credit_ledger`.
macro_rules! batches {
    ($which:literal) => {
        concat!(
            "SELECT run, attempt, enrichment_id, posted_at, day, contacts, estimated, actual, outcome, ended_at, jobs ",
            "FROM credit_ledger ",
            $which
        )
    };
}

/// A batch with the lookups that were sent with it.
struct Sent {
    batch: LedgerBatch,
    jobs: Vec<Uuid>,
}

/// A lookup that somebody was found for.
struct Found {
    job: Uuid,
    subscriber: Uuid,
    has_lead: bool,
}

impl Records {
    /// What each UTC day's batches cost and brought, the first day first. Days on which nothing was sent are left out.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn credits_by_day(&self, from: Date, to: Date) -> Result<Vec<LedgerDay>, ReadError> {
        // What was sent later is looked at as well: it may have asked for the same people again.
        let sent = reads!(self, |db| read_sent_since(db, from))?;
        let mut days = BTreeMap::new();
        for sent in &sent {
            if let Some(day) = sent.batch.day.filter(|day| *day <= to && sent.batch.was_sent()) {
                add_cost(days.entry(day).or_insert_with(|| LedgerDay::empty(day)), &sent.batch);
            }
        }
        let last = last_batches(&sent);
        let jobs: Vec<Uuid> = last.keys().copied().collect();
        let mut leads = BTreeSet::new();
        for some in jobs.chunks(LOOKUPS_AT_ONCE) {
            let some = some.to_vec();
            for found in reads!(self, |db| find_found(db, &some))? {
                if let Some(day) = last.get(&found.job).and_then(|day| days.get_mut(day)) {
                    day.found += 1;
                    day.leads += u64::from(found.has_lead && leads.insert(found.subscriber));
                }
            }
        }
        Ok(days.into_values().collect())
    }

    /// Batches, the last one that was sent first; with a day, only those that count on it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn ledger(&self, day: Option<Date>, limit: usize) -> Result<Vec<LedgerBatch>, ReadError> {
        reads!(self, |db| list_batches(db, day, limit))
    }

    /// One batch with its addresses; nothing when no run of this id has made one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn batch(&self, run: Uuid) -> Result<Option<BatchDetail>, ReadError> {
        reads!(self, |db| find_detail(db, run))
    }

    /// What is used of the budgets at this time.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn spending(&self, budgets: Budgets, now: Timestamp) -> Result<Spending, ReadError> {
        reads!(self, |db| spending(db, budgets, now))
    }

    /// What batches that are out, or about to be, may still take from the provider's balance.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn reserved_of_balance(&self, now: Timestamp) -> Result<u64, ReadError> {
        reads!(self, |db| money::reserved_by_what_is_out(db, now))
    }
}

async fn list_batches(db: &impl Db, day: Option<Date>, limit: usize) -> Got<Vec<LedgerBatch>> {
    let day = day.map(|day| day.to_string());
    db.list(
        sql!(batches!(
            "WHERE ?1 IS NULL OR day = ?1
             ORDER BY posted_at IS NOT NULL, posted_at DESC, run DESC, attempt DESC LIMIT ?2"
        )),
        &values![&day, limit],
        read_batch,
    )
    .await
}

async fn find_detail(db: &impl Db, run: Uuid) -> Got<Option<BatchDetail>> {
    let sent = read_sent_by(db, run).await?;
    if sent.is_empty() {
        return Ok(None);
    }
    Ok(Some(BatchDetail {
        workflow_id: run,
        addresses: read_addresses(db, &sent).await?,
        posts: sent.into_iter().map(|sent| sent.batch).collect(),
    }))
}

/// What is used of the budgets at this time.
pub(super) async fn spending(db: &impl Db, budgets: Budgets, now: Timestamp) -> Got<Spending> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let month = (today.first_of_month().to_string(), today.last_of_month().to_string());
    let today = today.to_string();
    Ok(Spending {
        day: use_of(db, budgets.per_day, &today, &today).await?,
        month: use_of(db, budgets.per_month, &month.0, &month.1).await?,
    })
}

async fn use_of(db: &impl Db, limit: Option<u64>, first: &str, last: &str) -> Got<BudgetUse> {
    let used = money::spent_between(db, first, last).await?;
    Ok(BudgetUse::new(limit, used, reserved_between(db, first, last).await?))
}

async fn reserved_between(db: &impl Db, first: &str, last: &str) -> Got<u64> {
    db.value(
        sql!(
            "SELECT CAST(coalesce(sum(estimated), 0) AS BIGINT) FROM credit_ledger
             WHERE day BETWEEN ? AND ? AND actual IS NULL"
        ),
        &values![first, last],
    )
    .await
}

fn add_cost(day: &mut LedgerDay, batch: &LedgerBatch) {
    day.batches += 1;
    day.addresses += batch.addresses;
    day.estimated += batch.estimated;
    match batch.actual {
        Some(credits) => day.actual += credits,
        None => day.unanswered += batch.estimated,
    }
}

/// The day of the last batch that each lookup was sent with; `sent` has the last one first.
fn last_batches(sent: &[Sent]) -> BTreeMap<Uuid, Date> {
    let mut last = BTreeMap::new();
    for sent in sent.iter().filter(|sent| sent.batch.was_sent()) {
        if let Some(day) = sent.batch.day {
            for job in &sent.jobs {
                last.entry(*job).or_insert(day);
            }
        }
    }
    last
}

async fn find_found(db: &impl Db, jobs: &[Uuid]) -> Got<Vec<Found>> {
    let each: Vec<_> = jobs.iter().map(|job| values![*job]).collect();
    let found = db.find_each(
        sql!(
            "SELECT id, subscriber, EXISTS (SELECT 1 FROM lead l WHERE l.subscriber = j.subscriber)
             FROM enrichment_job j WHERE id = ? AND status = 'enriched'"
        ),
        &each,
        |row| {
            Ok(Found {
                job: row.get(0)?,
                subscriber: row.get(1)?,
                has_lead: row.get(2)?,
            })
        },
    );
    Ok(found.await?.into_iter().flatten().collect())
}

/// The last one first.
async fn read_sent_since(db: &impl Db, day: Date) -> Got<Vec<Sent>> {
    db.list(
        sql!(batches!(
            "WHERE day >= ? ORDER BY posted_at DESC NULLS LAST, run DESC, attempt DESC"
        )),
        &values![&day.to_string()],
        read_sent,
    )
    .await
}

async fn read_sent_by(db: &impl Db, run: Uuid) -> Got<Vec<Sent>> {
    let find = sql!(batches!("WHERE run = ? ORDER BY attempt"));
    db.list(find, &values![run], read_sent).await
}

fn read_sent(row: &Row<'_>) -> Got<Sent> {
    Ok(Sent {
        batch: read_batch(row)?,
        jobs: unpack_jobs(&row.get::<Vec<u8>>(10)?),
    })
}

fn read_batch(row: &Row<'_>) -> Got<LedgerBatch> {
    Ok(LedgerBatch {
        workflow_id: row.get(0)?,
        attempt: row.get(1)?,
        enrichment_id: row.get(2)?,
        posted_at: row.optional_time(3)?,
        day: read_day(row, 4)?,
        addresses: row.get(5)?,
        estimated: row.get(6)?,
        actual: row.get(7)?,
        // A batch that has ended without a status is one that the provider said nothing usable about.
        outcome: row.get::<Option<String>>(8)?.unwrap_or_else(|| "ended".to_owned()),
        ended_at: row.optional_time(9)?,
    })
}

fn read_day(row: &Row<'_>, column: usize) -> Got<Option<Date>> {
    let text: Option<String> = row.get(column)?;
    let unreadable = |error: jiff::Error| Failure::Unreadable(error.to_string());
    text.map(|text| text.parse().map_err(unreadable)).transpose()
}

/// The addresses of a run's batches, in the order of their lookups.
async fn read_addresses(db: &impl Db, sent: &[Sent]) -> Got<Vec<BatchAddress>> {
    let mut attempts: BTreeMap<Uuid, Vec<u32>> = BTreeMap::new();
    for sent in sent {
        for job in &sent.jobs {
            attempts.entry(*job).or_default().push(sent.batch.attempt);
        }
    }
    let each: Vec<_> = attempts.keys().map(|job| values![*job]).collect();
    let found = db.find_each(
        sql!(
            "SELECT j.id, s.email, j.status, j.reason, l.full_name FROM enrichment_job j
             JOIN subscriber s ON s.id = j.subscriber LEFT JOIN lead l ON l.subscriber = j.subscriber WHERE j.id = ?"
        ),
        &each,
        read_address,
    );
    let mut addresses: Vec<BatchAddress> = found.await?.into_iter().flatten().collect();
    for address in &mut addresses {
        address.attempts = attempts.remove(&address.job.0).unwrap_or_default();
    }
    Ok(addresses)
}

/// An address whose attempts are still to be told.
fn read_address(row: &Row<'_>) -> Got<BatchAddress> {
    Ok(BatchAddress {
        job: JobId(row.get(0)?),
        email: row.get(1)?,
        status: row.get(2)?,
        reason: row.get(3)?,
        full_name: row.get(4)?,
        attempts: Vec::new(),
    })
}
