//! Where the server's programs are.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of `initdb`, `postgres` and `pg_ctl`.
///
/// ```no_run
/// use lumina_workflow_postgres::testing::Binaries;
/// let found = Binaries::find().expect("a server is installed");
/// assert!(found.command("initdb").get_program().to_string_lossy().ends_with("initdb"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries(PathBuf);

/// Where distributions put them, beside the search path.
const PLACES: [&str; 3] = ["/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt"];

impl Binaries {
    /// The newest that there are.
    #[must_use]
    pub fn find() -> Option<Self> {
        let by_version = PLACES.iter().flat_map(|place| versions(Path::new(place)));
        let on_the_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
        let found = by_version.chain(on_the_path.into_iter().flatten());
        found
            .into_iter()
            .find(|folder| folder.join("initdb").is_file())
            .map(Self)
    }

    /// One of the programs.
    #[must_use]
    pub fn command(&self, name: &str) -> Command {
        Command::new(self.0.join(name))
    }
}

/// The `bin` folders below a place, newest version first.
fn versions(place: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let version = name.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, folder)| folder).collect()
}
