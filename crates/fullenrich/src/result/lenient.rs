//! Reading JSON that keeps no promise: each value is read for what it should be, and one that does not fit is left out.
//!
//! A wrong type is passed over where it is met, in the one pass that reads everything else. What ends such a pass is
//! what a reader cannot hold: a number out of range, a broken escape inside a string, a key that is there twice. Then the
//! text is mended first, so that even these concern one value and nothing around it.

mod leaf;
mod mend;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use jiff::{Timestamp, civil};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use leaf::Leaf;

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
    read(&text).map_err(|error| error.to_string())
}

/// Like [`read_object`] for callers who need no reason.
pub(crate) fn parse_object<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    read_object(body).ok()
}

/// Reads a text, mended if it has to be.
fn read<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    serde_json::from_str(text).or_else(|_| serde_json::from_str(&mend::mend(text)?))
}

/// A text that is not blank.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Leaf::read(deserializer)?.text();
    Ok(text.filter(|text| !text.trim().is_empty()))
}

/// True or false.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(Leaf::read(deserializer)?.flag())
}

/// A finite number.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(Leaf::read(deserializer)?.number().filter(|number| number.is_finite()))
}

/// A count: a whole number from zero to 2^32 - 1, also when it is written as `12.0`. Nothing is counted here of which
/// there are more, and sums of larger numbers overflow.
pub(crate) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(Leaf::read(deserializer)?.number().and_then(count))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn count(number: f64) -> Option<u64> {
    let is_count = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    is_count.then_some(number as u64)
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
    T: Deserialize<'de> + Default,
{
    Ok(optional_object(deserializer)?.unwrap_or_default())
}

/// An object, where there is one.
pub(crate) fn optional_object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_any(ObjectVisitor(PhantomData))
}

/// The objects of a list.
pub(crate) fn objects<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_any(ListVisitor(|| ObjectVisitor(PhantomData)))
}

/// The texts of a list.
pub(crate) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_any(ListVisitor(|| TextSeed))
}

/// The texts of an object, by their keys; the first 500.
pub(crate) fn text_map<'de, D>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error>
where
    D: Deserializer<'de>,
{
    deserializer.deserialize_any(TextMapVisitor)
}

/// An object that says anything at all, and what can be read of it.
///
/// It is taken as raw text first: whether it says anything cannot be told from what was read of it.
pub(crate) fn object_with_content<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    let says_something = raw.starts_with('{') && has_content(raw);
    Ok(says_something.then(|| read(raw).unwrap_or_default()))
}

/// Whether an object has a member that says anything: not null, no blank text, no empty list or object. What cannot be
/// told counts as something.
fn has_content(object: &str) -> bool {
    let mut json = serde_json::Deserializer::from_str(object);
    json.deserialize_map(BlankVisitor).is_err()
}

/// What is no object is none; a derived reader would also take a list for one, field by field.
struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    leaf::passes_over_leaves!(None);

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for ObjectVisitor<T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

struct TextSeed;

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<String>, D::Error> {
        Ok(Leaf::read(deserializer)?.text())
    }
}

/// A list of what its seeds make of the items, as far as they make something of them. What is no list is an empty one.
struct ListVisitor<F>(F);

impl<'de, T, S, F> Visitor<'de> for ListVisitor<F>
where
    S: DeserializeSeed<'de, Value = Option<T>>,
    F: Fn() -> S,
{
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    leaf::passes_over_leaves!(Vec::new());

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while items.len() < MAX_ITEMS {
            match seq.next_element_seed((self.0)())? {
                Some(item) => items.extend(item),
                None => return Ok(items),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Vec::new())
    }
}

struct TextMapVisitor;

impl<'de> Visitor<'de> for TextMapVisitor {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    leaf::passes_over_leaves!(BTreeMap::new());

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(BTreeMap::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut texts = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            let text = map.next_value_seed(TextSeed)?;
            if texts.len() < MAX_ITEMS {
                texts.extend(text.map(|text| (key, text)));
            }
        }
        Ok(texts)
    }
}

/// Ends with an error at the first member that says something.
struct BlankVisitor;

impl<'de> Visitor<'de> for BlankVisitor {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key::<IgnoredAny>()?.is_some() {
            if !is_blank(map.next_value::<&RawValue>()?) {
                return Err(A::Error::custom("it says something"));
            }
        }
        Ok(())
    }
}

fn is_blank(raw: &RawValue) -> bool {
    let start: String = raw.get().chars().filter(|c| !c.is_whitespace()).take(5).collect();
    matches!(start.as_str(), "null" | "\"\"" | "{}" | "[]")
}
