//! The application's own tables: subscribers, jobs, leads, batches, answers.
//!
//! What changes them is an [`Attachment`](lumina_workflow::store::Attachment), committed by the
//! engine together with whatever it belongs to; what reads them answers at once. The rules that
//! keep the money safe are here, because they must hold within one transaction.

use std::time::Duration;

use jiff::Timestamp;
use lumina_enrichment::subscriber::{NewSubscriber, SubscriberId};
use lumina_workflow::RunId;
use lumina_workflow::store::NewRun;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

mod checkup;
mod db;
mod handle;
mod jobs;
mod ledger;
mod numbers;
mod pauses;
pub mod postgres;
mod replays;
mod sql;
pub mod sqlite;
mod workers;

pub use checkup::{Batches, Checkup};
pub use handle::{ReadError, Records};
pub use jobs::{Decided, JobRow, KeptJob, RetriedPage, Retrying};
pub use ledger::{BatchAddress, BatchDetail, BudgetUse, LedgerBatch, LedgerDay, Spending};
pub use numbers::{Census, Metrics, View};
pub use pauses::{Looks, Pause, PauseReason, ShownPause};
pub use replays::{AnswerState, ListedAnswer, Replayed};
pub use sql::{PackedAnswer, Sweep, Swept};
pub use workers::{WorkerRow, WorkerSign};

/// How many lookups go to the provider at once: its own limit.
pub const BATCH_SIZE: usize = 100;

/// How many jobs one sweep takes up in a transaction.
pub const SWEEP_JOBS: usize = 10 * BATCH_SIZE;

/// How many refused deliveries are kept.
pub const REJECTED_KEPT: u64 = 1_000;

/// The id of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub Uuid);

/// The id of a stored answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AnswerId(pub Uuid);

/// The way a subscriber came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// A person who has just signed up: looked up first.
    Webhook,
    /// A row of a file.
    File,
}

impl Channel {
    pub(crate) fn priority(self) -> i16 {
        match self {
            Self::Webhook => 10,
            Self::File => 0,
        }
    }

    pub(crate) fn slot(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::File => "file",
        }
    }
}

/// A subscriber to be stored, with the ids it gets.
#[derive(Debug, Clone)]
pub struct IntakeRow {
    /// Its id, if it is new.
    pub id: SubscriberId,
    /// The id of its lookup, if it gets one.
    pub job: JobId,
    /// What is known of it.
    pub subscriber: NewSubscriber,
}

/// A delivery that was accepted, as it came in.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its id.
    pub id: Uuid,
    /// The route it came by.
    pub route: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// Subscribers to be stored in one transaction.
#[derive(Debug, Clone)]
pub struct Intake {
    /// The subscribers.
    pub rows: Vec<IntakeRow>,
    /// How many lookups may be made of them.
    pub lookups: u64,
    /// The way they came.
    pub channel: Channel,
    /// Prepared runs of the enrichment workflow: one for each hundred rows, and two.
    pub runs: Vec<NewRun>,
    /// The runs' delay when they begin an open batch.
    pub linger: Duration,
    /// A subscriber whose last lookup is older is looked up again, when it comes back by webhook.
    pub refresh_after: Duration,
    /// The delivery they came in, to be kept.
    pub delivery: Option<Delivery>,
}

/// What became of an intake.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntakeReport {
    /// Subscribers that were not there before.
    pub created: u64,
    /// Rows whose subscriber was there already.
    pub known: u64,
    /// New subscribers with a personal address.
    pub created_personal: u64,
    /// Lookups that were created.
    pub jobs: u64,
    /// For an intake of one: what became of it.
    pub single: Option<SingleIntake>,
}

/// What became of the one subscriber of an intake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SingleIntake {
    /// Its id: its own, or that of the one that was there.
    pub subscriber: Uuid,
    /// Whether it is new.
    pub created: bool,
    /// The run that looks it up.
    pub run: Option<RunId>,
}

/// What a run may send.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// How many jobs it has.
    pub jobs: u64,
    /// How many it had to leave to others, because budget or balance do not allow more.
    pub left: u64,
}

