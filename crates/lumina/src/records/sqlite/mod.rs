//! The records on SQLite. One file per concern; each statement stands beside what it is for.

use lumina_workflow::store::Attachment;
use lumina_workflow::{Payload, RunId};
use lumina_workflow_sqlite::{AttachError, SqliteStore, Tx, attach};
use rusqlite::Connection;
use rusqlite::types::Type;
use serde::Serialize;
use uuid::Uuid;

mod answers;
mod applying;
mod batches;
mod checkup;
mod decisions;
mod deliveries;
mod intake;
mod jobs;
mod leads;
mod ledger;
mod money;
mod packing;
mod posts;
mod reads;
mod replays;
mod resends;
mod stamp;
mod sweep;
mod unapplied;

pub use checkup::check_up;
pub use sweep::{Sweep, Swept};

/// The application's migrations, in order.
pub const MIGRATIONS: &[(&str, &str)] = &[
    (
        "0001_first_light",
        include_str!("../../../migrations/sqlite/0001_first_light.sql"),
    ),
    (
        "0002_money_safe",
        include_str!("../../../migrations/sqlite/0002_money_safe.sql"),
    ),
];

/// A read that failed.
#[derive(Debug, thiserror::Error)]
#[error("the database could not be read: {0}")]
pub struct ReadError(pub String);

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.to_string())
    }
}

/// The application's tables.
#[derive(Clone)]
pub struct Records {
    store: std::sync::Arc<SqliteStore>,
}

impl Records {
    /// Works on this store's database.
    #[must_use]
    pub fn new(store: std::sync::Arc<SqliteStore>) -> Self {
        Self { store }
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        let answer = self
            .store
            .read(query)
            .await
            .map_err(|error| ReadError(error.to_string()))?;
        Ok(answer?)
    }
}

type Written<T> = Result<T, AttachError>;

/// An attachment whose result is a JSON payload.
fn writes<T: Serialize>(work: impl Fn(&Tx<'_>) -> Written<T> + Send + Sync + 'static) -> Attachment {
    attach(move |tx| {
        let value = work(tx)?;
        Payload::encode(&value).map_err(|problem| lumina_workflow::StepError::fail(problem).into())
    })
}

/// A text column that must hold one of a set of words.
fn bad_word(column: usize, word: &str) -> rusqlite::Error {
    let problem = format!("{word:?} is not a word this version knows");
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, problem.into())
}

fn run_id(id: Uuid) -> RunId {
    RunId(id)
}

fn micros(time: jiff::Timestamp) -> i64 {
    time.as_microsecond()
}

fn from_micros(column: usize, micros: i64) -> rusqlite::Result<jiff::Timestamp> {
    jiff::Timestamp::from_microsecond(micros)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, error.into()))
}

/// A duration in microseconds, as far as a column can hold it.
fn span(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The ids of a batch's jobs, one after the other.
fn pack_jobs(jobs: &[Uuid]) -> Vec<u8> {
    jobs.iter().flat_map(|job| *job.as_bytes()).collect()
}

fn unpack_jobs(packed: &[u8]) -> Vec<Uuid> {
    packed
        .chunks_exact(16)
        .map(|id| Uuid::from_slice(id).expect("a chunk of 16 bytes is an id"))
        .collect()
}
