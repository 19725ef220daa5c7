//! How many of everything there are.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lumina_enrichment::email::AddressClass;
use lumina_enrichment::job::JobStatus;
use serde::{Deserialize, Serialize};

use super::{Budgets, Looks, ShownPause, Spending};

/// The dashboard's numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// All subscribers.
    pub total_subscribers: u64,
    /// Those with a personal address.
    pub personal_email_count: u64,
    /// Personal ones that a person was found for.
    pub enriched_count: u64,
    /// Jobs that have not ended.
    pub pending_count: u64,
    /// Enriched personal of all personal, in per cent with two decimals; 0 when there are none.
    pub dark_funnel_percentage: f64,
    /// Credits that the provider has charged.
    pub total_credits_used: u64,
    /// What open jobs may cost at most.
    pub estimated_pending_credits: u64,
    /// What keeps lookups from being bought; empty while nothing does.
    pub pauses: Vec<ShownPause>,
    /// What is used of the budgets.
    pub budget: Spending,
}

/// What the dashboard's numbers are seen against.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// The time.
    pub now: Timestamp,
    /// What may be spent.
    pub budgets: Budgets,
    /// How often pauses are looked at.
    pub looks: Looks,
}

/// How many of each there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// Subscribers by class.
    pub classes: BTreeMap<String, u64>,
    /// Jobs by status.
    pub jobs: BTreeMap<String, u64>,
    /// Leads that are hidden gems.
    pub hidden_gems: u64,
    /// Credits that the provider has charged.
    pub credits_used: u64,
}

impl Census {
    /// Subscribers of a class.
    #[must_use]
    pub fn of_class(&self, class: AddressClass) -> u64 {
        self.classes.get(class.as_str()).copied().unwrap_or(0)
    }

    /// Jobs with a status.
    #[must_use]
    pub fn of_status(&self, status: JobStatus) -> u64 {
        self.jobs.get(status.as_str()).copied().unwrap_or(0)
    }

    /// Jobs that have not ended.
    #[must_use]
    pub fn open_jobs(&self) -> u64 {
        self.of_status(JobStatus::Pending) + self.of_status(JobStatus::Submitted)
    }
}
