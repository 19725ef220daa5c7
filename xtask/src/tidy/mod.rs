//! `cargo xtask tidy`: the rules that only this project has, proved from the tracked files.
//!
//! Every rule reads a [`Tree`], and answers [`Failure`]s: where, and what to do. A rule is one file here and one
//! line in [`RULES`].

mod bans;
mod commands;
mod documents;
mod edges;
mod examples;
mod fuzz;
mod length;
mod manifests;
mod markdown;
mod migrations;
mod paths;
mod tree;
mod words;

use std::fmt;

use anyhow::{Result, bail};

use crate::tidy::tree::Tree;
use crate::workspace::Workspace;

/// Something that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    file: String,
    line: usize,
    what: String,
}

impl Failure {
    /// `what` says what is wrong and what to do about it.
    fn new(file: impl Into<String>, line: usize, what: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// The rules that need nothing but the files; the crate graph, which cargo knows, is beside them.
const RULES: [fn(&Tree) -> Vec<Failure>; 8] = [
    manifests::check,
    bans::check,
    migrations::check,
    length::check,
    words::check,
    documents::check,
    examples::check,
    fuzz::check,
];

/// Holds the checkout to every rule, and prints what breaks one.
///
/// # Errors
/// How many failures there are; or the files cannot be read.
pub fn run(workspace: &Workspace) -> Result<()> {
    let tree = Tree::read(workspace)?;
    let mut failures = edges::check(&tree, &workspace.metadata()?);
    failures.extend(RULES.iter().flat_map(|rule| rule(&tree)));
    failures.sort_unstable();
    failures.dedup();
    for failure in &failures {
        println!("{failure}");
    }
    match failures.len() {
        0 => {
            eprintln!("tidy: {} tracked files keep every rule", tree.len());
            Ok(())
        }
        1 => bail!("tidy found one thing to put right; it is named above"),
        many => bail!("tidy found {many} things to put right; they are named above"),
    }
}
