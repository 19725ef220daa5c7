//! tokio's tasks and timers, with a wall clock that stands still.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use lumina_workflow::{Runtime, TokioRuntime};

/// What the wall clock says.
pub const NOW: &str = "2026-08-01T12:00:00Z";

/// Nothing that waits so long is waited for once the runtime hurries.
const LONG: Duration = Duration::from_secs(10);

pub struct TestRuntime {
    tokio: TokioRuntime,
    hurries: AtomicBool,
}

impl TestRuntime {
    pub fn new() -> Self {
        Self {
            tokio: TokioRuntime::current(),
            hurries: AtomicBool::new(false),
        }
    }

    /// From now on a long sleep ends at once: whatever waits with a deadline has waited long enough.
    pub fn hurry(&self, on: bool) {
        self.hurries.store(on, Ordering::SeqCst);
    }
}

impl Runtime for TestRuntime {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.tokio.spawn(task);
    }

    fn blocking(&self, code: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        self.tokio.blocking(code)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        match self.hurries.load(Ordering::SeqCst) && duration >= LONG {
            true => Box::pin(async {}),
            false => self.tokio.sleep(duration),
        }
    }

    fn now(&self) -> Timestamp {
        NOW.parse().expect("a time")
    }

    fn monotonic(&self) -> Duration {
        self.tokio.monotonic()
    }

    fn random(&self) -> u64 {
        self.tokio.random()
    }
}
