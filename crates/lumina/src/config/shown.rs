//! What of a value may be seen.

use secrecy::SecretString;
use toml::Value;

/// What stands in a secret's place. As a secret of its own it is refused, since it can only be a copy of this.
pub(super) const MASK: &str = "***";

/// The longest part of a wrong value that an error repeats.
const MAX_SHOWN_CHARS: usize = 120;

/// A value as it may be shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// Nobody set it, and it has no default.
    Unset,
    /// As it is.
    Plain(Value),
    /// With secrets replaced by `***`.
    Masked(Value),
    /// Nobody set it; this follows from other settings.
    Derived(Value),
}

impl Shown {
    pub(super) fn of(value: &Value, is_secret: bool) -> Self {
        let masked = if is_secret {
            mask_all(value)
        } else {
            mask_passwords(value)
        };
        if masked == *value {
            Self::Plain(masked)
        } else {
            Self::Masked(masked)
        }
    }

    /// The value, if there is one to show.
    #[must_use]
    pub fn value(&self) -> Option<&Value> {
        match self {
            Self::Unset => None,
            Self::Plain(value) | Self::Masked(value) | Self::Derived(value) => Some(value),
        }
    }
}

/// A wrong value for an error, cut short; secrets are not shown at all.
pub(super) fn excerpt(value: &Value, is_secret: bool) -> Option<String> {
    if is_secret {
        return None;
    }
    let text = mask_passwords(value).to_string();
    let cut = text.char_indices().nth(MAX_SHOWN_CHARS).map(|(at, _)| at);
    Some(cut.map_or_else(|| text.clone(), |at| format!("{}...", &text[..at])))
}

fn mask_all(value: &Value) -> Value {
    match value {
        Value::Array(all) => Value::Array(all.iter().map(mask_all).collect()),
        _ => Value::String(MASK.to_owned()),
    }
}

fn mask_passwords(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(mask_password(text)),
        Value::Array(all) => Value::Array(all.iter().map(mask_passwords).collect()),
        Value::Table(table) => Value::Table(
            table
                .iter()
                .map(|(name, value)| (name.clone(), mask_passwords(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// `postgres://ann:secret@host/db?password=secret` as `postgres://***@host/db?***`; what is no such URL stays.
fn mask_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let (before_query, query) = rest
        .split_once('?')
        .map_or((rest, None), |(before, query)| (before, Some(query)));
    // The last one: a password may hold an unescaped @.
    let shown = before_query.rsplit_once('@').map(|(_, host)| format!("{MASK}@{host}"));
    let shown = shown.unwrap_or_else(|| before_query.to_owned());
    let query = query.map_or_else(String::new, |_| format!("?{MASK}"));
    format!("{scheme}://{shown}{query}")
}

/// Checks a secret's text: at least so many bytes, and none of the slips of copying.
pub(super) fn check_secret(text: &str, at_least: usize) -> Result<SecretString, String> {
    if text == MASK {
        return Err(format!(
            "{MASK} is what is shown in a secret's place; write the secret itself"
        ));
    }
    if text.trim() != text {
        return Err("it begins or ends with a blank or a line break; remove it".to_owned());
    }
    if text.len() < at_least {
        let short = format!("it has {} bytes; give at least {at_least}", text.len());
        return Err(short);
    }
    Ok(SecretString::from(text))
}
