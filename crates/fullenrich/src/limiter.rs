//! FullEnrich's limit: 60 calls a calendar minute, all endpoints together.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::Clock;

/// The documented limit: 60 calls a minute, in a fixed window on the calendar minute.
pub const DEFAULT_CALLS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).expect("60 is not zero");

/// The longest time a Retry-After can hold calls back. An hour is sixty windows; a longer one is a mistake of the
/// sender's, and nobody should have to restart the program because of it.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// How many minutes' counts are remembered. Only a clock that was set back ever asks for one but the last.
const REMEMBERED_MINUTES: usize = 64;

/// Below this nothing is worth a timer; it also keeps [`Limiter::acquire`] from spinning on a clock that wakes early.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// What a full minute counts as, whatever the limit is set to.
const EXHAUSTED: u32 = u32::MAX;

/// Hands out permits for calls, never more than the limit in one calendar minute of the clock it is asked with.
///
/// One limiter is shared by everything that calls with the same API key in this process; other processes with the
/// same key have windows that this one cannot see, and their share shows as a 429.
#[derive(Debug)]
pub struct Limiter {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    calls_per_minute: NonZeroU32,
    used: BTreeMap<Minute, u32>,
    closed_until: Option<Timestamp>,
}

/// Minutes since 1970-01-01T00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Minute(i64);

impl Minute {
    fn of(at: Timestamp) -> Self {
        Self(at.as_second().div_euclid(60))
    }

    fn end(self) -> Timestamp {
        Timestamp::from_second((self.0 + 1) * 60).unwrap_or(Timestamp::MAX)
    }
}

/// The right to make one call. It is taken before the attempt begins and is consumed by the call.
///
/// It counts against the calendar minute in which it was granted. One that is taken late in a minute but sent in the
/// next is counted there by FullEnrich and not by us, so take it just before the call; what slips through comes back
/// as a 429 and costs nothing but a wait. A permit that is dropped unused stays spent.
#[derive(Debug)]
#[must_use = "a permit that is not used for a call is spent all the same"]
pub struct Permit {
    granted_at: Timestamp,
}

impl Permit {
    /// When the permit was granted; its window is the calendar minute of this moment.
    #[must_use]
    pub fn granted_at(&self) -> Timestamp {
        self.granted_at
    }
}

/// What a call is for, most urgent first. A less urgent one leaves a part of each minute to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallKind {
    /// Sends a batch: may have every call of a minute.
    Submit,
    /// Asks about the account: leaves a twelfth of the minute to what is sent.
    Account,
    /// Asks for results, which come by themselves: leaves a quarter of the minute to the others.
    Poll,
}

impl CallKind {
    /// How many calls of a minute this kind may have, when it alone asks for more and more.
    ///
    /// ```
    /// use lumina_fullenrich::CallKind;
    ///
    /// let of_sixty = [CallKind::Submit, CallKind::Account, CallKind::Poll].map(|kind| kind.share(60));
    /// assert_eq!(of_sixty, [60, 55, 45]);
    /// ```
    #[must_use]
    pub fn share(self, calls_per_minute: u32) -> u32 {
        calls_per_minute - self.leaves(calls_per_minute)
    }

    /// How many calls of a minute are not for this kind; none is shut out where only a few are allowed.
    fn leaves(self, calls_per_minute: u32) -> u32 {
        match self {
            Self::Submit => 0,
            Self::Account => calls_per_minute / 12,
            Self::Poll => calls_per_minute / 4,
        }
    }
}

/// No permit is to be had before this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetryAt(pub Timestamp);

impl RetryAt {
    /// How long that is from `now`; zero when it has passed.
    #[must_use]
    pub fn delay(self, now: Timestamp) -> Duration {
        Duration::try_from(self.0.duration_since(now)).unwrap_or(Duration::ZERO)
    }
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new(DEFAULT_CALLS_PER_MINUTE)
    }
}

