//! A connection that reads, and what it is doing.

use std::sync::Arc;

use lumina_workflow::store::StoreError;
use rusqlite::Connection;

use crate::fault::Fault;
use crate::shared::{Reading, Shared};

pub(crate) struct Reader {
    conn: Connection,
    shared: Arc<Shared>,
    place: usize,
}

impl Reader {
    pub(crate) fn new(conn: Connection, shared: Arc<Shared>) -> Self {
        let mut readings = shared.readings.lock().expect("nobody panics while holding it");
        let place = readings.len();
        readings.push(None);
        drop(readings);
        Self { conn, shared, place }
    }

    /// Reads at one moment of the database.
    pub(crate) fn read<T>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let _reading = self.note(what);
        let answer = self.snapshot(work);
        answer.map_err(|fault| fault.to_store(&self.shared.path))
    }

    fn snapshot<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
        // Dropped, it is rolled back, which for a reader is its end.
        let snapshot = self.conn.unchecked_transaction()?;
        work(&snapshot)
    }

    fn note(&self, what: &'static str) -> Noted<'_> {
        self.put(Some(Reading {
            what,
            since: self.shared.clock.now(),
        }));
        Noted(self)
    }

    fn put(&self, reading: Option<Reading>) {
        self.shared.readings.lock().expect("nobody panics while holding it")[self.place] = reading;
    }
}

struct Noted<'r>(&'r Reader);

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.0.put(None);
    }
}
