//! The reference model as a backend of the suite.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use super::{Act, Backend, samples};
use crate::clock::StoreClock;
use crate::error::StepError;
use crate::payload::Payload;
use crate::store::memory::{MemoryStore, Tx, attach};
use crate::store::{Attachment, Store};

/// A new [`MemoryStore`] with a clock of its own.
pub struct MemoryBackend {
    store: Arc<MemoryStore>,
    elapsed: Arc<AtomicU64>,
}

impl MemoryBackend {
    /// Its clock starts at 2026-01-01T00:00:00Z.
    #[must_use]
    pub fn new() -> Self {
        Self::starting_at(samples::moment(0))
    }

    pub(super) fn starting_at(start: Timestamp) -> Self {
        let elapsed = Arc::new(AtomicU64::new(0));
        let micros = elapsed.clone();
        let clock = StoreClock::from_fn(move || start + Duration::from_micros(micros.load(Ordering::SeqCst)));
        Self {
            store: Arc::new(MemoryStore::new(clock)),
            elapsed,
        }
    }

    pub(super) fn model(&self) -> &MemoryStore {
        &self.store
    }
}

impl Default for MemoryBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl Backend for MemoryBackend {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn advance_clock(&self, by: Duration) {
        let micros = u64::try_from(by.as_micros()).expect("a test's time fits");
        self.elapsed.fetch_add(micros, Ordering::SeqCst);
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
        self.store.get(cell)
    }
}

fn perform(tx: &mut Tx<'_>, act: &Act) -> Result<Payload, StepError> {
    match act {
        Act::Put(cell, value) => {
            tx.put(*cell, value.clone());
            return Ok(value.clone());
        }
        Act::Count(cell) => {
            let before = tx.get(cell).map_or(Ok(0), |value| value.decode::<u64>());
            let number = samples::json(before.map_err(StepError::fail)? + 1);
            tx.put(*cell, number.clone());
            return Ok(number);
        }
        Act::Start(new) => drop(tx.start(new)?),
        Act::Emit(event) => drop(tx.emit(event)?),
        Act::MakeDue(run) => drop(tx.make_due(*run)),
        Act::Fail(error) => return Err(error.clone()),
    }
    Ok(Payload::null())
}
