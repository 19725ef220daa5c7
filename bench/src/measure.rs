//! Measuring: a runtime like the product's, a stopwatch, percentiles.

use std::time::Duration;

use anyhow::Result;

/// Runs a measurement on a runtime like the product's.
///
/// # Errors
/// The measurement's own.
pub fn on_runtime<T>(measurement: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measurement)
}

/// Starts a stopwatch; calling it tells the time since.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub fn stopwatch() -> impl Fn() -> Duration {
    let start = std::time::Instant::now();
    move || start.elapsed()
}

/// The time below which this many per cent of the times lie.
#[must_use]
pub fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}
