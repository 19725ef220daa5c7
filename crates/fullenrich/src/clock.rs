//! Time, passed in.

use std::time::Duration;

use jiff::Timestamp;

use crate::BoxFuture;

/// Where the crate learns the time and how it waits. Only [`Limiter::acquire`](crate::Limiter::acquire) needs one.
///
/// A test's clock can let a minute pass at once; the application adapts the clock that it already has.
pub trait Clock: Send + Sync {
    /// The present moment, in UTC.
    fn now(&self) -> Timestamp;

    /// Returns after `duration` has passed on this clock.
    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()>;
}
