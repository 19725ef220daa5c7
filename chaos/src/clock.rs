//! Real time: the processes under test live in it, and so does who watches them.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Between two looks at something that is waited for. Short against what is looked at, long against what a look costs.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The wall clock, which all processes of the machine share.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "what happened outside is compared by the wall clock"
)]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// The machine's monotonic clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the processes under test live in real time")]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// Lets time pass.
#[expect(clippy::disallowed_methods, reason = "the processes under test live in real time")]
pub fn pass(span: Duration) {
    std::thread::sleep(span);
}

/// Looks until there is an answer, or the time is over.
pub fn until_within<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let began = monotonic();
    loop {
        if let Some(answer) = look() {
            return Some(answer);
        }
        if began.elapsed() >= patience {
            return None;
        }
        pass(LOOK_EVERY);
    }
}
