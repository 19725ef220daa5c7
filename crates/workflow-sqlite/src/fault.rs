//! What can go wrong inside a call, and how the caller is told.

use std::path::Path;

use lumina_workflow::HistoryError;
use lumina_workflow::store::StoreError;
use rusqlite::{Error, ErrorCode};

/// Why a transaction cannot go on.
#[derive(Debug)]
pub(crate) enum Fault {
    /// SQLite refused.
    Sql(Error),
    /// A row cannot be read, or a caller broke a rule.
    Broken(String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Sql(error)
    }
}

impl From<HistoryError> for Fault {
    fn from(error: HistoryError) -> Self {
        Self::Broken(error.to_string())
    }
}

impl Fault {
    /// Says where it was, when a row cannot be read.
    pub(crate) fn within(self, place: impl FnOnce() -> String) -> Self {
        match self {
            Self::Broken(problem) => Self::Broken(format!("{}: {problem}", place())),
            sql => sql,
        }
    }

    /// For the caller, when the transaction was rolled back.
    pub(crate) fn to_store(&self, path: &Path) -> StoreError {
        match self {
            Self::Broken(problem) => StoreError::Broken(format!("{}: {problem}", path.display())),
            Self::Sql(error) => of_sqlite(error, path),
        }
    }
}

/// Whether the disk or another process is the reason, and not the statement.
pub(crate) fn is_of_the_disk(error: &Error) -> bool {
    use ErrorCode as C;
    matches!(
        error.sqlite_error_code(),
        Some(
            C::DiskFull
                | C::SystemIoFailure
                | C::DatabaseBusy
                | C::DatabaseLocked
                | C::DatabaseCorrupt
                | C::NotADatabase
                | C::CannotOpen
                | C::ReadOnly
                | C::OutOfMemory
                | C::FileLockingProtocolFailed
        )
    )
}

/// For the caller of something that was not applied.
pub(crate) fn of_sqlite(error: &Error, path: &Path) -> StoreError {
    use ErrorCode as C;
    let file = path.display();
    let advice = match error.sqlite_error_code() {
        Some(C::DiskFull) => "there is no room left; free some space on its disk, the work then goes on by itself",
        Some(C::SystemIoFailure) => "reading or writing failed; look at its disk",
        Some(C::DatabaseBusy | C::DatabaseLocked) => "another process has kept it locked for more than 10 s",
        Some(C::ReadOnly | C::CannotOpen) => {
            "it cannot be opened for writing; look at the rights of the file and its folder"
        }
        Some(C::OutOfMemory) => "there is not enough memory",
        Some(C::FileLockingProtocolFailed) => "its lock could not be taken; is it on a network drive?",
        Some(C::DatabaseCorrupt | C::NotADatabase) => {
            return StoreError::Broken(format!("{file} is damaged, restore it from a backup ({error})"));
        }
        _ => return StoreError::Broken(format!("{file}: {error}")),
    };
    StoreError::Unavailable(format!("{file}: {advice} ({error})"))
}

/// For the caller of a COMMIT that failed. Where SQLite certainly wrote no commit, it is said
/// that nothing was applied; an I/O error may have come after the commit reached the disk.
pub(crate) fn of_commit(error: &Error, path: &Path) -> StoreError {
    let clear = matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull | ErrorCode::ConstraintViolation
        )
    );
    if clear {
        return of_sqlite(error, path);
    }
    StoreError::OutcomeUnknown(format!("{}: the commit failed ({error})", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: i32) -> Error {
        Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
    }

    /// Whoever applies a group again must know whether it may have been applied.
    #[test]
    fn a_failed_commit_says_what_is_known() {
        use rusqlite::ffi;
        let cases = [
            (ffi::SQLITE_FULL, "Unavailable"),
            (ffi::SQLITE_BUSY, "Unavailable"),
            (ffi::SQLITE_IOERR_FSYNC, "OutcomeUnknown"),
            (ffi::SQLITE_IOERR_WRITE, "OutcomeUnknown"),
            (ffi::SQLITE_NOMEM, "OutcomeUnknown"),
        ];
        for (code, kind) in cases {
            let answer = format!("{:?}", of_commit(&error(code), Path::new("lumina.db")));
            assert!(answer.starts_with(kind) && answer.contains("lumina.db"), "{answer}");
        }
    }

    /// A statement that failed before the commit has certainly changed nothing.
    #[test]
    fn a_failed_statement_is_named() {
        use rusqlite::ffi;
        let cases = [
            (ffi::SQLITE_FULL, "Unavailable", "free some space"),
            (ffi::SQLITE_IOERR_READ, "Unavailable", "look at its disk"),
            (ffi::SQLITE_BUSY, "Unavailable", "for more than 10 s"),
            (ffi::SQLITE_READONLY, "Unavailable", "look at the rights"),
            (ffi::SQLITE_CANTOPEN, "Unavailable", "look at the rights"),
            (ffi::SQLITE_CORRUPT, "Broken", "restore it from a backup"),
            (ffi::SQLITE_NOTADB, "Broken", "restore it from a backup"),
            (ffi::SQLITE_MISMATCH, "Broken", "lumina.db"),
        ];
        for (code, kind, advice) in cases {
            let answer = format!("{:?}", of_sqlite(&error(code), Path::new("lumina.db")));
            assert!(answer.starts_with(kind) && answer.contains(advice), "{answer}");
        }
    }
}