/// What may be spent, in credits; `None` is unlimited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budgets {
    /// On a UTC day.
    pub per_day: Option<u64>,
    /// In a UTC month.
    pub per_month: Option<u64>,
}

impl Budgets {
    /// What may be spent at once, on the best of days.
    #[must_use]
    pub fn at_most(self) -> u64 {
        let bounds = [self.per_day, self.per_month];
        bounds.into_iter().flatten().min().unwrap_or(u64::MAX)
    }
}

/// What bounds a batch.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// What may be spent.
    pub budgets: Budgets,
    /// The provider's balance, in whole credits.
    pub balance: u64,
}

/// What is needed to send a batch once more.
#[derive(Debug, Clone, Copy)]
pub struct Resend {
    /// A POST of unknown outcome counts as over so long after it.
    pub window: Duration,
    /// How many batches may be out.
    pub max_in_flight: u32,
    /// What may be spent.
    pub budgets: Budgets,
    /// When to look again, while it may not be sent.
    pub look_again: Duration,
}

/// One address to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// Its job.
    pub job: JobId,
    /// The address as given.
    pub email: String,
}

/// An answer on its way in.
#[derive(Debug, Clone)]
pub struct NewAnswer {
    /// Its id, if it is new.
    pub id: AnswerId,
    /// The provider's id of the batch.
    pub enrichment: String,
    /// Its status word.
    pub status: Option<String>,
    /// Whether the provider will say nothing more.
    pub is_final: bool,
    /// How it came.
    pub source: AnswerSource,
    /// What it cost so far.
    pub cost: Option<u64>,
    /// The run and attempt that its records name.
    pub named: Option<(RunId, u32)>,
    /// The body, as it came.
    pub body: bytes::Bytes,
    /// A prepared run of the late-answer workflow, should its own run be over.
    pub late_run: NewRun,
    /// How long an accepted batch may take, from its POST.
    pub deadline: Duration,
}

/// How an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerSource {
    /// The provider's callback for the batch.
    Callback,
    /// The provider's callback for one contact.
    Contact,
    /// Our own question.
    Poll,
}

impl AnswerSource {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Callback => "callback",
            Self::Contact => "contact",
            Self::Poll => "poll",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Callback, Self::Contact, Self::Poll]
            .into_iter()
            .find(|source| source.as_str() == word)
    }
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerFate {
    /// Kept, and its run is told.
    Routed,
    /// Kept, and a run of its own applies it.
    Late,
    /// Kept; nobody waits for it.
    Kept,
    /// The very same body was there already.
    Duplicate,
    /// Kept, but no batch of ours is known by this id.
    Unrouted,
}

/// What tells a run of an answer: the payload of its event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerRef {
    /// The stored answer.
    pub answer: AnswerId,
    /// The provider's id of the batch.
    pub enrichment: String,
}

/// A stored answer.
#[derive(Debug, Clone)]
pub struct StoredAnswer {
    /// The provider's id of the batch.
    pub enrichment: String,
    /// Its status word.
    pub status: Option<String>,
    /// Whether the provider says nothing more after it.
    pub is_final: bool,
    /// The body, as it came.
    pub body: Vec<u8>,
}

impl Verdicts {
    /// How many there are of each.
    #[must_use]
    pub fn count(&self) -> Applied {
        let count = |wanted: fn(&JobAnswer) -> bool| {
            let is_wanted = |(_, answer): &&(Subject, JobAnswer)| wanted(answer);
            self.records.iter().filter(is_wanted).count() as u64
        };
        Applied {
            enriched: count(|answer| matches!(answer, JobAnswer::Found(_))),
            not_found: count(|answer| matches!(answer, JobAnswer::NotFound)),
            not_looked_at: count(|answer| matches!(answer, JobAnswer::NotLookedAt)),
            stale: 0,
        }
    }
}

/// Whom a record of an answer is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The job that its own tag names.
    Job(JobId),
    /// It carries no tag of ours: the job of its batch with this address, in any case of its letters.
    Email(String),
}

/// What an answer says, record by record.
#[derive(Debug, Clone, Default)]
pub struct Verdicts {
    /// Of whom it says what.
    pub records: Vec<(Subject, JobAnswer)>,
    /// What the batch cost, if it says so.
    pub cost: Option<u64>,
    /// Whether whoever it does not name was not looked at.
    pub unnamed_not_looked_at: bool,
}

