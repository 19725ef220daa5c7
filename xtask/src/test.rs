//! `cargo xtask test`: everything the tests need, then the tests, with nothing but the Rust toolchain, a C compiler and
//! the programs of a PostgreSQL server.

use std::process::Command;

use anyhow::{Result, bail};

use crate::process::{monotonic, readable, stream, succeeds};
use crate::server::{self, Home};
use crate::workspace::Workspace;

/// The variable in which the simulator finds the seed that it is to repeat.
const SIM_SEED: &str = "LUMINA_SIM_SEED";

/// Which tests to run, and from what seed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Parts of names; a test runs when one of them is in its name. None means all.
    pub filters: Vec<String>,
    /// The seed of a simulated run to repeat.
    pub sim_seed: Option<u64>,
}

/// How the runner reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// For a person who waits.
    Default,
    /// For a log that is read afterwards.
    Ci,
}

/// Builds the binary that the end-to-end tests drive, and runs the tests, doctests included. Every runner runs,
/// even after one has failed; the last line is the summary of the one that runs most.
///
/// # Errors
/// What does not build, or which of the runners failed.
pub fn run(workspace: &Workspace, selection: &Selection, profile: Profile) -> Result<()> {
    if let Some(seed) = selection.sim_seed {
        eprintln!("simulations run from seed {seed}");
    }
    let home = server::provide()?;
    // One build with the tests' own features: a build of the binary alone would compile its dependencies twice.
    stream(workspace.cargo().args(["build", "--workspace", "--bins", "--tests"]))?;
    let begun = monotonic();
    let failures: Vec<_> = runners(workspace, selection, profile)
        .into_iter()
        .filter_map(|mut runner| stream(runner.envs(home.iter().map(Home::variable))).err())
        .map(|error| format!("{error:#}"))
        .collect();
    drop(home);
    let took = readable(monotonic().duration_since(begun));
    if failures.is_empty() {
        eprintln!("all tests passed in {took}");
        return Ok(());
    }
    bail!("tests failed after {took}: {}", failures.join("; "))
}

/// The commands that together run every test: with cargo-nextest two, because it runs no doctests; without it one.
fn runners(workspace: &Workspace, selection: &Selection, profile: Profile) -> Vec<Command> {
    let mut runners = if succeeds(workspace.cargo().args(["nextest", "--version"])) {
        eprintln!("tests run under cargo-nextest, doctests under cargo test");
        vec![doctests(workspace, selection), nextest(workspace, selection, profile)]
    } else {
        eprintln!(
            "tests run under cargo test; cargo-nextest is not installed (it is faster, and ends tests that hang)"
        );
        vec![cargo_test(workspace, selection)]
    };
    for runner in &mut runners {
        runner.envs(selection.sim_seed.map(|seed| (SIM_SEED, seed.to_string())));
    }
    runners
}

fn doctests(workspace: &Workspace, selection: &Selection) -> Command {
    let mut runner = workspace.cargo();
    runner
        .args(["test", "--workspace", "--quiet", "--doc", "--"])
        .args(&selection.filters);
    runner
}

fn nextest(workspace: &Workspace, selection: &Selection, profile: Profile) -> Command {
    let mut runner = workspace.cargo();
    runner.args(["nextest", "run", "--workspace"]);
    if profile == Profile::Ci {
        runner.args(["--profile", "ci"]);
    }
    runner.args(&selection.filters);
    runner
}

fn cargo_test(workspace: &Workspace, selection: &Selection) -> Command {
    let mut runner = workspace.cargo();
    runner
        .args(["test", "--workspace", "--no-fail-fast", "--"])
        .args(&selection.filters);
    runner
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &Command) -> String {
        let words: Vec<_> = command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        words.join(" ")
    }

    #[test]
    fn filters_reach_every_runner() {
        let workspace = Workspace::of_this_checkout();
        let selection = Selection {
            filters: vec!["retry".into(), "lease".into()],
            sim_seed: None,
        };
        let table = [
            (
                doctests(&workspace, &selection),
                "test --workspace --quiet --doc -- retry lease",
            ),
            (
                nextest(&workspace, &selection, Profile::Ci),
                "nextest run --workspace --profile ci retry lease",
            ),
            (
                nextest(&workspace, &selection, Profile::Default),
                "nextest run --workspace retry lease",
            ),
            (
                cargo_test(&workspace, &selection),
                "test --workspace --no-fail-fast -- retry lease",
            ),
        ];
        for (command, expected) in table {
            assert_eq!(words(&command), expected);
        }
    }

    #[test]
    fn the_seed_reaches_every_runner() {
        let workspace = Workspace::of_this_checkout();
        let seeded = Selection {
            sim_seed: Some(7),
            ..Selection::default()
        };
        for command in runners(&workspace, &seeded, Profile::Default) {
            assert!(
                command
                    .get_envs()
                    .any(|(key, value)| key == SIM_SEED && value.is_some_and(|value| value == "7"))
            );
        }
    }
}
