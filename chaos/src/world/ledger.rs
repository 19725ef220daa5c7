//! The provider's side: what the sandbox's ledger says it accepted, charged, told, and delivered.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What `GET /sandbox/ledger` shows, as far as it is judged.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// Each batch that was accepted, in order.
    pub batches: Vec<Batch>,
    /// Each callback that was answered with 2xx.
    pub deliveries: Vec<Delivery>,
}

/// A batch that was accepted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    /// The provider's name for it.
    pub enrichment_id: String,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// What the POST's caller was told.
    pub answered: Answered,
    /// The ways by which its name came to the other side.
    pub reached_by: Vec<Way>,
    /// The moods that it was accepted with.
    pub moods: Vec<String>,
    /// Whom it asked for.
    pub jobs: Vec<Item>,
    /// What was said of whom it charged for.
    pub told: Vec<Told>,
}

/// How the name of a batch comes to the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// The answer to the POST was sent; whether it was read before its reader died nobody knows.
    Answer,
    /// A GET was answered.
    Read,
    /// A callback before the end was taken.
    Interim,
    /// A contact's event was taken.
    Contact,
    /// The callback at the end was taken.
    Final,
}

/// What a POST's caller was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answered {
    /// The provider's name for the batch.
    Ok,
    /// An error.
    Error,
    /// Nothing: the connection was reset.
    Reset,
    /// Nothing at all.
    Lost,
    /// Something that makes no sense.
    Unreadable,
}

/// One person whom a batch asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The address.
    pub email: String,
    /// What came with it.
    pub custom: Option<Tags>,
    /// Credits that were charged for it.
    pub credits: u64,
    /// Whether the person was found; nothing when nobody looked.
    pub found: Option<bool>,
    /// Whether its own event was taken.
    pub event_delivered: bool,
}

/// What comes with an item, and back with its record.
pub type Tags = BTreeMap<String, String>;

/// What was said of a person who was charged for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// The address.
    pub email: String,
    /// The name, if it was said.
    pub full_name: Option<String>,
    /// The page on LinkedIn, if it was said.
    pub linkedin_url: Option<String>,
    /// Whether the answer left the record out, so that only its own event said it.
    pub left_out: bool,
}

/// A callback that was answered with 2xx.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Which batch it names.
    pub enrichment_id: String,
    /// The SHA-256 of its body, in hex.
    pub sha256: Option<String>,
    /// What it was.
    pub kind: DeliveryKind,
    /// When it was answered.
    pub at: Timestamp,
}

/// What a callback was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryKind {
    /// The end of a batch.
    Final,
    /// One contact of it.
    Contact,
    /// Something before the end.
    Interim,
    /// With a wrong signature.
    Forged,
    /// Without a signature.
    Unsigned,
}

impl DeliveryKind {
    /// Whether the provider has sent it, and nobody else.
    #[must_use]
    pub fn is_genuine(self) -> bool {
        matches!(self, Self::Final | Self::Contact | Self::Interim)
    }
}

impl Batch {
    /// The run that sent it, and for the how many-th time, by what came with its first item.
    #[must_use]
    pub fn sender(&self) -> Option<(&str, u32)> {
        let custom = self.jobs.first()?.custom.as_ref()?;
        let attempt = custom.get("lumina_attempt")?.parse().ok()?;
        Some((custom.get("lumina_run")?, attempt))
    }

    /// What was said of an address, if it was charged for.
    #[must_use]
    pub fn told(&self, email: &str) -> Option<&Told> {
        let mut told = self.told.iter();
        told.find(|told| told.email.eq_ignore_ascii_case(email))
    }

    /// What it has cost.
    #[must_use]
    pub fn credits(&self) -> u64 {
        self.jobs.iter().map(|item| item.credits).sum()
    }
}

impl Item {
    /// Whether there is such a person.
    #[must_use]
    pub fn is_found(&self) -> bool {
        self.found == Some(true)
    }

    /// The address, in lower case.
    #[must_use]
    pub fn email(&self) -> String {
        self.email.to_ascii_lowercase()
    }
}
