//! A column's values as texts, which are the same on both sides if the values are: what PostgreSQL writes for `::text`,
//! and reads in a COPY.

use std::fmt::Write;

use rusqlite::types::ValueRef;
use uuid::Uuid;

use super::error::SourceError;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Id,
    Int,
    Flag,
    Bytes,
    /// A text of the engine's, kept as its store keeps texts.
    EngineText,
    /// A text of the application's.
    Text,
}

impl Kind {
    /// Of a column of this table, by what PostgreSQL calls its type; `None` for one that nobody has had in mind.
    pub fn parse(table: &str, data_type: &str) -> Option<Self> {
        Some(match data_type {
            "uuid" => Self::Id,
            "bigint" => Self::Int,
            "boolean" => Self::Flag,
            "bytea" => Self::Bytes,
            "text" if is_engines(table) => Self::EngineText,
            "text" => Self::Text,
            _ => return None,
        })
    }

    /// The type, for a value that is given as a text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "uuid",
            Self::Int => "bigint",
            Self::Flag => "boolean",
            Self::Bytes => "bytea",
            Self::EngineText | Self::Text => "text",
        }
    }

    /// The text of a value; nothing for NULL.
    pub fn write(self, column: &str, value: ValueRef<'_>) -> Result<Option<String>, SourceError> {
        let wrong = |problem: &str| SourceError::Value {
            column: column.to_owned(),
            problem: problem.to_owned(),
        };
        Ok(Some(match (self, value) {
            (_, ValueRef::Null) => return Ok(None),
            (Self::Id, ValueRef::Blob(bytes)) => {
                Uuid::from_slice(bytes).map_err(|_| wrong("not 16 bytes"))?.to_string()
            }
            (Self::Int, ValueRef::Integer(number)) => number.to_string(),
            (Self::Flag, ValueRef::Integer(0)) => "false".to_owned(),
            (Self::Flag, ValueRef::Integer(1)) => "true".to_owned(),
            (Self::Bytes, ValueRef::Blob(bytes)) => format!("\\x{}", hex::encode(bytes)),
            (Self::EngineText | Self::Text, ValueRef::Text(bytes)) => {
                let text = std::str::from_utf8(bytes).map_err(|_| wrong("not UTF-8"))?;
                self.store(text)
            }
            (_, other) => return Err(wrong(&format!("{} in a column of {}", other.data_type(), self.name()))),
        }))
    }

    /// Strangers choose texts, and PostgreSQL's have no NUL.
    fn store(self, text: &str) -> String {
        match self {
            Self::EngineText => lumina_workflow_postgres::stored_text(text).into_owned(),
            _ => text.replace('\0', "\u{FFFD}"),
        }
    }
}

fn is_engines(table: &str) -> bool {
    table.starts_with("workflow_")
}

/// One row, as a line of a COPY in its text format.
pub(super) fn write_line(row: &[Option<String>], line: &mut String) {
    for (place, value) in row.iter().enumerate() {
        if place > 0 {
            line.push('\t');
        }
        match value {
            None => line.push_str("\\N"),
            Some(text) => escape(text, line),
        }
    }
    line.push('\n');
}

/// Only these have a meaning of their own there.
fn escape(text: &str, line: &mut String) {
    for char in text.chars() {
        match char {
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            char => line.push(char),
        }
    }
}

/// A row's key, as a person looks for it.
pub(super) fn show_key(row: &[Option<String>], key: &[usize]) -> String {
    let mut shown = String::new();
    for (number, place) in key.iter().enumerate() {
        let value = row[*place].as_deref().unwrap_or("NULL");
        let _ = write!(shown, "{}{value}", if number > 0 { ", " } else { "" });
    }
    format!("({shown})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_its_values_apart() {
        let row = [
            Some("a\tb\\c".to_owned()),
            None,
            Some("\r\nd".to_owned()),
            Some(String::new()),
        ];
        let mut line = String::new();
        write_line(&row, &mut line);
        assert_eq!(line, "a\\tb\\\\c\t\\N\t\\r\\nd\t\n");
    }

    #[test]
    fn a_value_that_does_not_belong_there_is_named() {
        let cases = [
            (Kind::Id, ValueRef::Blob(&[1, 2]), "not 16 bytes"),
            (Kind::Flag, ValueRef::Integer(2), "boolean"),
            (Kind::Text, ValueRef::Text(&[0xFF]), "not UTF-8"),
            (Kind::Int, ValueRef::Text(b"1"), "bigint"),
        ];
        for (kind, value, problem) in cases {
            let error = kind.write("a_table.a_column", value).unwrap_err().to_string();
            assert!(error.contains("a_table.a_column") && error.contains(problem), "{error}");
        }
    }
}
