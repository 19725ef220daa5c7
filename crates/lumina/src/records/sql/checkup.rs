//! Where everything stands.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::ledger::spending;
use super::micros;
use super::pauses::read_pauses;
use super::reads::{count, groups};
use super::stamp::find_people;
use crate::records::db::{Db, Got, Row, Sql, sql, values};
use crate::records::handle::reads;
use crate::records::{AnswerId, Batches, Checkup, ReadError, Records, View};

/// How long an answer may take to be applied before that is worth a word.
const APPLIED_WITHIN: SignedDuration = SignedDuration::from_mins(5);

/// How long a refused delivery is worth a word.
const REFUSED_WITHIN: SignedDuration = SignedDuration::from_hours(24);

impl Records {
    /// Looks at everything at this time.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn check_up(&self, view: View, reconcile_window: Duration) -> Result<Checkup, ReadError> {
        reads!(self, |db| check_up(db, view, reconcile_window))
    }
}

/// Looks at everything at this time.
pub(in crate::records) async fn check_up(db: &impl Db, view: View, reconcile_window: Duration) -> Got<Checkup> {
    let now = view.now;
    let window = SignedDuration::try_from(reconcile_window).unwrap_or(SignedDuration::MAX);
    let watched_since = ago(now, window);
    Ok(Checkup {
        people: find_people(db).await?,
        pauses: read_pauses(db).await?,
        spending: spending(db, view.budgets, now).await?,
        jobs: groups(
            db,
            sql!("SELECT status, count(*) FROM enrichment_job GROUP BY status"),
            &[],
        )
        .await?,
        unowned: count(
            db,
            sql!("SELECT count(*) FROM enrichment_job WHERE run IS NULL AND status = 'pending'"),
        )
        .await?,
        oldest_unowned: read_oldest_unowned(db).await?,
        waiting: read_waiting(db).await?,
        out: read_out(db, &OUT, watched_since).await?,
        in_doubt: read_out(db, &IN_DOUBT, watched_since).await?,
        given_up: count(
            db,
            sql!("SELECT count(*) FROM enrichment WHERE ask_at IS NOT NULL AND ended_at IS NULL"),
        )
        .await?,
        unclaimed: count_unclaimed(db).await?,
        last_unclaimed: read_last_unclaimed(db).await?,
        unapplied: count_unapplied(db, ago(now, APPLIED_WITHIN)).await?,
        refused: groups(
            db,
            sql!(
                "SELECT code, count(*) FROM rejected_delivery WHERE route LIKE 'enrichment%' AND received_at >= ?
                 GROUP BY code"
            ),
            &values![ago(now, REFUSED_WITHIN)],
        )
        .await?,
    })
}

fn ago(now: Timestamp, span: SignedDuration) -> i64 {
    micros(now).saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX))
}

async fn read_oldest_unowned(db: &impl Db) -> Got<Option<Timestamp>> {
    let find = sql!("SELECT min(created_at) FROM enrichment_job WHERE run IS NULL AND status = 'pending'");
    Ok(db.find(find, &[], |row| row.optional_time(0)).await?.flatten())
}

/// Ids of runs begin with the time at which they were made.
async fn read_waiting(db: &impl Db) -> Got<Batches> {
    let all = sql!("SELECT count(*) FROM batch WHERE state = 'waiting' AND closed_at IS NULL");
    let first = sql!("SELECT run FROM batch WHERE state = 'waiting' AND closed_at IS NULL ORDER BY run LIMIT 1");
    let oldest: Option<Uuid> = db.find(first, &[], |row| row.get(0)).await?;
    Ok(Batches {
        count: count(db, all).await?,
        oldest,
        since: oldest.and_then(time_of),
    })
}

fn time_of(id: Uuid) -> Option<Timestamp> {
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()
}

/// Some batches of the ledger: how many and since when, and the first of them.
struct Which {
    count: Sql,
    first: Sql,
}

macro_rules! which {
    ($which:literal) => {
        Which {
            count: Sql::new(concat!(
                "SELECT count(*), min(posted_at) FROM credit_ledger WHERE ",
                $which
            )),
            first: Sql::new(concat!(
                "SELECT run FROM credit_ledger WHERE ",
                $which,
                " AND posted_at = ?2 LIMIT 1"
            )),
        }
    };
}

static OUT: Which = which!("(outcome = 'running' OR (outcome = 'unknown' AND posted_at > ?1))");

static IN_DOUBT: Which = which!("outcome = 'unknown' AND posted_at > ?1");

async fn read_out(db: &impl Db, which: &Which, after: i64) -> Got<Batches> {
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.optional_time(1)?));
    let counted = db.find(&which.count, &values![after], read).await?;
    let (count, since) = counted.unwrap_or_default();
    let first = values![after, since.map(micros)];
    Ok(Batches {
        count,
        oldest: db.find(&which.first, &first, |row| row.get(0)).await?,
        since,
    })
}

async fn count_unclaimed(db: &impl Db) -> Got<u64> {
    count(
        db,
        sql!(
            "SELECT count(*) FROM enrichment_answer a
             WHERE NOT EXISTS (SELECT 1 FROM enrichment e WHERE e.id = a.enrichment)"
        ),
    )
    .await
}

async fn read_last_unclaimed(db: &impl Db) -> Got<Option<AnswerId>> {
    db.find(
        sql!(
            "SELECT id FROM enrichment_answer a
             WHERE NOT EXISTS (SELECT 1 FROM enrichment e WHERE e.id = a.enrichment) ORDER BY id DESC LIMIT 1"
        ),
        &[],
        |row| Ok(AnswerId(row.get(0)?)),
    )
    .await
}

async fn count_unapplied(db: &impl Db, before: i64) -> Got<u64> {
    db.value(
        sql!(
            "SELECT count(*) FROM enrichment_answer a JOIN enrichment e ON e.id = a.enrichment
             WHERE a.is_final AND a.applied_at IS NULL AND a.received_at < ? AND NOT EXISTS
                 (SELECT 1 FROM enrichment_answer o
                  WHERE o.enrichment = a.enrichment AND o.is_final AND o.applied_at IS NOT NULL)"
        ),
        &values![before],
    )
    .await
}
