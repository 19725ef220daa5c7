//! The whole pipeline in one process: Lumina with its listener, and the sandbox with its own, over real sockets.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, StatusCode};
use lumina::app::{App, Parts, ProviderParts};
use lumina::database::{Database, DatabaseParts};
use lumina::http::{BodyLimits, HttpSettings, HttpState, router, serve};
use lumina::ingest::{ROWS_PER_TRANSACTION, ingest};
use lumina::records::{BATCH_SIZE, Budgets, Channel, People};
use lumina::token::load_or_create;
use lumina::workflows::PipelineSettings;
use lumina_bench_floor::Address;
use lumina_enrichment::email::{Classifier, EmailAddress};
use lumina_enrichment::icp::IcpProfile;
use lumina_enrichment::subscriber::NewSubscriber;
use lumina_fullenrich::{ReqwestOptions, ReqwestTransport};
use lumina_fullenrich_sandbox::{
    CallbackSender, DeliveryError, HttpCallbackSender, Mood, Moods, Sandbox, SandboxConfig, TokioClock,
};
use lumina_workflow::store::{RunQuery, RunStatus};
use lumina_workflow::{TokioRuntime, Worker, WorkerOptions};
use lumina_workflow_sqlite::{Mode, Role};
use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// Batches that may be out at once: all of them.
const IN_FLIGHT: u32 = 1_000;

/// Callbacks that the sandbox sends at once, as many as it looks people up by default.
const SENDERS: usize = 100;

/// More than anything here reaches.
const UNLIMITED: NonZeroU32 = NonZeroU32::MAX;

/// How often it is looked whether everything is done.
const LOOK: Duration = Duration::from_millis(20);

/// The name of the threads that the sandbox runs on: what it takes of the processors is not ours.
pub const PROVIDER: &str = "provider";

/// Lumina and the sandbox, running.
pub struct Pipeline {
    app: App,
    worker: Worker,
    sandbox: Arc<Sandbox>,
    provider: Runtime,
    stop: watch::Sender<bool>,
    listeners: Vec<JoinHandle<std::io::Result<()>>>,
    folder: PathBuf,
    events: bool,
}

impl Pipeline {
    /// Starts both on a file that does not exist yet, or a server's database that is empty. With `events` the sandbox
    /// calls back for each contact as well. What is not in the database goes into `folder`.
    ///
    /// # Errors
    /// When a socket or the database cannot be had.
    pub async fn start(database: DatabaseParts, folder: &Path, events: bool) -> Result<Self> {
        let (provider, listener) = (listen().await?, listen().await?);
        let (provider_at, listener_at) = (provider.local_addr()?, listener.local_addr()?);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name(PROVIDER)
            .enable_all()
            .build()?;
        let sandbox = open_sandbox(events, runtime.handle())?;
        let app = App::open(parts(database, &sandbox, provider_at, listener_at)?).await?;
        std::fs::create_dir_all(folder)?;
        let (stop, stopped) = watch::channel(false);
        let state = HttpState::new(app.clone(), settings(folder, &sandbox)?);
        let listeners = vec![
            runtime.spawn(sandbox.clone().serve(provider, stopping(stopped.clone()))),
            tokio::spawn(serve(listener, router(state), stopping(stopped))),
        ];
        let worker = app.engine.start_worker(WorkerOptions {
            takeover: true,
            ..WorkerOptions::default()
        });
        Ok(Self {
            app,
            worker,
            sandbox,
            provider: runtime,
            stop,
            listeners,
            folder: folder.to_owned(),
            events,
        })
    }

