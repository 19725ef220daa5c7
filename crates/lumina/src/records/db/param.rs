//! How values are told to PostgreSQL: each with its type, alone or in a column of them.

use std::borrow::Cow;
use std::error::Error;

use bytes::BytesMut;
use lumina_workflow_postgres::Parameter;
use lumina_workflow_postgres::tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

use super::{Failure, Got, Value};

impl Value<'_> {
    /// Its type, also when it is nothing.
    pub fn kind(&self) -> Type {
        match self {
            Self::Bool(_) => Type::BOOL,
            Self::Int(_) => Type::INT8,
            Self::Id(_) => Type::UUID,
            Self::Text(_) => Type::TEXT,
            Self::Bytes(_) => Type::BYTEA,
        }
    }

    /// The same, kept.
    pub fn into_parameter(self) -> Parameter {
        let kind = self.kind();
        match self {
            Self::Bool(value) => Parameter::new(value, kind),
            Self::Int(value) => Parameter::new(value, kind),
            Self::Id(value) => Parameter::new(value, kind),
            Self::Text(value) => Parameter::new(value.map(|text| storable(text).into_owned()), kind),
            Self::Bytes(value) => Parameter::new(value.to_vec(), kind),
        }
    }
}

/// PostgreSQL's texts have no NUL.
fn storable(text: &str) -> Cow<'_, str> {
    match text.contains('\0') {
        true => text.replace('\0', "\u{FFFD}").into(),
        false => text.into(),
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Bool(value) => value.to_sql(kind, out),
            Self::Int(value) => value.to_sql(kind, out),
            Self::Id(value) => value.to_sql(kind, out),
            Self::Text(value) => value.map(storable).as_deref().to_sql(kind, out),
            Self::Bytes(value) => value.to_sql(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// One value of each of many, as an array.
pub(in crate::records) enum Each {
    Bools(Vec<Option<bool>>),
    Ints(Vec<Option<i64>>),
    Ids(Vec<Option<Uuid>>),
    Texts(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

impl Each {
    /// The first values of all of them, the second ones, and so on.
    pub fn columns<const N: usize>(each: &[[Value<'_>; N]]) -> Got<Vec<Self>> {
        (0..N).map(|column| Self::column(each, column)).collect()
    }

    fn column<const N: usize>(each: &[[Value<'_>; N]], column: usize) -> Got<Self> {
        let values = each.iter().map(|values| values[column]);
        match each.first().map(|first| first[column]) {
            Some(Value::Bool(_)) => Ok(Self::Bools(values.map(bool_of).collect())),
            Some(Value::Int(_)) => Ok(Self::Ints(values.map(int_of).collect())),
            Some(Value::Id(_)) => Ok(Self::Ids(values.map(id_of).collect())),
            Some(Value::Text(_)) => Ok(Self::Texts(values.map(text_of).collect())),
            Some(Value::Bytes(_)) => Ok(Self::Bytes(values.map(bytes_of).collect())),
            None => Err(Failure::Unreadable("nothing has no columns".to_owned())),
        }
    }

    /// With its type, lent.
    pub fn typed(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Bools(bools) => (bools, Type::BOOL_ARRAY),
            Self::Ints(ints) => (ints, Type::INT8_ARRAY),
            Self::Ids(ids) => (ids, Type::UUID_ARRAY),
            Self::Texts(texts) => (texts, Type::TEXT_ARRAY),
            Self::Bytes(bytes) => (bytes, Type::BYTEA_ARRAY),
        }
    }

    /// With its type, kept.
    pub fn into_parameter(self) -> Parameter {
        match self {
            Self::Bools(bools) => Parameter::new(bools, Type::BOOL_ARRAY),
            Self::Ints(ints) => Parameter::new(ints, Type::INT8_ARRAY),
            Self::Ids(ids) => Parameter::new(ids, Type::UUID_ARRAY),
            Self::Texts(texts) => Parameter::new(texts, Type::TEXT_ARRAY),
            Self::Bytes(bytes) => Parameter::new(bytes, Type::BYTEA_ARRAY),
        }
    }
}

fn bool_of(value: Value<'_>) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(value),
        _ => None,
    }
}

fn int_of(value: Value<'_>) -> Option<i64> {
    match value {
        Value::Int(value) => value,
        _ => None,
    }
}

fn bytes_of(value: Value<'_>) -> Option<Vec<u8>> {
    match value {
        Value::Bytes(bytes) => Some(bytes.to_vec()),
        _ => None,
    }
}

fn id_of(value: Value<'_>) -> Option<Uuid> {
    match value {
        Value::Id(id) => id,
        _ => None,
    }
}

fn text_of(value: Value<'_>) -> Option<String> {
    match value {
        Value::Text(text) => text.map(|text| storable(text).into_owned()),
        _ => None,
    }
}
