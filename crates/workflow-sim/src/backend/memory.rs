//! The reference model, shared.

use std::sync::Arc;

use lumina_workflow::store::memory::{MemoryStore, Tx, attach};
use lumina_workflow::store::{Attachment, Store};
use lumina_workflow::{Payload, StepError, StoreClock};

use super::{Backend, Cells};

/// A [`MemoryStore`] that outlives the processes.
pub struct MemoryBackend {
    store: Arc<MemoryStore>,
}

impl MemoryBackend {
    /// An empty store with this clock.
    #[must_use]
    pub fn new(clock: StoreClock) -> Self {
        let store = Arc::new(MemoryStore::new(clock));
        Self { store }
    }
}

impl Backend for MemoryBackend {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }
}

impl Cells for MemoryBackend {
    fn count(&self, cell: &str) -> Attachment {
        let cell = cell.to_owned();
        attach(move |tx| add_one(tx, &cell))
    }

    fn refuse(&self, cell: &str) -> Attachment {
        let cell = cell.to_owned();
        attach(move |tx| {
            add_one(tx, &cell)?;
            Err(StepError::fail("the application says no"))
        })
    }

    fn read(&self, cell: &str) -> u64 {
        self.store
            .get(cell)
            .and_then(|number| number.decode().ok())
            .unwrap_or(0)
    }
}

fn add_one(tx: &mut Tx<'_>, cell: &str) -> Result<Payload, StepError> {
    let before = tx.get(cell).map_or(Ok(0), |number| number.decode::<u64>());
    let number = Payload::encode(&(before.map_err(StepError::fail)? + 1)).map_err(StepError::fail)?;
    tx.put(cell, number.clone());
    Ok(number)
}
