//! The PostgreSQL server that tests start for themselves: its programs must be installed, no server need run.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::{capture, monotonic, stream, succeeds};

/// The variable that names a database to be used instead.
const ADDRESS: &str = "LUMINA_TEST_DATABASE_URL";

/// The variable that tells the tests in which folder their server is to be.
const HOME: &str = "LUMINA_TEST_SERVER_HOME";

/// How long a server may take to go.
const FAREWELL: Duration = Duration::from_secs(20);

/// What is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// The programs are here.
    UseInstalled(PathBuf),
    /// They can be installed.
    Install,
    /// Somebody else must install them.
    Ask,
}

/// The folder of the tests' server. The first test that needs the server starts it, and it stays until this is dropped,
/// or this process has ended in any other way: who watches over the server sees that the lock is free.
pub struct Home {
    folder: PathBuf,
    using: Option<File>,
}

impl Home {
    fn make() -> Result<Self> {
        let in_memory = Path::new("/dev/shm");
        let above = match in_memory.is_dir() {
            true => in_memory.to_owned(),
            false => std::env::temp_dir(),
        };
        let folder = above.join(format!("lumina-postgres-{}", std::process::id()));
        let using = std::fs::create_dir_all(&folder).and_then(|()| File::create(folder.join("users.lock")));
        let using =
            using.with_context(|| format!("cannot make the folder {} of the tests' server", folder.display()))?;
        using.lock_shared()?;
        Ok(Self {
            folder,
            using: Some(using),
        })
    }

    /// What a test runner is to be told.
    pub fn variable(&self) -> (&'static str, &Path) {
        (HOME, &self.folder)
    }
}

impl Drop for Home {
    #[expect(clippy::disallowed_methods, reason = "a folder does not say when it goes")]
    fn drop(&mut self) {
        drop(self.using.take());
        let begun = monotonic();
        // If there was a server, it goes, and takes the folder along.
        while self.folder.join("server").exists() && monotonic().duration_since(begun) < FAREWELL {
            std::thread::sleep(Duration::from_millis(50));
        }
        // There may be nothing left of it.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Sees to it that there is a server for the tests, and says which. Answers the folder of one that is not there yet.
///
/// # Errors
/// There is none, and this is no Debian where one may be installed; the message says what to do.
pub fn provide() -> Result<Option<Home>> {
    if std::env::var_os(ADDRESS).is_some() {
        eprintln!("tests use the PostgreSQL server that {ADDRESS} names");
        return Ok(None);
    }
    install_programs()?;
    Home::make().map(Some)
}

/// Sees to it that a server can be started.
///
/// # Errors
/// As [`provide`].
pub fn install_programs() -> Result<()> {
    match decide(find(), can_install()) {
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

fn decide(found: Option<PathBuf>, can_install: bool) -> Step {
    match found {
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

    /// An installed server goes first, and nobody's machine is changed but root's own Debian.
    #[test]
    fn a_server_is_found_before_one_is_installed() {
        let folder = || Some(PathBuf::from("/usr/lib/postgresql/15/bin"));
        let installed = || Step::UseInstalled(folder().unwrap());
        let table = [
            ((folder(), true), installed()),
            ((folder(), false), installed()),
            ((None, true), Step::Install),
            ((None, false), Step::Ask),
        ];
        for ((found, can_install), expected) in table {
            assert_eq!(decide(found, can_install), expected);
        }
    }

    /// While the tests run the lock is held, so that nobody stops the server; afterwards nothing is left.
    #[test]
    fn a_home_is_kept_and_goes() {
        let home = Home::make().unwrap();
        let (name, folder) = home.variable();
        let folder = folder.to_owned();
        let other = File::open(folder.join("users.lock")).unwrap();
        assert_eq!(name, "LUMINA_TEST_SERVER_HOME");
        assert!(other.try_lock().is_err());
        drop(home);
        assert!(other.try_lock().is_ok());
        assert!(!folder.exists());
    }
}
