//! Why something did not succeed.

use lumina_workflow::StepError;
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
    /// SQLite, or the engine on it, says no.
    #[error("{0}")]
    Sqlite(AttachError),
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

impl From<Failure> for AttachError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => Self::Refused(error),
            Failure::Unreadable(problem) => {
                Self::Refused(StepError::fail(format!("a statement of an attachment: {problem}")))
            }
            Failure::Sqlite(error) => error,
        }
    }
}