    /// Takes these people in, as a file is, and returns when everything about them has ended.
    ///
    /// # Errors
    /// When something is not as it has to be in the end.
    pub async fn work_off(&self, people: &[Address]) -> Result<()> {
        for rows in people.chunks(ROWS_PER_TRANSACTION) {
            let rows = rows.iter().map(|row| self.make_subscriber(row));
            let rows = rows.collect::<Result<_>>()?;
            ingest(&self.app, rows, u64::MAX, Channel::File, None).await?;
        }
        while !self.is_settled(people.len()).await? {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    fn make_subscriber(&self, row: &Address) -> Result<NewSubscriber> {
        let address = EmailAddress::parse(&row.email)?;
        Ok(NewSubscriber::new(address, "bench", &self.app.classifier).with_name(Some("Pat Person")))
    }

    /// Whether every job, every run and every callback has ended.
    async fn is_settled(&self, people: usize) -> Result<bool> {
        let open = "SELECT count(*) FROM (SELECT 1 FROM lumina.enrichment_job WHERE status IN ('pending', 'submitted') LIMIT 1) AS j";
        let events = if self.events { people } else { 0 };
        let batches = people.div_ceil(BATCH_SIZE);
        let delivered = self.sandbox.totals().callbacks.delivered as usize;
        Ok(delivered >= events + batches && self.count(open).await? == 0 && !self.has_open_runs().await?)
    }

    /// What a query counts. A file has no schema.
    async fn count(&self, sql: &str) -> Result<i64> {
        match &self.app.database {
            Database::File(store) => {
                let sql = sql.replace("lumina.", "");
                let count = store.read(move |connection| connection.query_row(&sql, [], |row| row.get(0)));
                Ok(count.await??)
            }
            Database::Server(store) => Ok(store.read(sql, &[]).await?[0].try_get(0)?),
        }
    }

    async fn has_open_runs(&self) -> Result<bool> {
        let open = RunQuery {
            statuses: vec![RunStatus::Pending, RunStatus::Running, RunStatus::Waiting],
            limit: 1,
            ..RunQuery::default()
        };
        Ok(!self.app.engine.runs(open).await?.items.is_empty())
    }

    /// Holds what is there against the sandbox's ledger.
    ///
    /// # Errors
    /// When something is not as it has to be.
    pub async fn check(&self, people: usize) -> Result<()> {
        let census = self.app.records.census().await?;
        let totals = self.sandbox.totals();
        let jobs = |status: &str| census.jobs.get(status).copied().unwrap_or(0);
        let leads = self.count("SELECT count(*) FROM lumina.lead").await?;
        ensure!(
            jobs("enriched") + jobs("not_found") == people as u64,
            "not every job was answered: {census:?}"
        );
        ensure!(
            totals.charges == jobs("enriched")
                && leads as u64 == totals.charges
                && census.credits_used == totals.charges,
            "{leads} leads, {census:?}, {totals:?}"
        );
        Ok(())
    }

    /// Stops both, and closes the database.
    ///
    /// # Errors
    /// When a listener has failed.
    pub async fn stop(self) -> Result<()> {
        self.worker.shutdown(Duration::from_secs(10)).await;
        self.stop.send_replace(true);
        for listener in self.listeners {
            listener.await??;
        }
        self.provider.shutdown_background();
        self.app.database.close().await?;
        std::fs::remove_dir_all(&self.folder)?;
        Ok(())
    }
}

async fn listen() -> Result<TcpListener> {
    Ok(TcpListener::bind(("127.0.0.1", 0)).await?)
}

async fn stopping(mut stopped: watch::Receiver<bool>) {
    // An error says that whoever would stop it is gone.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Looks up at once, as many as are wanted, and keeps its ledger in memory: its own time is not ours.
fn open_sandbox(events: bool, runtime: &Handle) -> Result<Arc<Sandbox>> {
    let moods = Moods::always((!events).then_some(Mood::EventsNever));
    let config = SandboxConfig {
        moods,
        credits: u64::from(u32::MAX),
        calls_per_minute: UNLIMITED,
        contacts_at_once: UNLIMITED,
        callback_timeout: Duration::from_secs(600),
        ..SandboxConfig::default()
    };
    let clock = TokioClock::new(runtime.clone());
    Ok(Sandbox::open(
        config.with_lookup_delay(Duration::ZERO),
        None,
        Arc::new(clock),
        Arc::new(FewAtOnce::new()),
    )?)
}

/// A provider has so many senders and not more; without it, thousands of callbacks would each open a connection, and
/// Lumina serves some hundreds at a time.
struct FewAtOnce {
    sender: HttpCallbackSender,
    seats: Arc<Semaphore>,
}

impl FewAtOnce {
    fn new() -> Self {
        Self {
            sender: HttpCallbackSender::new(),
            seats: Arc::new(Semaphore::new(SENDERS)),
        }
    }
}

impl CallbackSender for FewAtOnce {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<StatusCode, DeliveryError>> {
        let (sender, seats) = (self.sender.clone(), self.seats.clone());
        Box::pin(async move {
            let _seat = seats.acquire_owned().await.expect("it is never closed");
            sender.send(request).await
        })
    }
}

/// A file, for the one process that executes it.
#[must_use]
pub fn file(path: &Path) -> DatabaseParts {
    DatabaseParts::File {
        path: path.to_owned(),
        role: Role::Executor,
        mode: Mode::Threads,
    }
}

fn parts(database: DatabaseParts, sandbox: &Sandbox, provider: SocketAddr, listener: SocketAddr) -> Result<Parts> {
    Ok(Parts {
        codec: lumina::encryption::none(),
        database,
        runtime: Arc::new(TokioRuntime::current()),
        provider: ProviderParts {
            transport: Arc::new(ReqwestTransport::new(&ReqwestOptions::default())?),
            base_url: format!("http://{provider}/api/v2"),
            api_key: sandbox.config().api_key.expose().into(),
            calls_per_minute: UNLIMITED,
            callback: Some(format!("http://{listener}/api/webhooks/enrichment")),
        },
        settings: pipeline_settings(),
        profile: IcpProfile::default(),
        classifier: Classifier::new(),
        people: Some(People::Sandbox),
    })
}

/// The defaults, without budgets, and with as many batches out as are wanted.
#[must_use]
pub fn pipeline_settings() -> PipelineSettings {
    const DAY: Duration = Duration::from_secs(86_400);
    PipelineSettings {
        deadline: DAY,
        linger: Duration::from_secs(2),
        reconcile_window: Duration::from_secs(7_200),
        max_in_flight: IN_FLIGHT,
        poll_without_webhook: Duration::from_secs(300),
        poll_first: Duration::from_secs(600),
        poll_every: Duration::from_secs(900),
        budgets: Budgets::default(),
        retry_first: Duration::from_secs(5),
        retry_unreachable: Duration::from_secs(60),
        probe_every: Duration::from_secs(900),
        late_poll: Duration::from_secs(3_600),
        refresh_after: 90 * DAY,
        sweep_every: Duration::from_secs(60),
        batch_every: Duration::from_secs(900),
        raw_kept: 30 * DAY,
        runs_kept: 30 * DAY,
    }
}

fn settings(folder: &Path, sandbox: &Sandbox) -> Result<HttpSettings> {
    let (token, _) = load_or_create(&folder.join("token"), &|| [7; 32])?;
    Ok(HttpSettings {
        token,
        subscribe: None,
        newsletters: std::collections::BTreeMap::new(),
        signing_keys: vec![sandbox.config().api_key.expose().into()],
        upload_folder: folder.join("uploads"),
        limits: BodyLimits::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::on_runtime;

    /// Whatever is sent, everybody's lookup ends, and what is there is what the sandbox has charged.
    #[test]
    fn everybody_is_worked_off() {
        for events in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let rows: Vec<Address> = lumina_bench_floor::addresses(400).filter(|row| row.personal).collect();
            let worked_off = on_runtime(async {
                let path = folder.path().join("pipeline.db");
                let pipeline = Pipeline::start(file(&path), &folder.path().join("files"), events).await?;
                pipeline.work_off(&rows).await?;
                pipeline.check(rows.len()).await?;
                let answers = pipeline.count("SELECT count(*) FROM lumina.enrichment_answer").await?;
                pipeline.stop().await?;
                anyhow::Ok(answers)
            });
            assert_eq!(worked_off.unwrap(), if events { 2 + 200 } else { 2 });
        }
    }
}
