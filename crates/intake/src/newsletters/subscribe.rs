use jiff::Timestamp;
use lumina_enrichment::email::EmailAddress;
use lumina_enrichment::subscriber::{Metadata, tidy_source};
use serde_json::{Map, Value};

use super::payload::{PayloadError, address, parse_json, text};
use crate::IntakeRow;

/// The body of `POST /api/webhooks/subscribe`.
///
/// `email`, `source` and `timestamp` are required; `metadata` is an object of bounded size
/// ([`Metadata`]); other fields are ignored. The time is RFC 3339 text, or a number of seconds or milliseconds since
/// 1970.
///
/// ```
/// use lumina_intake::newsletters::SubscribePayload;
/// let body = br#"{"email":"Sarah <sarah@gmail.com>","source":"footer","timestamp":"2026-01-05T10:00:00Z"}"#;
/// assert_eq!(SubscribePayload::parse(body)?.email.as_str(), "sarah@gmail.com");
/// let error = SubscribePayload::parse(br#"{"email":"sarah","source":"footer"}"#).unwrap_err();
/// assert_eq!(error.to_string(), "email: this is not an e-mail address: it has no @");
/// # Ok::<(), lumina_intake::newsletters::PayloadError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscribePayload {
    /// The address, cleaned and checked.
    pub email: EmailAddress,
    /// Where the subscriber came from, on one line.
    pub source: String,
    /// What else the sender tells.
    pub metadata: Metadata,
    /// When the subscriber signed up, as the sender says.
    pub timestamp: Timestamp,
}

impl SubscribePayload {
    /// Reads a posted body.
    ///
    /// # Errors
    /// [`PayloadError`] names the first field that is missing or wrong, in the order in which they stand above.
    pub fn parse(body: &[u8]) -> Result<Self, PayloadError> {
        let document = parse_json(body)?;
        let fields = document
            .as_object()
            .ok_or_else(|| PayloadError::new("body", "it must be a JSON object"))?;
        Ok(Self {
            email: address("email", fields.get("email"))?,
            source: source(fields)?,
            metadata: metadata(fields)?,
            timestamp: timestamp(fields)?,
        })
    }
}

impl From<SubscribePayload> for IntakeRow {
    fn from(payload: SubscribePayload) -> Self {
        Self {
            email: payload.email,
            name: None,
            source: Some(payload.source),
            metadata: payload.metadata,
        }
    }
}

fn source(fields: &Map<String, Value>) -> Result<String, PayloadError> {
    let raw = text("source", fields.get("source"))?.ok_or_else(|| PayloadError::missing("source"))?;
    tidy_source(raw).ok_or_else(|| PayloadError::new("source", "it is empty; say where the subscriber came from"))
}

fn metadata(fields: &Map<String, Value>) -> Result<Metadata, PayloadError> {
    match fields.get("metadata") {
        None | Some(Value::Null) => Ok(Metadata::default()),
        Some(value) => Metadata::from_value(value).map_err(|error| PayloadError::new("metadata", error.to_string())),
    }
}

fn timestamp(fields: &Map<String, Value>) -> Result<Timestamp, PayloadError> {
    let read = match fields.get("timestamp") {
        None | Some(Value::Null) => return Err(PayloadError::missing("timestamp")),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(Value::Number(number)) => number.as_i64().and_then(from_number),
        Some(_) => None,
    };
    let problem = "it must be a time such as 2026-01-05T10:00:00Z, or a number of seconds since 1970";
    read.ok_or_else(|| PayloadError::new("timestamp", problem))
}

/// Seconds or milliseconds: as seconds, a number this large would lie beyond the year 5000.
fn from_number(number: i64) -> Option<Timestamp> {
    const LEAST_MILLIS: i64 = 100_000_000_000;
    let read = if number >= LEAST_MILLIS {
        Timestamp::from_millisecond(number)
    } else {
        Timestamp::from_second(number)
    };
    read.ok()
}
