//! Never more is spent than may be.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Invariant, Verdict};
use crate::world::{Batch, World};

/// What was charged for batches that were accepted until a budget was raised, by day and by month.
pub(super) fn check(world: &World, verdict: &mut Verdict) {
    let budgets = &world.rules.budgets;
    for (at, budget) in budgets.iter().enumerate() {
        let until = budgets.get(at + 1).map_or(Timestamp::MAX, |next| next.from);
        let spent = |form: &str| sum_by(world, form, until);
        for (days, allowed) in [(spent("%Y-%m-%d"), budget.per_day), (spent("%Y-%m"), budget.per_month)] {
            for (day, credits) in days.iter().filter(|(_, credits)| **credits > allowed) {
                let what = format!("{credits} credits were charged for {day}, of a budget of {allowed}");
                verdict.violate(Invariant::Budget, what);
            }
        }
    }
}

/// Credits by the day or month on which their batch was accepted.
fn sum_by(world: &World, form: &str, until: Timestamp) -> BTreeMap<String, u64> {
    let mut spent = BTreeMap::new();
    let counted = |batch: &&Batch| batch.accepted_at < until && !is_of_either_day(world, batch);
    for batch in world.ledger.batches.iter().filter(counted) {
        let day = batch.accepted_at.to_zoned(TimeZone::UTC).strftime(form).to_string();
        *spent.entry(day).or_default() += batch.credits();
    }
    spent
}

/// What is accepted just after midnight may have been sent just before it, and counts for Lumina on the day before.
fn is_of_either_day(world: &World, batch: &Batch) -> bool {
    let day_of = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
    day_of(batch.accepted_at) != day_of(batch.accepted_at - world.rules.timeout)
}
