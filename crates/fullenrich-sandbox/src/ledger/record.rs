//! One line of the ledger. Everything that outlives a restart is rebuilt from these, in order.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::told::{Digest, PostAnswer, Sent};
use crate::moods::Mood;

/// The version of this format, written into the first line.
pub(crate) const FORMAT: u32 = 1;

/// Something that happened for good.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Record {
    /// The first line.
    Opened { format: u32, at: Timestamp, credits: u64 },
    /// A batch was accepted.
    Batch(BatchRecord),
    /// One contact was looked up; `credits` is what it cost.
    Lookup {
        batch: Uuid,
        item: usize,
        at: Timestamp,
        email: String,
        found: bool,
        credits: u32,
        free: bool,
    },
    /// A batch came to its end.
    Ended {
        batch: Uuid,
        at: Timestamp,
        status: BatchStatus,
    },
    /// One attempt at a callback: for a contact, or without `item` for the batch.
    Callback {
        batch: Uuid,
        item: Option<usize>,
        at: Timestamp,
        attempt: u32,
        delivered: bool,
        /// The body's, if it was delivered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<Digest>,
    },
    /// A callback beside the genuine one was delivered: a mood's, or the same once more.
    Extra {
        batch: Uuid,
        item: Option<usize>,
        at: Timestamp,
        sent: Sent,
        sha256: Digest,
    },
    /// What the caller of a POST was told of the batch.
    Answered {
        batch: Uuid,
        at: Timestamp,
        answer: PostAnswer,
    },
    /// The first GET that told of a batch.
    Read { batch: Uuid, at: Timestamp },
    /// A mood occurred.
    Mood {
        mood: Mood,
        at: Timestamp,
        /// Which of its chances it took, where those are numbered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chance: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        batch: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item: Option<usize>,
    },
    /// All moods were ended, those of batches under way too.
    Calmed { at: Timestamp },
    /// Credits were bought.
    Credits { at: Timestamp, added: u64 },
}

/// A batch as it was accepted. Its seed is kept so that another seed does not change people already sold.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BatchRecord {
    pub(crate) id: Uuid,
    pub(crate) at: Timestamp,
    pub(crate) seed: u64,
    pub(crate) name: String,
    pub(crate) webhook_url: Option<String>,
    pub(crate) contact_url: Option<String>,
    /// Known at acceptance to be unpayable: nothing of it is looked up.
    pub(crate) doomed: bool,
    /// The moods that it will show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) moods: Vec<Mood>,
    pub(crate) items: Vec<ItemRecord>,
}

/// One contact of a batch as it was accepted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ItemRecord {
    pub(crate) email: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) custom: Option<BTreeMap<String, String>>,
    /// A look-up of this address had finished, not too long ago, when the batch was accepted.
    pub(crate) free: bool,
    /// What is wrong with the fields of the person, if one is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mood: Option<Mood>,
}

/// Where a batch is; on the wire in the provider's words. Of those, `CANCELED`, `RATE_LIMIT` and `UNKNOWN` are only
/// sent in a mood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BatchStatus {
    /// Accepted; all its contacts wait in the queue.
    Created,
    /// The look-up of its first contact has begun.
    InProgress,
    /// Every contact was looked up.
    Finished,
    /// It stopped because there was nothing left to pay with.
    CreditsInsufficient,
    /// It stopped, and nobody says why.
    Canceled,
    /// Nowhere defined. Sent while a batch runs.
    RateLimit,
    /// Nowhere defined. Sent while a batch runs.
    Unknown,
}

impl BatchStatus {
    /// Whether nothing comes after it.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Finished | Self::CreditsInsufficient | Self::Canceled)
    }
}
