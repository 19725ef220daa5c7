//! What keeps the pipeline from buying.

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
