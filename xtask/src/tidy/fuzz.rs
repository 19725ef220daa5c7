//! What is fuzzed is declared, has seeds, and is driven by a test over them: nothing else here compiles `fuzz/`.

use crate::tidy::Failure;
use crate::tidy::tree::{Tree, line_of};

/// The manifest that declares the targets.
const MANIFEST: &str = "fuzz/Cargo.toml";

/// Where the targets are, which only libFuzzer can link, where what they check is, and where their seeds are.
const TARGETS: &str = "fuzz/fuzz_targets/";
const CHECKS: &str = "fuzz/src/";
const SEEDS: &str = "fuzz/seeds/";

/// Every target that lacks something, and every check that no target runs.
pub fn check(tree: &Tree) -> Vec<Failure> {
    let mut failures: Vec<_> = named(tree, TARGETS)
        .flat_map(|(path, name)| lacking(tree, path, name))
        .collect();
    let is_target = |name: &str| tree.text(&format!("{TARGETS}{name}.rs")).is_some();
    let idle = named(tree, CHECKS).filter(|(_, name)| !is_target(name));
    failures.extend(idle.map(|(path, name)| {
        let what = format!("is run by no target; write {TARGETS}{name}.rs, or take it out");
        Failure::new(path, 1, what)
    }));
    failures
}

/// The Rust files of a folder, each with its name.
fn named<'t>(tree: &'t Tree, folder: &'t str) -> impl Iterator<Item = (&'t str, &'t str)> {
    let files = tree.files();
    files.filter_map(move |path| Some((path, path.strip_prefix(folder)?.strip_suffix(".rs")?)))
}

fn lacking(tree: &Tree, path: &str, name: &str) -> Vec<Failure> {
    let manifest = tree.text(MANIFEST).unwrap_or_default();
    let check = format!("{CHECKS}{name}.rs");
    let is_driven = |(file, text): (&str, &str)| file.starts_with("crates/") && text.contains(&check);
    let needs = [
        (
            manifest.lines().any(|line| line == format!("name = \"{name}\"")),
            format!("is not declared: {MANIFEST} needs a [[bin]] of this name"),
        ),
        (
            tree.text(&check).is_some(),
            format!("has nothing to check: {check} is missing"),
        ),
        (
            tree.files().any(|file| file.starts_with(&format!("{SEEDS}{name}/"))),
            format!("has no seeds: put some into {SEEDS}{name}/"),
        ),
        (
            tree.texts().any(is_driven),
            format!("is driven by no test: one under crates/ has to name {check} in a #[path], and check all seeds"),
        ),
    ];
    let line = tree
        .text(path)
        .map_or(1, |text| line_of(text, |line| line.contains("fuzz_target!")));
    let missing = needs.into_iter().filter(|(is_there, _)| !is_there);
    missing.map(|(_, what)| Failure::new(path, line, what)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: [(&str, &str); 5] = [
        ("fuzz/Cargo.toml", "[[bin]]\nname = \"body\"\n"),
        (
            "fuzz/fuzz_targets/body.rs",
            "#![no_main]\nfuzz_target!(|data: &[u8]| body::check(data));\n",
        ),
        ("fuzz/src/body.rs", ""),
        ("fuzz/seeds/body/empty", ""),
        (
            "crates/a/tests/it/fuzz.rs",
            "#[path = \"../../../../fuzz/src/body.rs\"]\nmod body;\n",
        ),
    ];

    #[test]
    fn a_target_with_all_that_it_needs_passes() {
        assert_eq!(check(&Tree::of(&WHOLE)), []);
    }

    #[test]
    fn whatever_is_missing_is_named() {
        let table = [
            (0, "is not declared"),
            (1, "is run by no target"),
            (2, "has nothing to check"),
            (3, "has no seeds"),
            (4, "is driven by no test"),
        ];
        for (without, part) in table {
            let mut files = WHOLE.to_vec();
            files.remove(without);
            let failures = check(&Tree::of(&files));
            assert!(
                failures.len() == 1 && failures[0].what.contains(part),
                "{part}: {failures:?}"
            );
        }
    }
}
