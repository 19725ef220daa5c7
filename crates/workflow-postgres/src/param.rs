//! Parameters of statements, each with the type that the server is told.

use std::borrow::Cow;

use bytes::BytesMut;
use lumina_workflow::RunId;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

use crate::text;

type Reason = Box<dyn std::error::Error + Sync + Send>;

/// A parameter. The types are said and not asked for, so that a statement is one round trip and needs no other one
/// before it.
#[derive(Debug)]
pub(crate) enum Param<'p> {
    Bool(bool),
    Int(Option<i64>),
    Uuid(Option<Uuid>),
    Text(Option<Cow<'p, str>>),
    Bools(Vec<bool>),
    Ints(Vec<Option<i64>>),
    Uuids(Vec<Option<Uuid>>),
    Texts(Vec<Option<Cow<'p, str>>>),
}

impl Param<'_> {
    /// The same once more, for as long as this one lives.
    pub(crate) fn borrow(&self) -> Param<'_> {
        match self {
            Self::Bool(value) => Param::Bool(*value),
            Self::Int(value) => Param::Int(*value),
            Self::Uuid(value) => Param::Uuid(*value),
            Self::Text(value) => Param::Text(value.as_deref().map(Cow::Borrowed)),
            Self::Bools(values) => Param::Bools(values.clone()),
            Self::Ints(values) => Param::Ints(values.clone()),
            Self::Uuids(values) => Param::Uuids(values.clone()),
            Self::Texts(values) => Param::Texts(values.iter().map(|text| text.as_deref().map(Cow::Borrowed)).collect()),
        }
    }

    pub(crate) fn kind(&self) -> Type {
        match self {
            Self::Bool(_) => Type::BOOL,
            Self::Int(_) => Type::INT8,
            Self::Uuid(_) => Type::UUID,
            Self::Text(_) => Type::TEXT,
            Self::Bools(_) => Type::BOOL_ARRAY,
            Self::Ints(_) => Type::INT8_ARRAY,
            Self::Uuids(_) => Type::UUID_ARRAY,
            Self::Texts(_) => Type::TEXT_ARRAY,
        }
    }
}

impl ToSql for Param<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Reason> {
        match self {
            Self::Bool(value) => value.to_sql(kind, out),
            Self::Int(value) => value.to_sql(kind, out),
            Self::Uuid(value) => value.to_sql(kind, out),
            Self::Text(value) => value.as_deref().to_sql(kind, out),
            Self::Bools(values) => values.to_sql(kind, out),
            Self::Ints(values) => values.to_sql(kind, out),
            Self::Uuids(values) => values.to_sql(kind, out),
            Self::Texts(values) => {
                let texts: Vec<Option<&str>> = values.iter().map(Option::as_deref).collect();
                texts.to_sql(kind, out)
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl From<bool> for Param<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Param<'_> {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Param<'_> {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<Uuid> for Param<'_> {
    fn from(value: Uuid) -> Self {
        Self::Uuid(Some(value))
    }
}

impl From<Option<Uuid>> for Param<'_> {
    fn from(value: Option<Uuid>) -> Self {
        Self::Uuid(value)
    }
}

impl From<RunId> for Param<'_> {
    fn from(value: RunId) -> Self {
        Self::Uuid(Some(value.0))
    }
}

impl<'p> From<&'p str> for Param<'p> {
    fn from(value: &'p str) -> Self {
        Self::Text(Some(text::write(value)))
    }
}

impl<'p> From<&'p String> for Param<'p> {
    fn from(value: &'p String) -> Self {
        value.as_str().into()
    }
}

impl<'p> From<Option<&'p str>> for Param<'p> {
    fn from(value: Option<&'p str>) -> Self {
        Self::Text(value.map(text::write))
    }
}

impl<'p> From<&'p Option<String>> for Param<'p> {
    fn from(value: &'p Option<String>) -> Self {
        value.as_deref().into()
    }
}

/// What the payloads' codec has written.
impl<'p> From<Cow<'p, str>> for Param<'p> {
    fn from(value: Cow<'p, str>) -> Self {
        Self::Text(Some(text::write_cow(value)))
    }
}

impl<'p> From<Option<Cow<'p, str>>> for Param<'p> {
    fn from(value: Option<Cow<'p, str>>) -> Self {
        Self::Text(value.map(text::write_cow))
    }
}

impl From<Vec<Uuid>> for Param<'_> {
    fn from(values: Vec<Uuid>) -> Self {
        Self::Uuids(values.into_iter().map(Some).collect())
    }
}

impl From<Vec<i64>> for Param<'_> {
    fn from(values: Vec<i64>) -> Self {
        Self::Ints(values.into_iter().map(Some).collect())
    }
}

impl<'p> From<Vec<&'p str>> for Param<'p> {
    fn from(values: Vec<&'p str>) -> Self {
        Self::Texts(values.into_iter().map(|value| Some(text::write(value))).collect())
    }
}

/// The parameters of a statement, from whatever converts into one.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::param::Param::from($value)),*]
    };
}
pub(crate) use params;
