//! The suites that every store must pass: the trait's in both modes, the engine's inline; and all of
//! it once more with payloads encrypted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lumina_workflow::conformance::{Act, Backend, block_on};
use lumina_workflow::deterministic::DeterministicRuntime;
use lumina_workflow::store::{Attachment, Store};
use lumina_workflow::{Payload, StoreClock};
use lumina_workflow_sqlite::rusqlite::{OptionalExtension, params};
use lumina_workflow_sqlite::{AttachError, Mode, Options, Script, SqliteStore, Tx, attach};

use crate::opened::{FIRST_KEY, Folder, moment};

const CELLS: Script = Script {
    name: "0001_cell",
    sql: "CREATE TABLE cell (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
};

pub struct SqliteBackend {
    store: SqliteStore,
    elapsed: Arc<AtomicU64>,
    _folder: Folder,
}

impl SqliteBackend {
    pub fn new(mode: Mode) -> Self {
        let folder = Folder::new();
        let options = folder.options().mode(mode);
        Self::standing(folder, options)
    }

    /// With every payload encrypted.
    pub fn encrypted() -> Self {
        let folder = Folder::new();
        let options = folder.options().mode(Mode::Inline).codec(folder.codec(&[FIRST_KEY]));
        Self::standing(folder, options)
    }

    fn standing(folder: Folder, options: Options) -> Self {
        let elapsed = Arc::new(AtomicU64::new(0));
        let micros = elapsed.clone();
        let clock = StoreClock::from_fn(move || moment() + Duration::from_micros(micros.load(Ordering::SeqCst)));
        Self::opened(folder, options.clock(clock), elapsed)
    }

    /// On the virtual clock of a runtime, which alone lets time pass.
    pub fn on(runtime: DeterministicRuntime) -> Self {
        let folder = Folder::light();
        let options = folder.options();
        Self::inline(folder, options, runtime)
    }

    /// The same with every payload encrypted.
    pub fn encrypted_on(runtime: DeterministicRuntime) -> Self {
        let folder = Folder::light();
        let options = folder.options().codec(folder.codec(&[FIRST_KEY]));
        Self::inline(folder, options, runtime)
    }

    fn inline(folder: Folder, options: Options, runtime: DeterministicRuntime) -> Self {
        let options = options.mode(Mode::Inline).clock(StoreClock::of(Arc::new(runtime)));
        Self::opened(folder, options, Arc::default())
    }

    fn opened(folder: Folder, options: Options, elapsed: Arc<AtomicU64>) -> Self {
        let store = SqliteStore::open(options).unwrap();
        block_on(store.migrate("cells", &[CELLS])).unwrap();
        Self {
            store,
            elapsed,
            _folder: folder,
        }
    }
}

impl Backend for SqliteBackend {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn advance_clock(&self, by: Duration) {
        self.elapsed
            .fetch_add(u64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }

    fn attach(&self, acts: Vec<Act>) -> Attachment {
        attach(move |tx| {
            let mut result = Payload::null();
            for act in &acts {
                result = perform(tx, act)?;
            }
            Ok(result)
        })
    }

    fn get(&self, cell: &str) -> Option<Payload> {
        let cell = cell.to_owned();
        let value = self.store.read(move |conn| {
            conn.query_row("SELECT value FROM cell WHERE name = ?1", [cell], |row| {
                row.get::<_, String>(0)
            })
            .optional()
        });
        block_on(value).unwrap().unwrap().map(Payload::from_stored)
    }
}

fn perform(tx: &Tx<'_>, act: &Act) -> Result<Payload, AttachError> {
    match act {
        Act::Put(cell, value) => return put(tx, cell, value.as_str()),
        Act::Count(cell) => {
            let sql = "SELECT CAST(value AS INTEGER) FROM cell WHERE name = ?1";
            let before: Option<i64> = tx.connection().query_row(sql, [cell], |row| row.get(0)).optional()?;
            return put(tx, cell, &(before.unwrap_or(0) + 1).to_string());
        }
        Act::Start(new) => drop(tx.start(new)?),
        Act::Emit(event) => drop(tx.emit(event)?),
        Act::MakeDue(run) => drop(tx.make_due(*run)?),
        Act::Fail(error) => return Err(error.clone().into()),
    }
    Ok(Payload::null())
}

fn put(tx: &Tx<'_>, cell: &str, value: &str) -> Result<Payload, AttachError> {
    let sql = "INSERT INTO cell VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
    tx.connection().execute(sql, params![cell, value])?;
    Ok(Payload::from_stored(value))
}

mod inline {
    lumina_workflow::conformance_suite!(crate::conformance::SqliteBackend::new(
        lumina_workflow_sqlite::Mode::Inline
    ));
}

mod threads {
    lumina_workflow::conformance_suite!(crate::conformance::SqliteBackend::new(
        lumina_workflow_sqlite::Mode::Threads
    ));
}

mod engine {
    lumina_workflow::engine_suite!(crate::conformance::SqliteBackend::on);
}

mod encrypted {
    lumina_workflow::conformance_suite!(crate::conformance::SqliteBackend::encrypted());
}

mod encrypted_engine {
    lumina_workflow::engine_suite!(crate::conformance::SqliteBackend::encrypted_on);
}
