//! Schema changes come for both dialects, under the same name.

use std::collections::BTreeSet;

use crate::tidy::Failure;
use crate::tidy::tree::Tree;

/// Folders of one owner's scripts, per dialect, that must hold files of equal names.
const PAIRS: [[&str; 2]; 2] = [
    ["crates/lumina/migrations/sqlite", "crates/lumina/migrations/postgres"],
    [
        "crates/workflow-sqlite/migrations",
        "crates/workflow-postgres/migrations",
    ],
];

/// Every migration that one dialect has and the other has not, once both have a folder.
pub fn check(tree: &Tree) -> Vec<Failure> {
    PAIRS.iter().flat_map(|pair| check_pair(tree, *pair)).collect()
}

fn check_pair(tree: &Tree, [sqlite, postgres]: [&str; 2]) -> Vec<Failure> {
    if !tree.has_folder(sqlite) || !tree.has_folder(postgres) {
        return Vec::new();
    }
    let lacking = |has: &str, lacks: &str| -> Vec<Failure> {
        let (here, there) = (names(tree, has), names(tree, lacks));
        let file = |name: &&str| {
            Failure::new(
                format!("{has}/{name}"),
                1,
                format!("has no counterpart {lacks}/{name}; write it"),
            )
        };
        here.difference(&there).map(file).collect()
    };
    [lacking(sqlite, postgres), lacking(postgres, sqlite)].concat()
}

fn names<'t>(tree: &'t Tree, folder: &str) -> BTreeSet<&'t str> {
    tree.files()
        .filter_map(|path| path.strip_prefix(folder)?.strip_prefix('/'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(names: &[&str]) -> Vec<String> {
        let paths: Vec<_> = names.iter().map(|name| format!("crates/{name}")).collect();
        let files: Vec<_> = paths.iter().map(|path| (path.as_str(), "")).collect();
        check(&Tree::of(&files))
            .into_iter()
            .map(|failure| failure.file.replace("crates/", ""))
            .collect()
    }

    #[test]
    fn equal_names_pass_and_each_odd_one_is_named() {
        let (sqlite, postgres) = ("lumina/migrations/sqlite", "lumina/migrations/postgres");
        let name = |folder: &str, file: &str| format!("{folder}/{file}.sql");
        let found = |names: &[String]| failures(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(
            found(&[name(sqlite, "0001_a")]).is_empty(),
            "until there is a second dialect"
        );
        assert!(found(&[name(sqlite, "0001_a"), name(postgres, "0001_a")]).is_empty());
        let odd = [
            name(sqlite, "0001_a"),
            name(sqlite, "0002_b"),
            name(postgres, "0001_a"),
            name(postgres, "0002_c"),
        ];
        assert_eq!(found(&odd), [name(sqlite, "0002_b"), name(postgres, "0002_c")]);
    }

    #[test]
    fn the_engines_dialects_are_looked_at_as_well() {
        let odd = [
            "workflow-sqlite/migrations/0001_a.sql",
            "workflow-postgres/migrations/0001_b.sql",
        ];
        assert_eq!(failures(&odd), odd);
    }
}
