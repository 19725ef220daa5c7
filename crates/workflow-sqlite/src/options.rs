//! How a store is opened, and why that can fail.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use lumina_workflow::StoreClock;
use lumina_workflow::codec::Codec;

use crate::migrate::MigrateError;

/// How a store is opened.
///
/// ```
/// use lumina_workflow::{StoreClock, deterministic::DeterministicRuntime};
/// use lumina_workflow_sqlite::{Mode, Options, Role, SqliteStore};
/// use std::sync::Arc;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("app.db");
/// let executing = SqliteStore::open(Options::new(&path))?;
/// let beside_it = SqliteStore::open(Options::new(&path).role(Role::Client))?;
/// let second = SqliteStore::open(Options::new(&path));
/// assert!(second.unwrap_err().to_string().contains("is in use by process"));
/// # drop((executing, beside_it));
///
/// // In a test: on the caller's thread, with a clock of its own.
/// let clock = StoreClock::of(Arc::new(DeterministicRuntime::new(1)));
/// let store = SqliteStore::open(Options::new(folder.path().join("test.db")).mode(Mode::Inline).clock(clock))?;
/// # drop(store);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Options {
    /// The database file. It is made when it is missing; its folder must exist.
    pub path: PathBuf,
    /// What the store calls now.
    pub clock: StoreClock,
    /// On whose threads it works.
    pub mode: Mode,
    /// What it may do.
    pub role: Role,
    /// How payloads are encoded in the file; without one they are stored as they are.
    pub codec: Option<Arc<dyn Codec>>,
}

impl Options {
    /// The executing process of a file, with threads and the machine's clock.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            clock: StoreClock::system(),
            mode: Mode::Threads,
            role: Role::Executor,
            codec: None,
        }
    }

    /// With another clock.
    #[must_use]
    pub fn clock(mut self, clock: StoreClock) -> Self {
        self.clock = clock;
        self
    }

    /// In another mode.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// In another role.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// With a codec for payloads. All processes that work on one file need codecs that read each other's values.
    #[must_use]
    pub fn codec(mut self, codec: Arc<dyn Codec>) -> Self {
        self.codec = Some(codec);
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("path", &self.path)
            .field("clock", &self.clock)
            .field("mode", &self.mode)
            .field("role", &self.role)
            // What it is stays its own business: it holds keys.
            .field("codec", &self.codec.is_some())
            .finish()
    }
}

/// On whose threads a store works.
///
/// An example is at [`Options`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A writer, a few readers and a checkpointer of its own. Notices what other processes
    /// write.
    Threads,
    /// On the caller's thread: a call is complete when its future is first polled. For the
    /// deterministic executor. Does not notice what other processes write.
    Inline,
}

/// What a store may do with its file.
///
/// An example is at [`Options`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Executes runs. One process per file: it holds a lock on `<file>.lock` while it lives.
    Executor,
    /// Starts runs, emits events, commands and reads, beside an executor or alone; claims
    /// and renews nothing.
    Client,
}

/// A database that was not opened.
///
/// An example is at [`Options`].
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process executes the runs of this file.
    #[error(
        "{} is in use by process {pid}, which executes its runs; stop that process first, or use a command \
         that works beside it",
        path.display()
    )]
    InUse {
        /// The database.
        path: PathBuf,
        /// The other process, as its lock file says; `(unknown)` when that cannot be read.
        pid: String,
    },
    /// The lock file cannot be made or locked.
    #[error("the lock file {} cannot be used ({error}); look at the rights of its folder", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// SQLite cannot open it.
    #[error("{} cannot be opened as a SQLite database ({error}); look at the path and at the rights of the file and its folder", path.display())]
    Unreadable {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        error: rusqlite::Error,
    },
    /// Its tables are not what this program works with.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// A thread could not be started.
    #[error("no thread could be started for the database ({0})")]
    Thread(std::io::Error),
}
