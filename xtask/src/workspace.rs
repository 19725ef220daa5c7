//! The checkout: its root, its tracked files, and what cargo knows of its packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process::capture;

/// The checkout that this program was built from.
#[derive(Debug)]
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The checkout that this package lies in.
    pub fn of_this_checkout() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("this package lies in the checkout");
        Self { root: root.to_owned() }
    }

    /// The folder that everything is relative to.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `cargo`, to be run at the root.
    pub fn cargo(&self) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(&self.root);
        cargo
    }

    /// What git tracks, relative to the root with forward slashes, sorted.
    ///
    /// # Errors
    /// Git is not installed, or this is not a clone.
    pub fn tracked(&self) -> Result<Vec<String>> {
        let mut git = Command::new("git");
        git.current_dir(&self.root).args(["ls-files", "-z"]);
        let listed = capture(&mut git).context("the rules are about tracked files, so they need git and a clone")?;
        let mut files: Vec<_> = listed.split_terminator('\0').map(str::to_owned).collect();
        files.sort_unstable();
        files.dedup();
        Ok(files)
    }

    /// `cargo metadata` of the workspace's own packages.
    ///
    /// # Errors
    /// A manifest that cargo cannot read; the message is cargo's.
    pub fn metadata(&self) -> Result<Value> {
        let mut cargo = self.cargo();
        let text = capture(cargo.args(["metadata", "--no-deps", "--format-version", "1"]))?;
        serde_json::from_str(&text).context("`cargo metadata` did not write JSON")
    }

    /// Where cargo puts what it builds.
    ///
    /// # Errors
    /// As [`Workspace::metadata`].
    pub fn target_folder(&self) -> Result<PathBuf> {
        let metadata = self.metadata()?;
        let folder = metadata["target_directory"]
            .as_str()
            .context("`cargo metadata` names no target folder")?;
        Ok(PathBuf::from(folder))
    }
}
