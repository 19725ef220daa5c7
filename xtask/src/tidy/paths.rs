//! Which texts name a path in the repository, and whether that path is there.

use crate::tidy::tree::Tree;

/// Endings that make a word a file of ours even without a folder before it.
const OURS_ALONE: [&str; 2] = [".md", ".rs"];

/// Endings that make a word with a folder before it a file of ours. Others (`.csv`, `.toml`, `.db`) may as well be
/// the reader's.
const OURS_IN_A_FOLDER: [&str; 6] = [".css", ".html", ".js", ".md", ".rs", ".sql"];

/// What a code span in `document` names that is not there: nothing when it is there, or names no path.
///
/// A span is taken for a path when it begins with a folder at the root, ends in a slash, or ends like a source
/// file. It may be relative to the root or to the document's folder; what does not begin at the root may also name
/// the end of a path, as `replay.rs` does. Braces and `*` stand for what they do in a shell.
pub fn missing(tree: &Tree, document: &str, span: &str) -> Option<String> {
    let path = candidate(span)?;
    if !claims(tree, path) {
        return None;
    }
    let alternatives = expand(path);
    alternatives
        .into_iter()
        .find(|alternative| !exists(tree, document, alternative))
}

/// What the target of a link in `document` names that is not there; the anchor is left to the caller.
pub fn missing_target(tree: &Tree, document: &str, target: &str) -> Option<String> {
    let path = target.split('#').next().unwrap_or_default();
    let elsewhere = target.contains("://") || target.starts_with("mailto:") || path.is_empty();
    if elsewhere || resolve(tree, document, path).is_some() {
        return None;
    }
    let folder = path.trim_matches('/');
    let there = tree.has_folder(&join(document, folder)) || tree.has_folder(folder);
    (!there).then(|| path.to_owned())
}

/// The tracked file that a link in `document` leads to.
pub fn resolve(tree: &Tree, document: &str, path: &str) -> Option<String> {
    let beside = join(document, path);
    [beside, path.trim_start_matches('/').to_owned()]
        .into_iter()
        .find(|path| tree.files().any(|file| file == path))
}

/// Whether `name` is the end of a tracked file's path, or leads to one from `document`.
pub fn names_a_file(tree: &Tree, document: &str, name: &str) -> bool {
    exists(tree, document, name)
}

/// The part of a span that could be a path: without a line number or anchor, and only if nothing in it says that
/// it is something else.
fn candidate(span: &str) -> Option<&str> {
    let path = span.split('#').next().unwrap_or_default();
    let path = match path.split_once(':') {
        Some((path, line)) if line.starts_with(|c: char| c.is_ascii_digit()) => path,
        Some(_) => return None,
        None => path,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./{},*@+".contains(c);
    let placeholder = path.contains("...") || path.contains("NNNN") || path.contains("XXXX");
    let elsewhere = path.starts_with('/') || path.starts_with("target/") || path.starts_with("*.");
    (!path.is_empty() && path.chars().all(plain) && !placeholder && !elsewhere).then_some(path)
}

/// Whether a text means a path of ours.
fn claims(tree: &Tree, path: &str) -> bool {
    let (first, in_folder) = path.split_once('/').map_or((path, false), |(first, _)| (first, true));
    let ends = |endings: &[&str]| {
        endings
            .iter()
            .any(|ending| path.ends_with(ending) && !path.ends_with(&format!("/{ending}")) && path != *ending)
    };
    if path.starts_with("./") {
        return ends(&OURS_IN_A_FOLDER);
    }
    (in_folder && tree.has_folder(first))
        || path.ends_with('/')
        || ends(&OURS_ALONE)
        || (in_folder && ends(&OURS_IN_A_FOLDER))
}

fn exists(tree: &Tree, document: &str, path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let anchored = path.split_once('/').is_some_and(|(first, _)| tree.has_folder(first));
    let beside = join(document, path);
    let mut all = tree.files().chain(tree.folders());
    all.any(|there| fits(path, there) || fits(&beside, there) || (!anchored && ends_with(path, there)))
}

/// Whether the last parts of `there` fit all parts of `pattern`.
fn ends_with(pattern: &str, there: &str) -> bool {
    let (wanted, parts) = (pattern.split('/').count(), there.split('/').count());
    parts >= wanted && fits(pattern, there.splitn(parts - wanted + 1, '/').last().unwrap_or(there))
}

/// Whether two paths agree part by part, `*` standing for anything within a part.
fn fits(pattern: &str, there: &str) -> bool {
    pattern.split('/').count() == there.split('/').count()
        && pattern
            .split('/')
            .zip(there.split('/'))
            .all(|(pattern, part)| part_fits(pattern, part))
}

fn part_fits(pattern: &str, part: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == part;
    };
    let Some(rest) = part.strip_prefix(head) else {
        return false;
    };
    (0..=rest.len())
        .filter(|at| rest.is_char_boundary(*at))
        .any(|at| part_fits(tail, &rest[at..]))
}

