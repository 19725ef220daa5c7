//! How long a lone durable commit takes: the floor of `workflow/sqlite/event_resume_p99_ms`.

use anyhow::Result;

use crate::bench::Bench;
use crate::figure::Figure;
use crate::registry::Benchmark;

/// The 99th percentile of lone durable commits.
pub const BENCHMARK: Benchmark = Benchmark {
    name: "floor/sqlite/commit_p99_ms",
    about: "one small fenced update and one insert, flushed, nothing beside it, by hand",
    run,
};

fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let p99 = bench.commit_floor()?.p99;
    Ok(vec![Figure::alone(BENCHMARK.name, p99.as_secs_f64() * 1000.0, "ms")])
}
