//! A database with Lumina's settings and its handling of the log: one connection that writes, and a thread that
//! checkpoints.
//!
//! A passive checkpoint copies what the log held when it began, and the log starts over only when everything in it
//! has been copied. A writer that never rests is always a commit ahead, so its log would grow for as long as it
//! writes (an import of 500,000 rows left 4.7 GiB). Therefore the writer waits, between two commits and seldom,
//! for one checkpoint that nothing is written beside.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use crate::FloorError;

/// A checkpoint is asked for when the log holds this many pages (32 MiB): often enough that it stays in the
/// file cache, seldom enough that a page written many times is copied once.
const CHECKPOINT_AT_PAGES: u32 = 4_000;

/// The writer waits for a checkpoint when the log holds this many pages (40 MiB): it then begins anew where the file is
/// already as long as it has to be.
const WAIT_AT_PAGES: u32 = 5_000;

/// How long the log's file is made at once, in zeros: longer than the log ever is, so that no commit has to make it
/// longer, which takes about as long again as its flush.
const ROOM: usize = 60 << 20;

/// What the checkpoint thread is asked for: a checkpoint, and an answer to whoever waits for its end.
type Request = Option<SyncSender<()>>;

/// The length of the log in pages, as each commit leaves it.
#[derive(Default)]
struct Log {
    now: AtomicU32,
    longest: AtomicU32,
}

/// The one writer's side: its connection, and the thread that copies the log into the database.
pub(crate) struct Database {
    connection: Connection,
    log: Arc<Log>,
    ask: SyncSender<Request>,
    checkpoints: JoinHandle<rusqlite::Result<()>>,
}

impl Database {
    /// Makes a new database at `path` with `schema`.
    ///
    /// # Errors
    /// SQLite's own; a file that is there already and has these tables is one of them.
    pub(crate) fn create(path: &Path, schema: &str) -> Result<Self, FloorError> {
        let mut connection = connect(path)?;
        connection.pragma_update(None, "page_size", 8192)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.execute_batch(schema)?;
        make_room(path)?;
        let log = Arc::new(Log::default());
        let (ask, asked) = sync_channel(1);
        let other = connect(path)?;
        let checkpoints = std::thread::spawn(move || checkpoint_when_asked(&other, &asked));
        watch_log(&mut connection, Arc::clone(&log), ask.clone())?;
        Ok(Self {
            connection,
            log,
            ask,
            checkpoints,
        })
    }

    /// The connection that writes.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The longest that the log has been, in pages.
    pub(crate) fn wal_pages(&self) -> u32 {
        self.log.longest.load(Ordering::Relaxed)
    }

    /// Called between commits: if the log is long, waits until a checkpoint has copied all of it, so that the next
    /// commit begins it anew.
    pub(crate) fn keep_log_short(&self) {
        if self.log.now.load(Ordering::Relaxed) < WAIT_AT_PAGES {
            return;
        }
        let (done, finished) = sync_channel(1);
        if self.ask.send(Some(done)).is_ok() {
            // Disconnected: the checkpoint failed and its thread ended, which `close` reports.
            let _ = finished.recv();
        }
    }

    /// How many rows `query` counts.
    pub(crate) fn count(&self, query: &str) -> Result<usize, FloorError> {
        let count: i64 = self.connection.query_row(query, [], |row| row.get(0))?;
        Ok(usize::try_from(count).expect("a count is not negative"))
    }

    /// Ends the checkpoint thread and says what it met.
    ///
    /// # Errors
    /// A checkpoint that failed: the floor then ran without one, and its figure is not to be used.
    pub(crate) fn close(self) -> Result<(), FloorError> {
        drop((self.connection, self.ask));
        self.checkpoints
            .join()
            .expect("the checkpoint thread does not panic")
            .map_err(FloorError::from)
    }
}

/// Opens `path` with the settings that belong to a connection rather than to the file.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    Ok(connection)
}

/// After each commit: notes the log's length, and asks for a checkpoint when it is long. The channel holds one
/// request and a second one is dropped, so a commit never waits for a checkpoint.
fn watch_log(connection: &mut Connection, log: Arc<Log>, ask: SyncSender<Request>) -> rusqlite::Result<()> {
    connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
        let pages = u32::try_from(pages).unwrap_or(0);
        log.now.store(pages, Ordering::Relaxed);
        log.longest.fetch_max(pages, Ordering::Relaxed);
        if pages >= CHECKPOINT_AT_PAGES {
            // Full: a checkpoint is under way. Disconnected: it failed, and `close` says so.
            let _ = ask.try_send(None);
        }
        Ok(())
    }))
}

/// Checkpoints, passively, each time it is asked, until the writer's connection is gone.
fn checkpoint_when_asked(connection: &Connection, asked: &Receiver<Request>) -> rusqlite::Result<()> {
    while let Ok(waiting) = asked.recv() {
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        if let Some(done) = waiting {
            // Only a writer that is gone does not take the answer.
            let _ = done.send(());
        }
    }
    Ok(())
}

/// The file of the log has to be there, and nothing may be writing to it.
fn make_room(database: &Path) -> Result<(), FloorError> {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    let mut file = OpenOptions::new().append(true).open(log)?;
    file.write_all(&vec![0; ROOM])?;
    file.sync_all()?;
    Ok(())
}
