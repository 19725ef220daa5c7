//! The store: each call, carried to where it is done.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use lumina_workflow::store::{
    Claim, Claimed, FlowQuery, FlowRow, Hint, Inbox, InboxQuery, Lease, Member, MemberResult, Page, Purge, RunQuery,
    RunRow, ScheduleQuery, ScheduleRow, Store, StoreError, StoredRecord,
};
use lumina_workflow::{CommitsAtOnce, RunId, Seq};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::column::int;
use crate::fault::Fault;
use crate::inboxes::{self, Inboxes};
use crate::inline::Inline;
use crate::look::HEARS;
use crate::migrate::{MigrateError, Script};
use crate::options::{Mode, OLDEST_SERVER, OpenError, Options, Statements};
use crate::payloads::Payloads;
use crate::pool::{Lane, Pool};
use crate::post::Post;
use crate::read::inbox::Wanted;
use crate::session::Session;
use crate::shared::Shared;
use crate::transaction::Core;
use crate::{claim, commit, flow, listen, migrate, purge, read};

/// A database that is open. Clones are the same one; any number of processes may have one open.
///
/// ```no_run
/// use lumina_workflow_postgres::{Options, PostgresStore, Script};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let store = PostgresStore::open(Options::new("postgres://lumina@localhost/lumina")?).await?;
/// let invoice = Script { name: "0001_invoice", sql: "CREATE TABLE invoice (number bigint PRIMARY KEY)" };
/// assert_eq!(store.migrate("app", &[invoice]).await?, ["0001_invoice"]);
/// assert!(store.migrate("app", &[invoice]).await?.is_empty(), "each runs once");
///
/// let rows = store.read("SELECT count(*) FROM lumina.invoice", &[]).await?;
/// assert_eq!(rows[0].get::<_, i64>(0), 0);
/// store.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct PostgresStore {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    core: Arc<Core>,
    place: Place,
    listener: Mutex<Option<AbortHandle>>,
}

enum Place {
    Tasks(Handle, Inboxes),
    Inline(Arc<Inline>),
}

impl PostgresStore {
    /// Connects, and brings the engine's tables up to date.
    ///
    /// # Errors
    /// When the database cannot be reached, or is not one that this version works with.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let (inner, listening) = Self::connected(options).await?;
        let core = inner.core.clone();
        let name = core.shared.name.clone();
        let prepared = inner.run(async move {
            let taken = core.pool.take_plain().await;
            let db = taken.map_err(|fault| MigrateError::failed(&core.shared.name, "connecting", fault))?;
            migrate::engine(&db, &core.shared.name).await
        });
        prepared.await.unwrap_or(Err(MigrateError::Closed { database: name }))?;
        inner.start_to_listen(listening);
        Ok(Self::of(inner))
    }

    /// One whose database answers. Its tables are as they were.
    pub(crate) async fn connected(options: Options) -> Result<(Inner, tokio_postgres::Config), OpenError> {
        let name = options.name();
        let kept = options.kept();
        let inline = match (options.mode, &kept) {
            (Mode::Inline, Some(kept)) => Some(kept.inline()),
            (Mode::Inline, None) => Some(Arc::new(Inline::new().map_err(OpenError::Runtime)?)),
            (Mode::Tasks, _) => None,
        };
        let shared = Arc::new(Shared::new(name.clone(), options.clock, Payloads::new(options.codec)));
        let mut listening = options.listen.unwrap_or_else(|| options.config.clone());
        let goes_by = listening.get_application_name().unwrap_or_default().to_owned();
        listening.application_name(format!("{goes_by}{HEARS}"));
        let named = options.statements == Statements::Named;
        let core = Arc::new(Core {
            pool: Pool::new(options.config, options.connections, named, options.hook, kept),
            post: (options.mode == Mode::Tasks).then(Post::default),
            shared,
        });
        let place = match inline {
            Some(inline) => Place::Inline(inline),
            None => {
                let handle = Handle::try_current().map_err(|_| OpenError::NoRuntime(name.clone()))?;
                Place::Tasks(handle, Inboxes::start(core.clone()))
            }
        };
        let inner = Inner {
            core,
            place,
            listener: Mutex::default(),
        };
        let core = inner.core.clone();
        let reached = inner.run(async move { greet(&core).await }).await;
        let broken = |error: StoreError| Err(OpenError::unreachable(name, &Fault::Lost(error.to_string())));
        reached.unwrap_or_else(broken)?;
        Ok((inner, listening))
    }

    pub(crate) fn of(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.inner.core
    }

    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.inner.run(work).await
    }

    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        body: impl for<'g> Fn(&'g Session) -> BoxFuture<'g, Result<T, Fault>> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        self.inner.ask(body).await
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
        let core = self.inner.core.clone();
        let migrating = async move {
            let name = core.shared.name.clone();
            let db = match core.pool.take_plain().await {
                Ok(db) => db,
                Err(_) if core.pool.is_closed() => return Err(MigrateError::Closed { database: name }),
                Err(fault) => return Err(MigrateError::failed(&name, "connecting", fault)),
            };
            migrate::apply(&db, &name, &owner, &scripts).await
        };
        let database = self.inner.core.shared.name.clone();
        let done = self.inner.run(migrating).await;
        done.unwrap_or(Err(MigrateError::Closed { database }))
    }

    /// Reads the application's tables with one statement. Each parameter comes with its type.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn read(&self, sql: &str, params: &[Parameter]) -> Result<Vec<tokio_postgres::Row>, StoreError> {
        let (sql, params): (Arc<str>, Arc<[Parameter]>) = (sql.into(), params.into());
        self.inner
            .ask(move |db| {
                let (sql, params) = (sql.clone(), params.clone());
                async move {
                    let params: Vec<_> = params.iter().map(|param| (&*param.0 as _, param.1.clone())).collect();
                    db.query_typed(&sql, &params).await
                }
                .boxed()
            })
            .await
    }

    /// How many groups an engine's process best has on their way at once, for
    /// [`EngineBuilder::commits_at_once`](lumina_workflow::EngineBuilder::commits_at_once): three between all processes
    /// on this database, and one at least. It follows how many there are: one that comes is heard of at once, one that has
    /// gone within five seconds.
    #[must_use]
    pub fn commits_at_once(&self) -> CommitsAtOnce {
        self.inner.core.shared.at_once.clone()
    }

    /// Takes no more calls. What is under way is finished.
    pub async fn close(&self) {
        self.inner.stop_listening();
        self.inner.core.pool.close();
    }
}

