//! How many subscribers go through the whole pipeline a second.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use lumina::database::DatabaseParts;
use lumina_bench_floor::{Address, addresses, rows_floor, server_rows_floor};
use lumina_workflow_postgres::Options;
use lumina_workflow_postgres::testing::{Binaries, Cluster};

use crate::bench::Bench;
use crate::figure::Figure;
use crate::measure::{on_runtime, stopwatch};
use crate::pipeline::{PROVIDER, Pipeline, file};
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

/// On a PostgreSQL server, from one process.
pub const ON_SERVER: Benchmark = Benchmark {
    name: "pipeline/postgres/subscribers_per_s",
    about: "20,000 subscribers on a PostgreSQL server on this machine, from one process, with all callbacks",
    run: measure_on_server,
};

const PEOPLE: usize = 100_000;

const PEOPLE_ON_SERVER: usize = 20_000;

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
        let measured = on_runtime(measure(file(path), &path.with_extension("files"), &people, events))?;
        let write = |floor: &Path| Ok(rows_floor(floor, path, people.len())?);
        let floor = bench.with_database("floor-pipeline", write)?;
        Ok(figures(
            [name, own, provider],
            &measured,
            floor.per_second,
            people.len(),
        ))
    })
}

fn figures([name, own, provider]: [&'static str; 3], measured: &Measured, floor: f64, people: usize) -> Vec<Figure> {
    let each = |time: Duration| time.as_secs_f64() * 1e6 / people as f64;
    vec![
        Figure::alone(name, measured.per_second, "people/s").against(floor),
        Figure::alone(own, each(measured.own), "µs"),
        Figure::alone(provider, each(measured.provider), "µs"),
    ]
}

/// The same on a PostgreSQL server on this machine, on the disk, with default durability.
fn measure_on_server(bench: &Bench) -> Result<Vec<Figure>> {
    let names = [
        ON_SERVER.name,
        "pipeline/postgres/own_us",
        "pipeline/postgres/provider_us",
    ];
    let people: Vec<Address> = addresses(2 * PEOPLE_ON_SERVER).filter(|row| row.personal).collect();
    bench.with_folder("pipeline-postgres", |folder| {
        let binaries = Binaries::find().context("no PostgreSQL server is installed; `cargo xtask test` says how")?;
        let _cluster = Cluster::start(&binaries, folder, &[])?;
        let address = format!("host={} user=lumina dbname=postgres", folder.display());
        let files = folder.join("files");
        let server = DatabaseParts::Server(Box::new(Options::new(&address)?));
        let measured = on_runtime(measure(server, &files, &people, true))?;
        let floor = server_rows_floor(&address, people.len())?;
        Ok(figures(names, &measured, floor.per_second, people.len()))
    })
}

/// What Lumina has had of the processors so far, and what the provider.
fn processor_times() -> Result<[Duration; 2]> {
    Ok([
        processor_time(|thread| thread != PROVIDER)?,
        processor_time(|thread| thread == PROVIDER)?,
    ])
}

async fn measure(database: DatabaseParts, files: &Path, people: &[Address], events: bool) -> Result<Measured> {
    let pipeline = Pipeline::start(database, files, events).await?;
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
