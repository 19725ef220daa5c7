//! One process's worth of Lumina beside a sandbox, on a deterministic executor.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use lumina::app::{App, Parts, ProviderParts};
use lumina::database::{Database, DatabaseParts};
use lumina::http::{BodyLimits, HttpSettings, HttpState};
use lumina::records::{Budgets, Census, Channel, People};
use lumina::workflows::{HOUSEKEEPING, PipelineSettings};
use lumina_enrichment::email::{Classifier, EmailAddress};
use lumina_enrichment::icp::IcpProfile;
use lumina_enrichment::subscriber::NewSubscriber;
use lumina_fullenrich::{BoxFuture, Transport, TransportError};
use lumina_fullenrich_sandbox::{CallbackSender, Clock, DeliveryError, Reset, Sandbox, SandboxConfig};
use lumina_workflow::deterministic::DeterministicRuntime;
use lumina_workflow::store::{RunQuery, RunRow, RunStatus};
use lumina_workflow::testing::Interceptor;
use lumina_workflow::{EngineBuilder, Runtime, StoreClock, Worker, WorkerOptions};
use lumina_workflow_postgres::testing;
use lumina_workflow_postgres::tokio_postgres::types::FromSqlOwned;
use lumina_workflow_sqlite::{Mode, Role};
use rusqlite::types::FromSql;
use serde_json::Value;
use tower::ServiceExt;

use super::process::Process;

const CALLBACK: &str = "http://lumina.test/api/webhooks/enrichment";

/// Lumina and a sandbox in one virtual world.
pub struct World {
    pub runtime: DeterministicRuntime,
    pub sandbox: Arc<Sandbox>,
    plan: Plan,
    lumina: Arc<Callbacks>,
    life: Option<Life>,
    folder: tempfile::TempDir,
}

/// Where Lumina's database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    File,
    Server,
}

