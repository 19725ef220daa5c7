//! Ten million runs, of which none is kept for long.

use anyhow::Result;

use crate::bench::Bench;
use crate::figure::Figure;
use crate::measure::on_runtime;
use crate::registry::Benchmark;
use crate::soak::{Part, soak};

/// Whether the last million is as fast, and the database as small, as in the second.
pub const BENCHMARK: Benchmark = Benchmark {
    name: "workflow/sqlite/soak",
    about: "10,000,000 runs with retention beside them; takes a quarter of an hour, so only by name",
    run,
};

const PARTS: usize = 10;

const RUNS: u64 = 1_000_000;

fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let parts = bench.with_database("soak", |path| on_runtime(soak(path, PARTS, RUNS)))?;
    let (second, last) = (parts[1], parts[PARTS - 1]);
    let file = |part: Part| part.database_mib + part.log_mib;
    let slowest = parts[1..].iter().map(|part| part.per_second).fold(f64::MAX, f64::min);
    Ok(vec![
        Figure::alone("workflow/sqlite/soak_last_runs_per_s", last.per_second, "runs/s").against(second.per_second),
        Figure::alone("workflow/sqlite/soak_slowest_runs_per_s", slowest, "runs/s").against(second.per_second),
        Figure::alone("workflow/sqlite/soak_file_mib", file(last), "MiB").against(file(second)),
        Figure::alone("workflow/sqlite/soak_memory_mib", last.memory_mib, "MiB").against(second.memory_mib),
    ])
}
