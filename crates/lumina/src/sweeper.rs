//! Plain timers: the sweep that starts what nobody works off, probes, and the purge.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use lumina_workflow::{EngineError, Runtime};

use crate::app::App;
use crate::records::sqlite::{Sweep, Swept};
use crate::records::{BATCH_SIZE, Pause, PauseReason, Records, SWEEP_JOBS};
use crate::workflows::{SubscriberEnrichment, Trigger};

/// How many rows one purge deletes of each kind.
const PURGE_LIMIT: usize = 1_000;

/// How long finished runs are kept.
const RUNS_KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);

/// What is done again and again beside the workflows.
pub struct Sweeper {
    app: App,
    every: Duration,
    schedule: Duration,
    raw_kept: Duration,
}

impl Sweeper {
    /// Sweeps at once, and then at the first interval; the scheduled batch, which picks up
    /// whatever is pending, comes at the second. Raw deliveries are kept this long.
    #[must_use]
    pub fn new(app: App, every: Duration, schedule: Duration, raw_kept: Duration) -> Self {
        Self {
            app,
            every,
            schedule,
            raw_kept,
        }
    }

    /// Runs as two tasks, for as long as the application lives.
    pub fn start(self) {
        let runtime = self.app.context.runtime.clone();
        runtime.spawn(start_scheduled_batches(self.app.clone(), self.schedule));
        runtime.spawn(self.run(runtime.clone()));
    }

    fn run(self, runtime: Arc<dyn Runtime>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            loop {
                if let Err(error) = self.turn().await {
                    tracing::warn!(%error, "the sweep failed; it is tried again");
                }
                runtime.sleep(self.every).await;
            }
        })
    }

    async fn turn(&self) -> anyhow::Result<()> {
        self.probe().await?;
        sweep(&self.app).await?;
        self.purge().await
    }

    async fn purge(&self) -> anyhow::Result<()> {
        let runtime = &self.app.context.runtime;
        let deliveries = Records::purge_deliveries(self.raw_kept, PURGE_LIMIT);
        self.app.engine.transact(runtime.new_id(), deliveries).await?;
        let before = runtime.now().saturating_sub(RUNS_KEPT).unwrap_or(Timestamp::MIN);
        self.app.engine.store().purge(before, PURGE_LIMIT).await?;
        Ok(())
    }

    /// Looks whether what keeps the pipeline from buying has gone.
    async fn probe(&self) -> anyhow::Result<()> {
        let now = self.app.context.runtime.now();
        for pause in self.app.records.pauses().await? {
            if pause.probe_at <= now && pause.reason != PauseReason::Budget {
                self.probe_provider(&pause).await?;
            }
        }
        Ok(())
    }

    async fn probe_provider(&self, pause: &Pause) -> anyhow::Result<()> {
        let context = &self.app.context;
        let client = &context.provider.client;
        let Ok(permit) = client.limiter().try_acquire(context.runtime.now()) else {
            return Ok(());
        };
        let gone = client.credits(permit).await.is_ok_and(|balance| balance.credits >= 1.0);
        let change = match gone {
            true => Records::resume(pause.reason, context.settings.max_in_flight),
            false => Records::postpone_probe(pause.reason),
        };
        self.app.engine.transact(context.runtime.new_id(), change).await?;
        tracing::info!(
            reason = pause.message,
            resumed = gone,
            "looked whether buying can go on"
        );
        Ok(())
    }
}

/// The scheduled batch: a plain timer of its own, so that a sweep that is slow or set to a long
/// interval holds nothing up.
fn start_scheduled_batches(app: App, every: Duration) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        loop {
            app.context.runtime.sleep(every).await;
            if let Err(error) = sweep(&app).await {
                tracing::warn!(%error, "the scheduled batch failed; the next one takes its jobs");
            }
        }
    })
}

/// Starts runs for everything that nobody works off. Answers what was started in all.
///
/// # Errors
/// When the database does not take it.
pub async fn sweep(app: &App) -> Result<Swept, EngineError> {
    let mut all = Swept::default();
    loop {
        let swept = sweep_once(app).await?;
        let full = swept.jobs as usize >= SWEEP_JOBS;
        all.jobs += swept.jobs;
        all.started.extend(swept.started);
        all.paused = swept.paused;
        if !full {
            return Ok(all);
        }
    }
}

async fn sweep_once(app: &App) -> Result<Swept, EngineError> {
    let context = &app.context;
    let sweep = Sweep {
        runs: context.prepare::<SubscriberEnrichment>(&Trigger::new("sweep"), SWEEP_JOBS / BATCH_SIZE)?,
        max_in_flight: context.settings.max_in_flight,
        per_day: context.settings.per_day,
    };
    Ok(app
        .engine
        .transact(context.runtime.new_id(), Records::sweep(sweep))
        .await?
        .decode()?)
}
