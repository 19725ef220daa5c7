//! What no tracked file may say: where it was written, and that it is not finished.

use crate::tidy::Failure;
use crate::tidy::paths::names_a_file;
use crate::tidy::tree::Tree;

/// This file, which has to say the words it forbids.
const HERE: &str = "xtask/src/tidy/words.rs";

/// A forbidden text, and what to do about it.
const FORBIDDEN: [(&str, &str); 8] = [
    ("/home/", "is a path of one machine: name it relative to the repository"),
    ("/root/", "is a path of one machine: name it relative to the repository"),
    (
        "/Users/",
        "is a path of one machine: name it relative to the repository",
    ),
    (
        "todo!(",
        "is unfinished: finish it, or return an error that says what is missing",
    ),
    (
        "unimplemented!(",
        "is unfinished: finish it, or return an error that says what is missing",
    ),
    ("dbg!(", "was for debugging: take it out, or write a `tracing` event"),
    ("#[ignore", "is a test that proves nothing: make it run, or take it out"),
    (
        "FIXME",
        "is unfinished: put it right, or write down the decision not to",
    ),
];

/// Every line that says something forbidden, or cites a document that is not here.
pub fn check(tree: &Tree) -> Vec<Failure> {
    let texts = tree.texts().filter(|(path, _)| *path != HERE);
    texts
        .flat_map(|(path, text)| {
            text.lines()
                .enumerate()
                .flat_map(move |(index, line)| said(tree, path, index + 1, line))
        })
        .collect()
}

fn said(tree: &Tree, path: &str, line_number: usize, line: &str) -> Vec<Failure> {
    let forbidden = FORBIDDEN.iter().filter(|(needle, _)| says(line, needle));
    let mut failures: Vec<_> = forbidden
        .map(|(needle, what)| Failure::new(path, line_number, format!("`{needle}` {what}")))
        .collect();
    if let Some(document) = cited(line).filter(|document| !names_a_file(tree, path, document)) {
        failures.push(Failure::new(
            path,
            line_number,
            format!("cites {document}, which is not in the repository; say it in words"),
        ));
    }
    failures
}

/// Whether `line` says `needle` as a word or path of its own: `https://a.example/root/` names no machine's folder,
/// and `my_todo!(` is another macro.
fn says(line: &str, needle: &str) -> bool {
    line.match_indices(needle).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '}' | '>'))
    })
}

/// The document that a line cites by its name in capitals, as in `PROTOCOL section 7`.
fn cited(line: &str) -> Option<String> {
    let words: Vec<_> = line.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    words.windows(3).find_map(|words| {
        let [name, part, number] = words else { return None };
        let in_capitals = name.len() >= 4 && name.chars().all(|c| c.is_ascii_uppercase());
        let numbered =
            matches!(*part, "section" | "rule" | "promise") && number.starts_with(|c: char| c.is_ascii_digit());
        (in_capitals && numbered).then(|| format!("{name}.md"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> usize {
        let tree = Tree::of(&[("src/a.rs", line), ("docs/PROTOCOL.md", "")]);
        check(&tree).len()
    }

    #[test]
    fn forbidden_words_are_found_where_they_stand_alone() {
        let table = [
            "see /home/me/main",
            "(\"/root/.cargo\")",
            "`/Users/me`",
            "    todo!()",
            "x = unimplemented!(\"y\")",
            "dbg!(&x);",
            "#[ignore = \"slow\"]",
            "// FIXME: later",
        ];
        for line in table {
            assert_eq!(found(line), 1, "{line}");
        }
    }

    #[test]
    fn ordinary_text_passes() {
        let table = [
            "at home/",
            "https://example.com/home/item",
            "crates/home/src",
            "{base}/root/x",
            "my_todo!()",
            "registry+https://github.com/rust-lang/crates.io-index",
            "#[expect(x)]",
            "to ignore",
            "framework/",
            "fixme",
        ];
        for line in table {
            assert_eq!(found(line), 0, "{line}");
        }
    }

    #[test]
    fn a_citation_needs_its_document() {
        for (line, failures) in [
            ("as DRAFT section 3 says", 1),
            ("as PROTOCOL section 3 says", 0),
            ("(DRAFT rule 5)", 1),
            ("RFC 9110 section 15", 0),
            ("the section 3 of it", 0),
            ("DRAFT section three", 0),
        ] {
            assert_eq!(found(line), failures, "{line}");
        }
    }

    #[test]
    fn this_file_may_say_them() {
        assert_eq!(check(&Tree::of(&[(HERE, "todo!()")])), []);
    }
}
