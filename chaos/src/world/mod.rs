//! What is known of a run when it is over, and nothing else is judged: what was told to Lumina, what was done to it,
//! what the provider's ledger says, and what is in the database. All of it can be written down and judged again.

mod cell;
mod database;
mod ledger;
mod records;

pub use database::{Database, Problem};
pub use ledger::{Answered, Batch, Delivery, DeliveryKind, Item, Ledger, Told, Way};
pub use records::{Job, Known, Lead, Post, Records, Run, StoredAnswer};

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A commit takes milliseconds; on a busy machine some more.
const RECORDING: SignedDuration = SignedDuration::from_millis(500);

/// A run that is over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct World {
    /// What Lumina was configured to keep to.
    pub rules: Rules,
    /// What must have happened for the run to prove anything.
    pub demands: Demands,
    /// Who was taken in.
    pub accepted: Vec<Subscriber>,
    /// What was done to the processes, and what they did.
    pub play: Play,
    /// The provider's side.
    pub ledger: Ledger,
    /// Lumina's side.
    pub records: Records,
}

/// What Lumina was configured to keep to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rules {
    /// How long an answer is waited for, from the POST on.
    pub deadline: SignedDuration,
    /// How long a POST of unknown outcome is watched.
    pub window: SignedDuration,
    /// How long a call may take.
    pub timeout: SignedDuration,
    /// How many batches may be out.
    pub max_in_flight: usize,
    /// What might be spent, from when on; the first one from the beginning.
    pub budgets: Vec<BudgetRule>,
}

/// What might be spent from some time on.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct BudgetRule {
    /// When the process was started that was configured so.
    pub from: Timestamp,
    /// Credits on a UTC day.
    pub per_day: u64,
    /// Credits in a UTC month.
    pub per_month: u64,
}

/// What must have happened for the run to prove anything.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Demands {
    /// So many kills while the answer to an accepted POST was held.
    pub aimed_kills: u64,
    /// That a fleet's faults must have occurred: a process that stood still for longer than this, its lease; a crash of
    /// the database's server; and connections that were cut.
    #[serde(default)]
    pub fleet: Option<SignedDuration>,
    /// Whether every mood must have occurred.
    pub moods: bool,
    /// So many budgets must have been found used up.
    pub budgets_hit: u64,
}

/// A subscriber for whom a 2xx was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscriber {
    /// The address, in lower case.
    pub email: String,
    /// Whether it is a personal one, which is looked up.
    pub personal: bool,
}

/// What was done to the processes, and what they did.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Play {
    /// Each `kill -9`, in order.
    pub kills: Vec<Kill>,
    /// Processes that ended although nobody had killed them, or not in order when they were asked to.
    pub ended: Vec<String>,
    /// Lines of the logs that say that a process panicked.
    pub panics: Vec<String>,
    /// Budgets that were found used up.
    pub budgets_hit: u64,
    /// How long it took to come to rest.
    pub settled_in: Option<SignedDuration>,
    /// What was not at rest when the patience was over.
    pub unsettled: Vec<String>,
    /// How often each mood has occurred.
    pub moods: BTreeMap<String, u64>,
}

/// A `kill -9`, or what is as if there had been one.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Kill {
    /// When the process was gone.
    pub at: Timestamp,
    /// Until when it stood still, when it was there again afterwards.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Whose process it was.
    pub victim: Victim,
    /// Whether it was done while the sandbox held the answer to a POST that it had accepted.
    pub aimed: bool,
}

/// Whose process was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Victim {
    /// `lumina serve`.
    Serve,
    /// `lumina worker`.
    Worker,
    /// `lumina sandbox`.
    Sandbox,
    /// The database's server, which crashed.
    Database,
    /// Connections to the database.
    Lines,
}

impl Victim {
    /// Whether the outcome of a call may have gone with it. What the database and its connections do leaves that in
    /// the process, which has to keep it.
    fn makes_calls(self) -> bool {
        matches!(self, Self::Serve | Self::Worker)
    }
}

impl World {
    /// Whether a process was killed, or stood still, while it may have had the answer to a POST in hand: from the batch's acceptance
    /// on for as long as the answer may take, and a moment more to record it.
    #[must_use]
    pub fn was_killed_around(&self, batch: &Batch) -> bool {
        let latest = batch.accepted_at + self.rules.timeout + RECORDING;
        let mut kills = self.play.kills.iter().filter(|kill| kill.victim.makes_calls());
        kills.any(|kill| kill.until.unwrap_or(kill.at) >= batch.accepted_at && kill.at <= latest)
    }

    /// Whether anything that names the batch ever came to Lumina. An answer that was sent to a process that was killed
    /// then did not.
    #[must_use]
    pub fn was_reached(&self, batch: &Batch) -> bool {
        let is_known = self.records.known_since(&batch.enrichment_id).is_some();
        let by_answer_alone = batch.reached_by.iter().all(|way| *way == Way::Answer);
        let by_answer = !batch.reached_by.is_empty() && !self.was_killed_around(batch);
        is_known || !by_answer_alone || by_answer
    }
}
