//! The banned calls of the `clippy.toml` files: each carries its reason, and the engine's file, which replaces the
//! root's for that crate, leaves out nothing.

use std::collections::BTreeSet;

use crate::tidy::Failure;
use crate::tidy::tree::{Tree, line_of};

const ROOT: &str = "clippy.toml";

/// The engine runs on any runtime, a deterministic one included; its own file bans what would escape it.
const ENGINE: &str = "crates/workflow/clippy.toml";

/// What the engine must ban beyond the rest.
const ENGINE_MUST_BAN: [&str; 6] = [
    "tokio::spawn",
    "tokio::task::spawn",
    "tokio::time::sleep",
    "tokio::time::timeout",
    "tokio::time::interval",
    "std::collections::HashMap",
];

/// Bans without a reason, and what the engine's file lacks.
pub fn check(tree: &Tree) -> Vec<Failure> {
    let files = tree
        .texts()
        .filter(|(path, _)| *path == ROOT || path.ends_with("/clippy.toml"));
    let mut failures: Vec<_> = files.flat_map(|(path, text)| unreasoned(path, text)).collect();
    match (tree.text(ROOT), tree.text(ENGINE)) {
        (None, _) => failures.push(Failure::new(ROOT, 1, "the file of banned calls is missing")),
        (_, None) => failures.push(Failure::new(
            ENGINE,
            1,
            format!("is missing: copy {ROOT} and ban tokio's tasks and timers"),
        )),
        (Some(root), Some(engine)) => failures.extend(left_out(root, engine)),
    }
    failures.extend(tree.texts().filter_map(|(path, _)| unexpected(path)));
    failures
}

/// A further `clippy.toml` would silently replace the root's for its crate.
fn unexpected(path: &str) -> Option<Failure> {
    let another = path.ends_with("/clippy.toml") && path != ENGINE;
    another.then(|| {
        Failure::new(
            path,
            1,
            format!("this file replaces the root's {ROOT} for its crate; move its bans there"),
        )
    })
}

/// One line of a list of bans.
struct Entry<'t> {
    line: usize,
    path: &'t str,
    reason: Option<&'t str>,
}

/// The entries of all `disallowed-` lists. TOML's inline tables cannot span lines, so an entry is a line; a list on
/// one line is read as one entry without a path.
fn entries(text: &str) -> Vec<Entry<'_>> {
    let mut listed = false;
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        let trimmed = line.trim();
        if trimmed.starts_with("disallowed-") {
            listed = !trimmed.ends_with(']');
            if !listed && !trimmed.ends_with("[]") {
                entries.push(Entry {
                    line: line_number,
                    path: "",
                    reason: None,
                });
            }
        } else if trimmed.starts_with(']') {
            listed = false;
        } else if listed && !trimmed.is_empty() && !trimmed.starts_with('#') {
            let path = value(trimmed, "path").unwrap_or_else(|| trimmed.trim_matches([',', '"']));
            entries.push(Entry {
                line: line_number,
                path,
                reason: value(trimmed, "reason"),
            });
        }
    }
    entries
}

/// The string that an inline table gives a key.
fn value<'t>(line: &'t str, key: &str) -> Option<&'t str> {
    let after = line.split_once(&format!("{key} = \""))?.1;
    Some(after.split_once('"')?.0)
}

fn unreasoned(file: &str, text: &str) -> Vec<Failure> {
    let failure = |entry: &Entry<'_>| {
        let what = if entry.path.is_empty() {
            "write a list of bans with one entry a line".to_owned()
        } else {
            format!(
                "the ban of `{}` says no reason: write {{ path = \"..\", reason = \"..\" }} and what to use instead",
                entry.path
            )
        };
        Failure::new(file, entry.line, what)
    };
    let silent = |entry: &&Entry<'_>| entry.reason.is_none_or(|reason| reason.trim().is_empty());
    entries(text).iter().filter(silent).map(failure).collect()
}

