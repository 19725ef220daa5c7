//! A queue of jobs for threads, with a lane that goes ahead.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Where a job waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Ahead of all that is queued.
    First,
    /// In its turn.
    Queue,
}

/// Which jobs a thread takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// All of them.
    Any,
    /// Only those that go ahead, so that somebody is always free for them.
    FirstOnly,
}

/// What a thread got.
pub(crate) enum Taken<J> {
    Job(J),
    /// Nothing came within the time.
    Idle,
    /// There will be no more.
    Closed,
}

pub(crate) struct Lanes<J> {
    state: Mutex<State<J>>,
    changed: Condvar,
}

struct State<J> {
    first: VecDeque<J>,
    queue: VecDeque<J>,
    closed: bool,
}

impl<J> Lanes<J> {
    pub(crate) fn new() -> Self {
        let state = State {
            first: VecDeque::new(),
            queue: VecDeque::new(),
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Adds a job; false when they are closed.
    pub(crate) fn push(&self, lane: Lane, job: J) -> bool {
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        match lane {
            Lane::First => state.first.push_back(job),
            Lane::Queue => state.queue.push_back(job),
        }
        drop(state);
        self.changed.notify_all();
        true
    }

    /// Takes no more jobs; those that are there are still worked off.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits for a job, at most this long when a time is given.
    pub(crate) fn take(&self, takes: Takes, at_most: Option<Duration>) -> Taken<J> {
        let mut state = self.lock();
        loop {
            let job = state.first.pop_front();
            let job = job.or_else(|| (takes == Takes::Any).then(|| state.queue.pop_front()).flatten());
            if let Some(job) = job {
                return Taken::Job(job);
            }
            if state.closed {
                return Taken::Closed;
            }
            let Some(at_most) = at_most else {
                state = self.changed.wait(state).expect("nobody panics while holding it");
                continue;
            };
            let (woken, timeout) = self
                .changed
                .wait_timeout(state, at_most)
                .expect("nobody panics while holding it");
            state = woken;
            if timeout.timed_out() && state.first.is_empty() && state.queue.is_empty() && !state.closed {
                return Taken::Idle;
            }
        }
    }

    /// The job that comes next, if it is such a one. When there is none, one is waited for, at most this long.
    pub(crate) fn take_if(&self, fits: impl FnOnce(&J) -> bool, at_most: Duration) -> Option<J> {
        let is_empty = |state: &mut State<J>| state.first.is_empty() && state.queue.is_empty() && !state.closed;
        let waited = self.changed.wait_timeout_while(self.lock(), at_most, is_empty);
        let (mut state, _) = waited.expect("nobody panics while holding it");
        let next = state.queue.front().filter(|_| state.first.is_empty())?;
        fits(next).then(|| state.queue.pop_front()).flatten()
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().expect("nobody panics while holding it")
    }
}
