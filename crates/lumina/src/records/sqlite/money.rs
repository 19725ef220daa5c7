//! What may still be spent.

use jiff::Timestamp;
use lumina_workflow::RunId;
use lumina_workflow::store::Attachment;
use lumina_workflow_sqlite::Tx;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Records, Written, micros, writes};
use crate::guards::Guard;
use crate::records::{Allowance, Budgets, PauseReason};

/// What may be spent, and what bounds it.
pub(super) struct Left {
    pub credits: u64,
    pub bound: PauseReason,
    pub why: &'static str,
}

impl Records {
    /// Counts a POST that is made now on today, should it have been made ready on another day. The result says why
    /// it cannot be made, when today's budget does not allow it; the budget may be another one since.
    #[must_use]
    pub fn spend_today(run: RunId, attempt: u32, budgets: Budgets) -> Attachment {
        writes(move |tx| spend_today(tx, run, attempt, budgets))
    }
}

fn spend_today(tx: &Tx<'_>, run: RunId, attempt: u32, budgets: Budgets) -> Written<Option<&'static str>> {
    let connection = tx.connection();
    let today = day_of(tx.now());
    let mut find = connection.prepare_cached(
        "SELECT reserved, day FROM enrichment_post WHERE run = ? AND attempt = ? AND state = 'open' AND day IS NOT NULL",
    )?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let found: Option<(u64, String)> = find.query_row(params![run.0, attempt], read).optional()?;
    let Some((reserved, day)) = found else { return Ok(None) };
    let mut date = connection.prepare_cached("UPDATE enrichment_post SET day = ? WHERE run = ? AND attempt = ?")?;
    // It is counted already, and is not to be in its own way.
    date.execute(params![Option::<String>::None, run.0, attempt])?;
    let left = left_of(connection, budgets, &today)?;
    let is_allowed = left.credits >= reserved;
    date.execute(params![if is_allowed { today } else { day }, run.0, attempt])?;
    Ok((!is_allowed).then_some(left.why))
}

/// The UTC day of a moment, as it is stored.
pub(super) fn day_of(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// How many credits may still be spent, budget and balance considered.
pub(super) fn allow(tx: &Tx<'_>, allowance: Allowance) -> Written<Left> {
    let connection = tx.connection();
    let budget = left_of(connection, allowance.budgets, &day_of(tx.now()))?;
    let balance = allowance
        .balance
        .saturating_sub(reserved_by_what_is_out(connection, tx.now())?);
    if balance < budget.credits {
        return Ok(Left {
            credits: balance,
            bound: PauseReason::Credits,
            why: "waits for credits: the provider's balance is used up",
        });
    }
    Ok(budget)
}

/// How many credits the budgets allow on a day.
pub(super) fn left_of(connection: &Connection, budgets: Budgets, day: &str) -> rusqlite::Result<Left> {
    type Spent = fn(&Connection, &str) -> rusqlite::Result<u64>;
    let left = |budget: Option<u64>, spent: Spent| match budget {
        Some(budget) => Ok(budget.saturating_sub(spent(connection, day)?)),
        None => Ok::<_, rusqlite::Error>(u64::MAX),
    };
    let of_day = Left {
        credits: left(budgets.per_day, spent_on)?,
        bound: PauseReason::Budget,
        why: "waits for the next day's budget (enrichment.budget.per_day)",
    };
    let of_month = Left {
        credits: left(budgets.per_month, spent_in_month)?,
        bound: PauseReason::Budget,
        why: "waits for the next month's budget (enrichment.budget.per_month)",
    };
    let bound = if of_month.credits < of_day.credits {
        of_month
    } else {
        of_day
    };
    Ok(match Guard::Budget.is_removed() {
        true => Left {
            credits: u64::MAX,
            ..bound
        },
        false => bound,
    })
}

/// Credits of a day: what was charged, and for what is unanswered its upper bound.
pub(super) fn spent_on(connection: &Connection, day: &str) -> rusqlite::Result<u64> {
    spent_between(connection, day, day)
}

/// Credits of the month of a day.
pub(super) fn spent_in_month(connection: &Connection, day: &str) -> rusqlite::Result<u64> {
    let month = day.get(..7).unwrap_or(day);
    spent_between(connection, &format!("{month}-01"), &format!("{month}-31"))
}

/// Credits of these days, the last one included: what was charged, and for what is unanswered its upper bound.
pub(super) fn spent_between(connection: &Connection, first: &str, last: &str) -> rusqlite::Result<u64> {
    let mut sum = connection.prepare_cached(
        "SELECT coalesce(sum(coalesce(e.cost, p.reserved)), 0)
         FROM enrichment_post p LEFT JOIN enrichment e ON e.id = p.enrichment_id
         WHERE p.day IS NOT NULL AND p.day BETWEEN ? AND ?",
    )?;
    sum.query_row([first, last], |row| row.get(0))
}

/// What is out may be charged after the balance was read, also when its run has been ended. What was given up because
/// its time is over was charged before, if it ever is.
pub(super) fn reserved_by_what_is_out(connection: &Connection, now: Timestamp) -> rusqlite::Result<u64> {
    let mut sum = connection.prepare_cached(
        "SELECT (SELECT coalesce(sum(p.reserved), 0) FROM batch b INDEXED BY batch_open
                 JOIN enrichment_post p ON p.run = b.run LEFT JOIN enrichment e ON e.id = p.enrichment_id
                 WHERE b.closed_at IS NULL AND e.ended_at IS NULL)
              + (SELECT coalesce(sum(p.reserved), 0) FROM enrichment_post p INDEXED BY enrichment_post_places
                 JOIN batch b ON b.run = p.run LEFT JOIN enrichment e ON e.id = p.enrichment_id
                 WHERE p.out_until > ? AND b.closed_at IS NOT NULL AND e.ended_at IS NULL)",
    )?;
    sum.query_row([micros(now)], |row| row.get(0))
}
