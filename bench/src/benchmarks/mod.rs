//! The registry: every benchmark, one file each, in the order in which they run.

mod floor_commit;
mod floor_import;
mod floor_run;

use crate::registry::Benchmark;

/// Every benchmark.
pub const ALL: &[Benchmark] = &[floor_run::BENCHMARK, floor_import::BENCHMARK, floor_commit::BENCHMARK];