/// Each of these tests on either kind of database.
macro_rules! on_each_database {
    ($($test:ident),+ $(,)?) => {
        mod on_a_file {
            $(#[test] fn $test() { super::$test($crate::pipeline::world::On::File) })+
        }

        mod on_a_server {
            $(#[test] fn $test() { super::$test($crate::pipeline::world::On::Server) })+
        }
    };
}
pub(crate) use on_each_database;

/// How Lumina is started, each time that it is.
struct Plan {
    /// On a server, an empty one.
    server: Option<testing::Database>,
    settings: PipelineSettings,
    provider: Arc<dyn Transport>,
    key: String,
    interceptor: Option<Arc<dyn Interceptor>>,
}

/// A process of Lumina, from its start to its end.
struct Life {
    app: App,
    process: Arc<Process>,
    _worker: Worker,
}

/// The configured defaults, with an unlimited budget.
pub fn settings() -> PipelineSettings {
    PipelineSettings {
        deadline: Duration::from_secs(24 * 3_600),
        linger: Duration::from_secs(2),
        reconcile_window: Duration::from_secs(2 * 3_600),
        max_in_flight: 3,
        poll_without_webhook: Duration::from_secs(300),
        poll_first: Duration::from_secs(600),
        poll_every: Duration::from_secs(900),
        budgets: Budgets::default(),
        retry_first: Duration::from_secs(5),
        retry_unreachable: Duration::from_secs(60),
        probe_every: Duration::from_secs(900),
        late_poll: Duration::from_secs(3_600),
        refresh_after: Duration::from_secs(90 * 24 * 3_600),
        sweep_every: Duration::from_secs(60),
        batch_every: Duration::from_secs(900),
        raw_kept: Duration::from_secs(86_400),
        runs_kept: Duration::from_secs(30 * 86_400),
    }
}

impl World {
    /// Starts both. What is awaited outside of [`run`](Self::run) does not go on.
    pub fn start(on: On, sandbox: SandboxConfig, settings: PipelineSettings) -> Self {
        Self::start_with(on, sandbox, settings, None)
    }

    /// The same, with somebody who has a hand in Lumina's engine.
    pub fn start_with(
        on: On,
        sandbox: SandboxConfig,
        settings: PipelineSettings,
        interceptor: Option<Arc<dyn Interceptor>>,
    ) -> Self {
        let runtime = DeterministicRuntime::new(sandbox.seed);
        let lumina = Arc::new(Callbacks::default());
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock(runtime.clone()));
        let key = sandbox.api_key.expose().to_owned();
        let sandbox = Sandbox::open(sandbox, None, clock, lumina.clone()).unwrap();
        let plan = Plan {
            server: (on == On::Server).then(|| testing::Database::empty("pipeline")),
            settings,
            provider: Arc::new(InProcess(sandbox.router())),
            key,
            interceptor,
        };
        Self::start_as(runtime, sandbox, plan, lumina)
    }

    /// The same, with another provider than the sandbox.
    pub fn start_beside(
        on: On,
        provider: impl FnOnce(&DeterministicRuntime) -> Arc<dyn Transport>,
        settings: PipelineSettings,
    ) -> Self {
        let mut world = Self::start(on, SandboxConfig::default(), settings);
        world.plan.provider = provider(&world.runtime);
        world.restart();
        world
    }

    fn start_as(runtime: DeterministicRuntime, sandbox: Arc<Sandbox>, plan: Plan, lumina: Arc<Callbacks>) -> Self {
        let mut world = Self {
            runtime,
            sandbox,
            plan,
            lumina,
            life: None,
            folder: quick_folder(),
        };
        world.begin_life();
        world
    }

    /// Lumina's process dies where it stands, and another one begins.
    pub fn restart(&mut self) {
        self.end_life();
        self.begin_life();
    }

    /// The same, and the other one is configured otherwise.
    pub fn restart_with(&mut self, change: impl FnOnce(&mut PipelineSettings)) {
        change(&mut self.plan.settings);
        self.restart();
    }

    fn end_life(&mut self) {
        *self.lumina.0.lock().unwrap() = None;
        if let Some(life) = self.life.take() {
            life.process.kill();
        }
    }

    fn begin_life(&mut self) {
        let process = Arc::new(Process::new(self.runtime.clone()));
        let parts = self.make_parts(process.clone());
        let interceptor = self.plan.interceptor.clone();
        let add = |builder: EngineBuilder| match interceptor {
            Some(interceptor) => builder.intercept(interceptor),
            None => builder,
        };
        let opened = async {
            let app = App::open_with(parts, add).await.unwrap();
            let worker = app.engine.start_worker(WorkerOptions {
                takeover: self.plan.server.is_none(),
                ..WorkerOptions::default()
            });
            (app, worker)
        };
        let (app, worker) = self.runtime.block_on(opened).unwrap();
        let state = HttpState::new(app.clone(), http_settings(self.folder.path(), &self.plan.key));
        *self.lumina.0.lock().unwrap() = Some(lumina::http::webhook_router(state));
        self.life = Some(Life {
            app,
            process,
            _worker: worker,
        });
    }

    fn make_parts(&self, runtime: Arc<Process>) -> Parts {
        Parts {
            database: self.database_parts(),
            codec: lumina::encryption::none(),
            runtime,
            provider: ProviderParts {
                transport: self.plan.provider.clone(),
                base_url: "http://sandbox.test/api/v2".to_owned(),
                api_key: self.plan.key.as_str().into(),
                calls_per_minute: NonZeroU32::new(60).unwrap(),
                callback: Some(CALLBACK.to_owned()),
            },
            settings: self.plan.settings.clone(),
            profile: IcpProfile::default(),
            classifier: Classifier::new(),
            people: Some(People::Sandbox),
        }
    }

    /// A server's time is the world's, as a file's is.
    fn database_parts(&self) -> DatabaseParts {
        match &self.plan.server {
            Some(server) => {
                let clock = StoreClock::of(Arc::new(self.runtime.clone()));
                let options = server.options().mode(lumina_workflow_postgres::Mode::Inline);
                DatabaseParts::Server(Box::new(options.clock(clock)))
            }
            None => DatabaseParts::File {
                path: self.folder.path().join("world.db"),
                role: Role::Executor,
                mode: Mode::Inline,
            },
        }
    }

    /// The provider calls back with this body. What is answered.
    pub fn call_back(&self, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let signature = lumina_fullenrich_sandbox::sign(&self.plan.key, body.as_bytes());
        let request = Request::post(format!("{CALLBACK}{path}"))
            .header("x-signature-sha1", signature)
            .body(Bytes::from(body))
            .unwrap();
        let router = self.lumina.0.lock().unwrap().clone().expect("Lumina is running");
        let answer = self.run(call(router, request));
        assert_eq!(answer.status(), StatusCode::OK);
        serde_json::from_slice(answer.body()).unwrap()
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        self.run(self.runtime.sleep(time));
    }

    /// Lets months pass. On a server nobody is there for most of them: each minute of a process asks the database, and
    /// a server's answer takes its time.
    pub fn pass_months(&mut self, time: Duration) {
        const THERE: Duration = Duration::from_secs(3 * 24 * 3_600);
        if self.plan.server.is_none() {
            return self.pass(time);
        }
        self.pass(THERE);
        self.end_life();
        self.pass(time - 2 * THERE);
        self.begin_life();
        self.pass(THERE);
    }

    /// What a query of one value answers, on either kind of database; its tables are named with the server's schema.
    pub fn value<T: FromSql + FromSqlOwned + Send + 'static>(&self, sql: &str) -> T {
        self.run(read_value(&self.app().database, sql))
    }

    /// What a query counts.
    pub fn count(&self, sql: &str) -> u64 {
        u64::try_from(self.value::<i64>(sql)).unwrap()
    }

    /// Lumina, as it runs now.
    pub fn app(&self) -> &App {
        &self.life.as_ref().expect("it has been started").app
    }

    /// Lets the world go on until this has ended.
    pub fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work).expect("the world cannot stand still")
    }

    /// Takes subscribers in as a file does.
    pub fn import(&self, addresses: impl Iterator<Item = String>) {
        let addresses: Vec<String> = addresses.collect();
        for thousand in addresses.chunks(1_000) {
            let rows = thousand.iter().map(|address| {
                let email = EmailAddress::parse(address).unwrap();
                NewSubscriber::new(email, "test", &self.app().classifier)
            });
            let taken = lumina::ingest::ingest(self.app(), rows.collect(), u64::MAX, Channel::File, None);
            self.run(taken).unwrap();
        }
    }

    /// Lets time pass until no lookup is open.
    pub fn run_until_settled(&self, look_every: Duration) -> Census {
        loop {
            let census = self.run(async {
                self.runtime.sleep(look_every).await;
                self.app().records.census().await.unwrap()
            });
            if census.open_jobs() == 0 {
                return census;
            }
        }
    }

    /// Runs of the pipeline with this status, all of them.
    pub fn runs(&self, status: RunStatus) -> Vec<RunRow> {
        self.all_runs(RunQuery {
            without: HOUSEKEEPING.map(str::to_owned).into(),
            statuses: vec![status],
            limit: 500,
            ..RunQuery::default()
        })
    }

    /// Page by page.
    pub fn all_runs(&self, mut query: RunQuery) -> Vec<RunRow> {
        let mut all = Vec::new();
        loop {
            let page = self.run(self.app().engine.runs(query.clone())).unwrap();
            all.extend(page.items);
            match page.next {
                Some(next) => query.before = Some(next),
                None => return all,
            }
        }
    }
}

