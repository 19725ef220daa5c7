//! Inline PostgreSQL: a server that outlives all processes, and connections to it that break in the middle of calls.

mod cut;
mod guarded;

use std::sync::Arc;

use lumina_workflow::store::{Attachment, Store};
use lumina_workflow::{Payload, StepError, StoreClock};
use lumina_workflow_postgres::testing::Database;
use lumina_workflow_postgres::tokio_postgres::types::Type;
use lumina_workflow_postgres::{AttachError, Mode, Parameter, PostgresStore, Script, Tx, attach};

use super::{Backend, Cells, Lost, inline};
use cut::Scissors;
use guarded::Guarded;

const CELLS: Script = Script {
    name: "0001_cell",
    sql: "CREATE TABLE cell (name text PRIMARY KEY, value bigint NOT NULL)",
};

/// Everything begins as in a new database: what a trace tells must not hang on what was played before.
const ANEW: &str = "SELECT setval('lumina.workflow_event_seq', 1, false)";

/// A PostgreSQL database that outlives the processes, on the tests' server.
///
/// One call in eight loses its connection, before some statement, before its commit or after it, if it comes so far:
/// what was not committed is taken back by the server, and what nobody knows the engine applies again.
pub struct PostgresBackend {
    // Before the database, so that it is closed before somebody else has that.
    store: Arc<Guarded>,
    _database: Database,
}

impl PostgresBackend {
    /// An empty database with this clock; `seed` says which calls lose their connections.
    ///
    /// # Panics
    /// When there is no server.
    #[must_use]
    pub fn new(seed: u64, clock: StoreClock) -> Self {
        Self::with_scripts("simulation", seed, clock, &[])
    }

    /// The same with an application's own tables: scripts, by their owner's name. All databases of one purpose have the
    /// same.
    ///
    /// # Panics
    /// When there is no server.
    #[must_use]
    pub fn with_scripts(purpose: &'static str, seed: u64, clock: StoreClock, own: &[(&str, &[Script])]) -> Self {
        let database = Database::empty(purpose);
        let scissors = Scissors::of(seed);
        let options = database.options().mode(Mode::Inline).clock(clock).hook(scissors.hook());
        let store = inline(PostgresStore::open(options)).expect("the simulation's database can be opened");
        for (owner, scripts) in [("cells", &[CELLS][..])].iter().chain(own) {
            inline(store.migrate(owner, scripts)).expect("the scripts fit");
        }
        inline(store.read(ANEW, &[])).expect("the statement is sound");
        Self {
            store: Arc::new(Guarded::new(store, scissors)),
            _database: database,
        }
    }

    /// The store, for attachments and reads of the application.
    #[must_use]
    pub fn postgres(&self) -> PostgresStore {
        self.store.plain().clone()
    }
}

impl Drop for PostgresBackend {
    fn drop(&mut self) {
        inline(self.store.plain().close());
    }
}

impl Backend for PostgresBackend {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn lost(&self) -> Option<Lost> {
        self.store.take_lost()
    }
}

impl Cells for PostgresBackend {
    fn count(&self, cell: &str) -> Attachment {
        let cell = cell.to_owned();
        attach(move |tx| {
            let cell = cell.clone();
            Box::pin(async move { add_one(tx, &cell).await })
        })
    }

    fn refuse(&self, cell: &str) -> Attachment {
        let cell = cell.to_owned();
        attach(move |tx| {
            let cell = cell.clone();
            Box::pin(async move {
                add_one(tx, &cell).await?;
                Err(StepError::fail("the application says no").into())
            })
        })
    }

    fn read(&self, cell: &str) -> u64 {
        let sql = "SELECT value FROM lumina.cell WHERE name = $1";
        let params = [Parameter::new(cell.to_owned(), Type::TEXT)];
        let rows = inline(self.store.plain().read(sql, &params)).expect("the store answers");
        let number = rows.first().map(|row| row.get::<_, i64>(0));
        number.map_or(0, |number| u64::try_from(number).expect("a count is not negative"))
    }
}

async fn add_one(tx: &Tx<'_>, cell: &str) -> Result<Payload, AttachError> {
    let sql = "INSERT INTO lumina.cell AS c VALUES ($1, 1) ON CONFLICT (name) DO UPDATE SET value = c.value + 1 \
         RETURNING value";
    let rows = tx.query(sql, &[(&cell, Type::TEXT)]).await?;
    let number: i64 = rows.first().map_or(0, |row| row.get(0));
    Ok(Payload::from_stored(number.to_string()))
}
