//! A runtime of a store's own, which goes on only while somebody waits for it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::{Builder, Runtime};

use crate::session::Session;

/// What inline stores that are opened one after the other on one database leave to each other: a simulated world lives
/// for milliseconds, and a connection takes as long to be made.
pub(crate) struct Kept {
    inline: Arc<Inline>,
    idle: Mutex<Vec<Session>>,
}

impl Kept {
    #[cfg(feature = "testing")]
    pub(crate) fn new() -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            inline: Arc::new(Inline::new()?),
            idle: Mutex::default(),
        }))
    }

    /// What carries the connections.
    pub(crate) fn inline(&self) -> Arc<Inline> {
        self.inline.clone()
    }

    pub(crate) fn put(&self, sessions: impl IntoIterator<Item = Session>) {
        self.idle().extend(sessions);
    }

    pub(crate) fn take(&self) -> Option<Session> {
        let mut idle = self.idle();
        std::iter::from_fn(|| idle.pop()).find(|session| !session.is_broken())
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
