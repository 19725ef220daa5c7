//! A store's clock, given at opening.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::runtime::Runtime;

/// What a store calls "now". Whole microseconds, since that is what databases keep.
///
/// ```
/// use lumina_workflow::{deterministic::DeterministicRuntime, Runtime, StoreClock};
/// use std::sync::Arc;
///
/// let (system, fixed) = (StoreClock::system(), StoreClock::from_fn(|| jiff::Timestamp::UNIX_EPOCH));
/// assert!(system.now() > fixed.now());
///
/// let runtime = DeterministicRuntime::new(1);
/// assert_eq!(StoreClock::of(Arc::new(runtime.clone())).now(), runtime.now());
/// ```
#[derive(Clone)]
pub struct StoreClock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl StoreClock {
    /// The machine's wall clock.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where a store meets the machine's clock"
    )]
    pub fn system() -> Self {
        Self::from_fn(Timestamp::now)
    }

    /// A runtime's clock.
    #[must_use]
    pub fn of(runtime: Arc<dyn Runtime>) -> Self {
        Self::from_fn(move || runtime.now())
    }

    /// Any clock.
    #[must_use]
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        truncate((self.0)())
    }
}

/// Cuts a time to the whole microseconds that stores keep.
///
/// ```
/// let time = jiff::Timestamp::new(7, 123_456_789)?;
/// assert_eq!(lumina_workflow::truncate(time), jiff::Timestamp::new(7, 123_456_000)?);
/// # Ok::<(), jiff::Error>(())
/// ```
#[must_use]
pub fn truncate(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).expect("a time in range stays in range")
}

impl fmt::Debug for StoreClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreClock")
    }
}
