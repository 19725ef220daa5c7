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
    /// For the threads that take any job.
    any: Condvar,
    /// For the one, if there is one, that takes only what goes ahead.
    ahead: Condvar,
}

struct State<J> {
    first: VecDeque<J>,
    queue: VecDeque<J>,
    /// The thread that takes only what goes ahead waits, and was not woken yet.
    ahead_is_idle: bool,
    closed: bool,
}

impl<J> Lanes<J> {
    pub(crate) fn new() -> Self {
        let state = State {
            first: VecDeque::new(),
            queue: VecDeque::new(),
            ahead_is_idle: false,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            any: Condvar::new(),
            ahead: Condvar::new(),
        }
    }

    /// Adds a job, and wakes one thread for it: more would only be in each other's way. False when they are closed.
    pub(crate) fn push(&self, lane: Lane, job: J) -> bool {
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        match lane {
            Lane::First => state.first.push_back(job),
            Lane::Queue => state.queue.push_back(job),
        }
        let ahead = lane == Lane::First && std::mem::take(&mut state.ahead_is_idle);
        drop(state);
        if ahead { &self.ahead } else { &self.any }.notify_one();
        true
    }

    /// Takes no more jobs; those that are there are still worked off.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.any.notify_all();
        self.ahead.notify_all();
    }

    /// Waits for a job that goes ahead, and takes no other: so somebody is always free for them. One thread may do
    /// so. None when they are closed.
    pub(crate) fn take_ahead(&self) -> Option<J> {
        let mut state = self.lock();
        while state.first.is_empty() && !state.closed {
            state.ahead_is_idle = true;
            state = self.ahead.wait(state).expect("nobody panics while holding it");
        }
        state.ahead_is_idle = false;
        state.first.pop_front()
    }

    /// Waits for a job, at most this long.
    pub(crate) fn take(&self, at_most: Duration) -> Taken<J> {
        let nothing = |state: &mut State<J>| state.first.is_empty() && state.queue.is_empty() && !state.closed;
        let waited = self.any.wait_timeout_while(self.lock(), at_most, nothing);
        let (mut state, _) = waited.expect("nobody panics while holding it");
        let job = state.first.pop_front().or_else(|| state.queue.pop_front());
        match job {
            Some(job) => Taken::Job(job),
            None if state.closed => Taken::Closed,
            None => Taken::Idle,
        }
    }

    /// The job that comes next, if it is such a one. When there is none, one is waited for, at most this long.
    pub(crate) fn take_if(&self, fits: impl FnOnce(&J) -> bool, at_most: Duration) -> Option<J> {
        let is_empty = |state: &mut State<J>| state.first.is_empty() && state.queue.is_empty() && !state.closed;
        let waited = self.any.wait_timeout_while(self.lock(), at_most, is_empty);
        let (mut state, _) = waited.expect("nobody panics while holding it");
        let next = state.queue.front().filter(|_| state.first.is_empty())?;
        fits(next).then(|| state.queue.pop_front()).flatten()
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().expect("nobody panics while holding it")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const JOBS: usize = 20_000;

    /// However many threads take and wherever a job waits, each is done once, and each thread ends.
    #[test]
    fn every_job_is_taken_once() {
        let (lanes, done) = (Lanes::new(), AtomicUsize::new(0));
        let count = |job: usize| done.fetch_add(job, Ordering::SeqCst);
        std::thread::scope(|scope| {
            let takers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        while let Taken::Job(job) = lanes.take(Duration::MAX) {
                            count(job);
                        }
                    })
                })
                .collect();
            scope.spawn(|| {
                while let Some(job) = lanes.take_ahead() {
                    count(job);
                }
            });
            for lane in [Lane::First, Lane::Queue] {
                let lanes = &lanes;
                scope.spawn(move || (1..=JOBS).for_each(|job| assert!(lanes.push(lane, job))));
            }
            while done.load(Ordering::SeqCst) < JOBS * (JOBS + 1) {
                std::thread::yield_now();
            }
            lanes.close();
            assert!(!lanes.push(Lane::Queue, 1), "closed lanes take nothing");
            takers
                .into_iter()
                .for_each(|taker| taker.join().expect("nothing panicked"));
        });
        assert_eq!(done.load(Ordering::SeqCst), JOBS * (JOBS + 1));
    }

    /// What goes ahead is done although all others are busy, and nobody is idle for long who waits for nothing.
    #[test]
    fn somebody_is_free_for_what_goes_ahead() {
        let lanes: Lanes<u32> = Lanes::new();
        assert!(matches!(lanes.take(Duration::from_millis(1)), Taken::Idle));
        assert_eq!(lanes.take_if(|_| true, Duration::ZERO), None);
        lanes.push(Lane::Queue, 1);
        lanes.push(Lane::First, 2);
        assert_eq!(lanes.take_if(|_| true, Duration::ZERO), None, "the next one goes ahead");
        assert_eq!(lanes.take_ahead(), Some(2));
        assert_eq!(lanes.take_if(|job| *job == 7, Duration::ZERO), None);
        assert_eq!(lanes.take_if(|job| *job == 1, Duration::ZERO), Some(1));
        lanes.close();
        assert_eq!(lanes.take_ahead(), None);
        assert!(matches!(lanes.take(Duration::MAX), Taken::Closed));
    }
}
