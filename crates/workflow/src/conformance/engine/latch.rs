//! A door that a test opens.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Whoever passes waits until it is open. Clones are the same one.
#[derive(Clone)]
pub(super) struct Latch(Arc<Semaphore>);

impl Latch {
    pub fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    pub fn open(&self) {
        self.0.add_permits(1_000);
    }

    pub async fn pass(&self) {
        self.0
            .acquire()
            .await
            .expect("a latch is never closed for good")
            .forget();
    }
}
