//! The real application, in process.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use lumina::app::{App, Parts, ProviderParts};
use lumina::database::DatabaseParts;
use lumina::http::{BodyLimits, HttpSettings, HttpState, router, webhook_router};
use lumina::records::{Budgets, People};
use lumina::token::{Token, load_or_create};
use lumina::workflows::PipelineSettings;
use lumina_enrichment::email::Classifier;
use lumina_enrichment::icp::IcpProfile;
use lumina_intake::newsletters::SigningSecrets;
use lumina_workflow::store::{RunQuery, RunRow};
use lumina_workflow::{Payload, RunId, Worker, WorkerOptions};
use lumina_workflow_sqlite::{Mode, Options, Role, SqliteStore, attach};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

use super::{API_KEY, Answer, Call, CannedProvider, TestRuntime, post, until};

/// The API's token.
pub const TOKEN: &str = "a-token-for-tests-that-is-long-enough";

/// Signs the bodies of our own webhook.
pub const SUBSCRIBE_SECRET: &str = "the secret after the rotation";

/// Signed them before.
pub const PREVIOUS_SECRET: &str = "the secret before the rotation";

/// The application over a database of its own, with everything that serves it.
pub struct TestApp {
    pub app: App,
    pub state: HttpState,
    pub provider: Arc<CannedProvider>,
    pub runtime: Arc<TestRuntime>,
    router: Router,
    webhooks: Router,
    worker: Option<Worker>,
    folder: TempDir,
}

impl TestApp {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With other settings of HTTP.
    pub async fn with(change: impl FnOnce(&mut HttpSettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = Arc::new(TestRuntime::new());
        let provider = Arc::new(CannedProvider::new());
        let app = App::open(parts(folder.path(), &runtime, &provider)).await.unwrap();
        let mut settings = settings(folder.path());
        change(&mut settings);
        let state = HttpState::new(app.clone(), settings);
        Self {
            router: router(state.clone()),
            webhooks: webhook_router(state.clone()),
            app,
            state,
            provider,
            runtime,
            worker: None,
            folder,
        }
    }

    /// Where uploads lie while they are read.
    pub fn upload_folder(&self) -> PathBuf {
        upload_folder(self.folder.path())
    }

    /// All routes, as they are served.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    pub async fn send(&self, call: Call) -> Answer {
        self.request(call.build()).await
    }

    /// To the listener that serves webhooks alone.
    pub async fn send_to_webhooks(&self, call: Call) -> Answer {
        answer(self.webhooks.clone(), call.build()).await
    }

    pub async fn request(&self, request: Request<Body>) -> Answer {
        answer(self.router.clone(), request).await
    }

    /// Has runs executed from now on.
    pub fn start_worker(&mut self) {
        self.worker = Some(self.app.engine.start_worker(WorkerOptions::default()));
    }

    /// Has nothing executed until a worker is started again.
    pub async fn stop_worker(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.shutdown(Duration::from_secs(10)).await;
        }
    }

    /// Takes people in and has the provider find those that have a profile.
    pub async fn find_people(&mut self, people: &BTreeMap<&str, Option<Value>>) {
        if self.worker.is_none() {
            self.start_worker();
        }
        let rows: String = people.keys().map(|email| format!("{email}\n")).collect();
        let form = Form::new()
            .file("people.csv", &format!("email\n{rows}"))
            .text("enrich", "yes");
        let uploaded = self.send(form.call().authorized()).await.ok();
        assert_eq!(uploaded["jobs"], people.len(), "{uploaded}");
        let batch = self.provider.next_batch().await;
        let finished = batch.finished(|email| people[email].clone());
        let answer = self.send(Call::callback("/api/webhooks/enrichment", &finished)).await;
        answer.ok();
        self.wait_for_runs("subscriber-enrichment", 1).await;
    }

    /// Stops, and leaves its files behind.
    pub async fn leave(mut self) -> (TempDir, PathBuf) {
        self.stop_worker().await;
        self.app.database.close().await.unwrap();
        let Self {
            folder,
            app,
            state,
            router,
            webhooks,
            ..
        } = self;
        drop((app, state, router, webhooks));
        let file = folder.path().join("lumina.db");
        // What it has running in the background lets go of the file a moment later.
        let open = || async { SqliteStore::open(Options::new(&file)).ok().map(drop) };
        until("nobody to have the file open", open).await;
        (folder, file)
    }

    /// Waits until so many runs of a workflow, the newest ones, have ended.
    pub async fn wait_for_runs(&self, workflow: &str, count: usize) -> Vec<RunRow> {
        until("runs to end", || async {
            let query = RunQuery {
                workflow: Some(workflow.to_owned()),
                limit: count,
                ..RunQuery::default()
            };
            let runs = self.app.engine.runs(query).await.unwrap().items;
            (runs.len() == count && runs.iter().all(|run| run.status.is_end())).then_some(runs)
        })
        .await
    }

    /// Waits until a run has ended.
    pub async fn wait_for_end(&self, id: RunId) -> RunRow {
        let ended = || async { Some(self.run(id).await).filter(|run| run.status.is_end()) };
        until("a run to end", ended).await
    }

    pub async fn run(&self, id: RunId) -> RunRow {
        self.app.engine.run(id).await.unwrap().unwrap()
    }

    /// A number from the database.
    pub async fn count(&self, sql: &'static str) -> i64 {
        let counted = self
            .app
            .database
            .file()
            .unwrap()
            .read(move |connection| connection.query_row(sql, [], |row| row.get(0)));
        counted.await.unwrap().unwrap()
    }

    /// Writes to the database what only a test does.
    pub async fn execute(&self, sql: String) {
        let id = self.app.context.runtime.new_id();
        let write = attach(move |tx| {
            tx.connection().execute_batch(&sql)?;
            Ok(Payload::null())
        });
        self.app.engine.transact(id, write).await.unwrap();
    }

    /// Nothing can be written from now on: the disk is full.
    pub async fn fill_disk(&self) {
        self.write("PRAGMA max_page_count = 1").await.unwrap();
        // Until the last page is used up as well.
        while self.write("SELECT 1").await.is_ok() {}
    }

    /// There is room again. Past the engine, so that it does not hear of it.
    pub async fn free_disk(&self) {
        use lumina_workflow::store::{Change, Member};
        let change = Change::Nothing {
            id: uuid::Uuid::from_u128(1),
        };
        let attach = Some(pragma("PRAGMA max_page_count = 1000000"));
        let answers = self
            .app
            .database
            .store()
            .commit(Arc::new([Member { change, attach }]))
            .await
            .unwrap();
        assert!(answers[0].is_ok(), "{answers:?}");
    }

    async fn write(&self, sql: &'static str) -> Result<Payload, lumina_workflow::EngineError> {
        let id = self.app.context.runtime.new_id();
        self.app.engine.transact(id, pragma(sql)).await
    }
}

