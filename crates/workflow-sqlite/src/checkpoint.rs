//! Writing the write-ahead log back into the database, beside the commits.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use rusqlite::Connection;

use crate::lanes::{Lane, Lanes};
use crate::shared::{Reading, Shared};
use crate::threads::WriteJob;
use crate::writer::Writer;

/// With so many pages (32 MiB) a checkpoint pays: inside a COMMIT it would cost that commit
/// 12 to 26 ms, more seldom it would write each page of a hot index no less often.
pub(crate) const CHECKPOINT_PAGES: u64 = 4_000;

/// With so many pages (512 MiB) somebody holds the log back: an old reader, or a disk that
/// cannot keep up.
pub(crate) const OVERLOAD_PAGES: u64 = 64_000;

/// While overloaded, look again this often, since nobody may be writing any more.
const OVERLOAD_RETRY: Duration = Duration::from_secs(1);

/// The write-ahead log cannot be written back.
///
/// ```
/// # use lumina_workflow_sqlite::SqliteStore;
/// /// Whether intake may go on.
/// fn admit(store: &SqliteStore) -> Result<(), String> {
///     match store.overload() {
///         Some(overload) => Err(format!("try again later: {overload}")),
///         None => Ok(()),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overload {
    /// How many pages of 8 KiB it has.
    pub wal_pages: u64,
    /// Who has been reading longest in this process, in words; `None` when nobody in this
    /// process reads, and another process or the disk is the reason.
    pub oldest_reader: Option<String>,
}

impl fmt::Display for Overload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the write-ahead log has grown to {} pages and cannot be written back: ",
            self.wal_pages
        )?;
        match &self.oldest_reader {
            Some(reader) => f.write_str(reader),
            None => f.write_str("another process reads for a long time, or the disk cannot keep up"),
        }
    }
}

/// Whether the log is too long, and because of whom.
pub(crate) fn overload(shared: &Shared) -> Option<Overload> {
    let wal_pages = shared.wal_pages.load(Ordering::SeqCst);
    if wal_pages <= OVERLOAD_PAGES {
        return None;
    }
    let readings = shared.readings.lock().expect("nobody panics while holding it");
    let oldest = readings.iter().flatten().min_by_key(|reading| reading.since);
    let oldest_reader = oldest.map(|Reading { what, since }| format!("{what} has been reading since {since}"));
    Some(Overload {
        wal_pages,
        oldest_reader,
    })
}

/// Keeps count of the log's pages after each commit of this connection. Answers where the
/// checkpointer hears that it is due.
pub(crate) fn count_pages(conn: &mut Connection, shared: &Arc<Shared>) -> rusqlite::Result<Receiver<()>> {
    let (due, heard) = sync_channel(1);
    let shared = shared.clone();
    let mut last = 0;
    conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
        let pages = u64::try_from(pages).unwrap_or(0);
        note_pages(&shared, last, pages, &due);
        last = pages;
        Ok(())
    }))?;
    Ok(heard)
}

/// The count ends, and with it whoever listens.
pub(crate) fn stop_counting(conn: &mut Connection) -> rusqlite::Result<()> {
    conn.wal_hook(None::<fn(&mut rusqlite::hooks::Wal, std::ffi::c_int) -> rusqlite::Result<()>>)
}

fn note_pages(shared: &Shared, last: u64, pages: u64, due: &SyncSender<()>) {
    shared.wal_pages.store(pages, Ordering::SeqCst);
    if pages < last {
        shared.checkpoint_at.store(CHECKPOINT_PAGES, Ordering::SeqCst);
    }
    if pages >= shared.checkpoint_at.load(Ordering::SeqCst) {
        // Full means that it is on its way already; gone means that the store is closing.
        let _ = due.try_send(());
    }
}

/// Whether a checkpoint is due, for a store without a checkpointer.
pub(crate) fn is_due(shared: &Shared) -> bool {
    shared.wal_pages.load(Ordering::SeqCst) >= shared.checkpoint_at.load(Ordering::SeqCst)
}

