//! The documents hold: each command that they show can be typed like that, and what they say is seen is said.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Place;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All files below a folder with this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(files(&path, ending)),
            false if path.extension().is_some_and(|found| found == ending) => all.push(path),
            false => {}
        }
    }
    all.sort();
    all
}

/// Inside of code spans, and lines of fenced blocks.
fn code(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut is_fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        } else if is_fenced {
            all.push(line.trim().to_owned());
        } else {
            all.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    all
}

/// A command's words, with something that fits in place of what stands for it; nothing if it is none of ours.
fn arguments(line: &str) -> Option<Vec<String>> {
    let command = line.split(" | ").next()?.split(" > ").next()?.split(" # ").next()?;
    let rest = command.split(" && ").next()?.strip_prefix("lumina ")?;
    let fit = |word: &str| match word.trim_end_matches([';', '.']) {
        "ID" | "RUN" => "01900000-0000-7000-8000-000000000001".to_owned(),
        "N" => "1".to_owned(),
        "DAY" => "2026-08-31".to_owned(),
        "MONTH" => "2026-08".to_owned(),
        "STEP" | "TEXT" | "FILE" | "NAME" => "something".to_owned(),
        word => word.trim_matches(['[', ']', '\'', '"']).to_owned(),
    };
    Some(rest.split_whitespace().map(fit).collect())
}

#[test]
fn every_command_that_is_shown_can_be_typed() {
    let place = Place::bare();
    let mut documents = files(&root().join("docs"), "md");
    documents.extend(["README.md", "CHANGELOG.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    let mut tried = 0;
    for document in documents {
        for line in code(&fs::read_to_string(&document).unwrap()) {
            let Some(arguments) = arguments(&line) else { continue };
            let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            arguments.push("--help");
            let helped = place.run(&arguments);
            assert_eq!(helped.code, Some(0), "{}: `{line}`: {}", document.display(), helped.err);
            tried += 1;
        }
    }
    assert!(tried > 60, "{tried} commands");
}

/// All that our programs can say, with what is broken over lines put together.
fn sources() -> String {
    let mut all = String::new();
    for file in files(&root().join("crates"), "rs") {
        if file.components().any(|part| part.as_os_str() == "src") {
            all += &fs::read_to_string(file).unwrap();
        }
    }
    let lines: Vec<&str> = all.split("\\\n").collect();
    lines.iter().map(|part| part.trim_start()).collect()
}

/// What the third or second last column of a table quotes.
fn quotes(row: &str) -> Vec<String> {
    let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
    let seen = cells[cells.len() - 2];
    let spans = seen.split('`').skip(1).step_by(2).map(str::to_owned);
    spans
        .filter(|span| !span.starts_with("lumina ") && !span.starts_with('/'))
        .collect()
}

/// The page quotes what is said, so that it can be searched for. `…` stands for what differs each time.
#[test]
fn what_is_quoted_is_what_is_said() {
    let page = fs::read_to_string(root().join("docs/operating/what-happens-when.md")).unwrap();
    let said = sources();
    let mut quoted = 0;
    let rows = page.lines().filter(|line| line.starts_with("| "));
    for row in rows.filter(|row| row.split(" | ").count() >= 4) {
        for quote in quotes(row) {
            for part in quote.split('…').map(str::trim).filter(|part| part.len() > 2) {
                assert!(said.contains(part), "nothing says {part:?}, of: {row}");
                quoted += 1;
            }
        }
    }
    assert!(quoted > 60, "{quoted} quotes");
}
