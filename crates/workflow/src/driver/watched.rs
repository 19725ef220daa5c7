//! Foreign code under watch: its panics, and how long it holds its thread.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::error::StepError;
use crate::payload::Payload;
use crate::runtime::Runtime;

/// Code that holds its thread this long should have gone through `Attempt::blocking`.
const SLOW_POLL: Duration = Duration::from_millis(100);

/// Runs an attempt's code; a panic is the error that it is turned into.
pub(super) async fn guarded<T>(
    work: impl Future<Output = Result<T, StepError>>,
    panicked: impl FnOnce(String) -> StepError,
) -> Result<T, StepError> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(result) => result,
        Err(panic) => Err(panicked(tell_panic(&*panic))),
    }
}

/// A panic's message, when it has one.
pub(crate) fn tell_panic(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}

pub(crate) fn warn_if_slow(runtime: &dyn Runtime, before: Duration, workflow: &str, what: &str) {
    let took = runtime.monotonic().saturating_sub(before);
    if took > SLOW_POLL {
        tracing::warn!(
            workflow,
            what,
            ?took,
            "code held its thread; blocking work belongs into Attempt::blocking"
        );
    }
}

/// Logs polls that hold the thread.
pub(super) struct Watched {
    pub runtime: Arc<dyn Runtime>,
    pub step: &'static str,
    pub work: BoxFuture<'static, Result<Payload, StepError>>,
}

impl Future for Watched {
    type Output = Result<Payload, StepError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let before = self.runtime.monotonic();
        let polled = self.work.poll_unpin(cx);
        warn_if_slow(&*self.runtime, before, "", self.step);
        polled
    }
}
