//! A runtime of a store's own, which goes on only while somebody waits for it.

use std::sync::{Mutex, PoisonError};

use tokio::runtime::{Builder, Runtime};

pub(crate) struct Inline {
    // None only while it is dropped.
    runtime: Mutex<Option<Runtime>>,
}

impl Inline {
    pub(crate) fn new() -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self {
            runtime: Mutex::new(Some(runtime)),
        })
    }

    /// Does it, on the caller's thread, and nothing else meanwhile.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        runtime
            .as_ref()
            .expect("it is there until it is dropped")
            .block_on(work)
    }
}

impl Drop for Inline {
    fn drop(&mut self) {
        let runtime = self.runtime.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = runtime.take() {
            // The last owner may be a task of some other runtime, where nobody may wait.
            runtime.shutdown_background();
        }
    }
}
