//! Looking at a database file without opening a store on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode};

use crate::migrate::{self, MigrateError, Script};
use crate::options::OpenError;
use crate::{column, connect, lock};

/// How many of SQLite's instructions are carried out between two looks whether to give up: well under a millisecond.
const INSTRUCTIONS: i32 = 10_000;

/// A database file that somebody looks at, beside whoever works with it or alone. Nothing is changed: the file is not
/// even made when it is missing, no script is applied, and no other file is left beside it.
///
/// ```
/// use lumina_workflow_sqlite::{Look, Options, SqliteStore};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("app.db");
/// assert!(Look::at(&path, |_| ()).is_err(), "it is missing, and stays so");
///
/// let store = SqliteStore::open(Options::new(&path))?;
/// let (executor, missing) = Look::at(&path, |look| (look.executor(), look.missing_scripts("app", &[])))?;
/// assert_eq!(executor, Some(std::process::id()));
/// assert!(missing?.is_empty());
///
/// drop(store);
/// assert_eq!(Look::at(&path, |look| look.executor())?, None);
/// let runs: u32 = Look::at(&path, |look| {
///     look.connection().query_row("SELECT count(*) FROM workflow_run", [], |row| row.get(0))
/// })??;
/// assert_eq!(runs, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Look {
    path: PathBuf,
    conn: Connection,
}

impl Look {
    /// Looks at a file. When somebody else opens it meanwhile, it is looked at once more.
    ///
    /// # Errors
    /// When it is missing or cannot be read.
    pub fn at<T>(path: &Path, look: impl Fn(&mut Self) -> T) -> Result<T, OpenError> {
        let alone = !has_log(path);
        let seen = look(&mut Self::open(path, alone)?);
        match alone && has_log(path) {
            true => Ok(look(&mut Self::open(path, false)?)),
            false => Ok(seen),
        }
    }

    fn open(path: &Path, alone: bool) -> Result<Self, OpenError> {
        let path = path.to_owned();
        match connect::looker(&path, alone) {
            Ok(conn) => Ok(Self { path, conn }),
            Err(error) => Err(OpenError::Unreadable { path, error }),
        }
    }

    /// A connection that cannot write.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.conn
    }

    /// Which scripts the database lacks, the engine's own and these of this owner, as `owner/name`. Opening a store
    /// applies the engine's, [`SqliteStore::migrate`](crate::SqliteStore::migrate) an owner's.
    ///
    /// # Errors
    /// When it is a database of some other program, a newer program has been there, or it cannot be read.
    pub fn missing_scripts(&self, owner: &str, scripts: &[Script]) -> Result<Vec<String>, MigrateError> {
        migrate::missing(&self.conn, &self.path, owner, scripts)
    }

    /// How many events nobody has claimed, by their name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn unrouted(&self) -> rusqlite::Result<BTreeMap<String, u64>> {
        let mut count = self
            .conn
            .prepare("SELECT name, count(*) FROM workflow_unrouted GROUP BY name")?;
        let rows = count.query_map([], |row| Ok((row.get(0)?, column::from_int(row.get(1)?))))?;
        rows.collect()
    }

    /// How many runs are blocked: the code that executes them does not fit what they have done.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn blocked(&self) -> rusqlite::Result<u64> {
        const SQL: &str = "SELECT count(*) FROM workflow_run WHERE blocked IS NOT NULL";
        self.conn.query_row(SQL, [], |row| Ok(column::from_int(row.get(0)?)))
    }

    /// Has SQLite check the whole file, and answers what is damaged, at most so many lines; nothing when it was given up
    /// before the end, which is asked for now and then.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn damage(
        &mut self,
        at_most: u32,
        give_up: impl FnMut() -> bool + Send + 'static,
    ) -> rusqlite::Result<Option<Vec<String>>> {
        self.conn.progress_handler(INSTRUCTIONS, Some(give_up))?;
        let found = self.quick_check(at_most);
        self.conn.progress_handler(0, None::<fn() -> bool>)?;
        match found {
            Ok(lines) => Ok(Some(lines.into_iter().filter(|line| line != "ok").collect())),
            Err(error) => match error.sqlite_error_code() {
                Some(ErrorCode::OperationInterrupted) => Ok(None),
                // Too much of it to go on.
                Some(ErrorCode::DatabaseCorrupt) => Ok(Some(vec![error.to_string()])),
                _ => Err(error),
            },
        }
    }

    fn quick_check(&self, at_most: u32) -> rusqlite::Result<Vec<String>> {
        let mut check = self.conn.prepare(&format!("PRAGMA quick_check({at_most})"))?;
        check.query_map([], |row| row.get(0))?.collect()
    }

    /// The process that executes the file's runs, as far as this machine can tell; nothing when none does.
    #[must_use]
    pub fn executor(&self) -> Option<u32> {
        lock::find_holder(&self.path)
    }
}

/// While anybody has a file open, or after a crash, its log is there.
fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    Path::new(&log).exists()
}
