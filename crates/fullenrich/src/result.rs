//! The body of a result: what reading a batch answers and what its webhooks bring.
//!
//! FullEnrich guarantees no field, so every field here is optional and read on its own: an absent field, a null, a
//! value of another type, a malformed date or a blank text is `None` (an empty list, a default object) and never an
//! error. Unknown fields are passed over; `educations` and `languages`, whose shapes are nowhere described, are among
//! them. Keep the raw body beside what was read from it.

mod company;
mod head;
pub(crate) mod lenient;
mod person;

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::Deserialize;

pub use company::{Company, CompanyLocations, Headcount, Industry, Place};
pub use head::{RecordHead, ResultHead};
pub use person::{Employment, Employments, JobFunction, Location, Profile, SocialProfile, SocialProfiles};

use crate::EnrichmentId;

/// A result with the bytes it was read from.
#[derive(Clone, PartialEq)]
pub struct Answer {
    result: EnrichmentResult,
    raw: Bytes,
}

impl Answer {
    /// Reads a body, however incomplete.
    ///
    /// ```
    /// use lumina_fullenrich::{Answer, BatchStatus};
    ///
    /// let answer = Answer::parse(r#"{"status":"FINISHED","cost":{"credits":"?"},"data":[{"profile":{}}]}"#.into())?;
    /// assert_eq!(answer.result().status, Some(BatchStatus::Finished));
    /// assert_eq!(answer.result().credits(), None);
    /// assert!(!answer.result().data[0].is_found());
    /// # Ok::<(), lumina_fullenrich::UnreadableResult>(())
    /// ```
    ///
    /// # Errors
    /// [`UnreadableResult`] when the body is no JSON object. Nothing inside of one is an error.
    pub fn parse(raw: Bytes) -> Result<Self, UnreadableResult> {
        let result = lenient::read_object(&raw).map_err(|detail| UnreadableResult { detail })?;
        Ok(Self { result, raw })
    }

    /// What was read.
    #[must_use]
    pub fn result(&self) -> &EnrichmentResult {
        &self.result
    }

    /// The body as it came, to be kept.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Gives both away.
    #[must_use]
    pub fn into_parts(self) -> (EnrichmentResult, Bytes) {
        (self.result, self.raw)
    }
}

impl fmt::Debug for Answer {
    /// A result is full of people; a log line needs to know which one it was.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("id", &self.result.id)
            .field("status", &self.result.status)
            .field("records", &self.result.data.len())
            .field("raw_bytes", &self.raw.len())
            .finish_non_exhaustive()
    }
}

/// A body that is no result at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is no enrichment result: {detail}")]
pub struct UnreadableResult {
    detail: String,
}

/// One batch, as far as it has come.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct EnrichmentResult {
    /// The enrichment id.
    #[serde(deserialize_with = "enrichment_id")]
    pub id: Option<EnrichmentId>,
    /// The name that the batch was sent under.
    #[serde(deserialize_with = "lenient::text")]
    pub name: Option<String>,
    /// How far it has come.
    #[serde(deserialize_with = "status")]
    pub status: Option<BatchStatus>,
    /// What it has cost so far.
    #[serde(deserialize_with = "lenient::object")]
    pub cost: Cost,
    /// One record for each item, in no promised order: match by `custom`, then by `input.email` regardless of case.
    /// Only the first 500 are read; a batch has at most 100.
    #[serde(deserialize_with = "lenient::objects")]
    pub data: Vec<Record>,
}

impl EnrichmentResult {
    /// The credits that the batch has cost so far.
    #[must_use]
    pub fn credits(&self) -> Option<u64> {
        self.cost.credits
    }

    /// Whether nothing more will come: the status is one of the three that are known to be an end.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.status.as_ref().is_some_and(BatchStatus::is_final)
    }
}

/// What a batch has cost.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Cost {
    /// Credits for the whole batch so far.
    #[serde(deserialize_with = "lenient::integer")]
    pub credits: Option<u64>,
}

/// How far a batch has come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BatchStatus {
    /// `CREATED`
    Created,
    /// `IN_PROGRESS`
    InProgress,
    /// `FINISHED`: every item was looked at.
    Finished,
    /// `CANCELED`: it ended before every item was looked at.
    Canceled,
    /// `CREDITS_INSUFFICIENT`: it ended because the credits ran out, before every item was looked at.
    CreditsInsufficient,
    /// `RATE_LIMIT`, which is listed and nowhere explained; not an end.
    RateLimit,
    /// `UNKNOWN`, which is listed and nowhere explained; not an end.
    Unknown,
    /// A status that is not listed, in upper case and cut to 64 characters; not an end.
    Other(String),
}

impl BatchStatus {
    /// Reads a status, regardless of case and in either spelling of cancelled.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text: String = text.trim().chars().take(64).collect::<String>().to_ascii_uppercase();
        match text.as_str() {
            "CREATED" => Self::Created,
            "IN_PROGRESS" => Self::InProgress,
            "FINISHED" => Self::Finished,
            "CANCELED" | "CANCELLED" => Self::Canceled,
            "CREDITS_INSUFFICIENT" => Self::CreditsInsufficient,
            "RATE_LIMIT" => Self::RateLimit,
            "UNKNOWN" => Self::Unknown,
            _ => Self::Other(text),
        }
    }

    /// Whether it is known to be an end. What is not known to be one is not.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Finished | Self::Canceled | Self::CreditsInsufficient)
    }

    /// FullEnrich's word for it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Created => "CREATED",
            Self::InProgress => "IN_PROGRESS",
            Self::Finished => "FINISHED",
            Self::Canceled => "CANCELED",
            Self::CreditsInsufficient => "CREDITS_INSUFFICIENT",
            Self::RateLimit => "RATE_LIMIT",
            Self::Unknown => "UNKNOWN",
            Self::Other(text) => text,
        }
    }
}

impl fmt::Display for BatchStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What became of one item.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Record {
    /// What was asked for.
    #[serde(deserialize_with = "lenient::object")]
    pub input: Input,
    /// The custom values as they were sent; a value that is no string is left out.
    #[serde(deserialize_with = "lenient::text_map")]
    pub custom: BTreeMap<String, String>,
    /// The person, where one was found. An empty profile is none; one that holds anything at all is kept, so that
    /// nothing paid for can look like nothing found.
    #[serde(deserialize_with = "found_profile")]
    pub profile: Option<Box<Profile>>,
}

impl Record {
    /// Whether a person was found: FullEnrich leaves the profile out, or sends null or `{}`, when there is none. In a
    /// batch that ended by itself *not found* is an answer; in one that was cut short it says nothing.
    #[must_use]
    pub fn is_found(&self) -> bool {
        self.profile.is_some()
    }
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Input {
    /// The address as FullEnrich repeats it; its case may differ from what was sent.
    #[serde(deserialize_with = "lenient::text")]
    pub email: Option<String>,
}

fn enrichment_id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<EnrichmentId>, D::Error> {
    let text = lenient::text(deserializer)?;
    Ok(text.and_then(|text| EnrichmentId::parse(&text).ok()))
}

fn status<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<BatchStatus>, D::Error> {
    let text = lenient::text(deserializer)?;
    Ok(text.map(|text| BatchStatus::parse(&text)))
}

fn found_profile<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Box<Profile>>, D::Error> {
    Ok(lenient::object_with_content(deserializer)?.map(Box::new))
}
