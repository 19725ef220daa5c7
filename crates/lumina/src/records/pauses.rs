//! What keeps the pipeline from buying.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What keeps the pipeline from buying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseReason {
    /// The provider's balance is used up.
    Credits,
    /// The day's budget is used up.
    Budget,
    /// The provider refuses what concerns no single address: the key, a URL.
    Refused,
}

impl PauseReason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Credits => "credits",
            Self::Budget => "budget",
            Self::Refused => "refused",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Credits, Self::Budget, Self::Refused]
            .into_iter()
            .find(|reason| reason.as_str() == word)
    }
}

/// A pause, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// What is in the way.
    pub reason: PauseReason,
    /// What happened, and what to do.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
    /// When it was last looked whether it has gone; since when, if it was not yet.
    pub looked_at: Timestamp,
}

/// A pause, as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownPause {
    /// What is in the way.
    pub reason: PauseReason,
    /// What happened, and what to do.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
    /// When it is looked at again, should a process be there that does.
    pub next_look: Timestamp,
}

/// How often it is looked whether a pause is over.
#[derive(Debug, Clone, Copy)]
pub struct Looks {
    /// By the sweep, which sees what budgets allow.
    pub sweep_every: Duration,
    /// By the probe, which asks the provider.
    pub probe_every: Duration,
}

impl Pause {
    /// As it is shown at this time.
    #[must_use]
    pub fn shown(self, looks: Looks, now: Timestamp) -> ShownPause {
        let next = match self.reason {
            PauseReason::Budget => now.saturating_add(looks.sweep_every),
            PauseReason::Credits | PauseReason::Refused => self.looked_at.saturating_add(looks.probe_every),
        };
        ShownPause {
            reason: self.reason,
            message: self.message,
            since: self.since,
            next_look: next.unwrap_or(Timestamp::MAX).max(now),
        }
    }
}
