//! Waiting for what real processes do: a bounded look at real state, again and again.

use std::time::{Duration, Instant};

/// Longer than anything that is waited for takes on a busy machine, the provider's minute and the window of an
/// unknown outcome included.
const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks. Short against what is looked at, long against what a look costs.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks until there is an answer; fails the test when none comes.
#[track_caller]
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, look).unwrap_or_else(|| panic!("waited in vain for {what}"))
}

/// Looks until it is so; fails the test when it never is.
#[track_caller]
pub fn until_true(what: &str, mut look: impl FnMut() -> bool) {
    until(what, || look().then_some(()));
}

/// Looks until there is an answer, or the time is over.
#[expect(
    clippy::disallowed_methods,
    reason = "the processes under test live in real time, and so does who watches them"
)]
pub fn until_within<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    loop {
        if let Some(answer) = look() {
            return Some(answer);
        }
        if began.elapsed() >= patience {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}

/// How long something takes.
#[expect(
    clippy::disallowed_methods,
    reason = "the processes under test live in real time, and so does who watches them"
)]
pub fn time<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let result = work();
    (result, began.elapsed())
}
