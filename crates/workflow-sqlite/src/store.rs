//! The store: each call, carried to where it is done.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use lumina_workflow::store::{
    Claim, Claimed, FlowQuery, FlowRow, Hint, Inbox, InboxQuery, Lease, Member, MemberResult, Page, Purge, RunQuery,
    RunRow, ScheduleQuery, ScheduleRow, Store, StoreError, StoredRecord,
};
use lumina_workflow::{RunId, Seq};
use rusqlite::Connection;

use crate::checkpoint::{self, Overload};
use crate::fault::Fault;
use crate::lanes::Lane;
use crate::lock::{self, Lock};
use crate::migrate::{self, MigrateError, Script};
use crate::options::{Mode, OpenError, Options, Role};
use crate::payloads::Payloads;
use crate::reader::Reader;
use crate::shared::Shared;
use crate::threads::{Threads, closed, unreadable};
use crate::writer::Writer;
use crate::{connect, flow, read};

/// A database file that is open. Clones are the same one; when the last is dropped, the work
/// that is queued is done and the file is closed.
///
/// ```
/// use lumina_workflow_sqlite::{MigrateError, Options, Script, SqliteStore};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("app.db");
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = SqliteStore::open(Options::new(path))?;
/// let invoice = Script { name: "0001_invoice", sql: "CREATE TABLE invoice (number INTEGER PRIMARY KEY) STRICT" };
/// assert_eq!(store.migrate("app", &[invoice]).await?, ["0001_invoice"]);
/// assert!(store.migrate("app", &[invoice]).await?.is_empty(), "each runs once");
/// assert!(matches!(store.migrate("app", &[]).await, Err(MigrateError::Newer { .. })));
///
/// let invoices: i64 = store.read(|conn| conn.query_row("SELECT count(*) FROM invoice", [], |row| row.get(0))).await??;
/// assert_eq!(invoices, 0);
/// assert!(!store.is_overloaded());
/// store.close().await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

struct Inner {
    backend: Backend,
    shared: Arc<Shared>,
    role: Role,
    // Behind the backend, so that it is let go after the last write.
    _lock: Option<Lock>,
}

enum Backend {
    Inline(Inline),
    Threads(Threads),
}

struct Inline {
    writer: Mutex<Writer>,
    reader: Mutex<Reader>,
    closed: AtomicBool,
}

