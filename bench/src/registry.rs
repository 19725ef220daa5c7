//! What a benchmark is, and how one is chosen by name.

use anyhow::{Result, bail};

use crate::bench::Bench;
use crate::figure::Figure;

/// One named benchmark.
#[derive(Debug)]
pub struct Benchmark {
    /// What it is called: what is measured, on which store, and what of it.
    pub name: &'static str,
    /// One line for `--list`.
    pub about: &'static str,
    /// Measures; a benchmark of several figures answers several.
    pub run: fn(&Bench) -> Result<Vec<Figure>>,
}

/// The benchmarks that `names` name, whole or by their beginning up to a slash, in the registry's order; all when
/// there are no names. Those that are `long` are named whole.
///
/// # Errors
/// A name that fits none.
pub fn select<'a>(all: &'a [Benchmark], long: &'a [Benchmark], names: &[String]) -> Result<Vec<&'a Benchmark>> {
    let named = |benchmark: &&Benchmark| names.iter().any(|name| name == benchmark.name);
    let long: Vec<_> = long.iter().filter(named).collect();
    let names: Vec<_> = names
        .iter()
        .filter(|name| long.iter().all(|benchmark| benchmark.name != **name))
        .collect();
    if names.is_empty() && !long.is_empty() {
        return Ok(long);
    }
    if let Some(stranger) = names
        .iter()
        .find(|name| !all.iter().any(|benchmark| fits(benchmark.name, name)))
    {
        let known: Vec<_> = all.iter().map(|benchmark| benchmark.name).collect();
        bail!("there is no benchmark `{stranger}`; there are {}", known.join(", "));
    }
    let chosen = |benchmark: &&Benchmark| names.is_empty() || names.iter().any(|name| fits(benchmark.name, name));
    Ok(all.iter().filter(chosen).chain(long).collect())
}

/// Whether `asked` is `name` or leads to it at a slash.
fn fits(name: &str, asked: &str) -> bool {
    name.strip_prefix(asked.trim_end_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::benchmarks::{ALL, LONG};

    fn chosen(line: &str) -> Result<Vec<&'static str>> {
        let names: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        Ok(select(ALL, LONG, &names)?
            .iter()
            .map(|benchmark| benchmark.name)
            .collect())
    }

    #[test]
    fn a_name_or_its_beginning_chooses() {
        let everything: Vec<_> = ALL.iter().map(|benchmark| benchmark.name).collect();
        let floors: Vec<_> = everything
            .iter()
            .copied()
            .filter(|name| name.starts_with("floor/"))
            .collect();
        assert_eq!(chosen("").unwrap(), everything);
        assert_eq!(chosen("floor").unwrap(), floors);
        assert_eq!(chosen("floor/sqlite/").unwrap(), floors);
        assert_eq!(chosen("floor/sqlite/run").unwrap(), ["floor/sqlite/run"]);
        assert_eq!(chosen("workflow/sqlite/soak").unwrap(), ["workflow/sqlite/soak"]);
        assert_eq!(
            chosen("floor/sqlite/import floor/sqlite/run").unwrap(),
            ["floor/sqlite/run", "floor/sqlite/import"]
        );
    }

    #[test]
    fn half_a_word_or_a_stranger_is_refused_with_the_names_there_are() {
        for line in ["floor/sqlite/ru", "flo", "floor nonsense"] {
            let message = chosen(line).unwrap_err().to_string();
            assert!(message.contains("floor/sqlite/run"), "{message}");
        }
    }

    #[test]
    fn names_are_distinct_and_written_alike() {
        let names: BTreeSet<_> = ALL.iter().map(|benchmark| benchmark.name).collect();
        assert_eq!(names.len(), ALL.len());
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '/';
        assert!(
            names
                .iter()
                .all(|name| name.chars().all(plain) && name.split('/').count() == 3),
            "{names:?}"
        );
    }
}
