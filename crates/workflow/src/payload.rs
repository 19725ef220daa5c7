//! JSON payloads: inputs, outputs, step results, event bodies.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

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
