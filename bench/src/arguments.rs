//! What the command line asks for.

use anyhow::{Result, bail};

/// The help text.
pub const USAGE: &str = "\
Usage: cargo xtask bench [NAME...] [--json] [--list]

  NAME     a benchmark's name, or the beginning of several: `floor`, `workflow/sqlite`; without one, all run
  --json   one line per figure: {\"name\",\"value\",\"unit\",\"floor\",\"ratio\"}
  --list   name the benchmarks and measure nothing";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// Measure.
    Run(Arguments),
    /// Name the benchmarks.
    List,
    /// Print [`USAGE`].
    Help,
}

/// What to measure, and how to print it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Names or beginnings of names; none means all.
    pub names: Vec<String>,
    /// One JSON line per figure instead of a table.
    pub json: bool,
}

/// Reads the arguments after the program's name.
///
/// # Errors
/// An option that is not known.
pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Request> {
    let mut arguments = Arguments::default();
    for word in words {
        match word.as_str() {
            "--json" => arguments.json = true,
            "--list" => return Ok(Request::List),
            "--help" | "-h" => return Ok(Request::Help),
            option if option.starts_with('-') => bail!("`{option}` is not an option of the benchmarks"),
            _ => arguments.names.push(word),
        }
    }
    Ok(Request::Run(arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(line: &str) -> Result<Request> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn names_and_options_come_in_any_order() {
        let expected = Request::Run(Arguments {
            names: vec!["floor".into(), "import".into()],
            json: true,
        });
        for line in ["floor import --json", "--json floor import", "floor --json import"] {
            assert_eq!(request(line).unwrap(), expected, "{line}");
        }
        assert_eq!(request("").unwrap(), Request::Run(Arguments::default()));
        assert_eq!(request("floor --list").unwrap(), Request::List);
        assert_eq!(request("-h").unwrap(), Request::Help);
    }

    #[test]
    fn an_unknown_option_is_named() {
        assert!(request("--jsn").unwrap_err().to_string().contains("`--jsn`"));
    }
}