impl SqliteStore {
    /// Opens the file, makes it when it is missing, and brings the engine's tables up to date.
    ///
    /// # Errors
    /// When another process executes the file's runs, when it cannot be opened, or when it is
    /// not a database that this version works with.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let Options {
            path,
            clock,
            mode,
            role,
            codec,
        } = options;
        let lock = match role {
            Role::Executor => Some(lock::acquire(&path)?),
            Role::Client => None,
        };
        let shared = Arc::new(Shared::new(path, clock, Payloads::new(codec)));
        let backend = Backend::start(&shared, mode)?;
        Ok(Self {
            inner: Arc::new(Inner {
                backend,
                shared,
                role,
                _lock: lock,
            }),
        })
    }

    /// Applies the application's own scripts, in their order, each once per database, all of
    /// them or none. Answers the names of those that were new. `owner` names the application;
    /// the engine's own is `workflow`. The tables' names must not begin with `workflow_`.
    ///
    /// # Errors
    /// When the database has a script of this owner that is not among these (a newer version
    /// made it), when a script that was applied has changed since, or when one fails.
    pub async fn migrate(&self, owner: &str, scripts: &[Script]) -> Result<Vec<&'static str>, MigrateError> {
        let (owner, scripts) = (owner.to_owned(), scripts.to_vec());
        let done = self
            .inner
            .write(Lane::Queue, move |writer| Ok(writer.migrate(&owner, &scripts)))
            .await;
        done.unwrap_or_else(|_| {
            Err(MigrateError::Closed {
                path: self.inner.shared.path.clone(),
            })
        })
    }

    /// Reads the application's tables, at one moment of the database, on a connection that
    /// cannot write. In [`Mode::Threads`] this happens on a reader's thread, behind the
    /// engine's own reads. It must not call the store, and should end soon: as long as it
    /// runs, the write-ahead log grows.
    ///
    /// # Errors
    /// When the database cannot be read, or the code panicked.
    ///
    /// ```
    /// # use lumina_workflow_sqlite::SqliteStore;
    /// # async fn example(store: SqliteStore) -> Result<i64, Box<dyn std::error::Error>> {
    /// let open = store.read(|conn| conn.query_row("SELECT count(*) FROM invoice", [], |row| row.get(0))).await??;
    /// # Ok(open)
    /// # }
    /// ```
    pub async fn read<R, F>(&self, work: F) -> Result<R, StoreError>
    where
        R: Send + 'static,
        F: FnOnce(&Connection) -> R + Send + 'static,
    {
        self.inner
            .read(Lane::Queue, std::any::type_name::<F>(), |conn| Ok(work(conn)))
            .await
    }

    /// Why the store should be spared, when it should: its write-ahead log has grown past
    /// 64,000 pages and cannot be written back. Intake should be refused until it has been.
    #[must_use]
    pub fn overload(&self) -> Option<Overload> {
        checkpoint::overload(&self.inner.shared)
    }

    /// Whether there is an [`overload`](Self::overload).
    #[must_use]
    pub fn is_overloaded(&self) -> bool {
        self.overload().is_some()
    }

    /// Takes no more calls, does what is queued, and writes the log back. The executor's lock is let go
    /// when the last clone is dropped.
    ///
    /// # Errors
    /// When the store was closed before.
    pub async fn close(&self) -> Result<(), StoreError> {
        let done = self.inner.write(Lane::Queue, |writer| {
            writer.finish_checkpoint();
            Ok(())
        });
        done.await?;
        match &self.inner.backend {
            Backend::Inline(inline) => inline.closed.store(true, Ordering::SeqCst),
            Backend::Threads(threads) => threads.close(),
        }
        Ok(())
    }
}

impl Backend {
    fn start(shared: &Arc<Shared>, mode: Mode) -> Result<Self, OpenError> {
        let path = &shared.path;
        let refuse = |error| unreadable(path, error);
        let mut conn = connect::plain(path).map_err(refuse)?;
        migrate::refuse_foreign(&conn, path)?;
        connect::settle_writer(&conn).map_err(refuse)?;
        migrate::engine(&mut conn, path, shared.clock.now().as_microsecond())?;
        let due = checkpoint::count_pages(&mut conn, shared).map_err(refuse)?;
        let writer = Writer::new(conn, shared.clone());
        match mode {
            Mode::Threads => Threads::start(writer, shared, due).map(Self::Threads),
            Mode::Inline => {
                let reader = Reader::new(connect::reader(path).map_err(refuse)?, shared.clone());
                let closed = AtomicBool::new(false);
                Ok(Self::Inline(Inline {
                    writer: Mutex::new(writer),
                    reader: Mutex::new(reader),
                    closed,
                }))
            }
        }
    }
}

impl Inner {
    async fn write<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce(&mut Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.backend {
            Backend::Threads(threads) => threads.write(lane, work).await?,
            Backend::Inline(inline) => {
                inline.check(&self.shared)?;
                let mut writer = inline.writer.lock().expect("panics are caught while it is held");
                writer.notice_others();
                let answer = catch_unwind(AssertUnwindSafe(|| work(&mut writer)));
                if answer.is_err() {
                    writer.roll_back();
                }
                if checkpoint::is_due(&self.shared) {
                    writer.finish_checkpoint();
                }
                drop(writer);
                answer.unwrap_or_else(|panic| resume_unwind(panic))
            }
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        lane: Lane,
        what: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.backend {
            Backend::Threads(threads) => threads.read(lane, move |reader| reader.read(what, work)).await?,
            Backend::Inline(inline) => {
                inline.check(&self.shared)?;
                let reader = inline.reader.lock().expect("panics are caught while it is held");
                let answer = catch_unwind(AssertUnwindSafe(|| reader.read(what, work)));
                drop(reader);
                answer.unwrap_or_else(|panic| resume_unwind(panic))
            }
        }
    }

    /// The engine's own reads, ahead of the application's.
    async fn ask<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Connection, &Payloads) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let payloads = self.shared.payloads.clone();
        self.read(Lane::First, what, move |conn| work(conn, &payloads)).await
    }

    fn must_execute(&self) -> Result<(), StoreError> {
        match self.role {
            Role::Executor => Ok(()),
            Role::Client => Err(StoreError::Broken(format!(
                "{} was opened as a client, which executes no runs",
                self.shared.path.display()
            ))),
        }
    }
}

