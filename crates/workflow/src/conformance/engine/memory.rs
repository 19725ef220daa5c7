//! The reference model on a runtime's clock.

use std::sync::Arc;
use std::time::Duration;

use crate::StoreClock;
use crate::conformance::{Act, Backend, MemoryBackend};
use crate::deterministic::DeterministicRuntime;
use crate::payload::Payload;
use crate::store::memory::MemoryStore;
use crate::store::{Attachment, Store};

/// A new [`MemoryStore`] whose clock is a runtime's.
pub struct ClockedMemory {
    store: Arc<MemoryStore>,
}

impl ClockedMemory {
    /// An empty store.
    #[must_use]
    pub fn new(runtime: DeterministicRuntime) -> Self {
        Self {
            store: Arc::new(MemoryStore::new(StoreClock::of(Arc::new(runtime)))),
        }
    }
}

impl Backend for ClockedMemory {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// # Panics
    /// Always: the runtime lets time pass.
    fn advance_clock(&self, by: Duration) {
        panic!("the runtime's clock cannot be moved by {by:?} from here");
    }

    fn attach(&self, acts: Vec<Act>) -> Attachment {
        MemoryBackend::new().attach(acts)
    }

    fn get(&self, cell: &str) -> Option<Payload> {
        self.store.get(cell)
    }
}
