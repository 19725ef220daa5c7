//! Lookups, as they are shown.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::JobId;

/// A job, as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobRow {
    /// Its id.
    pub id: JobId,
    /// The address.
    pub email: String,
    /// Its status.
    pub status: String,
    /// Why, in words.
    pub reason: Option<String>,
    /// The run that works it off, or did last.
    pub workflow_id: Option<Uuid>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// What a person's decision has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decided {
    /// Lookups that it changed.
    pub changed: Vec<JobId>,
    /// Those that it did not, with why.
    pub kept: Vec<KeptJob>,
}

/// A lookup that stays as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptJob {
    /// Its id.
    pub id: JobId,
    /// Its status; nothing when there is no such lookup.
    pub status: Option<String>,
    /// Why it stays so.
    pub why: String,
}

/// Which lookups are tried again.
#[derive(Debug, Clone, Copy)]
pub struct Retrying {
    /// Takes stale ones as well, which may have been charged.
    pub may_pay_twice: bool,
    /// An address that was looked up less long ago is not bought again.
    pub refresh_after: Duration,
}

/// What trying some of the lookups again has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetriedPage {
    /// How many are pending again.
    pub retried: u64,
    /// The last one that was looked at; nothing when there were none left.
    pub last: Option<JobId>,
}
