//! The suites that every store must pass: the trait's in both modes, inline with payloads encrypted and statements
//! without names, as through a pooler by transaction; the engine's inline.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use lumina_workflow::codec::AesGcmCodec;
use lumina_workflow::conformance::{Act, Backend, block_on};
use lumina_workflow::deterministic::DeterministicRuntime;
use lumina_workflow::store::{Attachment, Store};
use lumina_workflow::{Payload, StoreClock};
use lumina_workflow_postgres::testing::Database;
use lumina_workflow_postgres::tokio_postgres::types::Type;
use lumina_workflow_postgres::{AttachError, Mode, Options, Parameter, PostgresStore, Script, Statements, Tx, attach};
use tokio::runtime::Runtime;

const CELLS: Script = Script {
    name: "0001_cell",
    sql: "CREATE TABLE cell (name text PRIMARY KEY, value text NOT NULL)",
};

const KEY: &str = "first 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

pub struct PostgresBackend {
    store: PostgresStore,
    elapsed: Arc<AtomicU64>,
    // Behind the store, so that nobody else has the database before it is closed.
    runtime: Option<Runtime>,
    _database: Database,
}

pub fn moment() -> Timestamp {
    Timestamp::from_second(1_767_225_600).unwrap()
}

impl PostgresBackend {
    pub fn in_tasks() -> Self {
        Self::standing(|options| options.mode(Mode::Tasks))
    }

    /// Inline, as through a pooler by transaction, and with every payload encrypted.
    pub fn veiled() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lumina.keys");
        std::fs::write(&path, KEY).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let codec = Arc::new(AesGcmCodec::open(&path).unwrap());
        Self::standing(|options| options.mode(Mode::Inline).statements(Statements::Unnamed).codec(codec))
    }

    /// On a clock that stands still.
    fn standing(change: impl FnOnce(Options) -> Options) -> Self {
        let elapsed = Arc::new(AtomicU64::new(0));
        let micros = elapsed.clone();
        let clock = StoreClock::from_fn(move || moment() + Duration::from_micros(micros.load(Ordering::SeqCst)));
        Self::opened(|options| change(options.clock(clock)), elapsed)
    }

    /// On the virtual clock of a runtime, which alone lets time pass.
    pub fn on(runtime: DeterministicRuntime) -> Self {
        let clock = StoreClock::of(Arc::new(runtime));
        let change = |options: Options| options.mode(Mode::Inline).clock(clock);
        Self::opened(change, Arc::default())
    }

    fn opened(change: impl FnOnce(Options) -> Options, elapsed: Arc<AtomicU64>) -> Self {
        let database = Database::empty("conformance");
        let options = change(database.options());
        let runtime = (options.mode == Mode::Tasks).then(|| {
            let built = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build();
            built.unwrap()
        });
        let entered = runtime.as_ref().map(Runtime::enter);
        let store = block_on(PostgresStore::open(options)).unwrap();
        block_on(store.migrate("cells", &[CELLS])).unwrap();
        drop(entered);
        Self {
            store,
            elapsed,
            runtime,
            _database: database,
        }
    }
}

impl Drop for PostgresBackend {
    fn drop(&mut self) {
        block_on(self.store.close());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(10));
        }
    }
}

impl Backend for PostgresBackend {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn advance_clock(&self, by: Duration) {
        self.elapsed
            .fetch_add(u64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }

    fn attach(&self, acts: Vec<Act>) -> Attachment {
        attach(move |tx| {
            let acts = acts.clone();
            Box::pin(async move {
                let mut result = Payload::null();
                for act in &acts {
                    result = perform(tx, act).await?;
                }
                Ok(result)
            })
        })
    }

    fn get(&self, cell: &str) -> Option<Payload> {
        let sql = "SELECT value FROM lumina.cell WHERE name = $1";
        let rows = block_on(self.store.read(sql, &[Parameter::new(cell.to_owned(), Type::TEXT)])).unwrap();
        rows.first().map(|row| Payload::from_stored(row.get::<_, String>(0)))
    }
}

async fn perform(tx: &Tx<'_>, act: &Act) -> Result<Payload, AttachError> {
    match act {
        Act::Put(cell, value) => return put(tx, cell, value.as_str()).await,
        Act::Count(cell) => {
            let sql = "SELECT value::bigint FROM lumina.cell WHERE name = $1";
            let rows = tx.query(sql, &[(cell, Type::TEXT)]).await?;
            let before: i64 = rows.first().map_or(0, |row| row.get(0));
            return put(tx, cell, &(before + 1).to_string()).await;
        }
        Act::Start(new) => drop(tx.start(new).await?),
        Act::Emit(event) => drop(tx.emit(event).await?),
        Act::MakeDue(run) => drop(tx.make_due(*run).await?),
        Act::Fail(error) => return Err(error.clone().into()),
    }
    Ok(Payload::null())
}

async fn put(tx: &Tx<'_>, cell: &str, value: &str) -> Result<Payload, AttachError> {
    let sql = "INSERT INTO lumina.cell VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    tx.execute(sql, &[(&cell, Type::TEXT), (&value, Type::TEXT)]).await?;
    Ok(Payload::from_stored(value))
}

mod tasks {
    lumina_workflow::conformance_suite!(crate::conformance::PostgresBackend::in_tasks());
}

mod veiled {
    lumina_workflow::conformance_suite!(crate::conformance::PostgresBackend::veiled());
}

mod engine {
    lumina_workflow::engine_suite!(crate::conformance::PostgresBackend::on);
}
