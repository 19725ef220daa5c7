//! Time and background work, passed in.

use std::time::Duration;

pub use futures_util::future::BoxFuture;
use jiff::Timestamp;

/// Where the sandbox takes its time from, and where its background work runs.
///
/// Nothing in this crate's core asks the machine for the time or spawns onto a runtime of its own, so the whole
/// sandbox also runs in one thread on a virtual clock, where a day passes as fast as its work can be done.
pub trait Clock: Send + Sync {
    /// The present moment. It may lag behind a [`sleep`](Clock::sleep) that has just ended; it should not jump back.
    fn now(&self) -> Timestamp;

    /// Ends once `span` has passed. A zero span may end at once.
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()>;

    /// Runs `work` beside everything else. It must not be polled before `spawn` has returned.
    fn spawn(&self, work: BoxFuture<'static, ()>);
}

/// The machine's clock and a tokio runtime: what a sandbox outside of tests runs on.
#[derive(Clone, Debug)]
pub struct TokioClock {
    runtime: tokio::runtime::Handle,
}

impl TokioClock {
    /// A clock whose work runs on `runtime`, which must have its time driver enabled.
    #[must_use]
    pub fn new(runtime: tokio::runtime::Handle) -> Self {
        Self { runtime }
    }
}

impl Clock for TokioClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the one place where the machine's clock comes in"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async move { tokio::time::sleep(span).await })
    }

    fn spawn(&self, work: BoxFuture<'static, ()>) {
        drop(self.runtime.spawn(work));
    }
}

/// `from` moved forward by `span`, or the end of time.
pub(crate) fn later(from: Timestamp, span: Duration) -> Timestamp {
    from.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// How long it is from `from` until `to`; zero when `to` has passed.
pub(crate) fn span_until(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or(Duration::ZERO)
}
