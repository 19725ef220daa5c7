//! The PostgreSQL server that tests start for themselves: its programs must be installed, no server need run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::process::{capture, stream, succeeds};

/// The variable that names a database to be used instead.
const ADDRESS: &str = "LUMINA_TEST_DATABASE_URL";

/// What is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// A database is named.
    UseNamed,
    /// The programs are here.
    UseInstalled(PathBuf),
    /// They can be installed.
    Install,
    /// Somebody else must install them.
    Ask,
}

/// Sees to it that there is a server for the tests, and says which.
///
/// # Errors
/// There is none, and this is no Debian where one may be installed; the message says what to do.
pub fn provide() -> Result<()> {
    let named = std::env::var_os(ADDRESS).is_some();
    match decide(named, find(), can_install()) {
        Step::UseNamed => eprintln!("tests use the PostgreSQL server that {ADDRESS} names"),
        Step::UseInstalled(folder) => eprintln!("tests start a PostgreSQL server of their own: {}", folder.display()),
        Step::Install => install()?,
        Step::Ask => bail!(
            "the tests need the programs of a PostgreSQL server, version 14 or later (none need run). Install them \
             (`sudo apt-get install postgresql`, `sudo dnf install postgresql-server`, `brew install postgresql`), or \
             name a database whose user may create others in {ADDRESS}"
        ),
    }
    Ok(())
}

fn decide(named: bool, found: Option<PathBuf>, can_install: bool) -> Step {
    match found {
        _ if named => Step::UseNamed,
        Some(folder) => Step::UseInstalled(folder),
        None if can_install => Step::Install,
        None => Step::Ask,
    }
}

fn install() -> Result<()> {
    eprintln!("no PostgreSQL server is installed; this is Debian and you are root, so its package is installed now");
    stream(Command::new("apt-get").args(["update", "--quiet"]))?;
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    stream(apt.args(["install", "--yes", "--no-install-recommends", "postgresql"]))?;
    match find() {
        Some(folder) => {
            eprintln!("tests start a PostgreSQL server of their own: {}", folder.display());
            Ok(())
        }
        None => bail!("the package postgresql was installed, and there is no `initdb` below /usr/lib/postgresql"),
    }
}

fn can_install() -> bool {
    let is_root = capture(Command::new("id").arg("-u")).is_ok_and(|user| user.trim() == "0");
    is_root && Path::new("/etc/debian_version").exists() && succeeds(Command::new("apt-get").arg("--version"))
}

/// The folder of `initdb`, where the tests look for it as well.
fn find() -> Option<PathBuf> {
    let of_versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = of_versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    folders.into_iter().find(|folder| folder.join("initdb").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A named database goes first, an installed server next, and nobody's machine is changed but root's own Debian.
    #[test]
    fn a_server_is_found_before_one_is_installed() {
        let folder = || Some(PathBuf::from("/usr/lib/postgresql/15/bin"));
        let installed = || Step::UseInstalled(folder().unwrap());
        let table = [
            ((true, folder(), true), Step::UseNamed),
            ((true, None, false), Step::UseNamed),
            ((false, folder(), true), installed()),
            ((false, folder(), false), installed()),
            ((false, None, true), Step::Install),
            ((false, None, false), Step::Ask),
        ];
        for ((named, found, can_install), expected) in table {
            assert_eq!(decide(named, found, can_install), expected);
        }
    }
}