/// A parameter of [`PostgresStore::read`], with its type.
///
/// ```
/// use lumina_workflow_postgres::Parameter;
/// use lumina_workflow_postgres::tokio_postgres::types::Type;
///
/// let number = Parameter::new(7_i64, Type::INT8);
/// # let _ = number;
/// ```
#[derive(Clone)]
pub struct Parameter(
    Arc<dyn tokio_postgres::types::ToSql + Send + Sync>,
    tokio_postgres::types::Type,
);

impl Parameter {
    /// A value of this type.
    pub fn new(
        value: impl tokio_postgres::types::ToSql + Send + Sync + 'static,
        kind: tokio_postgres::types::Type,
    ) -> Self {
        Self(Arc::new(value), kind)
    }
}

/// Whether the database can be reached, and its server is one that this works with.
async fn greet(core: &Core) -> Result<(), OpenError> {
    const SQL: &str = "SELECT current_setting('server_version_num')::bigint / 10000";
    let reached = async {
        let db = core.pool.take(Lane::Queue).await?;
        int(&db.one(SQL, &[]).await?, 0)
    };
    let database = || core.shared.name.clone();
    let version = reached
        .await
        .map_err(|fault| OpenError::unreachable(database(), &fault))?;
    match version < OLDEST_SERVER {
        true => Err(OpenError::Old {
            database: database(),
            version,
        }),
        false => Ok(()),
    }
}

impl Inner {
    /// Does it where the store works. Nobody may be waiting for it any more: it is done all the same.
    async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, StoreError> {
        match &self.place {
            Place::Inline(inline) => Ok(inline.block_on(work)),
            Place::Tasks(handle, _) => handle.spawn(work).await.map_err(|_| {
                let database = &self.core.shared.name;
                StoreError::OutcomeUnknown(format!(
                    "{database}: the code that was working on it ended in the middle"
                ))
            }),
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        body: impl for<'g> Fn(&'g Session) -> BoxFuture<'g, Result<T, Fault>> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        let core = self.core.clone();
        self.run(async move { core.ask(body).await }).await?
    }

    async fn read_inbox(&self, wanted: Wanted) -> Result<Inbox, StoreError> {
        match &self.place {
            Place::Tasks(_, inboxes) => inboxes.read(wanted).await,
            Place::Inline(inline) => {
                let mut found = inline.block_on(inboxes::read(&self.core, [wanted].into()))?;
                found.pop().expect("one is answered for one")
            }
        }
    }

    fn start_to_listen(&self, config: tokio_postgres::Config) {
        let (Place::Tasks(handle, _), Some(post)) = (&self.place, &self.core.post) else {
            return;
        };
        let task = handle.spawn(listen::serve(config, self.core.shared.clone(), post.clone()));
        *self.listener.lock().expect("nobody panics while holding it") = Some(task.abort_handle());
    }

    fn stop_listening(&self) {
        if let Some(task) = self.listener.lock().expect("nobody panics while holding it").take() {
            task.abort();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop_listening();
    }
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PostgresStore({})", self.inner.core.shared.name)
    }
}

/// Who has just found nothing first asks whether there may be something now: an idle process is one question at a time.
async fn claim_from(core: &Core, claim: Claim) -> Result<Vec<Claimed>, StoreError> {
    let vain = &core.shared.vain;
    if vain.load(Ordering::SeqCst) && !claim.takeover {
        let now = core.shared.clock.as_ref().map(|clock| clock.now().as_microsecond());
        if !core.ask(move |db| read::due::is_anything_due(db, now).boxed()).await? {
            return Ok(Vec::new());
        }
    }
    let claim = Arc::new(claim);
    let claiming = core.transact(Lane::Queue, move |group| {
        let claim = claim.clone();
        async move { Ok((claim::claim(group, &claim).await?, true)) }.boxed()
    });
    let claimed = claiming.await?;
    vain.store(claimed.is_empty(), Ordering::SeqCst);
    Ok(claimed)
}

