//! The tracked files, read once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;

use anyhow::{Context, Result};

use crate::workspace::Workspace;

/// The tracked files and the folders they lie in. Paths are relative to the root, with forward slashes.
#[derive(Debug, Default)]
pub struct Tree {
    texts: BTreeMap<String, String>,
    files: BTreeSet<String>,
    folders: BTreeSet<String>,
}

impl Tree {
    /// Reads what git tracks. A file that is not UTF-8 is there, but has no text.
    ///
    /// # Errors
    /// Git cannot list the files, or one of them cannot be read.
    pub fn read(workspace: &Workspace) -> Result<Self> {
        let mut tree = Self::default();
        for path in workspace.tracked()? {
            let bytes = match fs::read(workspace.root().join(&path)) {
                Ok(bytes) => bytes,
                // Removed or moved here, and not yet in git.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => continue,
                Err(error) => return Err(error).with_context(|| format!("cannot read the tracked file {path}")),
            };
            tree.insert(path, String::from_utf8(bytes).ok());
        }
        Ok(tree)
    }

    fn insert(&mut self, path: String, text: Option<String>) {
        let mut folder = path.as_str();
        while let Some((parent, _)) = folder.rsplit_once('/') {
            self.folders.insert(parent.to_owned());
            folder = parent;
        }
        self.files.insert(path.clone());
        if let Some(text) = text {
            self.texts.insert(path, text);
        }
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Every text file's path and text, in order of path.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The text of one file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// Every file's path, in order.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// Every folder's path, in order.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.folders.iter().map(String::as_str)
    }

    /// Whether there is a folder of this path.
    pub fn has_folder(&self, path: &str) -> bool {
        self.folders.contains(path)
    }
}

#[cfg(test)]
impl Tree {
    /// A tree of these paths and texts.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            tree.insert((*path).to_owned(), Some((*text).to_owned()));
        }
        tree
    }
}

/// The number of the first line of `text` that fits, counted from 1; 1 if none does.
pub fn line_of(text: &str, fits: impl Fn(&str) -> bool) -> usize {
    text.lines().position(fits).map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_follow_from_files() {
        let tree = Tree::of(&[("a/b/c.rs", ""), ("d.md", "")]);
        assert_eq!(tree.folders().collect::<Vec<_>>(), ["a", "a/b"]);
        assert!(tree.has_folder("a/b") && !tree.has_folder("d.md") && !tree.has_folder(""));
    }

    #[test]
    fn lines_count_from_one() {
        for (text, line) in [("x\ny\n", 2), ("y", 1), ("x\n", 1)] {
            assert_eq!(line_of(text, |line| line == "y"), line, "{text:?}");
        }
    }
}