impl Inline {
    fn check(&self, shared: &Shared) -> Result<(), StoreError> {
        if self.closed.load(Ordering::SeqCst) {
            Err(closed(shared))
        } else {
            Ok(())
        }
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SqliteStore({})", self.inner.shared.path.display())
    }
}

impl Store for SqliteStore {
    fn commit(&self, batch: Arc<[Member]>) -> BoxFuture<'_, Result<Vec<MemberResult>, StoreError>> {
        Box::pin(async move {
            match &self.inner.backend {
                Backend::Threads(threads) => threads.commit(batch).await,
                Backend::Inline(_) => self.inner.write(Lane::Queue, move |writer| writer.commit(&batch)).await,
            }
        })
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Vec<Claimed>, StoreError>> {
        Box::pin(async move {
            self.inner.must_execute()?;
            match &self.inner.backend {
                Backend::Threads(threads) => threads.claim(claim).await,
                Backend::Inline(_) => self.inner.write(Lane::Queue, move |writer| writer.claim(&claim)).await,
            }
        })
    }

    fn renew(&self, held: Vec<Lease>, lease: Duration) -> BoxFuture<'_, Result<Vec<RunId>, StoreError>> {
        Box::pin(async move {
            self.inner.must_execute()?;
            self.inner
                .write(Lane::First, move |writer| writer.renew(&held, lease))
                .await
        })
    }

    fn history(&self, run: RunId, after: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<StoredRecord>, StoreError>> {
        Box::pin(self.inner.ask("a run's history", move |conn, payloads| {
            read::history(conn, payloads, run, after, limit)
        }))
    }

    fn runs(&self, query: RunQuery) -> BoxFuture<'_, Result<Page<RunRow>, StoreError>> {
        Box::pin(self.inner.ask("a list of runs", move |conn, payloads| {
            read::runs::read(conn, payloads, &query)
        }))
    }

    fn inbox(&self, query: InboxQuery) -> BoxFuture<'_, Result<Inbox, StoreError>> {
        Box::pin(self.inner.ask("an inbox", move |conn, payloads| {
            read::inbox::read(conn, payloads, &query)
        }))
    }

    fn schedules(&self, query: ScheduleQuery) -> BoxFuture<'_, Result<Vec<ScheduleRow>, StoreError>> {
        Box::pin(self.inner.ask("a list of schedules", move |conn, payloads| {
            read::schedules::read(conn, payloads, &query)
        }))
    }

    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        Box::pin(async move {
            let shared = &self.inner.shared;
            shared.begin_to_tell();
            let now = shared.clock.now().as_microsecond();
            let due = self
                .inner
                .ask("the next timer", move |conn, _| read::due::next_due(conn, now))
                .await?;
            if let Some(due) = due {
                shared.tell(due.as_microsecond());
            }
            Ok(due)
        })
    }

    fn now(&self) -> BoxFuture<'_, Result<Timestamp, StoreError>> {
        Box::pin(async move { Ok(self.inner.shared.clock.now()) })
    }

    fn flows(&self, query: FlowQuery) -> BoxFuture<'_, Result<Vec<FlowRow>, StoreError>> {
        Box::pin(
            self.inner
                .ask("a list of counters", move |conn, _| flow::rows(conn, &query)),
        )
    }

    fn purge(&self, purge: Purge) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(self.inner.write(Lane::Queue, move |writer| writer.purge(&purge)))
    }

    fn hints(&self) -> BoxStream<'static, Hint> {
        self.inner.shared.hints.listen()
    }
}