fn pragma(sql: &'static str) -> lumina_workflow::store::Attachment {
    attach(move |tx| {
        tx.connection().execute_batch(sql)?;
        Ok(Payload::null())
    })
}

async fn answer(router: Router, request: Request<Body>) -> Answer {
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec(),
    }
}

fn parts(folder: &Path, runtime: &Arc<TestRuntime>, provider: &Arc<CannedProvider>) -> Parts {
    Parts {
        codec: lumina::encryption::none(),
        database: DatabaseParts::File {
            path: folder.join("lumina.db"),
            role: Role::Executor,
            mode: Mode::Threads,
        },
        runtime: runtime.clone(),
        provider: ProviderParts {
            transport: provider.clone(),
            base_url: "http://provider.example/api/v2".to_owned(),
            api_key: API_KEY.into(),
            calls_per_minute: NonZeroU32::new(1_000).unwrap(),
            callback: Some("https://lumina.example.com/api/webhooks/enrichment".to_owned()),
        },
        settings: PipelineSettings {
            deadline: Duration::from_secs(24 * 3_600),
            linger: Duration::ZERO,
            reconcile_window: Duration::from_secs(7_200),
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
            raw_kept: Duration::from_secs(30 * 24 * 3_600),
            runs_kept: Duration::from_secs(30 * 24 * 3_600),
        },
        profile: IcpProfile::default(),
        classifier: Classifier::new(),
        people: Some(People::Sandbox),
    }
}

fn settings(folder: &Path) -> HttpSettings {
    HttpSettings {
        token: make_token(folder),
        subscribe: Some(SigningSecrets::new(SUBSCRIBE_SECRET, Some(PREVIOUS_SECRET)).unwrap()),
        newsletters: BTreeMap::new(),
        signing_keys: vec![API_KEY.into()],
        upload_folder: upload_folder(folder),
        limits: BodyLimits::default(),
    }
}

fn upload_folder(folder: &Path) -> PathBuf {
    folder.join("lumina.db.uploads")
}

fn make_token(folder: &Path) -> Token {
    let path = folder.join("lumina.db.token");
    std::fs::write(&path, TOKEN).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    load_or_create(&path, &|| unreachable!("the file is there")).unwrap().0
}

/// A form with files and fields.
pub struct Form(String);

const BOUNDARY: &str = "----a-boundary-for-tests";

impl Form {
    pub fn new() -> Self {
        Self(String::new())
    }

    pub fn text(self, name: &str, value: &str) -> Self {
        self.part(&format!("name=\"{name}\""), value)
    }

    pub fn file(self, file_name: &str, content: &str) -> Self {
        self.part(&format!("name=\"file\"; filename=\"{file_name}\""), content)
    }

    fn part(self, disposition: &str, content: &str) -> Self {
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n");
        Self(format!("{}{head}{content}\r\n", self.0))
    }

    /// What has been written so far, without the end.
    pub fn begun(self) -> String {
        self.0
    }

    /// An upload without a body.
    pub fn empty_call() -> Call {
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        post("/api/upload").header("content-type", &kind)
    }

    pub fn call(self) -> Call {
        Self::empty_call().body(format!("{}--{BOUNDARY}--\r\n", self.0))
    }
}
