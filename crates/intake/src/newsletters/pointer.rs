use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde_json::Value;

/// The longest pointer, in bytes: deeper and longer than any platform's body.
pub const MAX_POINTER_BYTES: usize = 512;

/// Where in a JSON document a value stands (RFC 6901), such as `/data/subscriber/email` or `/events/0/email`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct JsonPointer(String);

impl JsonPointer {
    /// The value, if it is there.
    #[must_use]
    pub fn find<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        document.pointer(&self.0)
    }

    /// The pointer as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JsonPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for JsonPointer {
    type Err = JsonPointerError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A tilde is written ~0 and a slash inside a name ~1.
        let is_escaped = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if text.starts_with('/') && is_escaped && text.len() <= MAX_POINTER_BYTES {
            Ok(Self(text.to_owned()))
        } else {
            Err(JsonPointerError(text.chars().take(MAX_POINTER_BYTES).collect()))
        }
    }
}

impl TryFrom<String> for JsonPointer {
    type Error = JsonPointerError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// A text that is no JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no JSON pointer; write the names on the way to the value, each after a slash: /data/email")]
pub struct JsonPointerError(String);
