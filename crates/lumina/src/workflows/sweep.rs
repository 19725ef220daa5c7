//! The sweep: runs for whatever nobody works off.

use std::sync::Arc;

use lumina_workflow::{EngineError, Failure, Retry, Run, Step, StepError, Workflow};
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::{SubscriberEnrichment, Trigger};
use crate::records::{BATCH_SIZE, Records, SWEEP_JOBS, Sweep, Swept};

/// Starts runs for pending jobs without an owner, and lets go of what a failed handler could not.
const SWEEP: Step = Step::action("start-pending-jobs").retry(Retry::exponential(3));

/// What a sweep did, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SweepReport {
    /// Runs that were started.
    pub runs: u64,
    /// Jobs that they took up.
    pub jobs: u64,
    /// What is in the way, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
}

/// Sweeps once.
pub struct PendingJobSweep {
    context: Arc<Context>,
}

impl PendingJobSweep {
    /// In this context.
    #[must_use]
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }
}

impl Workflow for PendingJobSweep {
    const NAME: &'static str = "pending-job-sweep";
    const STEPS: &'static [Step] = &[SWEEP];
    type Input = ();
    type Output = SweepReport;

    async fn run(&self, run: &Run, (): ()) -> Result<SweepReport, Failure> {
        let context = self.context.clone();
        run.step(SWEEP, move |_| {
            let context = context.clone();
            async move {
                let swept = sweep(&context).await.map_err(StepError::retry)?;
                Ok::<_, StepError>(SweepReport {
                    runs: swept.started.len() as u64,
                    jobs: swept.jobs,
                    paused: swept.paused,
                })
            }
        })
        .await
    }
}

/// Starts runs for everything that nobody works off, some jobs a transaction. Answers what was
/// started in all. Said again it finds what is left.
///
/// # Errors
/// When the database does not take it, or the engine is being shut down.
pub async fn sweep(context: &Context) -> Result<Swept, EngineError> {
    let mut all = Swept::default();
    loop {
        let swept = sweep_once(context).await?;
        let full = swept.jobs as usize >= SWEEP_JOBS;
        all.jobs += swept.jobs;
        all.started.extend(swept.started);
        all.paused = swept.paused;
        if !full {
            return Ok(all);
        }
    }
}

async fn sweep_once(context: &Context) -> Result<Swept, EngineError> {
    let sweep = Sweep {
        runs: context.prepare::<SubscriberEnrichment>(&Trigger::new("sweep"), SWEEP_JOBS / BATCH_SIZE)?,
        max_in_flight: context.settings.max_in_flight,
        budgets: context.settings.budgets,
        window: context.settings.reconcile_window,
    };
    Ok(context.transact(Records::sweep(sweep)).await?.decode()?)
}
