//! How many runs of three steps and a wait the engine makes a second, 1,000 of them in flight.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use futures_util::StreamExt;
use lumina_workflow::store::{RunQuery, RunStatus};

use crate::bench::Bench;
use crate::figure::Figure;
use crate::measure::{on_runtime, stopwatch};
use crate::registry::Benchmark;
use crate::three_steps::{self, IN_FLIGHT};

/// The engine's throughput.
pub const BENCHMARK: Benchmark = Benchmark {
    name: "workflow/sqlite/throughput",
    about: "runs of three steps and a wait through the public API, 1,000 in flight",
    run,
};

const RUNS: u64 = 60_000;

fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let floor = bench.run_floor()?.per_second;
    let measured = bench.with_database("throughput", |path| on_runtime(measure(path)))?;
    Ok(vec![Figure::alone(BENCHMARK.name, measured, "runs/s").against(floor)])
}

async fn measure(path: &Path) -> Result<f64> {
    drive(three_steps::Bench::start(path).await?, RUNS).await
}

/// Lets so many runs through, and answers how many it were a second.
///
/// # Errors
/// When the database does not take them.
pub async fn drive(engine: three_steps::Bench, count: u64) -> Result<f64> {
    let engine = Arc::new(engine);
    let watch = stopwatch();
    let runs = futures_util::stream::iter(0..count).map(|number| {
        let engine = engine.clone();
        tokio_task(async move {
            engine.start_run(number).await?;
            engine.resume(number).await
        })
    });
    let mut runs = runs.buffer_unordered(IN_FLIGHT);
    while let Some(ended) = runs.next().await {
        ended?;
    }
    wait_for_rest(&engine).await?;
    let per_second = count as f64 / watch().as_secs_f64();
    drop(runs);
    Arc::into_inner(engine).expect("all runs have ended").stop().await?;
    Ok(per_second)
}

/// A run counts once its end is durable.
async fn wait_for_rest(engine: &three_steps::Bench) -> Result<()> {
    let open = vec![RunStatus::Pending, RunStatus::Running, RunStatus::Waiting];
    let query = RunQuery {
        statuses: open,
        limit: 1,
        ..RunQuery::default()
    };
    while engine.in_flight() > 0 || !engine.engine.runs(query.clone()).await?.items.is_empty() {
        tokio::task::yield_now().await;
    }
    Ok(())
}

async fn tokio_task(work: impl Future<Output = Result<()>> + Send + 'static) -> Result<()> {
    tokio::spawn(work).await?
}
