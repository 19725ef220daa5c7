//! The runtime of production: tokio's tasks and timers, the machine's clocks, random seeds
//! from the operating system.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::Runtime;
use super::in_place::InPlace;

/// Runs the engine on the tokio runtime that it was made in.
///
/// ```
/// use lumina_workflow::{Engine, StoreClock, TokioRuntime, store::memory::MemoryStore};
/// use std::sync::Arc;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let store = Arc::new(MemoryStore::new(StoreClock::system()));
/// let engine = Engine::builder(store, Arc::new(TokioRuntime::current())).build().await?;
/// # let _ = engine;
/// # Ok::<(), lumina_workflow::store::StoreError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TokioRuntime {
    handle: tokio::runtime::Handle,
    hasher: RandomState,
    drawn: AtomicU64,
}

impl TokioRuntime {
    /// Takes hold of the current tokio runtime.
    ///
    /// # Panics
    /// Outside of one.
    #[must_use]
    pub fn current() -> Self {
        Self {
            handle: tokio::runtime::Handle::current(),
            hasher: RandomState::new(),
            drawn: AtomicU64::new(0),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the engine meets tokio and the machine's clocks"
)]
impl Runtime for TokioRuntime {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.handle.spawn(task);
    }

    fn spawn_ahead(&self, task: BoxFuture<'static, ()>) {
        InPlace::start(task, self.handle.clone());
    }

    fn blocking(&self, code: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        let done = self.handle.spawn_blocking(code);
        Box::pin(async move {
            if let Err(error) = done.await
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        })
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        let time = rustix::time::clock_gettime(BOOT_CLOCK);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
    }

    /// SipHash over a counter under a key that the operating system's randomness seeds: good
    /// for jitter and ids, not for secrets.
    fn random(&self) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u64(self.drawn.fetch_add(1, Ordering::Relaxed));
        hasher.finish()
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const BOOT_CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const BOOT_CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
