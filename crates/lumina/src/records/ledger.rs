//! The credit ledger: what was sent, what it cost, and what may still be spent.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::JobId;

/// What is used of a budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetUse {
    /// Credits that may be spent; nothing where they are unlimited.
    pub limit: Option<u64>,
    /// Credits that were charged, and for what is unanswered the most that it may cost.
    pub used: u64,
    /// What of it is held for batches that are unanswered.
    pub reserved: u64,
    /// Credits that may still be spent; nothing where they are unlimited.
    pub left: Option<u64>,
}

impl BudgetUse {
    /// Of this limit, with so much used.
    #[must_use]
    pub fn new(limit: Option<u64>, used: u64, reserved: u64) -> Self {
        let left = limit.map(|limit| limit.saturating_sub(used));
        Self {
            limit,
            used,
            reserved,
            left,
        }
    }
}

/// What is used of the budgets of the day and the month.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spending {
    /// Of this UTC day.
    pub day: BudgetUse,
    /// Of this UTC month.
    pub month: BudgetUse,
}

/// What a UTC day's batches cost and brought. A batch belongs to the day that it was sent on; one that was sent twice
/// counts twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerDay {
    /// The day.
    pub day: Date,
    /// Batches that were sent, or may have been.
    pub batches: u64,
    /// Addresses in them.
    pub addresses: u64,
    /// What they were expected to cost at most, in credits.
    pub estimated: u64,
    /// What those that were answered have cost, in credits.
    pub actual: u64,
    /// What the others may still cost at most, in credits.
    pub unanswered: u64,
    /// Addresses that somebody was found for. One that was sent more than once counts with the last batch.
    pub found: u64,
    /// Leads that were made of them and are still there.
    pub leads: u64,
}

impl LedgerDay {
    /// A day on which nothing was sent.
    #[must_use]
    pub fn empty(day: Date) -> Self {
        Self {
            day,
            batches: 0,
            addresses: 0,
            estimated: 0,
            actual: 0,
            unanswered: 0,
            found: 0,
            leads: 0,
        }
    }

    /// Both together, under this day's name.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        Self {
            day: self.day,
            batches: self.batches + other.batches,
            addresses: self.addresses + other.addresses,
            estimated: self.estimated + other.estimated,
            actual: self.actual + other.actual,
            unanswered: self.unanswered + other.unanswered,
            found: self.found + other.found,
            leads: self.leads + other.leads,
        }
    }
}

/// One line of the ledger: a batch, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerBatch {
    /// Its run.
    pub workflow_id: Uuid,
    /// Which time it was sent, from 1.
    pub attempt: u32,
    /// The provider's id of it, once it is known.
    pub enrichment_id: Option<String>,
    /// When it was sent, as far as that is known.
    pub posted_at: Option<Timestamp>,
    /// The UTC day that it counts on.
    pub day: Option<Date>,
    /// Addresses in it.
    pub addresses: u64,
    /// What it was expected to cost at most, in credits.
    pub estimated: u64,
    /// What it has cost, in credits, once the provider has said so.
    pub actual: Option<u64>,
    /// What became of it: `open`, `refused`, `not_sent`, `unknown`, `running`, or the provider's last word.
    pub outcome: String,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl LedgerBatch {
    /// Whether it was sent, as far as anybody knows.
    #[must_use]
    pub fn was_sent(&self) -> bool {
        !matches!(self.outcome.as_str(), "open" | "refused" | "not_sent")
    }
}

/// One batch with everything that was sent for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchDetail {
    /// Its run.
    pub workflow_id: Uuid,
    /// Each time that it was sent, the first one first.
    pub posts: Vec<LedgerBatch>,
    /// The addresses in it.
    pub addresses: Vec<BatchAddress>,
}

/// An address of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchAddress {
    /// Its lookup.
    pub job: JobId,
    /// The address as given.
    pub email: String,
    /// The lookup's status now.
    pub status: String,
    /// Why, in words.
    pub reason: Option<String>,
    /// Who was found, where the lead has a name.
    pub full_name: Option<String>,
    /// Which times it was sent.
    pub attempts: Vec<u32>,
}
