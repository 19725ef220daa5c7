//! The floors that the benchmarks are held against: plain SQLite and plain PostgreSQL, nothing of ours.
//!
//! A floor is the same durable work written down by hand: prepared statements over a plain schema, one thread
//! that writes, no engine between. It says what this machine's disk and its databases allow, so that a figure of ours
//! can be read as a share of what is possible here instead of as a number from some other machine.
//!
//! Every floor on SQLite keeps the settings that Lumina itself promises: write-ahead log, `synchronous=FULL`, 8 KiB pages,
//! a page cache of 16 MiB, and passive checkpoints from a thread of their own at 4,000 pages. PostgreSQL is as it comes. Every floor counts what it wrote
//! before it reports, because a fast floor that skipped rows would flatter whatever is held against it.
//!
//! ```
//! let folder = tempfile::tempdir()?;
//! let speed = lumina_bench_floor::run_floor(&folder.path().join("floor.db"), 50, 10, 10)?;
//! assert!(speed.per_second > 0.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod commit;
mod database;
mod error;
mod fleet;
mod import;
mod key;
mod rows;
mod run;
mod server_rows;

pub use address::{Address, addresses};
pub use commit::{Latency, event_floor};
pub use error::FloorError;
pub use fleet::fleet_floor;
pub use import::{ROWS_PER_COMMIT, import_floor};
pub use rows::rows_floor;
pub use run::{IN_FLIGHT, TRANSITIONS_PER_COMMIT, run_floor};
pub use server_rows::server_rows_floor;

use std::time::Instant;

/// How fast a floor did its work, and what the database went through meanwhile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Throughput {
    /// Runs or rows a second, counted from the first statement to the last acknowledged commit.
    pub per_second: f64,
    /// Durable commits that it took.
    pub commits: usize,
    /// The longest that SQLite's write-ahead log became, in pages of 8 KiB.
    pub wal_pages: u32,
}

/// The machine's monotonic clock: a floor measures this machine, so this is the one place that asks it for time.
#[expect(
    clippy::disallowed_methods,
    reason = "a floor measures the real machine; nothing injects its time"
)]
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}

/// Units a second since `begun`.
pub(crate) fn rate(units: usize, begun: Instant) -> f64 {
    units as f64 / monotonic().duration_since(begun).as_secs_f64().max(f64::EPSILON)
}
