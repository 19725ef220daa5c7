//! How many runs of three steps and a wait one process makes a second on PostgreSQL, 1,000 of them in flight, with the
//! server on the same machine, on the disk, with default durability.

use std::path::Path;

use anyhow::{Context, Result};
use lumina_workflow_postgres::Options;
use lumina_workflow_postgres::testing::{Binaries, Cluster};

use super::workflow_throughput::drive;
use crate::bench::Bench;
use crate::figure::Figure;
use crate::measure::on_runtime;
use crate::registry::Benchmark;
use crate::three_steps;

/// The engine's throughput on PostgreSQL.
pub const BENCHMARK: Benchmark = Benchmark {
    name: "workflow/postgres/throughput",
    about: "the same runs on a PostgreSQL server on this machine, from one process",
    run,
};

const RUNS: u64 = 20_000;

fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let measured = bench.with_folder("postgres", |folder| {
        let binaries = Binaries::find().context("no PostgreSQL server is installed; `cargo xtask test` says how")?;
        let cluster = Cluster::start(&binaries, folder, &[])?;
        on_runtime(measure(folder, &cluster))
    })?;
    Ok(vec![Figure::alone(BENCHMARK.name, measured, "runs/s")])
}

async fn measure(folder: &Path, cluster: &Cluster) -> Result<f64> {
    let mut options = Options::new(&format!("host={} user=lumina dbname=postgres", folder.display()))?;
    options.config = cluster.config();
    drive(three_steps::Bench::start_in_fleet(options).await?, RUNS).await
}
