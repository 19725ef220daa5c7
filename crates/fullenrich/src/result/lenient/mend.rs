//! Mending a text that is JSON in its form, and holds values that no reader can hold.
//!
//! Each value is taken as raw text, for which only its form matters, and looked at alone.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Stands for what cannot be read: it is something, and nothing that anybody wants.
const UNREADABLE: &str = "[0]";

/// Stands for a key that cannot be read: nobody's.
const NAMELESS: &str = "\u{fffd}";

/// Twice as deep as a result is. What lies deeper is nothing that anybody wants.
const DEPTH: usize = 20;

/// How many members and items are kept of each object and list: many times as many as any has.
const MEMBERS: usize = 10_000;

/// The same text, with something readable in the place of each value that is not, and of each key the last value.
///
/// # Errors
/// When it is no JSON even in its form.
pub(super) fn mend(text: &str) -> serde_json::Result<String> {
    let raw: &RawValue = serde_json::from_str(text)?;
    let mut mended = String::with_capacity(text.len());
    write(raw.get(), DEPTH, &mut mended)?;
    Ok(mended)
}

fn write(raw: &str, depth: usize, to: &mut String) -> serde_json::Result<()> {
    match raw.as_bytes().first() {
        Some(b'{' | b'[') if depth == 0 => to.push_str(UNREADABLE),
        Some(b'{') => write_object(raw, depth - 1, to)?,
        Some(b'[') => write_list(raw, depth - 1, to)?,
        Some(b'"') if serde_json::from_str::<Cow<'_, str>>(raw).is_err() => to.push_str(UNREADABLE),
        Some(b'-' | b'0'..=b'9') if serde_json::from_str::<f64>(raw).is_err() => to.push_str(UNREADABLE),
        _ => to.push_str(raw),
    }
    Ok(())
}

fn write_object(raw: &str, depth: usize, to: &mut String) -> serde_json::Result<()> {
    let members = serde_json::Deserializer::from_str(raw).deserialize_map(MembersVisitor)?;
    to.push('{');
    for (place, (key, value)) in members.into_iter().enumerate() {
        if place > 0 {
            to.push(',');
        }
        to.push_str(&serde_json::to_string(&key)?);
        to.push(':');
        write(value.get(), depth, to)?;
    }
    to.push('}');
    Ok(())
}

fn write_list(raw: &str, depth: usize, to: &mut String) -> serde_json::Result<()> {
    let items = serde_json::Deserializer::from_str(raw).deserialize_seq(ItemsVisitor)?;
    to.push('[');
    for (place, value) in items.into_iter().enumerate() {
        if place > 0 {
            to.push(',');
        }
        write(value.get(), depth, to)?;
    }
    to.push(']');
    Ok(())
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = BTreeMap<String, &'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            let key = serde_json::from_str(key.get()).unwrap_or_else(|_| NAMELESS.to_owned());
            if members.len() < MEMBERS || members.contains_key(&key) {
                members.insert(key, value);
            }
        }
        Ok(members)
    }
}

struct ItemsVisitor;

impl<'de> Visitor<'de> for ItemsVisitor {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<&RawValue>()? {
            if items.len() < MEMBERS {
                items.push(item);
            }
        }
        Ok(items)
    }
}