/// What settling a batch came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settled {
    /// Jobs without an answer.
    pub stale: u64,
    /// Something that was told before the end is to be applied first: the batch is not over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hear_kept: bool,
    /// The same jobs were sent a second time, and that answer is still to come: the batch is not over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub still_out: Option<Out>,
}

/// What sending a batch once more came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Again {
    /// It is made ready, with so many jobs; with none there is nothing to send.
    Ready(usize),
    /// It need not be sent: meanwhile it is known to have been accepted.
    Accepted(Out),
    /// It has to wait for a place, and is first in line for one.
    InLine,
}

/// What is known of a POST that is about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It was not made.
    Open,
    /// It, or one of the same jobs before it, was accepted.
    Accepted(Out),
    /// It was made, and nobody knows with what outcome.
    Unknown,
    /// It was given up, or refused.
    Over,
}

/// A batch that is out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Out {
    /// The provider's id of it.
    pub enrichment: String,
    /// When it was sent.
    pub posted_at: Timestamp,
}

/// What the provider's answer means for one job.
#[derive(Debug, Clone)]
pub enum JobAnswer {
    /// A person was found.
    Found(Box<LeadRow>),
    /// Nobody was found.
    NotFound,
    /// The provider did not look, because credits were short or the batch was cancelled.
    NotLookedAt,
}

/// A lead's columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeadRow {
    /// The person's name.
    pub full_name: Option<String>,
    /// Their title.
    pub title: Option<String>,
    /// Their seniority, as the provider or the title says.
    pub seniority: Option<String>,
    /// Their company.
    pub company: LeadCompany,
    /// Their LinkedIn profile.
    pub linkedin_url: Option<String>,
    /// 0 to 100.
    pub icp_score: u8,
    /// How the score came about, a sentence a part.
    pub icp_reasons: Vec<String>,
}

/// A lead's company.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeadCompany {
    /// Its name.
    pub name: Option<String>,
    /// Its domain.
    pub domain: Option<String>,
    /// How many people work there.
    pub headcount: Option<u64>,
    /// In which range that is.
    pub headcount_range: Option<String>,
    /// Its main industry, in LinkedIn's words.
    pub industry: Option<String>,
}

/// A lead, as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lead {
    /// The subscriber's id.
    pub id: Uuid,
    /// The address.
    pub email: String,
    /// The person's name.
    pub full_name: Option<String>,
    /// Their title.
    pub title: Option<String>,
    /// Their seniority.
    pub seniority: Option<String>,
    /// Their company.
    pub company: LeadCompany,
    /// Their LinkedIn profile.
    pub linkedin_url: Option<String>,
    /// 0 to 100.
    pub icp_score: u8,
    /// How the score came about.
    pub icp_reasons: Vec<String>,
    /// A personal address, found, with a score above 70.
    pub hidden_gem: bool,
    /// Where the subscriber came from.
    pub source: String,
    /// When the lookup was answered.
    pub enriched_at: Timestamp,
}

/// Which leads are asked for: best first.
#[derive(Debug, Clone, Copy, Default)]
pub struct LeadQuery {
    /// Not below this score.
    pub min_score: u8,
    /// After this one.
    pub after: Option<(u8, Uuid)>,
    /// At most this many.
    pub limit: usize,
}

/// What applying an answer changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// Jobs that a person was found for.
    pub enriched: u64,
    /// Jobs that nobody was found for.
    pub not_found: u64,
    /// Jobs that are pending again, because the provider did not look.
    pub not_looked_at: u64,
    /// Jobs without an answer.
    pub stale: u64,
}

impl Applied {
    /// Adds what another answer changed.
    pub fn add(&mut self, other: Self) {
        self.enriched += other.enriched;
        self.not_found += other.not_found;
        self.not_looked_at += other.not_looked_at;
        self.stale += other.stale;
    }
}

/// Whose people a database holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum People {
    /// The provider's.
    Real,
    /// Invented ones.
    Sandbox,
}

impl People {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Sandbox => "sandbox",
        }
    }
}
