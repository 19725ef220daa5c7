//! One line of the ledger. Everything that outlives a restart is rebuilt from these, in order.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

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
    },
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
}

/// Where a batch is; on the wire in the provider's words. Of those, a sandbox never sends `CANCELED`, `RATE_LIMIT`
/// and `UNKNOWN`.
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
}

impl BatchStatus {
    /// Whether nothing comes after it.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Finished | Self::CreditsInsufficient)
    }
}
