//! What comes of statements.

use jiff::Timestamp;
use rusqlite::types::FromSql;
use uuid::Uuid;

use super::{Failure, Got};

/// A row of an answer, where it lies.
pub(in crate::records) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
}

/// What a column can be read as.
pub(in crate::records) trait Column: FromSql {}

impl Column for bool {}
impl Column for i64 {}
impl Column for u64 {}
impl Column for usize {}
impl Column for u32 {}
impl Column for i16 {}
impl Column for u8 {}
impl Column for Uuid {}
impl Column for String {}
impl Column for Vec<u8> {}
impl<T: Column> Column for Option<T> {}

impl Row<'_> {
    /// What a column holds, the first being 0.
    pub fn get<T: Column>(&self, column: usize) -> Got<T> {
        let Self::Sqlite(row) = self;
        Ok(row.get(column)?)
    }

    /// The time that a column holds.
    pub fn time(&self, column: usize) -> Got<Timestamp> {
        time(self.get(column)?)
    }

    /// The time that a column holds, if it does.
    pub fn optional_time(&self, column: usize) -> Got<Option<Timestamp>> {
        self.get::<Option<i64>>(column)?.map(time).transpose()
    }

    /// What a text column's word stands for.
    pub fn word<T>(&self, column: usize, parse: impl Fn(&str) -> Option<T>) -> Got<T> {
        let word: String = self.get(column)?;
        parse(&word).ok_or_else(|| Failure::Unreadable(format!("{word:?} is not a word this version knows")))
    }
}

fn time(micros: i64) -> Got<Timestamp> {
    Timestamp::from_microsecond(micros).map_err(|error| Failure::Unreadable(error.to_string()))
}
