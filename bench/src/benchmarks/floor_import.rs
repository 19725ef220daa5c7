//! What plain SQLite makes of the rows of an import: the floor of `import/sqlite/rows_per_s`.

use anyhow::Result;

use crate::bench::Bench;
use crate::figure::Figure;
use crate::registry::Benchmark;

/// How many rows a second plain SQLite imports.
pub const BENCHMARK: Benchmark = Benchmark {
    name: "floor/sqlite/import",
    about: "subscribers, half of them with a pending job, 1,000 a commit, by hand",
    run,
};

fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let floor = bench.import_floor()?;
    Ok(vec![
        Figure::alone(BENCHMARK.name, floor.per_second, "rows/s"),
        Figure::alone("floor/sqlite/import_wal_pages", f64::from(floor.wal_pages), "pages"),
    ])
}
