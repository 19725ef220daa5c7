//! The workflow that is measured: three steps and a wait, 200 bytes of payload each, and the
//! engine that runs it on a file.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use lumina_workflow::store::Store;
use lumina_workflow::{
    CommitsAtOnce, CorrelationKey, Engine, Failure, NewEvent, Payload, Retry, Run, StartOptions, Step, StepError,
    TokioRuntime, Worker, WorkerOptions, Workflow,
};
use lumina_workflow_postgres::PostgresStore;
use lumina_workflow_sqlite::{Options, SqliteStore};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// How many runs are executed or waited for at once.
pub const IN_FLIGHT: usize = 1_000;

const FIRST: Step = Step::action("first").retry(Retry::exponential(3));
const SECOND: Step = Step::action("second").retry(Retry::exponential(3));
const WAIT: Step = Step::wait("wait", "go").timeout("24h");
const THIRD: Step = Step::action("third").retry(Retry::exponential(3));

/// A run's input: its number and 200 bytes.
#[derive(Serialize, Deserialize)]
pub struct Order {
    number: u64,
    filling: String,
}

/// Who waits for a run to reach its second or third step.
#[derive(Default)]
struct Bells {
    waiting: Mutex<BTreeMap<(u64, u8), oneshot::Sender<()>>>,
    /// Whoever waits is in another process, and is told so.
    elsewhere: Option<fn(u64, u8)>,
}

/// Rings when the run with this number has reached this step.
pub type Bell = Arc<dyn Fn(u64, u8) + Send + Sync>;

impl Bells {
    fn listen(&self, number: u64, step: u8) -> oneshot::Receiver<()> {
        let (bell, rings) = oneshot::channel();
        self.waiting
            .lock()
            .expect("nobody panics while holding it")
            .insert((number, step), bell);
        rings
    }

    fn ring(&self, number: u64, step: u8) {
        if let Some(tell) = self.elsewhere {
            return tell(number, step);
        }
        let bell = self
            .waiting
            .lock()
            .expect("nobody panics while holding it")
            .remove(&(number, step));
        if let Some(bell) = bell {
            // A listener that has gone was not interested.
            let _ = bell.send(());
        }
    }
}

struct ThreeSteps {
    bells: Arc<Bells>,
}

impl Workflow for ThreeSteps {
    const NAME: &'static str = "three-steps-and-a-wait";
    const STEPS: &'static [Step] = &[FIRST, SECOND, WAIT, THIRD];
    type Input = Order;
    type Output = String;

    async fn run(&self, run: &Run, order: Order) -> Result<String, Failure> {
        let number = order.number;
        let filling = order.filling;
        let first: String = run
            .step(FIRST, move |_| std::future::ready(Ok::<_, StepError>(filling.clone())))
            .await?;
        let bells = self.bells.clone();
        let second: String = run
            .step(SECOND, move |attempt| {
                attempt.register_key(key_of(number));
                bells.ring(number, 2);
                std::future::ready(Ok(first.clone()))
            })
            .await?;
        let told: String = run.wait(WAIT).await?;
        let bells = self.bells.clone();
        run.step(THIRD, move |_| {
            bells.ring(number, 3);
            std::future::ready(Ok(if told.is_empty() { second.clone() } else { told.clone() }))
        })
        .await
    }
}

fn key_of(number: u64) -> CorrelationKey {
    CorrelationKey::new("bench", number.to_string())
}

fn filling() -> String {
    "x".repeat(198)
}

/// An engine, mostly with a worker.
pub struct Bench {
    /// The engine.
    pub engine: Engine,
    worker: Option<Worker>,
    store: Opened,
    bells: Arc<Bells>,
}

/// What it works on.
enum Opened {
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
}

impl Opened {
    fn commits_at_once(&self) -> CommitsAtOnce {
        match self {
            Self::Sqlite(_) => NonZeroUsize::MIN.into(),
            Self::Postgres(store) => store.commits_at_once(),
        }
    }

    fn shared(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(store) => Arc::new(store.clone()),
            Self::Postgres(store) => Arc::new(store.clone()),
        }
    }
}

impl Bench {
    /// Opens the file and starts a worker.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub async fn start(path: &Path) -> Result<Self> {
        let store = Opened::Sqlite(SqliteStore::open(Options::new(path))?);
        Ok(Self::over(store, None).await?.with_worker())
    }

    /// Opens a PostgreSQL database and starts a worker, one of any number.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn start_in_fleet(options: lumina_workflow_postgres::Options) -> Result<Self> {
        Ok(Self::start_outside(options).await?.with_worker())
    }

    /// The same as a process of a fleet whose runs somebody in another one waits for.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn start_as_member(options: lumina_workflow_postgres::Options, tell: fn(u64, u8)) -> Result<Self> {
        let store = Opened::Postgres(PostgresStore::open(options).await?);
        Ok(Self::over(store, Some(tell)).await?.with_worker())
    }

    /// Opens a PostgreSQL database on which others work.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn start_outside(options: lumina_workflow_postgres::Options) -> Result<Self> {
        Self::over(Opened::Postgres(PostgresStore::open(options).await?), None).await
    }

    async fn over(store: Opened, elsewhere: Option<fn(u64, u8)>) -> Result<Self> {
        let bells = Arc::new(Bells {
            elsewhere,
            ..Bells::default()
        });
        let workflow = ThreeSteps { bells: bells.clone() };
        let engine = Engine::builder(store.shared(), Arc::new(TokioRuntime::current()))
            .register(workflow)?
            .commits_at_once(store.commits_at_once())
            .build()
            .await?;
        Ok(Self {
            engine,
            worker: None,
            store,
            bells,
        })
    }

    fn with_worker(mut self) -> Self {
        let options = WorkerOptions {
            max_in_flight: IN_FLIGHT,
            takeover: matches!(self.store, Opened::Sqlite(_)),
            ..WorkerOptions::default()
        };
        self.worker = Some(self.engine.start_worker(options));
        self
    }

    /// For those who hear from other processes how far runs have come.
    #[must_use]
    pub fn bell(&self) -> Bell {
        let bells = self.bells.clone();
        Arc::new(move |number, step| bells.ring(number, step))
    }

    /// Starts a run, and returns when it has reached its second step.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn start_run(&self, number: u64) -> Result<lumina_workflow::RunId> {
        let reached = self.bells.listen(number, 2);
        let order = Order {
            number,
            filling: filling(),
        };
        let run = self
            .engine
            .start::<ThreeSteps>(&order, StartOptions::default())
            .await?
            .run();
        reached.await?;
        Ok(run)
    }

    /// Sends a run its event, and returns when its third step's code runs.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn resume(&self, number: u64) -> Result<()> {
        let reached = self.bells.listen(number, 3);
        let event = NewEvent::new(
            format!("go-{number}"),
            key_of(number),
            "go",
            Payload::encode(&filling())?,
        );
        self.engine.emit(event).await?;
        reached.await?;
        Ok(())
    }

    /// How many runs the worker executes now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.worker.as_ref().map_or(0, Worker::in_flight)
    }

    /// Stops the worker and closes the file.
    ///
    /// # Errors
    /// When the file was closed before.
    pub async fn stop(self) -> Result<()> {
        if let Some(worker) = self.worker {
            worker.shutdown(std::time::Duration::from_secs(10)).await;
        }
        match self.store {
            Opened::Sqlite(store) => store.close().await?,
            Opened::Postgres(store) => store.close().await,
        }
        Ok(())
    }
}
