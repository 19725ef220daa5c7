//! Every package takes its lints and its publishing from the workspace, and is named after its folder.

use crate::tidy::Failure;
use crate::tidy::tree::{Tree, line_of};

/// Every manifest that goes its own way without being a workspace of its own.
pub fn check(tree: &Tree) -> Vec<Failure> {
    let manifests = tree.texts().filter(|(path, _)| path.ends_with("/Cargo.toml"));
    manifests
        .flat_map(|(path, text)| match is_workspace(text) {
            true => published(path, text).into_iter().collect(),
            false => inherited(path, text).chain(named(path, text)).collect::<Vec<_>>(),
        })
        .collect()
}

fn is_workspace(text: &str) -> bool {
    text.lines().any(|line| line.trim() == "[workspace]")
}

/// A workspace of its own has nothing to take from ours; it must say itself that it is not published.
fn published(path: &str, text: &str) -> Option<Failure> {
    let is_private = in_section(text, "package").any(|line| line == "publish = false");
    (!is_private).then(|| {
        let what = "a workspace of its own must not be published: write `publish = false` under `[package]`";
        Failure::new(path, line_of(text, |line| line.trim() == "[package]"), what)
    })
}

/// What a package must take from the workspace: the section, the line, and what it is for.
const INHERITED: [(&str, &str, &str); 3] = [
    ("lints", "workspace = true", "the shared lints"),
    ("package", "publish.workspace = true", "whether it is published"),
    ("package", "edition.workspace = true", "the edition"),
];

fn inherited<'t>(path: &'t str, text: &'t str) -> impl Iterator<Item = Failure> + 't {
    let missing =
        move |(section, line, _): &&(&str, &str, &str)| !in_section(text, section).any(|found| found == *line);
    INHERITED.iter().filter(missing).map(move |(section, line, what)| {
        let at = line_of(text, |line| line.trim() == format!("[{section}]"));
        Failure::new(
            path,
            at,
            format!("the package must take {what} from the workspace: write `{line}` under `[{section}]`"),
        )
    })
}

/// A package under `crates/` is called `lumina-` and its folder's name; the binary's is `lumina`.
fn named(path: &str, text: &str) -> Option<Failure> {
    let folder = path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
    let expected = if folder == "lumina" {
        folder.to_owned()
    } else {
        format!("lumina-{folder}")
    };
    let line = format!("name = \"{expected}\"");
    (!in_section(text, "package").any(|found| found == line)).then(|| {
        let at = line_of(text, |line| line.trim_start().starts_with("name"));
        Failure::new(path, at, format!("a package is named after its folder: write `{line}`"))
    })
}

/// The trimmed lines of one section of a TOML file, comments left out.
pub fn in_section<'t>(text: &'t str, section: &str) -> impl Iterator<Item = &'t str> {
    let head = format!("[{section}]");
    let lines = text.lines().map(|line| line.split(" #").next().unwrap_or(line).trim());
    lines
        .skip_while(move |line| *line != head)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[package]\nname = \"lumina-intake\"\nedition.workspace = true\npublish.workspace = true\n\n[dependencies]\n\n[lints]\nworkspace = true # shared\n";

    fn failures(path: &str, text: &str) -> Vec<Failure> {
        check(&Tree::of(&[(path, text)]))
    }

    #[test]
    fn a_manifest_that_inherits_passes() {
        assert_eq!(failures("crates/intake/Cargo.toml", GOOD), []);
        assert_eq!(
            failures("crates/lumina/Cargo.toml", &GOOD.replace("lumina-intake", "lumina")),
            []
        );
        assert_eq!(
            failures("bench/Cargo.toml", &GOOD.replace("lumina-intake", "anything")),
            []
        );
        assert_eq!(
            failures("Cargo.toml", "[workspace]\n"),
            [],
            "the root is where it is inherited from"
        );
    }

    #[test]
    fn a_manifest_that_goes_its_own_way_is_told_what_to_write() {
        let table = [
            (
                "\npublish.workspace = true",
                "",
                1,
                "`publish.workspace = true` under `[package]`",
            ),
            (
                "publish.workspace = true",
                "publish = false",
                1,
                "`publish.workspace = true`",
            ),
            (
                "[lints]\nworkspace = true",
                "[lints]\nrust.missing_docs = \"allow\"",
                8,
                "`workspace = true` under `[lints]`",
            ),
            ("[lints]\nworkspace = true", "", 1, "`workspace = true` under `[lints]`"),
            ("lumina-intake", "intake", 2, "name = \"lumina-intake\""),
        ];
        for (good, bad, line, part) in table {
            let failures = failures("crates/intake/Cargo.toml", &GOOD.replace(good, bad));
            assert!(
                failures.len() == 1 && failures[0].what.contains(part),
                "{good:?} -> {bad:?}: {failures:?}"
            );
            assert_eq!(failures[0].line, line, "{good:?} -> {bad:?}");
        }
    }

    #[test]
    fn a_workspace_of_its_own_inherits_nothing_and_is_not_published() {
        let own = "[workspace]\n\n[package]\nname = \"fuzz\"\npublish = false\n";
        assert_eq!(failures("fuzz/Cargo.toml", own), []);
        let failures = failures("fuzz/Cargo.toml", &own.replace("publish = false\n", ""));
        assert!(failures.len() == 1 && failures[0].line == 3, "{failures:?}");
    }

    #[test]
    fn a_section_ends_where_the_next_begins() {
        assert!(in_section("[a]\nx = 1\n[b]\ny = 2\n", "a").eq(["x = 1"]));
        assert!(in_section("[a]\nx = 1\n", "b").next().is_none());
    }
}
