//! What happened, line by line, in virtual time.

use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The lines of one simulation. Nothing is formatted when nobody will read it.
#[derive(Debug)]
pub(crate) struct Trace(Option<Mutex<String>>);

impl Trace {
    pub fn new(kept: bool) -> Self {
        Self(kept.then(Mutex::default))
    }

    pub fn line(&self, at: Duration, tell: impl FnOnce() -> String) {
        if let Some(text) = &self.0 {
            let line = tell();
            let (seconds, micros) = (at.as_secs(), at.subsec_micros());
            let mut text = lock(text);
            writeln!(text, "{seconds:>7}.{micros:06} {line}").expect("a string takes all that is written");
        }
    }

    pub fn text(&self) -> String {
        self.0.as_ref().map(|text| lock(text).clone()).unwrap_or_default()
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