impl Limiter {
    /// A limiter that has granted nothing yet.
    #[must_use]
    pub fn new(calls_per_minute: NonZeroU32) -> Self {
        let state = State {
            calls_per_minute,
            used: BTreeMap::new(),
            closed_until: None,
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// Changes the limit from the next question on. Permits already granted stay granted.
    pub fn set_calls_per_minute(&self, calls_per_minute: NonZeroU32) {
        self.lock().calls_per_minute = calls_per_minute;
    }

    /// Takes a permit for a call that is made now, whatever it is for.
    ///
    /// # Errors
    /// [`RetryAt`] names the moment from which on it is worth asking again: the next calendar minute, or the end of a
    /// Retry-After.
    pub fn try_acquire(&self, now: Timestamp) -> Result<Permit, RetryAt> {
        self.try_acquire_for(CallKind::Submit, now)
    }

    /// Takes a permit for a call of this kind that is made now.
    ///
    /// # Errors
    /// As [`try_acquire`](Self::try_acquire); also when what is left of the minute is kept for more urgent calls.
    pub fn try_acquire_for(&self, kind: CallKind, now: Timestamp) -> Result<Permit, RetryAt> {
        let mut state = self.lock();
        state.check_closed(now)?;
        state.count(kind, now)?;
        Ok(Permit { granted_at: now })
    }

    /// Waits on `clock` until there is a permit. Waiters are served in no particular order.
    pub async fn acquire(&self, clock: &dyn Clock) -> Permit {
        loop {
            let now = clock.now();
            match self.try_acquire(now) {
                Ok(permit) => return permit,
                Err(retry_at) => clock.sleep(retry_at.delay(now).max(SHORTEST_SLEEP)).await,
            }
        }
    }

    /// Grants nothing more in the calendar minute of `now`: FullEnrich said 429 without a Retry-After.
    ///
    /// The client does this itself for the minute of the permit; a caller that sees the 429 in a later minute can
    /// close that one too.
    pub fn exhausted_until_next_minute(&self, now: Timestamp) -> RetryAt {
        let mut state = self.lock();
        let minute = Minute::of(now);
        state.used.insert(minute, EXHAUSTED);
        state.forget_distant(minute);
        RetryAt(minute.end())
    }

    /// Grants nothing for `retry_after` from `now` on, at most an hour: FullEnrich said 429 with a Retry-After.
    ///
    /// An earlier and longer pause stays as it is.
    pub fn exhausted_for(&self, now: Timestamp, retry_after: Duration) -> RetryAt {
        let mut state = self.lock();
        let until = later(now, retry_after.min(MAX_RETRY_AFTER));
        let until = state.closed_until.map_or(until, |present| present.max(until));
        state.closed_until = Some(until);
        RetryAt(until)
    }

    /// How many permits the calendar minute of `now` still has.
    #[must_use]
    pub fn remaining(&self, now: Timestamp) -> u32 {
        let mut state = self.lock();
        if state.check_closed(now).is_err() {
            return 0;
        }
        let used = state.used.get(&Minute::of(now)).copied().unwrap_or(0);
        state.calls_per_minute.get().saturating_sub(used)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn check_closed(&mut self, now: Timestamp) -> Result<(), RetryAt> {
        let Some(until) = self.closed_until else { return Ok(()) };
        // Further away than any Retry-After can be: the clock was set back since.
        let is_beyond_reach = later(now, MAX_RETRY_AFTER) < until;
        if now < until && !is_beyond_reach {
            return Err(RetryAt(until));
        }
        self.closed_until = None;
        Ok(())
    }

    fn count(&mut self, kind: CallKind, now: Timestamp) -> Result<(), RetryAt> {
        let minute = Minute::of(now);
        let limit = self.calls_per_minute.get();
        let used = self.used.entry(minute).or_insert(0);
        if *used >= kind.share(limit) {
            return Err(RetryAt(minute.end()));
        }
        *used += 1;
        self.forget_distant(minute);
        Ok(())
    }

    /// Keeps the table small without ever forgetting the minute that is being counted.
    fn forget_distant(&mut self, present: Minute) {
        while self.used.len() > REMEMBERED_MINUTES {
            let oldest = self.used.first_key_value().map(|(minute, _)| *minute);
            if oldest == Some(present) {
                self.used.pop_last();
            } else {
                self.used.pop_first();
            }
        }
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}
