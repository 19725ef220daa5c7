//! What comes of statements.

use jiff::Timestamp;
use lumina_workflow_postgres::tokio_postgres;
use rusqlite::types::FromSql;
use tokio_postgres::types::FromSqlOwned;
use uuid::Uuid;

use super::{Failure, Got};

/// A row of an answer, where it lies.
pub(in crate::records) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r tokio_postgres::Row),
}

/// What a column can be read as.
pub(in crate::records) trait Column: FromSql {
    /// What PostgreSQL has for it.
    type Stored: FromSqlOwned;

    /// Makes it of that.
    fn of(stored: Self::Stored) -> Got<Self>;
}

/// PostgreSQL has it as it is.
macro_rules! same {
    ($($kind:ty),*) => {$(
        impl Column for $kind {
            type Stored = Self;

            fn of(stored: Self) -> Got<Self> {
                Ok(stored)
            }
        }
    )*};
}

same!(bool, i64, String, Uuid, Vec<u8>);

/// PostgreSQL has one kind of number.
macro_rules! number {
    ($($kind:ty),*) => {$(
        impl Column for $kind {
            type Stored = i64;

            fn of(stored: i64) -> Got<Self> {
                Self::try_from(stored).map_err(|_| Failure::Unreadable(format!("the number {stored} is out of range")))
            }
        }
    )*};
}

number!(u64, usize, u32, i16, u8);

impl<T: Column> Column for Option<T> {
    type Stored = Option<T::Stored>;

    fn of(stored: Self::Stored) -> Got<Self> {
        stored.map(T::of).transpose()
    }
}

impl Row<'_> {
    /// What a column holds, the first being 0.
    pub fn get<T: Column>(&self, column: usize) -> Got<T> {
        match self {
            Self::Sqlite(row) => Ok(row.get(column)?),
            Self::Postgres(row) => T::of(row.try_get(column)?),
        }
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
