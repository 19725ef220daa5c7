//! How a TOML value becomes a setting's type. No error repeats the value: it may be a secret.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use lumina_enrichment::credits::CreditPrice;
use lumina_enrichment::icp::HeadcountBand;
use secrecy::SecretString;
use toml::Value;

use super::shown::check_secret;

/// A type that a setting's value is read into.
pub(super) trait FromValue: Sized {
    /// Reads it; the error says what to write.
    fn from_value(value: &Value) -> Result<Self, String>;
}

/// `expected` is said when the value is no text.
pub(super) fn text<'a>(value: &'a Value, expected: &str) -> Result<&'a str, String> {
    value.as_str().ok_or_else(|| refuse(value, expected))
}

/// The sentence for a value of a wrong type.
pub(super) fn refuse(value: &Value, expected: &str) -> String {
    let given = match value {
        Value::String(_) => "text",
        Value::Integer(_) => "a number",
        Value::Float(_) => "a decimal number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date or time",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    };
    format!("write {expected}; this is {given}")
}

impl FromValue for String {
    fn from_value(value: &Value) -> Result<Self, String> {
        text(value, "text in quotes").map(str::to_owned)
    }
}

impl FromValue for PathBuf {
    fn from_value(value: &Value) -> Result<Self, String> {
        let path = text(value, "a path in quotes")?;
        if path.is_empty() {
            Err("write a path; this is empty".to_owned())
        } else {
            Ok(Self::from(path))
        }
    }
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| refuse(value, "true or false"))
    }
}

macro_rules! whole_numbers {
    ($($number:ty),*) => {$(
        impl FromValue for $number {
            fn from_value(value: &Value) -> Result<Self, String> {
                let number = value.as_integer().ok_or_else(|| refuse(value, "a whole number without quotes"))?;
                Self::try_from(number).map_err(|_| format!("write a whole number from 0 to {}", Self::MAX))
            }
        }
    )*};
}

whole_numbers!(u8, u32);

impl FromValue for Duration {
    fn from_value(value: &Value) -> Result<Self, String> {
        let text = text(value, "a duration in quotes, such as \"24h\", \"30m\" or \"90d\"")?;
        lumina_workflow::parse_duration(text).map_err(|error| error.to_string())
    }
}

impl FromValue for SecretString {
    fn from_value(value: &Value) -> Result<Self, String> {
        check_secret(text(value, "text in quotes")?, 1)
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: &Value) -> Result<Self, String> {
        let all = value
            .as_array()
            .ok_or_else(|| refuse(value, "a list, such as [\"a\", \"b\"]"))?;
        let one = |(index, value): (usize, &Value)| {
            T::from_value(value).map_err(|why| format!("entry {} of the list: {why}", index + 1))
        };
        all.iter().enumerate().map(one).collect()
    }
}

impl FromValue for SocketAddr {
    fn from_value(value: &Value) -> Result<Self, String> {
        const EXPECTED: &str = "an IP address and a port in quotes, such as \"127.0.0.1:7878\"";
        let text = text(value, EXPECTED)?;
        let localhost = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
        let localhost = localhost.map(|port: u16| Self::from((Ipv4Addr::LOCALHOST, port)));
        localhost
            .or_else(|| text.parse().ok())
            .ok_or_else(|| format!("write {EXPECTED}"))
    }
}

impl FromValue for CreditPrice {
    fn from_value(value: &Value) -> Result<Self, String> {
        value
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| error.message().to_owned())
    }
}

impl FromValue for HeadcountBand {
    fn from_value(value: &Value) -> Result<Self, String> {
        if !value.is_table() {
            return Err(refuse(value, "a band, such as { from = 50, to = 500, points = 100 }"));
        }
        value
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| error.message().to_owned())
    }
}

impl<T: FromValue> FromValue for BTreeMap<String, T> {
    fn from_value(value: &Value) -> Result<Self, String> {
        let table = value
            .as_table()
            .ok_or_else(|| refuse(value, "a table, such as { \"51-200\" = 100 }"))?;
        let one = |(name, value): (&String, &Value)| {
            let read = T::from_value(value).map_err(|why| format!("\"{name}\": {why}"));
            read.map(|read| (name.clone(), read))
        };
        table.iter().map(one).collect()
    }
}
