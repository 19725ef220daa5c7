use serde_json::{Map, Value};

/// The largest metadata of a subscriber, as JSON text in bytes: some dozens of form fields.
pub const MAX_METADATA_BYTES: usize = 8 * 1024;

/// The most keys at the top of the metadata: more than any sign-up form has fields.
pub const MAX_METADATA_KEYS: usize = 64;

/// What came along with an address, such as form fields or campaign names: a JSON object of bounded size, kept as
/// text and not interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata(Box<str>);

impl Metadata {
    /// Takes an object that is small enough.
    ///
    /// # Errors
    /// A value that is no object, more than [`MAX_METADATA_KEYS`] keys, more than [`MAX_METADATA_BYTES`].
    pub fn from_value(value: &Value) -> Result<Self, MetadataError> {
        let object = value.as_object().ok_or(MetadataError::NoObject)?;
        Self::from_object(object)
    }

    fn from_object(object: &Map<String, Value>) -> Result<Self, MetadataError> {
        if object.len() > MAX_METADATA_KEYS {
            return Err(MetadataError::TooManyKeys(object.len()));
        }
        let text = serde_json::to_string(object).expect("an object of JSON values can be written");
        if text.len() > MAX_METADATA_BYTES {
            return Err(MetadataError::TooLarge(text.len()));
        }
        Ok(Self(text.into()))
    }

    /// Takes back text that was stored; nothing is checked.
    #[must_use]
    pub fn from_stored(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The object as JSON text.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// Whether nothing came along.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        &*self.0 == "{}"
    }
}

impl Default for Metadata {
    fn default() -> Self {
        Self("{}".into())
    }
}

/// Why a value cannot be a subscriber's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// Something other than an object.
    #[error("it must be a JSON object, such as {{\"campaign\": \"spring\"}}")]
    NoObject,
    /// More than [`MAX_METADATA_KEYS`].
    #[error("it has {0} keys; at most {MAX_METADATA_KEYS} are kept")]
    TooManyKeys(usize),
    /// More than [`MAX_METADATA_BYTES`].
    #[error("it has {0} bytes as JSON text; at most {MAX_METADATA_BYTES} are kept")]
    TooLarge(usize),
}
