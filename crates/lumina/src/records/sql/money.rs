//! What may still be spent.

use jiff::Timestamp;
use lumina_workflow::RunId;
use lumina_workflow::store::Attachment;

use super::micros;
use crate::guards::Guard;
use crate::records::db::{Db, Got, Lock, Tx, sql, values};
use crate::records::handle::writes;
use crate::records::{Allowance, Budgets, PauseReason, Records};

/// What may be spent, and what bounds it.
pub(super) struct Left {
    pub credits: u64,
    pub bound: PauseReason,
    pub why: &'static str,
}

impl Records {
    /// Counts a POST that is made now on today, should it have been made ready on another day, and notes that it leaves
    /// now. The result says why it cannot be made, when today's budget does not allow it; the budget may be another one
    /// since.
    #[must_use]
    pub fn spend_today(run: RunId, attempt: u32, budgets: Budgets) -> Attachment {
        writes!(|tx, run, attempt, budgets| spend_today(tx, *run, *attempt, *budgets))
    }
}

async fn spend_today(tx: &impl Tx, run: RunId, attempt: u32, budgets: Budgets) -> Got<Option<&'static str>> {
    let today = day_of(tx.now());
    tx.lock(Lock::Money).await?;
    let found = tx
        .find(
            sql!(
                "SELECT reserved, day FROM enrichment_post
             WHERE run = ? AND attempt = ? AND state = 'open' AND day IS NOT NULL"
            ),
            &values![run, attempt],
            |row| Ok((row.get::<u64>(0)?, row.get::<String>(1)?)),
        )
        .await?;
    let Some((reserved, day)) = found else {
        return Ok(None);
    };
    // It is counted already, and is not to be in its own way.
    date_post(tx, run, attempt, None).await?;
    let left = left_of(tx, budgets, &today).await?;
    let is_allowed = left.credits >= reserved;
    match is_allowed {
        true => let_leave(tx, run, attempt, &today).await?,
        false => date_post(tx, run, attempt, Some(&day)).await?,
    }
    Ok((!is_allowed).then_some(left.why))
}

/// Of a POST that was made before and known not to have been accepted, only the last time counts.
async fn let_leave(tx: &impl Tx, run: RunId, attempt: u32, today: &str) -> Got<()> {
    tx.execute(
        sql!("UPDATE enrichment_post SET day = ?, leaving_at = ? WHERE run = ? AND attempt = ?"),
        &values![today, micros(tx.now()), run, attempt],
    )
    .await?;
    Ok(())
}

async fn date_post(tx: &impl Tx, run: RunId, attempt: u32, day: Option<&str>) -> Got<()> {
    tx.execute(
        sql!("UPDATE enrichment_post SET day = ? WHERE run = ? AND attempt = ?"),
        &values![day, run, attempt],
    )
    .await?;
    Ok(())
}

/// The UTC day of a moment, as it is stored.
pub(super) fn day_of(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// How many credits may still be spent, budget and balance considered. Nobody else spends until the transaction ends.
pub(super) async fn allow(tx: &impl Tx, allowance: Allowance) -> Got<Left> {
    tx.lock(Lock::Money).await?;
    let budget = left_of(tx, allowance.budgets, &day_of(tx.now())).await?;
    let reserved = reserved_by_what_is_out(tx, tx.now()).await?;
    let balance = allowance.balance.saturating_sub(reserved);
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
pub(super) async fn left_of(db: &impl Db, budgets: Budgets, day: &str) -> Got<Left> {
    let (mut of_day, mut of_month) = (u64::MAX, u64::MAX);
    if let Some(budget) = budgets.per_day {
        of_day = budget.saturating_sub(spent_on(db, day).await?);
    }
    if let Some(budget) = budgets.per_month {
        of_month = budget.saturating_sub(spent_in_month(db, day).await?);
    }
    if Guard::Budget.is_removed() {
        (of_day, of_month) = (u64::MAX, u64::MAX);
    }
    let why = match of_month < of_day {
        true => "waits for the next month's budget (enrichment.budget.per_month)",
        false => "waits for the next day's budget (enrichment.budget.per_day)",
    };
    Ok(Left {
        credits: of_day.min(of_month),
        bound: PauseReason::Budget,
        why,
    })
}

/// Credits of a day: what was charged, and for what is unanswered its upper bound.
async fn spent_on(db: &impl Db, day: &str) -> Got<u64> {
    spent_between(db, day, day).await
}

/// Credits of the month of a day.
async fn spent_in_month(db: &impl Db, day: &str) -> Got<u64> {
    let month = day.get(..7).unwrap_or(day);
    spent_between(db, &format!("{month}-01"), &format!("{month}-31")).await
}

/// Credits of these days, the last one included: what was charged, and for what is unanswered its upper bound.
pub(super) async fn spent_between(db: &impl Db, first: &str, last: &str) -> Got<u64> {
    db.value(
        sql!(
            "SELECT CAST(coalesce(sum(coalesce(e.cost, p.reserved)), 0) AS BIGINT)
             FROM enrichment_post p LEFT JOIN enrichment e ON e.id = p.enrichment_id
             WHERE p.day IS NOT NULL AND p.day BETWEEN ? AND ?"
        ),
        &values![first, last],
    )
    .await
}

/// What is out may be charged after the balance was read, also when its run has been ended. What was given up because
/// its time is over was charged before, if it ever is.
pub(super) async fn reserved_by_what_is_out(db: &impl Db, now: Timestamp) -> Got<u64> {
    db.value(
        sql!(
            "SELECT CAST((SELECT coalesce(sum(p.reserved), 0) FROM batch b INDEXED BY batch_open
                 JOIN enrichment_post p ON p.run = b.run LEFT JOIN enrichment e ON e.id = p.enrichment_id
                 WHERE b.closed_at IS NULL AND e.ended_at IS NULL)
              + (SELECT coalesce(sum(p.reserved), 0) FROM enrichment_post p INDEXED BY enrichment_post_places
                 JOIN batch b ON b.run = p.run LEFT JOIN enrichment e ON e.id = p.enrichment_id
                 WHERE p.out_until > ? AND b.closed_at IS NOT NULL AND e.ended_at IS NULL) AS BIGINT)"
        ),
        &values![micros(now)],
    )
    .await
}
