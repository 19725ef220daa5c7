//! The configuration file, key by key with its lines.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Value};

use super::layers::{Found, Written};
use super::{Origin, Problem, keys};

/// The largest file that is read: the hundred thousand domains that the address lists may hold fit several times.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Every key that the file sets, in its own order within a table.
pub(super) fn read(path: &Path) -> Result<Vec<Found>, Problem> {
    let text = read_text(path)?;
    let syntax = |error: &toml::de::Error| Problem::Syntax {
        path: path.to_owned(),
        line: error.span().map_or(1, |span| line_at(&text, &span)),
        detail: error.message().to_owned(),
    };
    let lines = DeTable::parse(&text).map_err(|error| syntax(&error))?;
    let values: toml::Table = toml::from_str(&text).map_err(|error| syntax(&error))?;
    let mut walk = Walk {
        path,
        text: &text,
        found: Vec::new(),
    };
    walk.table("", values, lines.get_ref());
    Ok(walk.found)
}

fn read_text(path: &Path) -> Result<String, Problem> {
    let unreadable = |detail: String| Problem::Unreadable {
        path: path.to_owned(),
        detail,
    };
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut text = String::new();
    let read = file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text);
    let bytes = read.map_err(|error| unreadable(error.to_string()))?;
    if bytes as u64 > MAX_FILE_BYTES {
        return Err(unreadable(format!(
            "it is larger than {} MiB",
            MAX_FILE_BYTES / (1024 * 1024)
        )));
    }
    Ok(text)
}

fn line_at(text: &str, span: &Range<usize>) -> usize {
    let before = &text.as_bytes()[..span.start.min(text.len())];
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The values, and beside them the same tree with the places in the file.
struct Walk<'a> {
    path: &'a Path,
    text: &'a str,
    found: Vec<Found>,
}

impl Walk<'_> {
    fn table(&mut self, above: &str, values: toml::Table, lines: &DeTable<'_>) {
        for (name, value) in values {
            let path = if above.is_empty() {
                name.clone()
            } else {
                format!("{above}.{name}")
            };
            let (at, place) = lines
                .get_key_value(name.as_str())
                .expect("both were read from one text");
            match (value, place.get_ref()) {
                (Value::Table(below), DeValue::Table(lines)) if goes_deeper(&path, &below) => {
                    self.table(&path, below, lines);
                }
                (value, _) => self.leaf(path, value, at),
            }
        }
    }

    fn leaf<T>(&mut self, path: String, value: Value, at: &Spanned<T>) {
        // A section without settings in it says nothing.
        let is_empty = matches!(&value, Value::Table(table) if table.is_empty());
        if is_empty && keys::is_section(&path) {
            return;
        }
        let origin = Origin::File {
            path: self.path.to_owned(),
            line: line_at(self.text, &at.span()),
        };
        self.found.push(Found {
            path,
            written: Written::Toml(value),
            origin,
        });
    }
}

/// A table that is itself a setting's value is not taken apart.
fn goes_deeper(path: &str, table: &toml::Table) -> bool {
    !table.is_empty() && keys::find(path).is_none()
}
