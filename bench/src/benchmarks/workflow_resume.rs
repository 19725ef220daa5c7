//! How long it takes from sending an event to the resumed step's code, at low load.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use lumina_workflow::RunId;
use lumina_workflow::store::RunStatus;

use crate::bench::Bench;
use crate::figure::Figure;
use crate::measure::{on_runtime, percentile, stopwatch};
use crate::registry::Benchmark;
use crate::three_steps;

/// The 99th percentile of that time.
pub const BENCHMARK: Benchmark = Benchmark {
    name: "workflow/sqlite/event_resume_p99_ms",
    about: "from emit to the code of the step after the wait, one run at a time",
    run,
};

const SAMPLES: u64 = 2_000;

fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let floor = bench.commit_floor()?;
    let mut times = bench.with_database("resume", |path| on_runtime(measure(path)))?;
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    Ok(vec![
        Figure::alone(BENCHMARK.name, ms(percentile(&mut times, 99)), "ms").against(ms(floor.p99)),
        Figure::alone(
            "workflow/sqlite/event_resume_p50_ms",
            ms(percentile(&mut times, 50)),
            "ms",
        )
        .against(ms(floor.p50)),
    ])
}

async fn measure(path: &Path) -> Result<Vec<Duration>> {
    let engine = three_steps::Bench::start(path).await?;
    let mut times = Vec::new();
    for number in 0..SAMPLES {
        let run = engine.start_run(number).await?;
        wait_until_parked(&engine, run).await?;
        let watch = stopwatch();
        engine.resume(number).await?;
        times.push(watch());
    }
    engine.stop().await?;
    Ok(times)
}

async fn wait_until_parked(engine: &three_steps::Bench, run: RunId) -> Result<()> {
    loop {
        let row = engine.engine.run(run).await?;
        if row.is_some_and(|row| row.status == RunStatus::Waiting) && engine.in_flight() == 0 {
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
}