/// Writes back what no reader needs, without waiting for anybody.
pub(crate) fn run(conn: &Connection, shared: &Shared) {
    const SQL: &str = "PRAGMA wal_checkpoint(PASSIVE)";
    let counts = conn
        .prepare_cached(SQL)
        .and_then(|mut statement| statement.query_row([], |row| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))));
    let (log, done) = match counts {
        Ok((log, done)) => (u64::try_from(log).unwrap_or(0), u64::try_from(done).unwrap_or(0)),
        Err(error) => {
            tracing::warn!(database = %shared.path.display(), %error, "a checkpoint failed; the next one tries again");
            (shared.wal_pages.load(Ordering::SeqCst), 0)
        }
    };
    shared.checkpoint_at.store(log + CHECKPOINT_PAGES, Ordering::SeqCst);
    if log == done {
        // The next commit begins the log anew.
        shared.wal_pages.store(0, Ordering::SeqCst);
    }
}

/// The checkpointer's thread: until the writer is gone.
pub(crate) fn serve(conn: &Connection, shared: &Shared, due: &Receiver<()>, writes: &Lanes<WriteJob>) {
    let mut told = false;
    loop {
        match due.recv_timeout(if told { OVERLOAD_RETRY } else { Duration::MAX }) {
            Err(RecvTimeoutError::Disconnected) => return,
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
        }
        run(conn, shared);
        // Under constant writing the log never ends where a checkpoint ended, and would never begin anew. So the writer
        // copies the last few pages itself, between two commits.
        writes.push(Lane::First, WriteJob::Other(Box::new(Writer::finish_checkpoint)));
        told = tell(shared, told);
    }
}

/// Logs the beginning and the end of an overload.
fn tell(shared: &Shared, told: bool) -> bool {
    match overload(shared) {
        Some(overload) if !told => {
            tracing::warn!(database = %shared.path.display(), "{overload}");
            true
        }
        None if told => {
            tracing::info!(database = %shared.path.display(), "the write-ahead log was written back");
            false
        }
        _ => told,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use lumina_workflow::StoreClock;

    use super::*;
    use crate::payloads::Payloads;

    fn shared() -> Shared {
        Shared::new(
            "lumina.db".into(),
            StoreClock::from_fn(|| Timestamp::UNIX_EPOCH),
            Payloads::default(),
        )
    }

    /// Beyond the limit the log is too long, and the reader that began first is named.
    #[test]
    fn an_overload_names_the_oldest_reader() {
        let shared = shared();
        shared.wal_pages.store(OVERLOAD_PAGES, Ordering::SeqCst);
        assert_eq!(overload(&shared), None);
        shared.wal_pages.store(OVERLOAD_PAGES + 1, Ordering::SeqCst);
        assert!(overload(&shared).unwrap().to_string().contains("64001 pages"));
        assert!(overload(&shared).unwrap().to_string().contains("another process"));

        let reading = |what, second| {
            Some(Reading {
                what,
                since: Timestamp::from_second(second).unwrap(),
            })
        };
        *shared.readings.lock().unwrap() = vec![reading("a list", 7), None, reading("an export", 5)];
        let told = overload(&shared).unwrap().to_string();
        assert!(
            told.ends_with("an export has been reading since 1970-01-01T00:00:05Z"),
            "{told}"
        );
    }

    /// A checkpoint is asked for at the threshold, and again when the log has grown by as much;
    /// once the log begins anew, so does the count.
    #[test]
    fn a_checkpoint_is_asked_for_at_its_threshold() {
        let shared = shared();
        let (due, heard) = sync_channel(1);
        let asked = |last, pages| {
            note_pages(&shared, last, pages, &due);
            heard.try_recv().is_ok()
        };
        assert!(!asked(0, CHECKPOINT_PAGES - 1));
        assert!(asked(CHECKPOINT_PAGES - 1, CHECKPOINT_PAGES));
        shared.checkpoint_at.store(2 * CHECKPOINT_PAGES, Ordering::SeqCst);
        assert!(!asked(CHECKPOINT_PAGES, CHECKPOINT_PAGES + 1));
        assert!(asked(CHECKPOINT_PAGES + 1, 2 * CHECKPOINT_PAGES));
        assert!(!asked(2 * CHECKPOINT_PAGES, 10));
        assert!(asked(10, CHECKPOINT_PAGES));
    }
}