/// `path` as seen from the folder that `document` lies in.
fn join(document: &str, path: &str) -> String {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// `a/{b,c}/d` as `a/b/d` and `a/c/d`.
fn expand(path: &str) -> Vec<String> {
    let Some((head, rest)) = path.split_once('{') else {
        return vec![path.to_owned()];
    };
    let Some((inside, tail)) = rest.split_once('}') else {
        return vec![path.to_owned()];
    };
    inside
        .split(',')
        .flat_map(|choice| expand(&format!("{head}{choice}{tail}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        Tree::of(&[
            ("README.md", ""),
            ("Cargo.toml", ""),
            (".config/nextest.toml", ""),
            ("crates/workflow/src/replay.rs", ""),
            ("crates/workflow/src/store/memory.rs", ""),
            ("crates/lumina/migrations/sqlite/0001_first.sql", ""),
            ("crates/lumina/migrations/postgres/0001_first.sql", ""),
            ("docs/guides/engine.md", ""),
        ])
    }

    #[test]
    fn what_is_there_passes() {
        for span in [
            "README.md",
            "crates/",
            "crates/workflow",
            "crates/workflow/",
            "crates/workflow/src/replay.rs:12",
            "replay.rs",
            "store/memory.rs",
            "store/",
            ".config/nextest.toml",
            "crates/lumina/migrations/{sqlite,postgres}/",
            "crates/*/src/*.rs",
            "crates/lumina/migrations/sqlite/0001_*.sql",
            "engine.md",
            "../guides/engine.md#top",
            "./engine.md",
        ] {
            assert_eq!(missing(&tree(), "docs/guides/engine.md", span), None, "{span}");
        }
    }

    #[test]
    fn what_is_no_path_is_left_alone() {
        for span in [
            "/api/leads",
            "application/json",
            "text/csv",
            "workflow/sqlite/throughput",
            "./lumina.db",
            "lumina.toml",
            "target/bench/",
            "~/lists/",
            "a/b",
            "POST /x",
            "https://a.example/b.md",
            "path:line",
            "Store::commit",
            "data/list.csv",
            "docs/decisions/NNNN-title.md",
            ".rs",
            "*.md",
            "and/or",
            "crates/<name>/src",
            "1/2",
        ] {
            assert_eq!(missing(&tree(), "README.md", span), None, "{span}");
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        for (span, expected) in [
            ("crates/wrkflow", "crates/wrkflow"),
            ("crates/wrkflow/", "crates/wrkflow/"),
            ("replay2.rs", "replay2.rs"),
            ("fuzz/", "fuzz/"),
            (
                "crates/lumina/migrations/{sqlite,mysql}/",
                "crates/lumina/migrations/mysql/",
            ),
            ("crates/workflow/src/x*.rs", "crates/workflow/src/x*.rs"),
            ("ENGINE.md", "ENGINE.md"),
            ("crates/replay.rs", "crates/replay.rs"),
            ("./gone.sql", "./gone.sql"),
        ] {
            assert_eq!(missing(&tree(), "README.md", span).as_deref(), Some(expected), "{span}");
        }
    }

    #[test]
    fn links_are_relative_to_their_document_or_the_root() {
        let table = [
            ("README.md", "docs/guides/engine.md#a", None),
            ("docs/guides/engine.md", "../../README.md", None),
            ("docs/guides/engine.md", "README.md", None),
            ("README.md", "docs/guides", None),
            ("README.md", "https://example.com/x.md", None),
            ("README.md", "#here", None),
            ("README.md", "engine.md", Some("engine.md")),
            ("README.md", "docs/gone.png", Some("docs/gone.png")),
        ];
        for (document, target, expected) in table {
            assert_eq!(
                missing_target(&tree(), document, target).as_deref(),
                expected,
                "{document} -> {target}"
            );
        }
    }
}
