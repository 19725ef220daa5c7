//! Reading JSON that keeps no promise: each value is read on its own, and one that does not fit is left out.
//!
//! A value is first taken as raw text, for which only its syntax matters, and then read as what it should be. So a
//! wrong type, a number out of range or a broken escape inside a string concerns that value and nothing around it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use jiff::{Timestamp, civil};
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// How many items of a list are read. A batch has at most 100 records and a person far fewer jobs; without a bound, a
/// list of three-byte items would take a hundred times the body's size in memory.
const MAX_ITEMS: usize = 500;

/// Reads a whole body as an object, or says why it is none. The text never repeats what the body holds.
pub(crate) fn read_object<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    // A name cut inside a character must not cost the whole answer.
    let text: Cow<'_, str> = String::from_utf8_lossy(body);
    if !text.trim_ascii_start().starts_with('{') {
        return Err("it is no JSON object".to_owned());
    }
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

/// Like [`read_object`] for callers who need no reason.
pub(crate) fn parse_object<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    read_object(body).ok()
}

/// A text that is not blank.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(value::<String>(raw).filter(|text| !text.trim().is_empty()))
}

/// True or false.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(value(raw))
}

/// A finite number.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(value::<f64>(raw).filter(|number| number.is_finite()))
}

/// A whole number from zero up, also when it is written as `12.0`.
pub(crate) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(value::<u64>(raw).or_else(|| value::<f64>(raw).and_then(whole)))
}

/// Above 2^53 a double no longer holds every whole number, so none is taken from one.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(number: f64) -> Option<u64> {
    let is_exact = number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number);
    is_exact.then_some(number as u64)
}

/// A moment, or a bare date, which stands for its midnight in UTC.
pub(crate) fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = text(deserializer)?;
    Ok(text.and_then(|text| parse_date(text.trim())))
}

fn parse_date(text: &str) -> Option<Timestamp> {
    let midnight = |date: civil::Date| date.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|at| at.timestamp());
    text.parse().ok().or_else(|| text.parse().ok().and_then(midnight))
}

/// An object, or its default.
pub(crate) fn object<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    Ok(optional_object(deserializer)?.unwrap_or_default())
}

/// An object, where there is one.
pub(crate) fn optional_object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(object_in(raw))
}

/// The objects of a list.
pub(crate) fn objects<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(items(raw, object_in))
}

/// The texts of a list.
pub(crate) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(items(raw, value::<String>))
}

/// The texts of an object, by their keys.
pub(crate) fn text_map<'de, D>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error>
where
    D: Deserializer<'de>,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    let mut json = serde_json::Deserializer::from_str(raw.get());
    Ok(json.deserialize_map(TextMapVisitor).unwrap_or_default())
}

/// The value as `T`, where it is one.
pub(crate) fn value<T: DeserializeOwned>(raw: &RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

pub(crate) fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

/// Whether an object has a member that says anything: not null, no blank text, no empty list or object. What cannot be
/// told counts as something.
pub(crate) fn has_content(raw: &RawValue) -> bool {
    let mut json = serde_json::Deserializer::from_str(raw.get());
    json.deserialize_map(ContentVisitor).unwrap_or(true)
}

/// A derived reader also takes a list for an object, field by field; an object is asked for by its brace.
fn object_in<T: DeserializeOwned>(raw: &RawValue) -> Option<T> {
    if is_object(raw) { value(raw) } else { None }
}

fn items<T>(raw: &RawValue, read: fn(&RawValue) -> Option<T>) -> Vec<T> {
    let mut json = serde_json::Deserializer::from_str(raw.get());
    json.deserialize_seq(ItemsVisitor { read }).unwrap_or_default()
}

struct ItemsVisitor<T> {
    read: fn(&RawValue) -> Option<T>,
}

impl<'de, T> Visitor<'de> for ItemsVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut items = Vec::new();
        while let Some(raw) = seq.next_element::<&RawValue>()? {
            if items.len() < MAX_ITEMS {
                items.extend((self.read)(raw));
            }
        }
        Ok(items)
    }
}

struct TextMapVisitor;

impl<'de> Visitor<'de> for TextMapVisitor {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut texts = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            let text = value(map.next_value::<&RawValue>()?);
            if let Some(text) = text
                && texts.len() < MAX_ITEMS
            {
                texts.insert(key, text);
            }
        }
        Ok(texts)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut has_content = false;
        while map.next_key::<IgnoredAny>()?.is_some() {
            has_content |= !is_blank(map.next_value::<&RawValue>()?);
        }
        Ok(has_content)
    }
}

fn is_blank(raw: &RawValue) -> bool {
    let start: String = raw.get().chars().filter(|c| !c.is_whitespace()).take(5).collect();
    matches!(start.as_str(), "null" | "\"\"" | "{}" | "[]")
}
