//! A file of Rust is about one thing; one that has grown long is about several.

use crate::tidy::Failure;
use crate::tidy::tree::Tree;

/// Most files have 100 to 250 lines. This many are allowed before somebody has to argue.
const LIMIT: usize = 600;

/// Files that are longer, each with the argument for it.
const ARGUED: &[(&str, &str)] = &[];

/// Every Rust file over the limit without an argument, and every argument that is no longer needed.
pub fn check(tree: &Tree) -> Vec<Failure> {
    let rust = tree.texts().filter(|(path, _)| path.ends_with(".rs"));
    let long = rust
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LIMIT);
    judge(&long.collect::<Vec<_>>(), ARGUED)
}

fn judge(long: &[(&str, usize)], argued: &[(&str, &str)]) -> Vec<Failure> {
    let has_argument = |path: &str| argued.iter().any(|(name, why)| *name == path && !why.is_empty());
    let too_long = long
        .iter()
        .filter(|(path, _)| !has_argument(path))
        .map(|(path, lines)| {
            let what = format!(
                "has {lines} lines, over {LIMIT}: split it by concern, or argue it in xtask/src/tidy/length.rs"
            );
            Failure::new(*path, LIMIT + 1, what)
        });
    let idle = argued
        .iter()
        .filter(|(name, _)| !long.iter().any(|(path, _)| path == name))
        .map(|(name, _)| {
            Failure::new(
                "xtask/src/tidy/length.rs",
                1,
                format!("`{name}` is not over {LIMIT} lines; take its argument out"),
            )
        });
    too_long.chain(idle).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_over_the_limit_fails_and_one_at_the_limit_passes() {
        let (at, over) = ("x\n".repeat(LIMIT), "x\n".repeat(LIMIT + 1));
        let tree = Tree::of(&[("a.rs", &at), ("b.rs", &over), ("c.md", &over)]);
        let failures = check(&tree);
        assert_eq!(
            failures.iter().map(|failure| failure.file.as_str()).collect::<Vec<_>>(),
            ["b.rs"]
        );
    }

    #[test]
    fn an_argument_excuses_one_file_and_must_be_needed() {
        let argued = [
            ("table.rs", "one table, which reads best in one piece"),
            ("gone.rs", "it was long once"),
        ];
        let failures = judge(&[("table.rs", 900)], &argued);
        assert!(
            failures.len() == 1 && failures[0].what.contains("`gone.rs`"),
            "{failures:?}"
        );
        assert_eq!(
            judge(&[("table.rs", 900)], &[("table.rs", "")]).len(),
            1,
            "an empty argument is none"
        );
    }
}
