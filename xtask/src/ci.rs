//! `cargo xtask ci`: everything a change must pass, cheapest first, stopping at the first failure.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::{monotonic, readable, stream};
use crate::test::{Profile, Selection};
use crate::workspace::Workspace;
use crate::{chaos, smoke, test, tidy};

/// One thing that a change must pass.
struct Gate {
    name: &'static str,
    pass: fn(&Workspace) -> Result<()>,
}

const GATES: [Gate; 9] = [
    Gate {
        name: "tidy",
        pass: tidy::run,
    },
    Gate {
        name: "fmt",
        pass: formatting,
    },
    Gate {
        name: "clippy",
        pass: lints,
    },
    Gate {
        name: "doc",
        pass: documentation,
    },
    Gate {
        name: "test",
        pass: tests,
    },
    Gate {
        name: "simulate",
        pass: simulate,
    },
    Gate {
        name: "examples",
        pass: examples,
    },
    Gate {
        name: "smoke",
        pass: smoke::run,
    },
    Gate {
        name: "chaos",
        pass: chaos::pass,
    },
];

/// Passes every gate in turn, and prints each one's time.
///
/// # Errors
/// The first gate that fails, with what to do about it.
pub fn run(workspace: &Workspace) -> Result<()> {
    let mut times = Vec::new();
    for gate in &GATES {
        eprintln!("\n== {}", gate.name);
        let begun = monotonic();
        let passed = (gate.pass)(workspace);
        let took = monotonic().duration_since(begun);
        passed.with_context(|| format!("ci stopped at `{}` after {}", gate.name, readable(took)))?;
        eprintln!("== {} passed in {}", gate.name, readable(took));
        times.push((gate.name, took));
    }
    eprintln!("\nci passed: {}", summary(&times));
    Ok(())
}

fn summary(times: &[(&str, Duration)]) -> String {
    let all: Duration = times.iter().map(|(_, took)| *took).sum();
    let each: Vec<_> = times
        .iter()
        .map(|(name, took)| format!("{name} {}", readable(*took)))
        .collect();
    format!("{}; {} in all", each.join(", "), readable(all))
}

fn formatting(workspace: &Workspace) -> Result<()> {
    stream(workspace.cargo().args(["fmt", "--all", "--check"])).context("run `cargo fmt --all`")
}

fn lints(workspace: &Workspace) -> Result<()> {
    stream(
        workspace
            .cargo()
            .args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    )
}

fn documentation(workspace: &Workspace) -> Result<()> {
    let mut cargo = workspace.cargo();
    stream(
        cargo
            .env("RUSTDOCFLAGS", "-D warnings")
            .args(["doc", "--workspace", "--no-deps"]),
    )
}

fn tests(workspace: &Workspace) -> Result<()> {
    test::run(workspace, &Selection::default(), Profile::Ci)
}

/// Ten thousand seeds of whole fleets, five hundred of them over SQLite. A seed that fails is shrunk, and printed
/// with the command that repeats it.
fn simulate(workspace: &Workspace) -> Result<()> {
    let run = |arguments: &[&str]| {
        let mut cargo = workspace.cargo();
        cargo.args([
            "run",
            "--quiet",
            "--package",
            "lumina-workflow-sim",
            "--",
            "--jobs",
            "2",
        ]);
        stream(cargo.args(arguments))
    };
    run(&["--seeds", "0..9500"])?;
    run(&["--seeds", "9500..10000", "--store", "sqlite"])
}

/// Every example that a crate promises, to its end: each one holds what it shows against what it promised.
fn examples(workspace: &Workspace) -> Result<()> {
    stream(
        workspace
            .cargo()
            .args(["run", "--quiet", "--package", "lumina-workflow", "--example", "trip"]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_each_gate_and_the_whole() {
        let times = [("tidy", Duration::from_millis(300)), ("test", Duration::from_secs(90))];
        assert_eq!(summary(&times), "tidy 0.3 s, test 1 min 30 s; 1 min 30 s in all");
    }
}
