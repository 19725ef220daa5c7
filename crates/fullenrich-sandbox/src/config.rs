//! Everything about the sandbox that can be adjusted.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::required as friendly;
use serde::{Deserialize, Serialize};

use crate::latency::Latency;
use crate::moods::{Mood, Moods};

/// How the sandbox behaves. The default is the real provider's behaviour, with 5,000 credits.
///
/// Deserialized, every field is optional, and spans are written as `"3s"`, `"200ms"` or `"1m 30s"`; a field that
/// does not exist is an error.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxConfig {
    /// The one API key that is accepted, and that callbacks are signed with.
    #[serde(skip_serializing)]
    pub api_key: ApiKey,
    /// Decides who is found and who the invented people are. The same seed and address give the same person.
    pub seed: u64,
    /// Credits of a new ledger. A ledger that exists already keeps its own balance.
    pub credits: u64,
    /// How many of a hundred addresses belong to nobody, 0 to 100.
    pub not_found_percent: u8,
    /// Calls allowed in one calendar minute, over all of `/api/v2`. The real limit is 60.
    pub calls_per_minute: NonZeroU32,
    /// Contacts looked up at the same time; the others queue, first come first served. The real limit is 100.
    pub contacts_at_once: NonZeroU32,
    /// The shortest look-up of one contact, from the moment it leaves the queue. Really some 30 s.
    #[serde(with = "friendly")]
    pub lookup_min: Duration,
    /// The longest look-up of one contact; each address has a fixed place between the two. Really some 90 s.
    /// Equal to `lookup_min`, every contact takes that long, and an unhindered batch ends in one stroke.
    #[serde(with = "friendly")]
    pub lookup_max: Duration,
    /// How look-ups are spread between the two.
    pub lookup_latency: Latency,
    /// The shortest time from a batch's acceptance to the answer of its POST.
    #[serde(with = "friendly")]
    pub answer_min: Duration,
    /// The longest time from a batch's acceptance to the answer of its POST.
    #[serde(with = "friendly")]
    pub answer_max: Duration,
    /// How the answers of POSTs are spread between the two.
    pub answer_latency: Latency,
    /// The shortest time that a GET takes.
    #[serde(with = "friendly")]
    pub read_min: Duration,
    /// The longest time that a GET takes.
    #[serde(with = "friendly")]
    pub read_max: Duration,
    /// How GETs are spread between the two.
    pub read_latency: Latency,
    /// How long results can be read, and how long a repeat of a finished look-up is free. Three months, taken as the
    /// shortest reading of 90 days.
    #[serde(with = "friendly")]
    pub results_kept: Duration,
    /// The pause before an undelivered callback is tried again. Really one minute.
    #[serde(with = "friendly")]
    pub callback_retry_every: Duration,
    /// How often an undelivered callback is tried again before it is given up. Really five times.
    pub callback_retries: u32,
    /// How long a callback may wait for its answer before it counts as undelivered. Nowhere documented.
    #[serde(with = "friendly")]
    pub callback_timeout: Duration,
    /// What a GET answers while the batch runs.
    pub running: RunningAnswer,
    /// When and how a batch that cannot be paid for ends.
    pub unpayable: UnpayableBatch,
    /// The status of a GET of a batch that ended `CREDITS_INSUFFICIENT`.
    pub insufficient: InsufficientAnswer,
    /// A 429 above the limit carries `Retry-After` with the seconds left of the minute. The real one's has not been
    /// seen to.
    pub retry_after: bool,
    /// What it does now and then.
    pub moods: Moods,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            api_key: ApiKey::new("sandbox-key-not-real"),
            seed: 1,
            credits: 5_000,
            not_found_percent: 30,
            calls_per_minute: NonZeroU32::new(60).expect("60 is not zero"),
            contacts_at_once: NonZeroU32::new(100).expect("100 is not zero"),
            lookup_min: Duration::from_secs(30),
            lookup_max: Duration::from_secs(90),
            lookup_latency: Latency::default(),
            answer_min: Duration::ZERO,
            answer_max: Duration::ZERO,
            answer_latency: Latency::default(),
            read_min: Duration::ZERO,
            read_max: Duration::ZERO,
            read_latency: Latency::default(),
            results_kept: Duration::from_secs(90 * 24 * 60 * 60),
            callback_retry_every: Duration::from_secs(60),
            callback_retries: 5,
            callback_timeout: Duration::from_secs(10),
            running: RunningAnswer::default(),
            unpayable: UnpayableBatch::default(),
            insufficient: InsufficientAnswer::default(),
            retry_after: false,
            moods: Moods::default(),
        }
    }
}

