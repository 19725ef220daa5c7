//! A value of a row, whichever database it is in.

use jiff::Timestamp;
use rusqlite::types::ValueRef;
use tokio_postgres::types::{FromSql, Type};

use super::database::{Problem, Read};

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A row.
#[derive(Debug)]
pub(super) struct Row(pub Vec<Cell>);

impl Row {
    pub fn text(&self, column: usize) -> Read<String> {
        match self.0.get(column) {
            Some(Cell::Text(text)) => Ok(text.clone()),
            other => Err(wrong(column, "a text", other)),
        }
    }

    pub fn optional_text(&self, column: usize) -> Read<Option<String>> {
        match self.0.get(column) {
            Some(Cell::Null) => Ok(None),
            _ => self.text(column).map(Some),
        }
    }

    pub fn int(&self, column: usize) -> Read<i64> {
        match self.0.get(column) {
            Some(Cell::Int(number)) => Ok(*number),
            other => Err(wrong(column, "a number", other)),
        }
    }

    pub fn count(&self, column: usize) -> Read<u64> {
        let number = self.int(column)?;
        u64::try_from(number).map_err(|_| Problem(format!("column {column} is below zero")))
    }

    pub fn flag(&self, column: usize) -> Read<bool> {
        Ok(self.int(column)? != 0)
    }

    pub fn bytes(&self, column: usize) -> Read<&[u8]> {
        match self.0.get(column) {
            Some(Cell::Bytes(bytes)) => Ok(bytes),
            other => Err(wrong(column, "bytes", other)),
        }
    }

    /// An id of 16 bytes in its lower-case hyphenated form.
    pub fn id(&self, column: usize) -> Read<String> {
        let bytes = self.bytes(column)?;
        match bytes.len() {
            16 => Ok(write_id(bytes)),
            other => Err(Problem(format!("column {column} has {other} bytes and is no id"))),
        }
    }

    pub fn time(&self, column: usize) -> Read<Timestamp> {
        let micros = self.int(column)?;
        Timestamp::from_microsecond(micros).map_err(|error| Problem(error.to_string()))
    }

    pub fn optional_time(&self, column: usize) -> Read<Option<Timestamp>> {
        match self.0.get(column) {
            Some(Cell::Null) => Ok(None),
            _ => self.time(column).map(Some),
        }
    }
}

fn wrong(column: usize, wanted: &str, found: Option<&Cell>) -> Problem {
    Problem(format!("column {column} is {found:?} and not {wanted}"))
}

impl From<ValueRef<'_>> for Cell {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Integer(number) => Self::Int(number),
            ValueRef::Text(text) => Self::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => Self::Bytes(bytes.to_owned()),
            ValueRef::Null | ValueRef::Real(_) => Self::Null,
        }
    }
}

impl<'r> FromSql<'r> for Cell {
    fn from_sql(kind: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(match *kind {
            Type::BOOL => Self::Int(i64::from(bool::from_sql(kind, raw)?)),
            Type::INT8 => Self::Int(i64::from_sql(kind, raw)?),
            Type::INT4 => Self::Int(i32::from_sql(kind, raw)?.into()),
            // As it is on the wire: 16 bytes.
            Type::UUID => Self::Bytes(raw.to_owned()),
            Type::BYTEA => Self::Bytes(Vec::from_sql(kind, raw)?),
            _ => Self::Text(String::from_sql(kind, raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(kind: &Type) -> bool {
        [
            Type::BOOL,
            Type::INT8,
            Type::INT4,
            Type::UUID,
            Type::BYTEA,
            Type::TEXT,
            Type::VARCHAR,
        ]
        .contains(kind)
    }
}

pub(super) fn write_id(bytes: &[u8]) -> String {
    let hex = hex::encode(bytes);
    let ends = [8, 12, 16, 20, hex.len()];
    let mut from = 0;
    let parts = ends.map(|end| &hex[std::mem::replace(&mut from, end)..end]);
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_times_are_read_as_they_are_shown() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let sql = "SELECT x'0198a1b2c3d47e5f8091a2b3c4d5e6f7', 1700000000000000, NULL";
        let row = connection.query_row(sql, [], |row| {
            Ok(Row((0..3).map(|column| row.get_ref_unwrap(column).into()).collect()))
        });
        let row = row.unwrap();
        assert_eq!(row.id(0).unwrap(), "0198a1b2-c3d4-7e5f-8091-a2b3c4d5e6f7");
        assert_eq!(row.time(1).unwrap().to_string(), "2023-11-14T22:13:20Z");
        assert_eq!(
            (row.optional_time(2).unwrap(), row.optional_text(2).unwrap()),
            (None, None)
        );
        assert!(row.text(1).is_err() && row.id(1).is_err() && row.text(9).is_err());
    }
}