/// First those that nobody is writing to, so that no lease hangs on how long an attachment takes; then, when they have
/// been waited for, the others.
async fn renew(core: &Core, held: Vec<Lease>, lease: Duration) -> Result<Vec<RunId>, StoreError> {
    let (mut held, mut lost) = (Arc::new(held), Vec::new());
    for how in [claim::Locked::PassedOver, claim::Locked::WaitedFor] {
        let renewed = core.transact(Lane::First, move |group| {
            let held = held.clone();
            async move { Ok((claim::renew(group, &held, lease, how).await?, true)) }.boxed()
        });
        let renewed = renewed.await?;
        lost.extend(renewed.lost);
        if renewed.passed_over.is_empty() {
            break;
        }
        held = Arc::new(renewed.passed_over);
    }
    Ok(lost)
}

impl Store for PostgresStore {
    fn commit(&self, batch: Arc<[Member]>) -> BoxFuture<'_, Result<Vec<MemberResult>, StoreError>> {
        Box::pin(async move { self.inner.run(commit::commit(self.inner.core.clone(), batch)).await? })
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Vec<Claimed>, StoreError>> {
        Box::pin(async move {
            let core = self.inner.core.clone();
            core.shared.unasked.store(true, Ordering::SeqCst);
            self.inner.run(async move { claim_from(&core, claim).await }).await?
        })
    }

    fn renew(&self, held: Vec<Lease>, lease: Duration) -> BoxFuture<'_, Result<Vec<RunId>, StoreError>> {
        Box::pin(async move {
            let core = self.inner.core.clone();
            self.inner.run(async move { renew(&core, held, lease).await }).await?
        })
    }

    fn history(&self, run: RunId, after: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<StoredRecord>, StoreError>> {
        let payloads = self.inner.core.shared.payloads.clone();
        Box::pin(self.inner.ask(move |db| {
            let payloads = payloads.clone();
            async move { read::history(db, &payloads, run, after, limit).await }.boxed()
        }))
    }

    fn runs(&self, query: RunQuery) -> BoxFuture<'_, Result<Page<RunRow>, StoreError>> {
        let (payloads, query) = (self.inner.core.shared.payloads.clone(), Arc::new(query));
        Box::pin(self.inner.ask(move |db| {
            let (payloads, query) = (payloads.clone(), query.clone());
            async move { read::runs::read(db, &payloads, &query).await }.boxed()
        }))
    }

    fn inbox(&self, query: InboxQuery) -> BoxFuture<'_, Result<Inbox, StoreError>> {
        let InboxQuery { run, after, limit } = query;
        if let Some(run) = run {
            return Box::pin(self.inner.read_inbox(Wanted { run, after, limit }));
        }
        let payloads = self.inner.core.shared.payloads.clone();
        Box::pin(self.inner.ask(move |db| {
            let payloads = payloads.clone();
            async move { read::inbox::unrouted(db, &payloads, after, limit).await }.boxed()
        }))
    }

    fn schedules(&self, query: ScheduleQuery) -> BoxFuture<'_, Result<Vec<ScheduleRow>, StoreError>> {
        let (payloads, query) = (self.inner.core.shared.payloads.clone(), Arc::new(query));
        Box::pin(self.inner.ask(move |db| {
            let (payloads, query) = (payloads.clone(), query.clone());
            async move { read::schedules::read(db, &payloads, &query).await }.boxed()
        }))
    }

    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        Box::pin(async move {
            let shared = &self.inner.core.shared;
            shared.begin_to_tell();
            let now = shared.clock.as_ref().map(|clock| clock.now().as_microsecond());
            let due = self.inner.ask(move |db| read::due::next_due(db, now).boxed()).await?;
            if let Some(due) = due {
                shared.tell(due.as_microsecond());
            }
            Ok(due)
        })
    }

    fn now(&self) -> BoxFuture<'_, Result<Timestamp, StoreError>> {
        Box::pin(async move {
            match &self.inner.core.shared.clock {
                Some(clock) => Ok(clock.now()),
                None => self.inner.ask(|db| read::due::now(db).boxed()).await,
            }
        })
    }

    fn flows(&self, query: FlowQuery) -> BoxFuture<'_, Result<Vec<FlowRow>, StoreError>> {
        let query = Arc::new(query);
        Box::pin(self.inner.ask(move |db| {
            let query = query.clone();
            async move { flow::rows(db, &query).await }.boxed()
        }))
    }

    fn purge(&self, purge: Purge) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(async move {
            let (core, purge) = (self.inner.core.clone(), Arc::new(purge));
            let purging = async move {
                core.transact(Lane::Queue, move |group| {
                    let purge = purge.clone();
                    async move { Ok((purge::purge(group, &purge).await?, true)) }.boxed()
                })
                .await
            };
            self.inner.run(purging).await?
        })
    }

    fn hints(&self) -> BoxStream<'static, Hint> {
        self.inner.core.shared.hints.listen()
    }
}
