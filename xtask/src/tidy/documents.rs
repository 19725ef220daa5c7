//! What documents name is there: paths, link targets, anchors, and commands.

use crate::tidy::Failure;
use crate::tidy::markdown::{Kind, parse};
use crate::tidy::tree::Tree;
use crate::tidy::{commands, paths};

/// Every path, link and command of a document that leads nowhere.
pub fn check(tree: &Tree) -> Vec<Failure> {
    let documents = tree.texts().filter(|(path, _)| path.ends_with(".md"));
    let in_documents = documents.flat_map(|(path, text)| document(tree, path, text));
    in_documents
        .chain(tree.texts().flat_map(|(path, text)| comments(tree, path, text)))
        .collect()
}

fn document(tree: &Tree, path: &str, text: &str) -> Vec<Failure> {
    let mut failures = Vec::new();
    for mention in parse(text).mentions {
        let wrong = match &mention.kind {
            Kind::Code(span) if is_command(span) => commands::wrong(tree, span),
            Kind::Code(span) => paths::missing(tree, path, span)
                .map(|path| no_such_path(&path))
                .into_iter()
                .collect(),
            Kind::Link(target) => broken_link(tree, path, target).into_iter().collect(),
            Kind::Shell(line) => commands::wrong(tree, line),
        };
        failures.extend(wrong.into_iter().map(|what| Failure::new(path, mention.line, what)));
    }
    failures
}

fn is_command(span: &str) -> bool {
    span.starts_with("cargo ") || span.starts_with("lumina ")
}

fn no_such_path(path: &str) -> String {
    format!("`{path}` is not in the repository: name what is, or take it out")
}

fn broken_link(tree: &Tree, document: &str, target: &str) -> Option<String> {
    if let Some(path) = paths::missing_target(tree, document, target) {
        return Some(format!("the link leads to `{path}`, which is not in the repository"));
    }
    let (path, anchor) = target.split_once('#').filter(|_| !target.contains("://"))?;
    let path = if path.is_empty() {
        document.to_owned()
    } else {
        paths::resolve(tree, document, path)?
    };
    let text = tree.text(&path).filter(|_| path.ends_with(".md"))?;
    (!parse(text).anchors.iter().any(|known| known == anchor)).then(|| format!("{path} has no heading for `#{anchor}`"))
}

/// A comment in any other file that names a document names one that is there.
fn comments(tree: &Tree, path: &str, text: &str) -> Vec<Failure> {
    let marks: &[&str] = match path.rsplit('.').next() {
        Some("rs") => &["//"],
        Some("toml" | "yml" | "yaml" | "sh") => &["#"],
        Some("sql") => &["--"],
        _ => return Vec::new(),
    };
    let commented = text
        .lines()
        .enumerate()
        .filter(|(_, line)| marks.iter().any(|mark| line.trim_start().starts_with(mark)));
    commented
        .flat_map(|(index, line)| named_documents(line).map(move |name| (index + 1, name)))
        .filter(|(_, name)| !paths::names_a_file(tree, path, name))
        .map(|(line, name)| {
            Failure::new(
                path,
                line,
                format!("names {name}, which is not in the repository; say it in words"),
            )
        })
        .collect()
}

/// The words of a comment that are names of Markdown files.
fn named_documents(line: &str) -> impl Iterator<Item = &str> {
    let words = line
        .split(|c: char| !(c.is_ascii_alphanumeric() || "_-./".contains(c)))
        .map(|word| word.trim_end_matches('.'));
    words.filter(|word| {
        word.len() > ".md".len() && word.ends_with(".md") && !word.starts_with('/') && !word.starts_with("NNNN")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_true_document_passes() {
        let readme = "# Lumina\n\nRead [the map](docs/map.md#the-rooms), [below](#use), `docs/` and `map.md`.\n\n\
                      ## Use\n\n```sh\ncargo xtask tidy\n```\n";
        assert_eq!(
            said(&[("README.md", readme), ("docs/map.md", "## The rooms\n")]),
            Vec::<String>::new()
        );
    }

    #[test]
    fn each_thing_that_leads_nowhere_is_one_failure_with_its_line() {
        let table = [
            (
                "\nsee `docs/gone.md`",
                "README.md:2: `docs/gone.md` is not in the repository",
            ),
            ("[x](docs/gone.md)", "README.md:1: the link leads to `docs/gone.md`"),
            (
                "[x](docs/map.md#cellar)",
                "README.md:1: docs/map.md has no heading for `#cellar`",
            ),
            ("[x](#nowhere)", "README.md:1: README.md has no heading for `#nowhere`"),
            (
                "one\ntwo `cargo xtask\nfly`",
                "README.md:2: `cargo xtask fly` does not exist",
            ),
            ("```sh\ncargo fly\n```", "README.md:2: `cargo fly` is no command"),
        ];
        for (readme, expected) in table {
            let said = said(&[("README.md", readme), ("docs/map.md", "## The rooms\n")]);
            assert!(said.len() == 1 && said[0].starts_with(expected), "{readme}: {said:?}");
        }
    }

    #[test]
    fn a_comment_may_not_name_a_document_that_is_not_here() {
        let source = "// See docs/map.md, or map.md.\n//! As PLAN.md says.\nlet file = \"other.md\";\n";
        let said = said(&[("src/a.rs", source), ("docs/map.md", "")]);
        assert!(
            said.len() == 1 && said[0].starts_with("src/a.rs:2: names PLAN.md"),
            "{said:?}"
        );
    }
}
