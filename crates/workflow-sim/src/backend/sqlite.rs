//! Inline SQLite on a file of its own. A crash leaves what is in the files, and nothing else.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use lumina_workflow::store::{Attachment, Store};
use lumina_workflow::{Payload, StepError, StoreClock};
use lumina_workflow_sqlite::rusqlite::{OptionalExtension, params};
use lumina_workflow_sqlite::{AttachError, Mode, Options, Script, SqliteStore, Tx, attach};
use tempfile::TempDir;

use super::{Backend, Cells, inline};
use crate::trace::lock;

const CELLS: Script = Script {
    name: "0001_cell",
    sql: "CREATE TABLE cell (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT",
};

/// A SQLite file that outlives the processes.
pub struct SqliteBackend {
    // Before the folder, so that it is closed before its files go.
    open: Mutex<Open>,
    clock: StoreClock,
    scripts: Vec<(String, Vec<Script>)>,
    folder: TempDir,
}

struct Open {
    store: SqliteStore,
    path: PathBuf,
    generation: u32,
}

impl SqliteBackend {
    /// An empty file with this clock and the cells' table, in memory where the system has such
    /// files.
    ///
    /// # Panics
    /// When the file cannot be made.
    #[must_use]
    pub fn new(clock: StoreClock) -> Self {
        Self::with_scripts(clock, &[])
    }

    /// The same with an application's own tables: scripts, by their owner's name.
    ///
    /// # Panics
    /// When the file cannot be made.
    #[must_use]
    pub fn with_scripts(clock: StoreClock, own: &[(&str, &[Script])]) -> Self {
        let folder = make_folder().expect("a folder for the simulation's database can be made");
        let mut scripts = vec![("cells".to_owned(), vec![CELLS])];
        scripts.extend(
            own.iter()
                .map(|(owner, scripts)| ((*owner).to_owned(), scripts.to_vec())),
        );
        let path = folder.path().join("sim-0.db");
        let open = Mutex::new(Open {
            store: open(&path, &clock, &scripts),
            path,
            generation: 0,
        });
        Self {
            open,
            clock,
            scripts,
            folder,
        }
    }

    /// The store as it is open now, for attachments and reads of the application. It is another one after a crash,
    /// so do not keep it for longer than a process lives.
    #[must_use]
    pub fn sqlite(&self) -> SqliteStore {
        lock(&self.open).store.clone()
    }
}

fn make_folder() -> std::io::Result<TempDir> {
    let in_memory = Path::new("/dev/shm");
    match in_memory.is_dir() {
        true => tempfile::tempdir_in(in_memory),
        false => tempfile::tempdir(),
    }
}

fn open(path: &Path, clock: &StoreClock, scripts: &[(String, Vec<Script>)]) -> SqliteStore {
    let options = Options::new(path).clock(clock.clone()).mode(Mode::Inline);
    let store = SqliteStore::open(options).expect("the simulation's database can be opened");
    for (owner, scripts) in scripts {
        inline(store.migrate(owner, scripts)).expect("the scripts fit");
    }
    store
}

impl Backend for SqliteBackend {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.sqlite())
    }

    fn dies_with_processes(&self) -> bool {
        true
    }

    /// The files are copied as they lie there, the log not written back, and the copy is
    /// opened: what a process that was killed leaves behind.
    fn reopen(&self) {
        let mut open_now = lock(&self.open);
        let generation = open_now.generation + 1;
        let path = self.folder.path().join(format!("sim-{generation}.db"));
        copy(&open_now.path, &path, "").expect("a database can be copied");
        copy(&open_now.path, &path, "-wal").expect("a log can be copied");
        let store = open(&path, &self.clock, &self.scripts);
        *open_now = Open {
            store,
            path,
            generation,
        };
    }
}

fn copy(from: &Path, to: &Path, suffix: &str) -> std::io::Result<()> {
    let with = |path: &Path| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let (from, to) = (with(from), with(to));
    match from.exists() {
        true => std::fs::copy(from, to).map(drop),
        false => Ok(()),
    }
}

impl Cells for SqliteBackend {
    fn count(&self, cell: &str) -> Attachment {
        let cell = cell.to_owned();
        attach(move |tx| add_one(tx, &cell))
    }

    fn refuse(&self, cell: &str) -> Attachment {
        let cell = cell.to_owned();
        attach(move |tx| {
            add_one(tx, &cell)?;
            Err(StepError::fail("the application says no").into())
        })
    }

    fn read(&self, cell: &str) -> u64 {
        let (store, cell) = (self.sqlite(), cell.to_owned());
        let sql = "SELECT value FROM cell WHERE name = ?1";
        let read = store.read(move |conn| conn.query_row(sql, [cell], |row| row.get::<_, i64>(0)).optional());
        let number = inline(read)
            .expect("the store answers")
            .expect("the statement is sound");
        number.map_or(0, |number| u64::try_from(number).expect("a count is not negative"))
    }
}

fn add_one(tx: &Tx<'_>, cell: &str) -> Result<Payload, AttachError> {
    let sql = "INSERT INTO cell VALUES (?1, 1) ON CONFLICT DO UPDATE SET value = value + 1 RETURNING value";
    let number: i64 = tx.connection().query_row(sql, params![cell], |row| row.get(0))?;
    Ok(Payload::from_stored(number.to_string()))
}
