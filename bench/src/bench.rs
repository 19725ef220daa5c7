//! What every benchmark is given: a place on the disk, and the floors of this invocation.

use std::cell::OnceCell;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lumina_bench_floor::{
    IN_FLIGHT, Latency, TRANSITIONS_PER_COMMIT, Throughput, event_floor, import_floor, run_floor,
};

/// Runs of the floor: some seconds' worth, so that the log is checkpointed several times meanwhile.
const FLOOR_RUNS: usize = 100_000;

/// Rows of the floor's import: as many as the list that the product's import is held to.
const FLOOR_ROWS: usize = 500_000;

/// Lone commits of the floor: twenty lie beyond the 99th percentile.
const FLOOR_COMMITS: usize = 2_000;

/// The benchmarks' folder, and the floors, each measured once an invocation, when first asked for.
#[derive(Debug)]
pub struct Bench {
    folder: PathBuf,
    run: OnceCell<Throughput>,
    import: OnceCell<Throughput>,
    commit: OnceCell<Latency>,
}

impl Bench {
    /// Databases lie in `target/bench/` of this checkout: on its disk, whatever the target folder is set to, and
    /// never in a temporary folder, which on many machines is memory.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn on_the_checkouts_disk() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("this package lies in the checkout");
        Self::in_folder(root.join("target/bench"))
    }

    fn in_folder(folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        Ok(Self {
            folder,
            run: OnceCell::new(),
            import: OnceCell::new(),
            commit: OnceCell::new(),
        })
    }

    /// Hands `measure` the path of a database that does not exist yet, and removes the database afterwards.
    ///
    /// # Errors
    /// An old file in its place that cannot be removed, and what `measure` says.
    pub fn with_database<T>(&self, name: &str, measure: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        let path = self.folder.join(format!("{name}.db"));
        remove_database(&path)?;
        let measured = measure(&path)?;
        remove_database(&path)?;
        Ok(measured)
    }

    /// Hands `measure` an empty folder on the checkout's disk, and removes it afterwards.
    ///
    /// # Errors
    /// An old folder in its place that cannot be removed, and what `measure` says.
    pub fn with_folder<T>(&self, name: &str, measure: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        let folder = self.folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let measured = measure(&folder)?;
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        Ok(measured)
    }

    /// How many runs a second plain SQLite makes here.
    ///
    /// # Errors
    /// The floor's own.
    pub fn run_floor(&self) -> Result<Throughput> {
        let measure = |path: &Path| Ok(run_floor(path, FLOOR_RUNS, IN_FLIGHT, TRANSITIONS_PER_COMMIT)?);
        once(&self.run, || self.with_database("floor-run", measure))
    }

    /// How many rows a second plain SQLite imports here.
    ///
    /// # Errors
    /// The floor's own.
    pub fn import_floor(&self) -> Result<Throughput> {
        once(&self.import, || {
            self.with_database("floor-import", |path| Ok(import_floor(path, FLOOR_ROWS)?))
        })
    }

    /// How long a lone durable commit takes here.
    ///
    /// # Errors
    /// The floor's own.
    pub fn commit_floor(&self) -> Result<Latency> {
        once(&self.commit, || {
            self.with_database("floor-commit", |path| Ok(event_floor(path, FLOOR_COMMITS)?))
        })
    }
}

/// The cell's value, measured now if it is empty. (A `OnceCell` of the standard library cannot yet fail.)
fn once<T: Copy>(cell: &OnceCell<T>, measure: impl FnOnce() -> Result<T>) -> Result<T> {
    if let Some(known) = cell.get() {
        return Ok(*known);
    }
    let measured = measure()?;
    Ok(*cell.get_or_init(|| measured))
}

/// Removes a database and the files that SQLite and a store keep beside it.
fn remove_database(path: &Path) -> Result<()> {
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", Path::new(&file).display()));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_new_each_time_and_gone_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::in_folder(folder.path().join("bench")).unwrap();
        for _ in 0..2 {
            let path = bench
                .with_database("one", |path| {
                    assert!(!path.exists(), "left over");
                    fs::write(path, "database")?;
                    fs::write(path.with_extension("db-wal"), "log")?;
                    Ok(path.to_owned())
                })
                .unwrap();
            assert!(!path.exists() && !path.with_extension("db-wal").exists());
        }
    }

    #[test]
    fn what_an_aborted_measurement_left_is_removed_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::in_folder(folder.path().to_owned()).unwrap();
        for suffix in ["", "-wal", "-shm", ".lock"] {
            fs::write(folder.path().join(format!("one.db{suffix}")), "old").unwrap();
        }
        let seen = bench.with_database("one", |_| Ok(fs::read_dir(folder.path())?.count()));
        assert_eq!(seen.unwrap(), 0);
    }

    #[test]
    fn a_floor_is_measured_once() {
        let (cell, mut measured) = (OnceCell::new(), 0);
        for _ in 0..3 {
            let value = once(&cell, || {
                measured += 1;
                Ok(measured)
            });
            assert_eq!(value.unwrap(), 1);
        }
        let failed: Result<u32> = once(&OnceCell::new(), || anyhow::bail!("no disk"));
        assert_eq!(failed.unwrap_err().to_string(), "no disk");
    }
}
