//! The records as the rest of the application has them, whichever database they are in.

use lumina_workflow::store::Attachment;
use lumina_workflow::{Payload, StepError};
use serde::Serialize;

use super::db::{Failure, Got, Tx};
use crate::database::Database;

/// An attachment of the same writes for every database: `writes!(|tx, run| close(tx, *run))`. What they need is lent to
/// them each time that they run.
macro_rules! writes {
    (|$tx:ident $(, $given:ident)*| $work:expr) => {{
        let given = std::sync::Arc::new(($($given,)*));
        let kept = given.clone();
        let on_sqlite = lumina_workflow_sqlite::attach(move |tx| {
            let ($($given,)*) = &*given;
            let $tx = &$crate::records::sqlite::Writing::new(tx);
            let work = async { $crate::records::handle::answer($work.await) };
            Ok($crate::records::sqlite::ready(work)?)
        });
        let on_postgres = lumina_workflow_postgres::attach(move |tx| {
            let given = kept.clone();
            Box::pin(async move {
                let ($($given,)*) = &*given;
                let $tx = &$crate::records::postgres::Writing(tx);
                Ok($crate::records::handle::answer($work.await)?)
            })
        });
        on_sqlite.or(on_postgres)
    }};
}
pub(super) use writes;

/// What the records answer on whichever database they are in: `reads!(self, |db| count(db))`.
macro_rules! reads {
    ($records:expr, |$db:ident| $work:expr) => {
        match &$records.database {
            $crate::database::Database::File(store) => {
                let read = store.read(move |connection| {
                    let $db = &$crate::records::sqlite::Reading(connection);
                    $crate::records::sqlite::ready($work)
                });
                match read.await {
                    Ok(got) => got.map_err($crate::records::ReadError::from),
                    Err(error) => Err($crate::records::ReadError(error.to_string())),
                }
            }
            $crate::database::Database::Server(store) => {
                let $db = &$crate::records::postgres::Reading(store);
                $work.await.map_err($crate::records::ReadError::from)
            }
        }
    };
}
pub(super) use reads;

/// A read that failed.
#[derive(Debug, thiserror::Error)]
#[error("the database could not be read: {0}")]
pub struct ReadError(pub String);

impl From<Failure> for ReadError {
    fn from(failure: Failure) -> Self {
        Self(failure.to_string())
    }
}

/// The application's tables. What changes them is made without a handle: the store that commits it knows its own.
#[derive(Clone)]
pub struct Records {
    pub(super) database: Database,
}

impl Records {
    /// Works on this store's database.
    #[must_use]
    pub fn new(database: impl Into<Database>) -> Self {
        Self {
            database: database.into(),
        }
    }
}

impl Records {
    /// Changes nothing. That it is committed shows that the database takes what is written.
    #[must_use]
    pub fn nothing() -> Attachment {
        writes!(|tx| change_nothing(tx))
    }
}

async fn change_nothing(_: &impl Tx) -> Got<()> {
    Ok(())
}

/// What an attachment answers: a JSON payload.
pub(super) fn answer<T: Serialize>(written: Got<T>) -> Got<Payload> {
    Payload::encode(&written?).map_err(|problem| Failure::Refused(StepError::fail(problem)))
}
