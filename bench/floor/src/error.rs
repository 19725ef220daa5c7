//! What can stop a floor.

use std::fmt;

/// Why a floor could not be measured.
#[derive(Debug)]
#[non_exhaustive]
pub enum FloorError {
    /// SQLite refused; the message is its own.
    Sqlite(rusqlite::Error),
    /// PostgreSQL refused, or could not be reached.
    Postgres(tokio_postgres::Error),
    /// The log's file could not be made long enough, or the system had nothing to wait for PostgreSQL with.
    Room(std::io::Error),
    /// A fenced update changed no row although nothing else writes: the floor itself is wrong.
    Fenced {
        /// The transition whose update found nothing.
        transition: &'static str,
    },
    /// The database does not hold what was written to it, so the measured time means nothing.
    Miscounted {
        /// What was counted.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// An argument that leaves nothing to measure.
    Nothing {
        /// The argument that has to be at least 1.
        argument: &'static str,
    },
}

impl fmt::Display for FloorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(error) => write!(f, "SQLite refused while a floor was measured: {error}"),
            Self::Postgres(error) => match error.as_db_error() {
                Some(said) => write!(f, "PostgreSQL refused while a floor was measured: {said}"),
                None => write!(f, "PostgreSQL could not be asked while a floor was measured: {error}"),
            },
            Self::Room(error) => write!(f, "no room could be made for the floor's log: {error}"),
            Self::Fenced { transition } => {
                write!(
                    f,
                    "the floor's `{transition}` changed no row; is another process writing to its database?"
                )
            }
            Self::Miscounted { what, expected, found } => {
                write!(
                    f,
                    "the floor wrote {expected} {what} but the database holds {found}; its time is worthless"
                )
            }
            Self::Nothing { argument } => write!(f, "a floor needs `{argument}` to be at least 1"),
        }
    }
}

impl std::error::Error for FloorError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Sqlite(error) => Some(error),
            Self::Postgres(error) => Some(error),
            Self::Room(error) => Some(error),
            _ => None,
        }
    }
}

impl From<rusqlite::Error> for FloorError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<tokio_postgres::Error> for FloorError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<std::io::Error> for FloorError {
    fn from(error: std::io::Error) -> Self {
        Self::Room(error)
    }
}

/// Refuses an argument of zero, by name.
pub(crate) fn at_least_one(argument: &'static str, value: usize) -> Result<usize, FloorError> {
    if value == 0 {
        Err(FloorError::Nothing { argument })
    } else {
        Ok(value)
    }
}
