//! What this process and others use, as the kernel counts it.

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
    threads_time("self", counts)
}

/// The same for all threads of another process.
///
/// # Errors
/// Where there is no `/proc`, or no such process.
pub fn processor_time_of(process: u32) -> Result<Duration> {
    threads_time(&process.to_string(), |_| true)
}

/// This process's children, and theirs.
///
/// # Errors
/// Where there is no `/proc`.
pub fn descendants_of(process: u32) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    let mut open = vec![process];
    while let Some(process) = open.pop() {
        let children = format!("/proc/{process}/task/{process}/children");
        let children = fs::read_to_string(children).context("children are read from /proc, on Linux")?;
        let children: Vec<u32> = children.split_whitespace().filter_map(|id| id.parse().ok()).collect();
        open.extend(&children);
        found.extend(children);
    }
    Ok(found)
}

fn threads_time(process: &str, counts: impl Fn(&str) -> bool) -> Result<Duration> {
    let mut nanos = 0;
    let threads = format!("/proc/{process}/task");
    for thread in fs::read_dir(threads).context("threads are read from /proc, on Linux")? {
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
