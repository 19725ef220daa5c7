//! Why something did not succeed.

use lumina_workflow::StepError;
use lumina_workflow_postgres as postgres;
use lumina_workflow_sqlite::AttachError;

/// What was got, or why it was not.
pub(in crate::records) type Got<T> = Result<T, Failure>;

/// Why something did not succeed.
#[derive(Debug, thiserror::Error)]
pub(in crate::records) enum Failure {
    /// The records say no, and this is the reason.
    #[error("{0}")]
    Refused(StepError),
    /// A row holds what this version does not understand.
    #[error("{0}")]
    Unreadable(String),
    /// The database is not there.
    #[error("{0}")]
    Unavailable(String),
    /// SQLite, or the engine on it, says no.
    #[error("{0}")]
    Sqlite(AttachError),
    /// PostgreSQL, or the engine on it, says no.
    #[error("{0}")]
    Postgres(postgres::AttachError),
}

impl From<StepError> for Failure {
    fn from(error: StepError) -> Self {
        Self::Refused(error)
    }
}

impl From<AttachError> for Failure {
    fn from(error: AttachError) -> Self {
        match error {
            AttachError::Refused(error) => Self::Refused(error),
            error => Self::Sqlite(error),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error.into())
    }
}

impl From<postgres::AttachError> for Failure {
    fn from(error: postgres::AttachError) -> Self {
        match error {
            postgres::AttachError::Refused(error) => Self::Refused(error),
            error => Self::Postgres(error),
        }
    }
}

impl From<postgres::tokio_postgres::Error> for Failure {
    fn from(error: postgres::tokio_postgres::Error) -> Self {
        Self::Postgres(error.into())
    }
}

impl From<Failure> for AttachError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Sqlite(error) => error,
            failure => Self::Refused(failure.into_refusal()),
        }
    }
}

impl From<Failure> for postgres::AttachError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Postgres(error) => error,
            failure => Self::Refused(failure.into_refusal()),
        }
    }
}

impl Failure {
    /// Whether the engine does the whole transaction again, or fails it, because of this.
    pub fn is_of_the_transaction(&self) -> bool {
        matches!(self, Self::Postgres(error) if error.is_of_the_transaction())
    }

    /// What the engine is told, when its store has nothing to say of it.
    fn into_refusal(self) -> StepError {
        match self {
            Self::Refused(error) => error,
            failure => StepError::fail(format!("a statement of an attachment: {failure}")),
        }
    }
}
