//! Payload columns: written and read through the codec, if there is one.

use std::borrow::Cow;
use std::sync::Arc;

use lumina_workflow::Payload;
use lumina_workflow::codec::{self, Codec, CodecError};
use tokio_postgres::Row;

use crate::column::{optional_text, text};
use crate::fault::Fault;

/// How this store keeps payloads. Nothing else reads or writes their columns, but for
/// statements that copy them from row to row.
#[derive(Clone, Default)]
pub(crate) struct Payloads(Option<Arc<dyn Codec>>);

impl Payloads {
    pub(crate) fn new(codec: Option<Arc<dyn Codec>>) -> Self {
        Self(codec)
    }

    fn codec(&self) -> Option<&dyn Codec> {
        self.0.as_deref()
    }

    /// The text of a column.
    pub(crate) fn write<'p>(&self, payload: &'p Payload) -> Result<Cow<'p, str>, Fault> {
        codec::to_stored(self.codec(), payload).map_err(|error| Fault::Broken(error.to_string()))
    }

    /// The same for a column that may be NULL.
    pub(crate) fn write_optional<'p>(&self, payload: Option<&'p Payload>) -> Result<Option<Cow<'p, str>>, Fault> {
        payload.map(|payload| self.write(payload)).transpose()
    }

    pub(crate) fn read(&self, row: &Row, index: usize) -> Result<Payload, Fault> {
        codec::from_stored(self.codec(), &text(row, index)?).map_err(|error| unreadable(row, index, &error))
    }

    pub(crate) fn read_optional(&self, row: &Row, index: usize) -> Result<Option<Payload>, Fault> {
        match optional_text(row, index)? {
            None => Ok(None),
            Some(_) => self.read(row, index).map(Some),
        }
    }

    /// Whether a column has this payload. SQL cannot tell: one payload has many encoded forms.
    pub(crate) fn has(&self, row: &Row, index: usize, payload: &Payload) -> Result<bool, Fault> {
        codec::is_stored(self.codec(), &text(row, index)?, payload).map_err(|error| unreadable(row, index, &error))
    }
}

/// Says what it was that could not be read, and how a store gets its codec.
fn unreadable(row: &Row, index: usize, error: &CodecError) -> Fault {
    let column = row.columns().get(index).map_or("payload", tokio_postgres::Column::name);
    let how = match error {
        CodecError::NoCodec { .. } => " (`Options::codec`)",
        _ => "",
    };
    Fault::Broken(format!("{column}: {error}{how}"))
}
