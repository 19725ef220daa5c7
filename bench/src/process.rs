//! What this process uses, as the kernel counts it.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// This process's resident memory that no file stands behind.
///
/// # Errors
/// Where there is no `/proc`.
pub fn anonymous_mib() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status").context("memory is read from /proc, on Linux")?;
    let line = status
        .lines()
        .find(|line| line.starts_with("RssAnon:"))
        .context("the kernel does not tell RssAnon")?;
    let kib: f64 = line
        .split_whitespace()
        .nth(1)
        .context("RssAnon has no number")?
        .parse()?;
    Ok(kib / 1024.0)
}

/// The time for which those of this process's threads have had a processor whose names count.
///
/// # Errors
/// Where there is no `/proc`.
pub fn processor_time(counts: impl Fn(&str) -> bool) -> Result<Duration> {
    let mut nanos = 0;
    for thread in fs::read_dir("/proc/self/task").context("threads are read from /proc, on Linux")? {
        let thread = thread?.path();
        let name = fs::read_to_string(thread.join("comm"))?;
        if !counts(name.trim_end()) {
            continue;
        }
        let told = fs::read_to_string(thread.join("schedstat"))?;
        let used = told.split_whitespace().next().context("schedstat is empty")?;
        nanos += used.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanos))
}
