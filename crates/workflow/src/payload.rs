//! JSON payloads: inputs, outputs, step results, event bodies.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::StepError;

/// Past this size a payload is stored, and a warning names it: history is read again at
/// every resumption, so it should hold references, not bulk data.
pub const PAYLOAD_SOFT_LIMIT: usize = 64 * 1024;

/// Past this size a payload is refused. A store's group holds at most 8 MiB, and one
/// payload must not be able to fill it.
pub const PAYLOAD_HARD_LIMIT: usize = 1024 * 1024;

/// A JSON text. Cloning is cheap: the text is shared.
///
/// ```
/// use lumina_workflow::{Payload, PayloadError};
///
/// let payload = Payload::encode(&[1, 2, 3])?;
/// assert_eq!((payload.as_str(), payload.len()), ("[1,2,3]", 7));
/// assert_eq!(payload.decode::<Vec<u32>>()?, [1, 2, 3]);
/// assert!(matches!(payload.decode::<String>(), Err(PayloadError::Decode(_))));
///
/// // Texts that are JSON already.
/// assert_eq!(Payload::from_json_text("null")?, Payload::null());
/// assert_eq!(Payload::from_stored("7").decode::<u32>()?, 7);
/// # Ok::<(), PayloadError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(Arc<str>);

/// A value that could not be turned into a payload or back.
///
/// An example is at [`Payload`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The value does not serialise to JSON (a map with keys that are no strings, for example).
    #[error("cannot be written as JSON: {0}")]
    Encode(String),
    /// The stored JSON does not fit the type that the code asks for.
    #[error("the stored JSON does not fit the type the code asks for: {0}")]
    Decode(String),
    /// Above [`PAYLOAD_HARD_LIMIT`].
    #[error("is {size} bytes, above the limit of {PAYLOAD_HARD_LIMIT}: store the bulk elsewhere and pass a reference")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
}

impl Payload {
    /// Writes a value as JSON.
    ///
    /// # Errors
    /// When the value has no JSON form, or its text is above [`PAYLOAD_HARD_LIMIT`].
    pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Self, PayloadError> {
        let text = serde_json::to_string(value).map_err(|e| PayloadError::Encode(e.to_string()))?;
        Self::from_json_text(text)
    }

    /// Takes a text that is already JSON, as a store hands it back. The text is trusted.
    ///
    /// # Errors
    /// When it is above [`PAYLOAD_HARD_LIMIT`].
    pub fn from_json_text(text: impl Into<Arc<str>>) -> Result<Self, PayloadError> {
        let text = text.into();
        if text.len() > PAYLOAD_HARD_LIMIT {
            return Err(PayloadError::TooLarge { size: text.len() });
        }
        Ok(Self(text))
    }

    /// Measures it where it enters the engine, whoever made it: above [`PAYLOAD_HARD_LIMIT`] it
    /// is refused, above [`PAYLOAD_SOFT_LIMIT`] a warning says what it is.
    pub(crate) fn measure(&self, what: &str) -> Result<(), PayloadError> {
        let bytes = self.len();
        if bytes > PAYLOAD_HARD_LIMIT {
            return Err(PayloadError::TooLarge { size: bytes });
        }
        if bytes > PAYLOAD_SOFT_LIMIT {
            tracing::warn!(bytes, "{what} is large; history should hold references, not bulk data");
        }
        Ok(())
    }

    /// The same for a store's attachments: what they return, start and emit does not come by way
    /// of the engine. `what` begins the sentence, such as "an attachment's result".
    ///
    /// # Errors
    /// When it is above [`PAYLOAD_HARD_LIMIT`]; the attachment is refused with it.
    pub fn admit(&self, what: &str) -> Result<(), StepError> {
        self.measure(what)
            .map_err(|problem| StepError::fail(format!("{what} {problem}")))
    }

    /// Takes back a text that a store wrote earlier, without measuring it again.
    #[must_use]
    pub fn from_stored(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The payload of `()`.
    #[must_use]
    pub fn null() -> Self {
        Self(Arc::from("null"))
    }

    /// Reads the JSON as a value.
    ///
    /// # Errors
    /// When it does not fit the type.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, PayloadError> {
        serde_json::from_str(&self.0).map_err(|e| PayloadError::Decode(e.to_string()))
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its length in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a JSON text is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({})", self.0)
    }
}

impl Serialize for Payload {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &serde_json::value::RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<serde_json::value::RawValue>::deserialize(deserializer)?;
        Ok(Self(Arc::from(raw.get())))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing::{Event, Metadata, Subscriber, span};

    use super::*;

    /// What was logged, as one text an event.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<String>>>);

    struct Fields(String);

    impl Visit for Fields {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            self.0.push_str(&format!("{field}={value:?} "));
        }
    }

    impl Subscriber for Log {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn event(&self, event: &Event<'_>) {
            let mut fields = Fields(format!("{} ", event.metadata().level()));
            event.record(&mut fields);
            self.0.lock().unwrap().push(fields.0);
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    /// Below the soft limit nothing is said, above it a warning, above the hard one an error.
    #[test]
    fn the_limits_are_told_apart() {
        let size = PAYLOAD_HARD_LIMIT + 1;
        let rows = [
            (PAYLOAD_SOFT_LIMIT, Ok(()), 0),
            (PAYLOAD_SOFT_LIMIT + 1, Ok(()), 1),
            (PAYLOAD_HARD_LIMIT, Ok(()), 1),
            (size, Err(PayloadError::TooLarge { size }), 0),
        ];
        for (bytes, answer, warnings) in rows {
            let log = Log::default();
            let payload = Payload::from_stored("7".repeat(bytes));
            let measured = tracing::subscriber::with_default(log.clone(), || payload.measure("a run's input"));
            assert_eq!(measured, answer, "{bytes}");
            let said = log.0.lock().unwrap();
            assert_eq!(said.len(), warnings, "{bytes}: {said:?}");
            let warns = |line: &String| line.starts_with("WARN ") && line.contains("a run's input is large");
            assert!(said.iter().all(warns), "{said:?}");
            assert!(
                said.iter().all(|line| line.contains(&format!("bytes={bytes} "))),
                "{said:?}"
            );
        }
    }
}
