//! What statements are given.

use lumina_workflow::RunId;
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};
use uuid::Uuid;

/// A value for a statement, lent. PostgreSQL is told its type, also of one that is nothing.
#[derive(Debug, Clone, Copy)]
pub(in crate::records) enum Value<'v> {
    Bool(bool),
    Int(Option<i64>),
    Id(Option<Uuid>),
    Text(Option<&'v str>),
    Bytes(&'v [u8]),
}

/// The values of a statement, from whatever converts into one.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        [$($crate::records::db::Value::from($value)),*]
    };
}
pub(in crate::records) use values;

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Bool(value) => ValueRef::Integer(i64::from(*value)),
            Self::Int(Some(value)) => ValueRef::Integer(*value),
            Self::Id(Some(value)) => ValueRef::Blob(value.as_bytes()),
            Self::Text(Some(value)) => ValueRef::Text(value.as_bytes()),
            Self::Bytes(value) => ValueRef::Blob(value),
            Self::Int(None) | Self::Id(None) | Self::Text(None) => ValueRef::Null,
        }))
    }
}

/// As far as a column can hold it.
fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for Value<'_> {
    fn from(value: u64) -> Self {
        Self::Int(Some(int(value)))
    }
}

impl From<Option<u64>> for Value<'_> {
    fn from(value: Option<u64>) -> Self {
        Self::Int(value.map(int))
    }
}

impl From<usize> for Value<'_> {
    fn from(value: usize) -> Self {
        Self::from(value as u64)
    }
}

impl From<u32> for Value<'_> {
    fn from(value: u32) -> Self {
        Self::Int(Some(value.into()))
    }
}

impl From<i16> for Value<'_> {
    fn from(value: i16) -> Self {
        Self::Int(Some(value.into()))
    }
}

impl From<u8> for Value<'_> {
    fn from(value: u8) -> Self {
        Self::Int(Some(value.into()))
    }
}

impl From<Uuid> for Value<'_> {
    fn from(value: Uuid) -> Self {
        Self::Id(Some(value))
    }
}

impl From<&Uuid> for Value<'_> {
    fn from(value: &Uuid) -> Self {
        Self::Id(Some(*value))
    }
}

impl From<Option<Uuid>> for Value<'_> {
    fn from(value: Option<Uuid>) -> Self {
        Self::Id(value)
    }
}

impl From<RunId> for Value<'_> {
    fn from(value: RunId) -> Self {
        Self::Id(Some(value.0))
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(value: &'v str) -> Self {
        Self::Text(Some(value))
    }
}

impl<'v> From<&'v String> for Value<'v> {
    fn from(value: &'v String) -> Self {
        Self::Text(Some(value))
    }
}

impl<'v> From<Option<&'v str>> for Value<'v> {
    fn from(value: Option<&'v str>) -> Self {
        Self::Text(value)
    }
}

impl<'v> From<&'v Option<String>> for Value<'v> {
    fn from(value: &'v Option<String>) -> Self {
        Self::Text(value.as_deref())
    }
}

impl<'v> From<&'v [u8]> for Value<'v> {
    fn from(value: &'v [u8]) -> Self {
        Self::Bytes(value)
    }
}
