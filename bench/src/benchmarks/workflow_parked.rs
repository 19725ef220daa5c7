//! What runs that wait cost: memory, the time that a start takes, and a processor that should have nothing to do.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt};

use crate::bench::Bench;
use crate::figure::Figure;
use crate::measure::{on_runtime, percentile, stopwatch};
use crate::process;
use crate::registry::Benchmark;
use crate::three_steps;

/// What a million parked runs add.
pub const BENCHMARK: Benchmark = Benchmark {
    name: "workflow/sqlite/parked",
    about: "what 1,000,000 runs that wait add: memory, time at a start, and work while nothing happens",
    run,
};

const PARKED: u64 = 1_000_000;

/// Runs that are parked before the first look, so that what an engine that has worked holds on to (caches, stacks,
/// connections) is not taken for theirs.
const BEFORE: u64 = 1_000;

/// How many are on their way at once: the figure is about those that wait.
const AT_ONCE: usize = 64;

/// How often a start is measured.
const STARTS: u64 = 5;

/// How long nothing happens.
const IDLE: Duration = Duration::from_secs(20);

fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let empty = bench.with_database("empty", |path| measure_starts(path, 0))?;
    let (added, start, idle) = bench.with_database("parked", |path| {
        let added = on_runtime(measure_memory(path))?;
        let start = measure_starts(path, BEFORE + PARKED)?;
        Ok((added, start, on_runtime(measure_idle(path))?))
    })?;
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    Ok(vec![
        Figure::alone("workflow/sqlite/parked_rss_mib", added, "MiB"),
        Figure::alone("workflow/sqlite/parked_start_ms", ms(start), "ms").against(ms(empty)),
        Figure::alone("workflow/sqlite/parked_idle_core_percent", idle, "%"),
    ])
}

async fn measure_memory(path: &Path) -> Result<f64> {
    let engine = Arc::new(three_steps::Bench::start(path).await?);
    park(&engine, 0..BEFORE).await?;
    let before = process::anonymous_mib()?;
    park(&engine, BEFORE..BEFORE + PARKED).await?;
    let added = process::anonymous_mib()? - before;
    Arc::into_inner(engine)
        .context("all starts have returned")?
        .stop()
        .await?;
    Ok(added)
}

async fn park(engine: &Arc<three_steps::Bench>, numbers: Range<u64>) -> Result<()> {
    let starts = futures_util::stream::iter(numbers).map(|number| {
        let engine = engine.clone();
        async move { engine.start_run(number).await.map(drop) }
    });
    starts.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    while engine.in_flight() > 0 {
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// From opening the file to the second step of a new run, the median of some starts, each of a runtime of its own.
fn measure_starts(path: &Path, first_number: u64) -> Result<Duration> {
    let start = |number| async move {
        let watch = stopwatch();
        let engine = three_steps::Bench::start(path).await?;
        engine.start_run(number).await?;
        let time = watch();
        engine.stop().await?;
        Ok(time)
    };
    let times: Result<Vec<_>> = (first_number..first_number + STARTS)
        .map(|number| on_runtime(start(number)))
        .collect();
    Ok(percentile(&mut times?, 50))
}

/// How much of one core an engine takes while nothing happens.
async fn measure_idle(path: &Path) -> Result<f64> {
    let engine = three_steps::Bench::start(path).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (watch, before) = (stopwatch(), process::processor_time(|_| true)?);
    tokio::time::sleep(IDLE).await;
    let used = process::processor_time(|_| true)?.saturating_sub(before);
    let share = used.as_secs_f64() / watch().as_secs_f64();
    engine.stop().await?;
    Ok(share * 100.0)
}
