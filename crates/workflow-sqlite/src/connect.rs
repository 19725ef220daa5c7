//! Opening connections with the settings that all of them share.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Result};

/// Processes that write beside each other wait this long for their turn.
const BUSY: Duration = Duration::from_secs(10);

/// Between two tries where SQLite itself does not wait.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The engine has some sixty statements; the application's own come beside them.
const STATEMENTS: usize = 256;

/// The WAL file shrinks to this size once it was written back.
const JOURNAL_LIMIT: i64 = 64 * 1024 * 1024;

/// 8 KiB hold a run's typical rows with few overflow pages; it is fixed when a file is made.
const PAGE_BYTES: i64 = 8 * 1024;

/// What a page takes in the log, with its header.
pub(crate) const FRAME_BYTES: u64 = PAGE_BYTES.unsigned_abs() + 24;

/// What the writer keeps in memory, in KiB.
const WRITER_CACHE: i64 = 16 * 1024;

/// What a reader keeps, in KiB. Readers page through what the system has cached anyway.
const READER_CACHE: i64 = 4 * 1024;

/// A connection to a file that may be new, or not ours: nothing is changed yet.
pub(crate) fn plain(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY)?;
    Ok(conn)
}

/// Makes it a connection that writes.
pub(crate) fn settle_writer(conn: &Connection) -> Result<()> {
    conn.pragma_update(None, "page_size", PAGE_BYTES)?;
    keep_a_log(conn)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "journal_size_limit", JOURNAL_LIMIT)?;
    // Checkpoints come from a thread of their own.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    share(conn, WRITER_CACHE)
}

/// Has the file keep a write-ahead log. SQLite takes the lock for that from within a read, where it does not wait for
/// others that do the same to a new file: so it is waited for here.
#[expect(
    clippy::disallowed_methods,
    reason = "it waits as SQLite itself waits for a lock, with the thread that opens the file"
)]
fn keep_a_log(conn: &Connection) -> Result<()> {
    let mut left = BUSY;
    loop {
        match conn.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && !left.is_zero() => {
                std::thread::sleep(LOOK_AGAIN);
                left = left.saturating_sub(LOOK_AGAIN);
            }
            done => return done,
        }
    }
}

/// A connection that cannot write.
pub(crate) fn reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY)?;
    share(&conn, READER_CACHE)?;
    conn.pragma_update(None, "query_only", true)?;
    Ok(conn)
}

/// A connection for checkpoints alone.
pub(crate) fn checkpointer(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(conn)
}

/// A connection for who only looks. `immutable` leaves out the write-ahead log, which SQLite would otherwise make
/// beside a file that has none.
pub(crate) fn looker(path: &Path, immutable: bool) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let conn = Connection::open_with_flags(uri(path, immutable), flags)?;
    conn.busy_timeout(BUSY)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(conn)
}

/// A path as SQLite reads it in a URI.
fn uri(path: &Path, immutable: bool) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'%' | b'?' | b'#' => uri.push_str(&format!("%{byte:02x}")),
            byte if byte.is_ascii() => uri.push(char::from(*byte)),
            byte => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    if immutable {
        uri.push_str("?immutable=1");
    }
    uri
}

fn share(conn: &Connection, cache_kib: i64) -> Result<()> {
    conn.pragma_update(None, "foreign_keys", true)?;
    // Plans may not depend on bound values: else each statement with a bound LIMIT is compiled
    // anew at every execution.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Not MEMORY: each statement inside a savepoint cuts the statement journal back, and a
    // journal in memory is walked from its beginning for that. A group of a thousand inserts
    // then takes quadratic time. As a file it stays in the operating system's cache.
    conn.pragma_update(None, "temp_store", "FILE")?;
    conn.pragma_update(None, "cache_size", -cache_kib)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}
