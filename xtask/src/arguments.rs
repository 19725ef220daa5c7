//! What the command line asks for.

use anyhow::{Context, Result, bail};

use crate::test::Selection;

/// The help text.
pub const USAGE: &str = "\
Usage: cargo xtask COMMAND

  ci                                  everything a change must pass: tidy, fmt, clippy, doc, test, ten thousand
                                      simulated fleets, the examples, the demo once, a minute of chaos
  test [FILTER...] [--sim-seed N]     all tests, or those whose name contains a filter; N repeats a simulated run
  mutants [FILTER...]                 plants bugs into a copy, one by one: the tests must catch each
  tidy                                the rules that only this project has
  bench [NAME...] [--json] [--list]   the benchmarks, for release
  chaos [--seed N] [--minutes M]      real processes, every fault at once and kill -9, held against the ledger;
        [--without GUARD]             without a guard that must show";

/// The commands, as documents may name them.
pub const COMMANDS: &[&str] = &["ci", "test", "mutants", "tidy", "bench", "chaos", "help"];

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// Everything a change must pass.
    Ci,
    /// The tests.
    Test(Selection),
    /// The tests of the tests, or those whose name contains a filter.
    Mutants(Vec<String>),
    /// The rules that only this project has.
    Tidy,
    /// The benchmarks, with arguments of their own.
    Bench(Vec<String>),
    /// The chaos test, with arguments of its own.
    Chaos(Vec<String>),
    /// Print [`USAGE`].
    Help,
}

/// Reads the arguments after the program's name.
///
/// # Errors
/// No command, one that does not exist, or arguments that it does not take.
pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Request> {
    let mut words = words.into_iter();
    let command = words.next().context("a command is missing")?;
    let rest: Vec<_> = words.collect();
    let has_help_of_its_own = ["bench", "chaos"].contains(&command.as_str());
    if !has_help_of_its_own && rest.iter().any(|word| word == "--help" || word == "-h") {
        return Ok(Request::Help);
    }
    match command.as_str() {
        "ci" => nothing_more(&command, &rest).map(|()| Request::Ci),
        "tidy" => nothing_more(&command, &rest).map(|()| Request::Tidy),
        "test" => selection(rest).map(Request::Test),
        "mutants" => Ok(Request::Mutants(rest)),
        "bench" => Ok(Request::Bench(rest)),
        "chaos" => Ok(Request::Chaos(rest)),
        "help" | "--help" | "-h" => Ok(Request::Help),
        other => bail!("there is no command `{other}`; there are {}", COMMANDS.join(", ")),
    }
}

fn nothing_more(command: &str, rest: &[String]) -> Result<()> {
    match rest.first() {
        Some(word) => bail!("`{command}` takes no arguments, but was given `{word}`"),
        None => Ok(()),
    }
}

fn selection(words: Vec<String>) -> Result<Selection> {
    let mut selection = Selection::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--sim-seed" => selection.sim_seed = Some(seed(words.next().as_deref())?),
            option if option.starts_with("--sim-seed=") => {
                selection.sim_seed = Some(seed(option.split_once('=').map(|(_, value)| value))?);
            }
            option if option.starts_with('-') => bail!("`{option}` is not an option of `test`"),
            _ => selection.filters.push(word),
        }
    }
    Ok(selection)
}

fn seed(value: Option<&str>) -> Result<u64> {
    let value = value.context("`--sim-seed` needs the number that a failed simulation printed")?;
    value
        .parse()
        .with_context(|| format!("`--sim-seed {value}`: a seed is a whole number below 2^64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(line: &str) -> Result<Request> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    fn tests_of(filters: &[&str], sim_seed: Option<u64>) -> Request {
        Request::Test(Selection {
            filters: filters.iter().map(|&filter| filter.to_owned()).collect(),
            sim_seed,
        })
    }

    #[test]
    fn every_command_is_read() {
        let table = [
            ("ci", Request::Ci),
            ("tidy", Request::Tidy),
            ("test", tests_of(&[], None)),
            ("test retry lease", tests_of(&["retry", "lease"], None)),
            ("test retry --sim-seed 7", tests_of(&["retry"], Some(7))),
            ("test --sim-seed=18446744073709551615", tests_of(&[], Some(u64::MAX))),
            (
                "bench floor --json",
                Request::Bench(vec!["floor".into(), "--json".into()]),
            ),
            ("bench --help", Request::Bench(vec!["--help".into()])),
            (
                "chaos --without budget",
                Request::Chaos(vec!["--without".into(), "budget".into()]),
            ),
            ("mutants", Request::Mutants(Vec::new())),
            ("mutants sql-", Request::Mutants(vec!["sql-".into()])),
            ("test --help", Request::Help),
            ("help", Request::Help),
        ];
        for (line, expected) in table {
            assert_eq!(request(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        let table = [
            ("", "a command is missing"),
            ("tset", "`tset`"),
            ("ci fast", "`fast`"),
            ("test --sim-seed", "needs the number"),
            ("test --sim-seed x", "`--sim-seed x`"),
            ("test --sim-seed=-1", "--sim-seed -1"),
            ("test --nocapture", "`--nocapture`"),
        ];
        for (line, part) in table {
            let message = format!("{:#}", request(line).unwrap_err());
            assert!(message.contains(part), "{line}: {message}");
        }
    }

    #[test]
    fn the_list_of_commands_is_the_parsers() {
        for command in COMMANDS {
            assert!(request(command).is_ok(), "{command}");
        }
    }
}
