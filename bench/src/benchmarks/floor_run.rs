//! What plain SQLite makes of a run of three steps and a wait: the floor of `workflow/sqlite/throughput`.

use anyhow::Result;

use crate::bench::Bench;
use crate::figure::Figure;
use crate::registry::Benchmark;

/// How many such runs a second plain SQLite makes.
pub const BENCHMARK: Benchmark = Benchmark {
    name: "floor/sqlite/run",
    about: "runs of five transitions, 1,000 in flight, 200 transitions a commit, by hand",
    run,
};

fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let floor = bench.run_floor()?;
    Ok(vec![
        Figure::alone(BENCHMARK.name, floor.per_second, "runs/s"),
        Figure::alone("floor/sqlite/run_wal_pages", f64::from(floor.wal_pages), "pages"),
    ])
}
