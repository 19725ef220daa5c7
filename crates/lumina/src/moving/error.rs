//! Why a move stopped.

use std::path::PathBuf;

use lumina_workflow_postgres::tokio_postgres;

/// Why a move stopped. Whatever it is, nothing is lost: the file is as it was, or the server has all of it, and the
/// same command made again tells.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The file is not there.
    #[error("{}: there is no such database to be moved; name it with database.url (sqlite:PATH)", .0.display())]
    NoFile(PathBuf),
    /// The file cannot be opened or read.
    #[error("the database that is moved: {0}")]
    Source(#[from] SourceError),
    /// The server's database cannot be opened.
    #[error("the database that it is moved to: {0}")]
    Open(String),
    /// A statement on the server failed.
    #[error("the database that it is moved to: {what} failed ({problem}); run the same command again")]
    Target {
        /// What was done.
        what: String,
        /// What the server said.
        problem: String,
    },
    /// Nobody knows whether the server committed.
    #[error(
        "the connection to the server was lost while it committed ({0}); run the same command again: it finds out, and goes on"
    )]
    Unknown(String),
    /// There is something in the server's database.
    #[error(
        "{target} is not empty: {table} has {rows} rows. Move to a new database, or drop the schema `lumina` of this one if nobody needs it"
    )]
    NotEmpty {
        /// The server's database.
        target: String,
        /// One of its tables.
        table: String,
        /// How many rows that has.
        rows: u64,
    },
    /// It was being moved somewhere else.
    #[error(
        "it was being moved to {begun}, and nobody knows whether that was the end of it: go on there (`--to`), before it can be moved to {wanted}"
    )]
    Elsewhere {
        /// Where it was being moved.
        begun: String,
        /// Where it is to be moved now.
        wanted: String,
    },
    /// The tables are not the same.
    #[error("the tables are not alike: {0}. Both sides are made by one version of Lumina; nothing was moved")]
    Unlike(String),
    /// A row is not the same on both sides.
    #[error("{table}: the row {key} is not the same on the server ({difference}); nothing was moved")]
    Differs {
        /// The table.
        table: String,
        /// The row's key.
        key: String,
        /// What differs.
        difference: String,
    },
    /// Whoever watched has stopped it.
    #[error("stopped: {0}")]
    Stopped(&'static str),
}

/// The file cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// As any store.
    #[error(transparent)]
    Open(#[from] lumina_workflow_sqlite::OpenError),
    /// Its tables cannot be brought up to date.
    #[error(transparent)]
    Migrate(#[from] lumina_workflow_sqlite::MigrateError),
    /// A statement failed.
    #[error("{what} failed ({error})")]
    Sql {
        /// What was done.
        what: &'static str,
        /// What SQLite said.
        error: rusqlite::Error,
    },
    /// A value is not what its column holds.
    #[error("{column} holds a value that does not belong there: {problem}")]
    Value {
        /// The column.
        column: String,
        /// What is wrong.
        problem: String,
    },
}

/// Says what was done on the file.
pub(super) fn reading(what: &'static str) -> impl FnOnce(rusqlite::Error) -> MoveError {
    move |error| SourceError::Sql { what, error }.into()
}

/// Says what was done on the server.
pub(super) fn on_server(what: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> MoveError {
    move |error| MoveError::Target {
        what: what.into(),
        problem: tell(&error),
    }
}

/// The server's own words, if it said any.
pub(super) fn tell(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => said.message().to_owned(),
        None => error.to_string(),
    }
}
