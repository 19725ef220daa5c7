//! The registry: every benchmark, one file each, in the order in which they run.

mod claim_cost;
mod fleet_claim;
mod fleet_processes;
mod fleet_throughput;
mod floor_commit;
mod floor_import;
mod floor_run;
mod import_rows;
mod pipeline;
mod workflow_parked;
mod workflow_resume;
mod workflow_sequential;
mod workflow_soak;
mod workflow_throughput;

use crate::registry::Benchmark;

/// Every benchmark.
pub const ALL: &[Benchmark] = &[
    floor_run::BENCHMARK,
    floor_import::BENCHMARK,
    floor_commit::BENCHMARK,
    workflow_throughput::BENCHMARK,
    workflow_resume::BENCHMARK,
    workflow_sequential::BENCHMARK,
    workflow_parked::BENCHMARK,
    claim_cost::BENCHMARK,
    import_rows::BENCHMARK,
    fleet_throughput::BENCHMARK,
    fleet_claim::BENCHMARK,
    fleet_processes::THROUGHPUT,
    fleet_processes::RESUME,
    fleet_processes::IDLE,
    pipeline::WITHOUT_EVENTS,
    pipeline::BENCHMARK,
    pipeline::ON_SERVER,
];

/// Those that take so long that they run only when they are named.
pub const LONG: &[Benchmark] = &[workflow_soak::BENCHMARK];
