//! Events: messages for runs, stored first and matched later.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::id::RunId;
use crate::payload::{Payload, PayloadError};

/// No event, id or key name is longer.
pub const EVENT_NAME_LIMIT: usize = 200;

/// What nobody claims is kept this long unless said otherwise.
pub const UNROUTED_KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);

/// A name of a run in somebody else's world: an order number, an enrichment id.
///
/// An example is at [`NewEvent`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CorrelationKey {
    /// Keeps the ids of different outside worlds apart.
    pub namespace: String,
    /// The outside id.
    pub key: String,
}

impl CorrelationKey {
    /// A key in a namespace.
    #[must_use]
    pub fn new(namespace: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            key: key.into(),
        }
    }

    /// What is wrong with it, if anything.
    pub(crate) fn problem(&self) -> Option<String> {
        let parts = [("namespace", &self.namespace), ("key", &self.key)];
        let (part, text) = parts.into_iter().find(|(_, text)| !fits(text))?;
        Some(format!(
            "a correlation key's {part} must have 1 to {EVENT_NAME_LIMIT} bytes, this has {}",
            text.len()
        ))
    }
}

fn fits(text: &str) -> bool {
    (1..=EVENT_NAME_LIMIT).contains(&text.len())
}

/// Whom an event is for.
///
/// An example is at [`NewEvent`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A run, which need not exist yet.
    Run(RunId),
    /// Whichever run holds this key, now or later.
    Key(CorrelationKey),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(run) => write!(f, "run {run}"),
            Self::Key(key) => write!(f, "{}/{}", key.namespace, key.key),
        }
    }
}

impl From<RunId> for Target {
    fn from(run: RunId) -> Self {
        Self::Run(run)
    }
}

impl From<CorrelationKey> for Target {
    fn from(key: CorrelationKey) -> Self {
        Self::Key(key)
    }
}

/// An event on its way in.
///
/// ```
/// use lumina_workflow::{CorrelationKey, NewEvent, Payload, RunId};
///
/// // For whichever run holds the carrier's number, now or later.
/// let parcel = CorrelationKey::new("carrier", "parcel-7");
/// let event = NewEvent::new("scan-19", parcel, "scanned", Payload::encode("depot")?).with_key("depot");
///
/// // For one run.
/// let run = RunId(uuid::Uuid::from_u128(7));
/// let other = NewEvent::new("scan-20", run, "scanned", Payload::null());
/// # let _ = (event, other);
/// # Ok::<(), lumina_workflow::PayloadError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Unique per target: the same id again is the same event, and is stored once.
    pub id: String,
    /// Whom it is for.
    pub target: Target,
    /// Its name, which waits match.
    pub name: String,
    /// A finer address within the run, which waits may match as well.
    pub key: Option<String>,
    /// Its JSON body.
    pub payload: Payload,
    /// How long it is kept while nobody claims it.
    pub kept_for: Duration,
    /// Who sends it, when that is a person.
    pub by: Option<String>,
}

impl NewEvent {
    /// An event without a key, kept for 30 days.
    #[must_use]
    pub fn new(id: impl Into<String>, target: impl Into<Target>, name: impl Into<String>, payload: Payload) -> Self {
        Self {
            id: id.into(),
            target: target.into(),
            name: name.into(),
            key: None,
            payload,
            kept_for: UNROUTED_KEPT,
            by: None,
        }
    }

    /// Says who sends it by hand.
    #[must_use]
    pub fn sent_by(mut self, by: impl Into<String>) -> Self {
        self.by = Some(by.into());
        self
    }

    /// Adds the finer address.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// What is wrong with it, if anything: names and ids have a limit, since strangers choose them.
    pub(crate) fn problem(&self) -> Option<String> {
        let parts = [
            ("id", self.id.as_str()),
            ("name", &self.name),
            ("key", self.key.as_deref().unwrap_or("-")),
        ];
        if let Some((part, text)) = parts.iter().find(|(_, text)| !fits(text)) {
            return Some(format!(
                "an event's {part} must have 1 to {EVENT_NAME_LIMIT} bytes, this has {}",
                text.len()
            ));
        }
        match &self.target {
            Target::Run(_) => None,
            Target::Key(key) => key.problem(),
        }
    }
}

/// An event that a wait for any or all of several has taken.
///
/// ```
/// use lumina_workflow::{Event, Failure, Run, Step};
///
/// const NEWS: Step = Step::wait_any("wait-for-news", &["paid", "cancelled"]).timeout("1d");
///
/// async fn paid(run: &Run) -> Result<bool, Failure> {
///     let event: Event = run.wait_any(NEWS).await?;
///     Ok(event.name == "paid" && event.decode::<u32>().is_ok_and(|cents| cents > 0))
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its finer address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its JSON body.
    pub payload: Payload,
}

impl Event {
    /// Reads its body.
    ///
    /// # Errors
    /// When it does not fit the type.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, PayloadError> {
        self.payload.decode()
    }
}

impl From<StoredEvent> for Event {
    fn from(stored: StoredEvent) -> Self {
        Self {
            id: stored.id,
            name: stored.name,
            key: stored.key,
            payload: stored.payload,
        }
    }
}

/// An event in a run's inbox.
///
/// An example is at [`Engine::inbox`](crate::Engine::inbox).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its place in the inbox: lower came first.
    pub seq: u64,
    /// Its id.
    pub id: String,
    /// Whom it was addressed to.
    pub target: Target,
    /// Its name.
    pub name: String,
    /// Its finer address.
    pub key: Option<String>,
    /// Its JSON body.
    pub payload: Payload,
    /// When it was stored.
    pub received_at: Timestamp,
    /// Who sent it, or gave it to its run, by hand.
    pub by: Option<String>,
}