/// What the root's file has and the engine's has not, and what the engine's must have besides.
fn left_out(root: &str, engine: &str) -> Vec<Failure> {
    let banned: BTreeSet<_> = entries(engine).iter().map(|entry| entry.path).collect();
    let required = entries(root).into_iter().map(|entry| entry.path).chain(ENGINE_MUST_BAN);
    let at = line_of(engine, |line| line.starts_with("disallowed-methods"));
    let missing: BTreeSet<_> = required.filter(|path| !banned.contains(path)).collect();
    let bans = missing
        .into_iter()
        .map(|path| Failure::new(ENGINE, at, format!("must ban `{path}` as well")));
    let settings: BTreeSet<_> = settings(engine).collect();
    let lost = self::settings(root).filter(|line| !settings.contains(line));
    bans.chain(lost.map(|line| Failure::new(ENGINE, 1, format!("must say `{line}`, as {ROOT} does"))))
        .collect()
}

/// The lines that set something other than a list.
fn settings(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| {
        !line.starts_with(['#', '{', '"', ']']) && line.contains(" = ") && !line.starts_with("disallowed-")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT_TEXT: &str = "# why\nallow-unwrap-in-tests = true\ndisallowed-methods = [\n  { path = \"std::env::var\", reason = \"read once\" },\n]\n";

    fn engine_text() -> String {
        let bans: Vec<_> = ENGINE_MUST_BAN
            .iter()
            .map(|path| format!("  {{ path = \"{path}\", reason = \"r\" }},\n"))
            .collect();
        ROOT_TEXT.replace("]\n", &format!("{}]\n", bans.concat()))
    }

    fn said(root: &str, engine: &str) -> Vec<String> {
        check(&Tree::of(&[(ROOT, root), (ENGINE, engine)]))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn reasoned_and_complete_passes() {
        assert_eq!(said(ROOT_TEXT, &engine_text()), Vec::<String>::new());
    }

    #[test]
    fn a_ban_without_a_reason_is_named() {
        for entry in [
            "\"std::fs::read\"",
            "{ path = \"std::fs::read\" }",
            "{ path = \"std::fs::read\", reason = \" \" }",
        ] {
            let root = ROOT_TEXT.replace("]\n", &format!("  {entry},\n]\n"));
            let said = said(
                &root,
                &engine_text().replace("]\n", "  { path = \"std::fs::read\", reason = \"r\" },\n]\n"),
            );
            assert!(
                said.len() == 1 && said[0].starts_with("clippy.toml:5: the ban of `std::fs::read`"),
                "{entry}: {said:?}"
            );
        }
    }

    #[test]
    fn a_list_on_one_line_is_refused() {
        let root = format!("{ROOT_TEXT}disallowed-types = [\"std::fs::File\"]\n");
        assert!(said(&root, &engine_text())[0].contains("one entry a line"));
    }

    #[test]
    fn what_the_engine_leaves_out_is_named() {
        let engine = engine_text();
        let table = [
            (
                engine.replace("std::env::var", "std::env::vars"),
                "must ban `std::env::var`",
            ),
            (
                engine.replace("\"tokio::spawn\"", "\"tokio::span\""),
                "must ban `tokio::spawn`",
            ),
            (
                engine.replace("allow-unwrap-in-tests = true\n", ""),
                "must say `allow-unwrap-in-tests = true`",
            ),
        ];
        for (engine, part) in table {
            let said = said(ROOT_TEXT, &engine);
            assert!(said.len() == 1 && said[0].contains(part), "{said:?}");
        }
    }

    #[test]
    fn a_missing_or_a_further_file_is_named() {
        assert!(check(&Tree::of(&[(ROOT, ROOT_TEXT)]))[0].what.contains("is missing"));
        let engine = engine_text();
        let tree = Tree::of(&[
            (ROOT, ROOT_TEXT),
            (ENGINE, &engine),
            ("crates/intake/clippy.toml", ROOT_TEXT),
        ]);
        assert!(check(&tree)[0].what.contains("replaces the root's"));
    }
}