impl SandboxConfig {
    /// Every contact takes exactly `span`, so that an unhindered batch is answered after it.
    #[must_use]
    pub fn with_lookup_delay(mut self, span: Duration) -> Self {
        self.lookup_min = span;
        self.lookup_max = span;
        self
    }

    /// Every POST is accepted at once and answered after exactly `span`.
    #[must_use]
    pub fn with_answer_delay(mut self, span: Duration) -> Self {
        self.answer_min = span;
        self.answer_max = span;
        self
    }

    /// Says what no sandbox can do, in words.
    ///
    /// # Errors
    /// The key is empty, the percentage is above 100, two spans are the wrong way round, or a switch has a percentage.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.api_key.expose().is_empty() {
            return Err(ConfigError::EmptyKey);
        }
        if self.not_found_percent > 100 {
            return Err(ConfigError::Percent(self.not_found_percent));
        }
        let spans = [
            ("lookup", self.lookup_min, self.lookup_max),
            ("answer", self.answer_min, self.answer_max),
            ("read", self.read_min, self.read_max),
        ];
        match spans.into_iter().find(|(_, min, max)| min > max) {
            Some((what, min, max)) => Err(ConfigError::Spans { what, min, max }),
            None => self.moods.check(),
        }
    }
}

/// A configuration that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// An empty key would match an empty bearer.
    #[error("the sandbox's API key is empty: set `api_key` to any text")]
    EmptyKey,
    /// More than everybody cannot be missing.
    #[error("`not_found_percent` is {0}: it goes from 0 to 100")]
    Percent(u8),
    /// A mood that is a switch was treated like the others.
    #[error("`{0}` is a switch: set it to true or false")]
    Switch(Mood),
    /// The shortest of something is longer than the longest.
    #[error("`{what}_min` ({min:?}) is longer than `{what}_max` ({max:?}): swap them, or make them equal")]
    Spans {
        /// What takes that long: `lookup`, `answer` or `read`.
        what: &'static str,
        /// The configured shortest.
        min: Duration,
        /// The configured longest.
        max: Duration,
    },
}

/// An API key that does not show itself in logs.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ApiKey(String);

impl ApiKey {
    /// Wraps a key.
    #[must_use]
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// The key itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

/// What a GET answers while a batch runs: the provider does either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunningAnswer {
    /// 200 with the status and no `data`.
    #[default]
    Status,
    /// 200 with the status and what has been looked at so far.
    StatusAndData,
    /// 400 `error.enrichment.in_progress`.
    Error,
}

/// When and how a batch that cannot be paid for ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnpayableBatch {
    /// The first look-up that ends with no credit left stops the batch; `data` holds what was looked at before.
    #[default]
    StopsMidway,
    /// The same, but `data` also holds the others, without a profile.
    StopsMidwayWithBlanks,
    /// A batch with more contacts to pay for than credits left at its POST ends after one look-up's time with empty
    /// `data` and costs nothing. Should the credits run out later, it stops midway.
    FailsWhole,
}

/// The status of a GET of a batch that ended `CREDITS_INSUFFICIENT`: the provider sends either. The body is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InsufficientAnswer {
    /// 402.
    #[default]
    PaymentRequired,
    /// 200.
    Ok,
}
