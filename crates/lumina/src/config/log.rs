use toml::Value;
use tracing_subscriber::EnvFilter;

use super::Key;
use super::read::{FromValue, text};
use super::values::Values;

pub(super) const KEYS: &[Key] = &[
    Key::text(
        "log.filter",
        "info",
        "What is logged: error, warn, info, debug or trace, also by module, such as `info,lumina=debug`.",
    ),
    Key::text("log.format", "text", "How a line looks: text or json."),
];

/// What is logged, and in which form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// A level, or levels by module, as `tracing_subscriber::EnvFilter` reads them.
    pub filter: String,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogConfig {
    pub(super) fn read(values: &mut Values) -> Self {
        let Filter(filter) = values.get("log.filter");
        Self {
            filter,
            format: values.get("log.format"),
        }
    }
}

struct Filter(String);

impl FromValue for Filter {
    fn from_value(value: &Value) -> Result<Self, String> {
        let text = text(value, "a level in quotes, such as \"info\"")?;
        let known = EnvFilter::builder().parse(text);
        known.map_err(|error| format!("{error}; write a level, such as info, or info,lumina=debug"))?;
        Ok(Self(text.to_owned()))
    }
}

impl FromValue for LogFormat {
    fn from_value(value: &Value) -> Result<Self, String> {
        match text(value, "\"text\" or \"json\"")? {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("write \"text\" or \"json\"".to_owned()),
        }
    }
}
