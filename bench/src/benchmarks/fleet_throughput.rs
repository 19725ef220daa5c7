//! How many runs of three steps and a wait one process makes a second on PostgreSQL, 1,000 of them in flight, with the
//! server on the same machine, on the disk, with default durability.

use std::path::Path;

use anyhow::{Context, Result};
use lumina_bench_floor::{IN_FLIGHT, fleet_floor};
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

const RUNS: u64 = 40_000;

/// Runs of the floor: some seconds' worth.
const FLOOR_RUNS: usize = 60_000;

/// How many runs one statement of the floor moves: the better counts.
const PER_STATEMENT: [usize; 2] = [100, 500];

fn run(bench: &Bench) -> Result<Vec<Figure>> {
    bench.with_folder("postgres", |folder| {
        let binaries = Binaries::find().context("no PostgreSQL server is installed; `cargo xtask test` says how")?;
        let cluster = Cluster::start(&binaries, folder, &[])?;
        let floor = floor(folder)?;
        let measured = on_runtime(measure(folder, &cluster))?;
        Ok(vec![Figure::alone(BENCHMARK.name, measured, "runs/s").against(floor)])
    })
}

fn address(folder: &Path) -> String {
    format!("host={} user=lumina dbname=postgres", folder.display())
}

/// What the same server makes of the same five transitions by hand.
fn floor(folder: &Path) -> Result<f64> {
    let mut best: f64 = 0.0;
    for per_statement in PER_STATEMENT {
        let speed = fleet_floor(&address(folder), FLOOR_RUNS, IN_FLIGHT, per_statement)?;
        best = best.max(speed.per_second);
    }
    Ok(best)
}

async fn measure(folder: &Path, cluster: &Cluster) -> Result<f64> {
    let mut options = Options::new(&address(folder))?;
    options.config = cluster.config();
    drive(three_steps::Bench::start_in_fleet(options).await?, RUNS).await
}

#[cfg(test)]
mod tests {
    use lumina_workflow_postgres::testing::Database;

    use super::*;

    /// In flight and statements that do not divide the number of runs: the rest must be driven home as well.
    #[test]
    fn the_floor_drives_all_runs_home() {
        let database = Database::fresh();
        for (runs, in_flight, per_statement) in [(1, 1, 1), (7, 3, 2), (530, 100, 40), (50, 1000, 100)] {
            let speed = fleet_floor(&database.address(), runs, in_flight, per_statement).unwrap();
            assert!(speed.per_second.is_finite() && speed.per_second > 0.0);
            assert!(speed.commits >= 5 * runs.div_ceil(per_statement), "{runs} runs");
        }
        assert_eq!(fleet_floor(&database.address(), 400, 400, 200).unwrap().commits, 10);
    }
}
