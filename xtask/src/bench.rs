//! `cargo xtask bench`: the benchmarks, built for release.

use anyhow::Result;

use crate::process::stream;
use crate::workspace::Workspace;

/// Builds the benchmarks for release and hands them `arguments`.
///
/// # Errors
/// What does not build, or a benchmark that could not be measured.
pub fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let mut cargo = workspace.cargo();
    stream(
        cargo
            .args(["run", "--quiet", "--release", "--package", "lumina-bench", "--"])
            .args(arguments),
    )
}
