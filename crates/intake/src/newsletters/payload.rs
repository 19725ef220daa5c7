use lumina_enrichment::email::EmailAddress;
use serde_json::Value;

/// What is wrong with a posted body, and with which field of it.
///
/// The message repeats nothing of the body, so that it can be logged and sent back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct PayloadError {
    /// The field, by its name or JSON pointer; `body` where the whole is wrong.
    pub field: String,
    /// What is wrong with it and what it must be.
    pub problem: String,
}

impl PayloadError {
    /// The stable name of the error.
    pub const CODE: &'static str = "INVALID_PAYLOAD";

    pub(super) fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
        }
    }

    pub(super) fn missing(field: impl Into<String>) -> Self {
        Self::new(field, "it is missing")
    }
}

pub(super) fn parse_json(body: &[u8]) -> Result<Value, PayloadError> {
    serde_json::from_slice(body).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        PayloadError::new("body", format!("it is not JSON: the mistake is at {place}"))
    })
}

/// The text in a field; JSON's null counts as a field that is not there.
pub(super) fn text<'a>(field: &str, value: Option<&'a Value>) -> Result<Option<&'a str>, PayloadError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(PayloadError::new(field, "it must be a string")),
    }
}

pub(super) fn address(field: &str, value: Option<&Value>) -> Result<EmailAddress, PayloadError> {
    let raw = text(field, value)?.ok_or_else(|| PayloadError::missing(field))?;
    let problem = |error| PayloadError::new(field, format!("this is not an e-mail address: {error}"));
    EmailAddress::parse(raw).map_err(problem)
}
