//! What the engine needs of the world around it: tasks, time, randomness. Passed in, so that
//! the whole engine also runs on a deterministic executor where a day takes microseconds.

use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use uuid::Uuid;

pub mod deterministic;
#[cfg(feature = "tokio-runtime")]
mod in_place;
#[cfg(feature = "tokio-runtime")]
mod tokio;

#[cfg(feature = "tokio-runtime")]
pub use self::tokio::TokioRuntime;

/// Tasks, time, randomness.
///
/// ```
/// use lumina_workflow::{deterministic::DeterministicRuntime, Runtime};
/// use std::time::Duration;
///
/// /// What asks a runtime for time and chance works on any of them.
/// async fn nap(runtime: &dyn Runtime) -> Duration {
///     let before = runtime.monotonic();
///     runtime.sleep(Duration::from_millis(10 + runtime.random() % 10)).await;
///     runtime.monotonic() - before
/// }
///
/// let runtime = DeterministicRuntime::new(1);
/// assert!(runtime.block_on(nap(&runtime))? >= Duration::from_millis(10));
/// assert_ne!(runtime.new_id(), runtime.new_id());
/// # Ok::<(), lumina_workflow::deterministic::Stuck>(())
/// ```
pub trait Runtime: Send + Sync + 'static {
    /// Runs a future as a task of its own.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// Runs a future as a task that much else waits for and that never works long: ahead of other tasks that are
    /// ready, where the runtime can do that. It may be polled on any thread, also inside the call that wakes it.
    fn spawn_ahead(&self, task: BoxFuture<'static, ()>) {
        self.spawn(task);
    }

    /// Runs code that blocks where it disturbs nobody, and ends when the code has.
    fn blocking(&self, code: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()>;

    /// Ends after this time.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// A clock that only runs forwards, and runs on while the machine is suspended, so that a
    /// lease is never believed longer than it lasts.
    fn monotonic(&self) -> Duration;

    /// 64 random bits.
    fn random(&self) -> u64;

    /// A UUIDv7 of this runtime's clock and randomness.
    fn new_id(&self) -> Uuid {
        let millis = u64::try_from(self.now().as_millisecond()).unwrap_or(0);
        let mut bytes = [0u8; 10];
        bytes[..8].copy_from_slice(&self.random().to_le_bytes());
        bytes[8..].copy_from_slice(&self.random().to_le_bytes()[..2]);
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }
}
