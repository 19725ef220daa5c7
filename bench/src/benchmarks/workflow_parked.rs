//! How much memory runs that wait take.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt};

use crate::bench::Bench;
use crate::figure::Figure;
use crate::measure::on_runtime;
use crate::registry::Benchmark;
use crate::three_steps;

/// Anonymous memory that parked runs add.
pub const BENCHMARK: Benchmark = Benchmark {
    name: "workflow/sqlite/parked_rss_mib",
    about: "anonymous memory that 100,000 runs that wait add to the process",
    run,
};

const PARKED: u64 = 100_000;

/// Runs that are parked before the first look, so that what an engine that has worked holds
/// on to (caches, stacks, connections) is not taken for theirs.
const BEFORE: u64 = 1_000;

/// How many are on their way at once: the figure is about those that wait.
const AT_ONCE: usize = 64;

fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let added = bench.with_database("parked", |path| on_runtime(measure(path)))?;
    Ok(vec![Figure::alone(BENCHMARK.name, added, "MiB")])
}

async fn measure(path: &Path) -> Result<f64> {
    let engine = Arc::new(three_steps::Bench::start(path).await?);
    park(&engine, 0..BEFORE).await?;
    let before = anonymous_mib()?;
    park(&engine, BEFORE..BEFORE + PARKED).await?;
    let added = anonymous_mib()? - before;
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

/// This process's resident memory that no file stands behind.
fn anonymous_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status").context("memory is read from /proc, on Linux")?;
    let line = status
        .lines()
        .find(|line| line.starts_with("RssAnon:"))
        .context("the kernel does not tell RssAnon")?;
    let kib: f64 = line
        .split_whitespace()
        .nth(1)
        .context("RssAnon has no number")?
        .parse()?;
    Ok(kib / 1024.0)
}
