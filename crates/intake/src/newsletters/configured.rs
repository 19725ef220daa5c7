use lumina_enrichment::subscriber::{Metadata, tidy_name, tidy_source};
use serde::Deserialize;
use serde_json::Value;

use super::payload::{PayloadError, address, parse_json};
use super::pointer::JsonPointer;
use crate::IntakeRow;

/// A platform that posts JSON, told by the operator where its fields are.
///
/// ```
/// use lumina_intake::newsletters::ConfiguredSource;
/// let source: ConfiguredSource = toml::from_str(r#"
///     email = "/data/email"
///     name = "/data/first_name"
/// "#)?;
/// let row = source.read(br#"{"data": {"email": "sarah@gmail.com", "first_name": "Sarah"}}"#)?;
/// assert_eq!(row.name.as_deref(), Some("Sarah"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfiguredSource {
    /// Where the address is.
    pub email: JsonPointer,
    /// Where the name is; where it is left out or finds nothing, there is no name.
    #[serde(default)]
    pub name: Option<JsonPointer>,
    /// Where the subscriber's source is, such as a campaign.
    #[serde(default)]
    pub source: Option<JsonPointer>,
}

impl ConfiguredSource {
    /// Reads a posted body.
    ///
    /// # Errors
    /// [`PayloadError`]: the body is not JSON, or where the address should be there is none. A name or source that is
    /// not there, or is no text, is left out, because a subscriber is worth more than a field.
    pub fn read(&self, body: &[u8]) -> Result<IntakeRow, PayloadError> {
        let document = parse_json(body)?;
        let email = address(self.email.as_str(), self.email.find(&document))?;
        let name = find_text(self.name.as_ref(), &document).and_then(|text| tidy_name(&text));
        let source = find_text(self.source.as_ref(), &document).and_then(|text| tidy_source(&text));
        Ok(IntakeRow {
            email,
            name,
            source,
            metadata: Metadata::default(),
        })
    }
}

fn find_text(pointer: Option<&JsonPointer>, document: &Value) -> Option<String> {
    match pointer?.find(document)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
