//! The database that an application works on: a file, or a server's.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use lumina_workflow::codec::Codec;
use lumina_workflow::store::{Store, StoreError};
use lumina_workflow::{CommitsAtOnce, StoreClock};
use lumina_workflow_postgres::PostgresStore;
use lumina_workflow_sqlite::{Mode, Role, SqliteStore};

use crate::moving;
use crate::records::{postgres, sqlite};

/// Whose the application's tables are among a database's schema changes.
pub const SCHEMA_OWNER: &str = "lumina";

/// Where the database of an application is, and how it is worked with.
#[derive(Debug)]
pub enum DatabaseParts {
    /// In a file.
    File {
        /// The file, which is made when it is not there.
        path: PathBuf,
        /// Whether it executes runs, or is a client beside the process that does.
        role: Role,
        /// Threads in production; inline on a deterministic executor.
        mode: Mode,
    },
    /// On a server, where any number of processes execute. It has the time that they go by.
    Server(Box<lumina_workflow_postgres::Options>),
}

/// A database that is open. Clones are the same one.
#[derive(Debug, Clone)]
pub enum Database {
    /// In a file.
    File(Arc<SqliteStore>),
    /// On a server.
    Server(Arc<PostgresStore>),
}

impl From<Arc<SqliteStore>> for Database {
    fn from(store: Arc<SqliteStore>) -> Self {
        Self::File(store)
    }
}

impl From<Arc<PostgresStore>> for Database {
    fn from(store: Arc<PostgresStore>) -> Self {
        Self::Server(store)
    }
}

impl Database {
    /// Opens it, and brings its tables up to date.
    ///
    /// # Errors
    /// When it cannot be opened or reached, is in use by another process that executes it, or is not one that this
    /// version works with.
    pub async fn open(parts: DatabaseParts, clock: StoreClock, codec: Arc<dyn Codec>) -> anyhow::Result<Self> {
        match parts {
            DatabaseParts::File { path, role, mode } => {
                refuse_moved(&path)?;
                let options = lumina_workflow_sqlite::Options::new(&path).clock(clock).codec(codec);
                let store = SqliteStore::open(options.mode(mode).role(role))?;
                store.migrate(SCHEMA_OWNER, &file_scripts()).await?;
                Ok(Self::File(Arc::new(store)))
            }
            DatabaseParts::Server(options) => {
                let store = PostgresStore::open(options.codec(codec)).await?;
                store.migrate(SCHEMA_OWNER, &server_scripts()).await?;
                Ok(Self::Server(Arc::new(store)))
            }
        }
    }

    /// What the engine works on.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::File(store) => store.clone(),
            Self::Server(store) => store.clone(),
        }
    }

    /// How many groups of changes a process commits to it at once.
    #[must_use]
    pub fn commits_at_once(&self) -> CommitsAtOnce {
        match self {
            Self::File(_) => NonZeroUsize::MIN.into(),
            Self::Server(store) => store.commits_at_once(),
        }
    }

    /// The file's store, where the database is one.
    #[must_use]
    pub fn file(&self) -> Option<&SqliteStore> {
        match self {
            Self::File(store) => Some(store),
            Self::Server(_) => None,
        }
    }

    /// Whether it must be spared what can come later: a file's log grows faster than it can be written back. A server
    /// says so by itself, by being slow.
    #[must_use]
    pub fn is_overloaded(&self) -> bool {
        self.file().is_some_and(SqliteStore::is_overloaded)
    }

    /// Ends what was begun, and takes no more calls.
    ///
    /// # Errors
    /// When a file cannot be left in order.
    pub async fn close(&self) -> Result<(), StoreError> {
        match self {
            Self::File(store) => store.close().await,
            Self::Server(store) => {
                store.close().await;
                Ok(())
            }
        }
    }
}

/// What was moved is worked off elsewhere.
fn refuse_moved(path: &Path) -> anyhow::Result<()> {
    match moving::find_new_place(path) {
        None => Ok(()),
        Some(place) => bail!(
            "{} was moved to {place}: set database.url to that, and keep the file as a backup",
            path.display()
        ),
    }
}

/// The application's schema changes in a file, in their order.
#[must_use]
pub fn file_scripts() -> Vec<lumina_workflow_sqlite::Script> {
    let all = sqlite::MIGRATIONS.iter();
    all.map(|(name, sql)| lumina_workflow_sqlite::Script { name, sql })
        .collect()
}

/// The same on a server.
#[must_use]
pub fn server_scripts() -> Vec<lumina_workflow_postgres::Script> {
    let all = postgres::MIGRATIONS.iter();
    all.map(|(name, sql)| lumina_workflow_postgres::Script { name, sql })
        .collect()
}
