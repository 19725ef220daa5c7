//! Where everything stands: what `lumina doctor` looks at.

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use super::{AnswerId, Pause, Spending};

/// Where everything stands.
#[derive(Debug, Clone)]
pub struct Checkup {
    /// Whose people the database holds, once that is settled.
    pub people: Option<String>,
    /// What keeps lookups from being bought.
    pub pauses: Vec<Pause>,
    /// What is used of the budgets.
    pub spending: Spending,
    /// Lookups by status.
    pub jobs: BTreeMap<String, u64>,
    /// Pending lookups that no run works off.
    pub unowned: u64,
    /// When the oldest of them was created.
    pub oldest_unowned: Option<Timestamp>,
    /// Batches that wait for their turn.
    pub waiting: Batches,
    /// Batches that are out and unanswered.
    pub out: Batches,
    /// Of those that are out, the ones that are watched for signs that they were accepted.
    pub in_doubt: Batches,
    /// Batches that were given up, and are asked about now and then.
    pub given_up: u64,
    /// Answers that no batch of ours is known for.
    pub unclaimed: u64,
    /// The last of them.
    pub last_unclaimed: Option<AnswerId>,
    /// Final answers that came some time ago, and of whose batch none was applied.
    pub unapplied: u64,
    /// Answers of the provider that were refused within a day, by code.
    pub refused: BTreeMap<String, u64>,
}

/// Some batches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batches {
    /// How many.
    pub count: u64,
    /// The run of the oldest.
    pub oldest: Option<Uuid>,
    /// Since when it is so.
    pub since: Option<Timestamp>,
}
