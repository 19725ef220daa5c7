//! Retention: what has been kept for its time is deleted, a little at a time.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lumina_workflow::store::Purge;
use lumina_workflow::{Engine, Failure, Retry, Run, Step, StepError, Workflow};
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::housekeeping::HOUSEKEEPING;
use crate::records::Records;

/// Deletes raw deliveries and the provider's raw answers.
const RAW: Step = Step::action("delete-raw-deliveries").retry(Retry::exponential(3));
/// Deletes finished runs, unrouted events, and what else the engine keeps for a time.
const RUNS: Step = Step::action("delete-finished-runs").retry(Retry::exponential(3));
/// Deletes finished runs of housekeeping, which nobody looks at for long.
const HOUSE: Step = Step::action("delete-finished-housekeeping").retry(Retry::exponential(3));

/// How many rows one transaction deletes of each kind.
const RAW_AT_ONCE: usize = 1_000;

/// How many runs, each with a dozen rows of history: other commits wait for milliseconds.
const RUNS_AT_ONCE: usize = 100;

/// How long finished runs of housekeeping are kept: for who wants to know what the last ones did.
const HOUSEKEEPING_KEPT: Duration = Duration::from_secs(3_600);

/// How much was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetentionReport {
    /// Raw deliveries and answers.
    pub raw: u64,
    /// Finished runs, and what goes with them.
    pub runs: u64,
    /// Finished runs of housekeeping.
    pub housekeeping: u64,
}

/// Deletes what is old enough, until nothing is left that is.
pub struct Retention {
    context: Arc<Context>,
}

impl Retention {
    /// In this context.
    #[must_use]
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    async fn step<F>(&self, run: &Run, step: Step, work: fn(Arc<Context>) -> F) -> Result<u64, Failure>
    where
        F: Future<Output = Result<u64, StepError>> + Send + 'static,
    {
        let context = self.context.clone();
        run.step(step, move |_| work(context.clone())).await
    }
}

impl Workflow for Retention {
    const NAME: &'static str = "retention";
    const STEPS: &'static [Step] = &[RAW, RUNS, HOUSE];
    type Input = ();
    type Output = RetentionReport;

    async fn run(&self, run: &Run, (): ()) -> Result<RetentionReport, Failure> {
        Ok(RetentionReport {
            raw: self.step(run, RAW, delete_raw).await?,
            runs: self.step(run, RUNS, delete_runs).await?,
            housekeeping: self.step(run, HOUSE, delete_housekeeping).await?,
        })
    }
}

async fn delete_raw(context: Arc<Context>) -> Result<u64, StepError> {
    let mut all = 0;
    loop {
        let purge = Records::purge_deliveries(context.settings.raw_kept, RAW_AT_ONCE);
        let deleted = context.transact(purge).await.map_err(StepError::retry)?;
        match deleted.decode::<u64>().map_err(StepError::fail)? {
            0 => return Ok(all),
            deleted => all += deleted,
        }
    }
}

async fn delete_runs(context: Arc<Context>) -> Result<u64, StepError> {
    let engine = context.engine()?;
    purge(&engine, before(&context, context.settings.runs_kept), None).await
}

async fn delete_housekeeping(context: Arc<Context>) -> Result<u64, StepError> {
    let engine = context.engine()?;
    let kept = HOUSEKEEPING_KEPT.min(context.settings.runs_kept);
    let mut all = 0;
    for workflow in HOUSEKEEPING {
        all += purge(&engine, before(&context, kept), Some(workflow)).await?;
    }
    Ok(all)
}

fn before(context: &Context, kept: Duration) -> Timestamp {
    context.runtime.now().saturating_sub(kept).unwrap_or(Timestamp::MIN)
}

/// Each batch is a transaction of its own, and whatever else is to be committed gets its turn
/// between two of them.
async fn purge(engine: &Engine, before: Timestamp, workflow: Option<&str>) -> Result<u64, StepError> {
    let mut all = 0;
    loop {
        let batch = Purge {
            before,
            workflow: workflow.map(str::to_owned),
            limit: RUNS_AT_ONCE,
        };
        match engine.store().purge(batch).await.map_err(StepError::retry)? {
            0 => return Ok(all),
            deleted => all += deleted as u64,
        }
    }
}
