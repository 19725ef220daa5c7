//! Lumina's benchmarks: `cargo xtask bench [NAME...] [--json]`.
//!
//! A benchmark is one file in `benchmarks/` that declares a [`Benchmark`](registry::Benchmark), and one line in
//! the registry there. It answers figures; a figure of ours carries the floor that the same invocation measured
//! on the same disk, so that it says how much of what is possible here was reached.
//!
//! ```
//! use lumina_bench::figure::Figure;
//!
//! let figure = Figure::alone("workflow/sqlite/throughput", 5_000.0, "runs/s").against(20_000.0);
//! assert_eq!(figure.ratio(), Some(0.25));
//! ```

pub mod arguments;
pub mod bench;
pub mod benchmarks;
pub mod figure;
pub mod measure;
pub mod member;
pub mod pipeline;
pub mod process;
pub mod registry;
pub mod soak;
pub mod three_steps;
