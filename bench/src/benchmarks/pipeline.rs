//! How many subscribers go through the whole pipeline a second.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use lumina_bench_floor::{Address, addresses, rows_floor};

use crate::bench::Bench;
use crate::figure::Figure;
use crate::measure::{on_runtime, stopwatch};
use crate::pipeline::{PROVIDER, Pipeline};
use crate::process::processor_time;
use crate::registry::Benchmark;

/// The pipeline's speed, with everything that the provider sends.
pub const BENCHMARK: Benchmark = Benchmark {
    name: "pipeline/sqlite/subscribers_per_s",
    about: "100,000 subscribers from their rows to their leads, over real sockets and a sandbox that answers at once",
    run: |bench| {
        let names = [BENCHMARK.name, "pipeline/sqlite/own_us", "pipeline/sqlite/provider_us"];
        measure_both(bench, names, true)
    },
};

/// The same when the provider calls back for each batch, and not for each contact as well.
pub const WITHOUT_EVENTS: Benchmark = Benchmark {
    name: "pipeline/sqlite/without_events_per_s",
    about: "the same without a callback for each contact: one for each batch",
    run: |bench| {
        let names = [
            WITHOUT_EVENTS.name,
            "pipeline/sqlite/without_events_own_us",
            "pipeline/sqlite/without_events_provider_us",
        ];
        measure_both(bench, names, false)
    },
};

const PEOPLE: usize = 100_000;

/// How fast it went, and what it took of the processors.
struct Measured {
    per_second: f64,
    own: Duration,
    provider: Duration,
}

/// Measures the pipeline, and then its floor: the rows that it has left behind.
fn measure_both(bench: &Bench, [name, own, provider]: [&'static str; 3], events: bool) -> Result<Vec<Figure>> {
    // Every second one is somebody's private address; the others would not be looked up.
    let people: Vec<Address> = addresses(2 * PEOPLE).filter(|row| row.personal).collect();
    bench.with_database("pipeline", |path| {
        let measured = on_runtime(measure(path, &people, events))?;
        let write = |floor: &Path| Ok(rows_floor(floor, path, people.len())?);
        let floor = bench.with_database("floor-pipeline", write)?;
        let each = |time: Duration| time.as_secs_f64() * 1e6 / people.len() as f64;
        Ok(vec![
            Figure::alone(name, measured.per_second, "people/s").against(floor.per_second),
            Figure::alone(own, each(measured.own), "µs"),
            Figure::alone(provider, each(measured.provider), "µs"),
        ])
    })
}

/// What Lumina has had of the processors so far, and what the provider.
fn processor_times() -> Result<[Duration; 2]> {
    Ok([
        processor_time(|thread| thread != PROVIDER)?,
        processor_time(|thread| thread == PROVIDER)?,
    ])
}

async fn measure(path: &Path, people: &[Address], events: bool) -> Result<Measured> {
    let pipeline = Pipeline::start(path, events).await?;
    let (watch, before) = (stopwatch(), processor_times()?);
    pipeline.work_off(people).await?;
    let (took, after) = (watch(), processor_times()?);
    let measured = Measured {
        per_second: people.len() as f64 / took.as_secs_f64(),
        own: after[0].saturating_sub(before[0]),
        provider: after[1].saturating_sub(before[1]),
    };
    pipeline.check(people.len()).await?;
    pipeline.stop().await?;
    Ok(measured)
}
