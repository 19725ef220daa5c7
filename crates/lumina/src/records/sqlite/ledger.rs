//! The credit ledger, by day and batch by batch, and what is used of the budgets.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::{ReadError, Records, from_micros, money, unpack_jobs};
use crate::records::{BatchAddress, BatchDetail, BudgetUse, Budgets, JobId, LedgerBatch, LedgerDay, Spending};

/// How many lookups one read asks after: some milliseconds.
const LOOKUPS_AT_ONCE: usize = 1_000;

/// The columns of [`read_batch`], of the view `credit_ledger`.
const BATCH: &str = "run, attempt, enrichment_id, posted_at, day, contacts, estimated, actual, outcome, ended_at";

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
        let sent = self.read(move |connection| read_sent_since(connection, from)).await?;
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
            for found in self.read(move |connection| find_found(connection, &some)).await? {
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
        self.read(move |connection| {
            let mut find = connection.prepare_cached(&format!(
                "SELECT {BATCH} FROM credit_ledger WHERE ?1 IS NULL OR day = ?1
                 ORDER BY posted_at IS NOT NULL, posted_at DESC, run DESC, attempt DESC LIMIT ?2"
            ))?;
            let day = day.map(|day| day.to_string());
            find.query_map(params![day, limit], read_batch)?.collect()
        })
        .await
    }

    /// One batch with its addresses; nothing when no run of this id has made one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn batch(&self, run: Uuid) -> Result<Option<BatchDetail>, ReadError> {
        self.read(move |connection| {
            let sent = read_sent_by(connection, run)?;
            if sent.is_empty() {
                return Ok(None);
            }
            Ok(Some(BatchDetail {
                workflow_id: run,
                addresses: read_addresses(connection, &sent)?,
                posts: sent.into_iter().map(|sent| sent.batch).collect(),
            }))
        })
        .await
    }

    /// What is used of the budgets at this time.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn spending(&self, budgets: Budgets, now: Timestamp) -> Result<Spending, ReadError> {
        self.read(move |connection| spending(connection, budgets, now)).await
    }

    /// What batches that are out, or about to be, may still take from the provider's balance.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn reserved_of_balance(&self, now: Timestamp) -> Result<u64, ReadError> {
        self.read(move |connection| money::reserved_by_what_is_out(connection, now))
            .await
    }
}

/// What is used of the budgets at this time.
pub(super) fn spending(connection: &Connection, budgets: Budgets, now: Timestamp) -> rusqlite::Result<Spending> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let of = |limit, from, to| -> rusqlite::Result<BudgetUse> {
        let used = money::spent_between(connection, from, to)?;
        Ok(BudgetUse::new(limit, used, reserved_between(connection, from, to)?))
    };
    let month = (today.first_of_month().to_string(), today.last_of_month().to_string());
    let today = today.to_string();
    Ok(Spending {
        day: of(budgets.per_day, &today, &today)?,
        month: of(budgets.per_month, &month.0, &month.1)?,
    })
}

fn reserved_between(connection: &Connection, first: &str, last: &str) -> rusqlite::Result<u64> {
    let mut sum = connection.prepare_cached(
        "SELECT coalesce(sum(estimated), 0) FROM credit_ledger WHERE day BETWEEN ? AND ? AND actual IS NULL",
    )?;
    sum.query_row([first, last], |row| row.get(0))
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

fn find_found(connection: &Connection, jobs: &[Uuid]) -> rusqlite::Result<Vec<Found>> {
    let mut find = connection.prepare_cached(
        "SELECT subscriber, EXISTS (SELECT 1 FROM lead l WHERE l.subscriber = j.subscriber) FROM enrichment_job j
         WHERE id = ? AND status = 'enriched'",
    )?;
    let mut all = Vec::new();
    for job in jobs {
        let found = find.query_row([job], |row| {
            Ok(Found {
                job: *job,
                subscriber: row.get(0)?,
                has_lead: row.get(1)?,
            })
        });
        all.extend(found.optional()?);
    }
    Ok(all)
}

/// The last one first.
fn read_sent_since(connection: &Connection, day: Date) -> rusqlite::Result<Vec<Sent>> {
    let mut find = connection.prepare_cached(&format!(
        "SELECT {BATCH}, jobs FROM credit_ledger WHERE day >= ? ORDER BY posted_at DESC, run DESC, attempt DESC"
    ))?;
    find.query_map([day.to_string()], read_sent)?.collect()
}

fn read_sent_by(connection: &Connection, run: Uuid) -> rusqlite::Result<Vec<Sent>> {
    let mut find = connection.prepare_cached(&format!(
        "SELECT {BATCH}, jobs FROM credit_ledger WHERE run = ? ORDER BY attempt"
    ))?;
    find.query_map([run], read_sent)?.collect()
}

fn read_sent(row: &Row<'_>) -> rusqlite::Result<Sent> {
    Ok(Sent {
        batch: read_batch(row)?,
        jobs: unpack_jobs(&row.get::<_, Vec<u8>>(10)?),
    })
}

fn read_batch(row: &Row<'_>) -> rusqlite::Result<LedgerBatch> {
    let time = |column: usize| {
        let at: Option<i64> = row.get(column)?;
        at.map(|at| from_micros(column, at)).transpose()
    };
    Ok(LedgerBatch {
        workflow_id: row.get(0)?,
        attempt: row.get(1)?,
        enrichment_id: row.get(2)?,
        posted_at: time(3)?,
        day: read_day(row, 4)?,
        addresses: row.get(5)?,
        estimated: row.get(6)?,
        actual: row.get(7)?,
        // A batch that has ended without a status is one that the provider said nothing usable about.
        outcome: row.get::<_, Option<String>>(8)?.unwrap_or_else(|| "ended".to_owned()),
        ended_at: time(9)?,
    })
}

fn read_day(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Date>> {
    let text: Option<String> = row.get(column)?;
    let wrong = |error: jiff::Error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into());
    text.map(|text| text.parse().map_err(wrong)).transpose()
}

/// The addresses of a run's batches, in the order of their lookups.
fn read_addresses(connection: &Connection, sent: &[Sent]) -> rusqlite::Result<Vec<BatchAddress>> {
    let mut attempts: BTreeMap<Uuid, Vec<u32>> = BTreeMap::new();
    for sent in sent {
        for job in &sent.jobs {
            attempts.entry(*job).or_default().push(sent.batch.attempt);
        }
    }
    let mut find = connection.prepare_cached(
        "SELECT s.email, j.status, j.reason, l.full_name FROM enrichment_job j JOIN subscriber s ON s.id = j.subscriber
         LEFT JOIN lead l ON l.subscriber = j.subscriber WHERE j.id = ?",
    )?;
    let mut all = Vec::new();
    for (job, attempts) in attempts {
        let address = find.query_row([job], |row| {
            Ok(BatchAddress {
                job: JobId(job),
                email: row.get(0)?,
                status: row.get(1)?,
                reason: row.get(2)?,
                full_name: row.get(3)?,
                attempts,
            })
        });
        all.extend(address.optional()?);
    }
    Ok(all)
}