/// What a query of one value answers; its tables are named with the server's schema.
pub async fn read_value<T: FromSql + FromSqlOwned + Send + 'static>(database: &Database, sql: &str) -> T {
    match database {
        Database::File(store) => {
            let sql = sql.replace("lumina.", "");
            let value = store.read(move |database| database.query_row(&sql, [], |row| row.get(0)));
            value.await.unwrap().unwrap()
        }
        Database::Server(store) => store.read(sql, &[]).await.unwrap()[0].get(0),
    }
}

/// Durability is not what these tests are about, so memory serves as the disk where there is one.
fn quick_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    folder.unwrap()
}

pub fn http_settings(folder: &Path, key: &str) -> HttpSettings {
    let (token, _) = lumina::token::load_or_create(&folder.join("token"), &|| [7; 32]).unwrap();
    HttpSettings {
        token,
        subscribe: None,
        newsletters: Default::default(),
        signing_keys: vec![key.into()],
        // Emptied at each start.
        upload_folder: folder.join("uploads"),
        limits: BodyLimits::default(),
    }
}

struct VirtualClock(DeterministicRuntime);

impl Clock for VirtualClock {
    fn now(&self) -> jiff::Timestamp {
        self.0.now()
    }

    fn sleep(&self, span: Duration) -> lumina_fullenrich_sandbox::BoxFuture<'static, ()> {
        self.0.sleep(span)
    }

    fn spawn(&self, work: lumina_fullenrich_sandbox::BoxFuture<'static, ()>) {
        self.0.spawn(work);
    }
}

/// The client's way to the sandbox: its router, called in process.
pub struct InProcess(pub Router);

impl Transport for InProcess {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        Box::pin(async move {
            let answer = call(self.0.clone(), request).await;
            if Reset::is_meant(&answer) {
                return Err(TransportError::Unknown {
                    detail: "the connection was reset".to_owned(),
                    status: None,
                });
            }
            Ok(answer)
        })
    }
}

pub async fn call(router: Router, request: Request<Bytes>) -> Response<Bytes> {
    let answer = router.oneshot(request.map(Body::from)).await.expect("a router answers");
    let (head, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX)
        .await
        .expect("a body in memory can be read");
    Response::from_parts(head, body)
}

/// The sandbox's way back: Lumina's webhook routes, called in process. Between two lives nobody answers.
#[derive(Default)]
struct Callbacks(Mutex<Option<Router>>);

impl CallbackSender for Callbacks {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> lumina_fullenrich_sandbox::BoxFuture<'static, Result<StatusCode, DeliveryError>> {
        let router = self
            .0
            .lock()
            .unwrap()
            .clone()
            .expect("nothing is sent between two lives");
        Box::pin(async move { Ok(call(router, request).await.status()) })
    }
}
