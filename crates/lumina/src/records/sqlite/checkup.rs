//! Where everything stands, read on any connection.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::ledger::spending;
use super::sweep::read_pauses;
use super::{from_micros, micros};
use crate::records::{AnswerId, Batches, Checkup, View};

/// How long an answer may take to be applied before that is worth a word.
const APPLIED_WITHIN: SignedDuration = SignedDuration::from_mins(5);

/// How long a refused delivery is worth a word.
const REFUSED_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// Looks at everything at this time. The connection need not be a store's, so that nothing is changed by looking.
///
/// # Errors
/// When the database cannot be read.
pub fn check_up(connection: &Connection, view: View, reconcile_window: Duration) -> rusqlite::Result<Checkup> {
    let (now, window) = (
        view.now,
        SignedDuration::try_from(reconcile_window).unwrap_or(SignedDuration::MAX),
    );
    let ago = |span: SignedDuration| micros(now).saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX));
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u64>(0));
    Ok(Checkup {
        people: read_people(connection)?,
        pauses: read_pauses(connection)?,
        spending: spending(connection, view.budgets, now)?,
        jobs: groups(
            connection,
            "SELECT status, count(*) FROM enrichment_job GROUP BY status",
            (),
        )?,
        unowned: count("SELECT count(*) FROM enrichment_job WHERE run IS NULL AND status = 'pending'")?,
        oldest_unowned: read_oldest_unowned(connection)?,
        waiting: read_waiting(connection)?,
        out: read_out(
            connection,
            "(outcome = 'running' OR (outcome = 'unknown' AND posted_at > ?1))",
            ago(window),
        )?,
        in_doubt: read_out(connection, "outcome = 'unknown' AND posted_at > ?1", ago(window))?,
        given_up: count("SELECT count(*) FROM enrichment WHERE ask_at IS NOT NULL AND ended_at IS NULL")?,
        unclaimed: count(
            "SELECT count(*) FROM enrichment_answer a WHERE NOT EXISTS (SELECT 1 FROM enrichment e WHERE e.id = a.enrichment)",
        )?,
        last_unclaimed: read_last_unclaimed(connection)?,
        unapplied: connection.query_row(
            "SELECT count(*) FROM enrichment_answer a JOIN enrichment e ON e.id = a.enrichment
             WHERE a.is_final AND a.applied_at IS NULL AND a.received_at < ? AND NOT EXISTS
                 (SELECT 1 FROM enrichment_answer o WHERE o.enrichment = a.enrichment AND o.is_final AND o.applied_at IS NOT NULL)",
            [ago(APPLIED_WITHIN)],
            |row| row.get(0),
        )?,
        refused: groups(
            connection,
            "SELECT code, count(*) FROM rejected_delivery WHERE route LIKE 'enrichment%' AND received_at >= ? GROUP BY code",
            [ago(REFUSED_WITHIN)],
        )?,
    })
}

fn groups(connection: &Connection, sql: &str, with: impl rusqlite::Params) -> rusqlite::Result<BTreeMap<String, u64>> {
    let mut find = connection.prepare(sql)?;
    find.query_map(with, |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn read_people(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT value FROM stamp WHERE name = 'people'";
    connection.query_row(sql, [], |row| row.get(0)).optional()
}

fn read_oldest_unowned(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let sql = "SELECT min(created_at) FROM enrichment_job WHERE run IS NULL AND status = 'pending'";
    let oldest: Option<i64> = connection.query_row(sql, [], |row| row.get(0))?;
    oldest.map(|at| from_micros(0, at)).transpose()
}

/// Ids of runs begin with the time at which they were made.
fn read_waiting(connection: &Connection) -> rusqlite::Result<Batches> {
    let sql = "SELECT count(*), min(run) FROM batch WHERE state = 'waiting' AND closed_at IS NULL";
    connection.query_row(sql, [], |row| {
        let oldest: Option<Uuid> = row.get(1)?;
        Ok(Batches {
            count: row.get(0)?,
            oldest,
            since: oldest.and_then(time_of),
        })
    })
}

fn time_of(id: Uuid) -> Option<Timestamp> {
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()
}

fn read_out(connection: &Connection, which: &str, after: i64) -> rusqlite::Result<Batches> {
    let sql = format!("SELECT count(*), min(posted_at) FROM credit_ledger WHERE {which}");
    let mut find = connection.prepare(&sql)?;
    let (count, since) = find.query_row([after], |row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?)))?;
    let sql = format!("SELECT run FROM credit_ledger WHERE {which} AND posted_at = ?2 LIMIT 1");
    Ok(Batches {
        count,
        oldest: connection
            .query_row(&sql, params![after, since], |row| row.get(0))
            .optional()?,
        since: since.map(|at| from_micros(1, at)).transpose()?,
    })
}

fn read_last_unclaimed(connection: &Connection) -> rusqlite::Result<Option<AnswerId>> {
    let sql =
        "SELECT id FROM enrichment_answer a WHERE NOT EXISTS (SELECT 1 FROM enrichment e WHERE e.id = a.enrichment)
               ORDER BY id DESC LIMIT 1";
    connection
        .query_row(sql, [], |row| Ok(AnswerId(row.get(0)?)))
        .optional()
}
