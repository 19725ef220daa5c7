//! Schema changes come for both dialects, under the same name.

use std::collections::BTreeSet;

use crate::tidy::Failure;
use crate::tidy::tree::Tree;

/// The dialects, whose folders must hold files of equal names.
const DIALECTS: [&str; 2] = ["sqlite", "postgres"];

const FOLDER: &str = "crates/lumina/migrations";

/// Every migration that one dialect has and the other has not, once both have a folder.
pub fn check(tree: &Tree) -> Vec<Failure> {
    let [sqlite, postgres] = DIALECTS.map(|dialect| format!("{FOLDER}/{dialect}"));
    if !tree.has_folder(&sqlite) || !tree.has_folder(&postgres) {
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
    [lacking(&sqlite, &postgres), lacking(&postgres, &sqlite)].concat()
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
        let paths: Vec<_> = names.iter().map(|name| format!("{FOLDER}/{name}")).collect();
        let files: Vec<_> = paths.iter().map(|path| (path.as_str(), "")).collect();
        check(&Tree::of(&files))
            .into_iter()
            .map(|failure| failure.file.replace(FOLDER, ""))
            .collect()
    }

    #[test]
    fn equal_names_pass_and_each_odd_one_is_named() {
        assert!(
            failures(&["sqlite/0001_a.sql"]).is_empty(),
            "until there is a second dialect"
        );
        assert!(failures(&["sqlite/0001_a.sql", "postgres/0001_a.sql"]).is_empty());
        let odd = failures(&[
            "sqlite/0001_a.sql",
            "sqlite/0002_b.sql",
            "postgres/0001_a.sql",
            "postgres/0002_c.sql",
        ]);
        assert_eq!(odd, ["/sqlite/0002_b.sql", "/postgres/0002_c.sql"]);
    }
}
