//! The limit of calls a calendar minute.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lumina_fullenrich::{BoxFuture, CallKind, Clock, DEFAULT_CALLS_PER_MINUTE, Limiter, RetryAt};
use proptest::prelude::*;

use crate::scripted::at;

fn limit(calls: u32) -> NonZeroU32 {
    NonZeroU32::new(calls).expect("a limit is above zero")
}

fn take(limiter: &Limiter, now: Timestamp) -> Result<(), RetryAt> {
    limiter.try_acquire(now).map(drop)
}

#[test]
fn the_sixty_first_waits_for_the_next_calendar_minute() {
    assert_eq!(DEFAULT_CALLS_PER_MINUTE.get(), 60);
    let limiter = Limiter::default();
    for second in 0..60 {
        let now = at("2026-08-01T12:00:00.5Z") + SignedDuration::from_secs(second);
        assert_eq!(take(&limiter, now), Ok(()), "second {second}");
    }
    let late = at("2026-08-01T12:00:59.999Z");
    let refused = take(&limiter, late).expect_err("sixty are gone");
    assert_eq!(refused, RetryAt(at("2026-08-01T12:01:00Z")));
    assert_eq!(refused.delay(late), Duration::from_millis(1));
    assert_eq!(refused.delay(at("2026-08-01T12:05:00Z")), Duration::ZERO);
    for _ in 0..60 {
        assert_eq!(
            take(&limiter, at("2026-08-01T12:01:00Z")),
            Ok(()),
            "a window of its own, not a sliding one"
        );
    }
    assert_eq!(limiter.remaining(at("2026-08-01T12:01:59Z")), 0);
}

/// What is sent goes before questions about the account, and these before questions for results; where only a few
/// calls are allowed nobody is shut out.
#[test]
fn urgent_calls_are_left_their_part_of_a_minute() {
    let rows = [(60, 45, 10, 5), (12, 9, 2, 1), (4, 3, 1, 0), (3, 3, 0, 0), (1, 1, 0, 0)];
    for (calls, polls, accounts, submits) in rows {
        let (limiter, now) = (Limiter::new(limit(calls)), at("2026-08-01T12:00:00Z"));
        let take_all = |kind| {
            (0..calls)
                .filter(|_| limiter.try_acquire_for(kind, now).is_ok())
                .count()
        };
        let granted = [CallKind::Poll, CallKind::Account, CallKind::Submit].map(take_all);
        assert_eq!(granted, [polls, accounts, submits], "{calls} calls a minute");
        let next = at("2026-08-01T12:01:00Z");
        assert_eq!(limiter.try_acquire_for(CallKind::Poll, now).err(), Some(RetryAt(next)));
    }
}

#[test]
fn the_limit_can_be_changed() {
    let now = at("2026-08-01T12:00:00Z");
    let limiter = Limiter::new(limit(2));
    assert_eq!((take(&limiter, now), take(&limiter, now)), (Ok(()), Ok(())));
    assert!(take(&limiter, now).is_err());
    limiter.set_calls_per_minute(limit(3));
    assert_eq!(limiter.remaining(now), 1);
    assert_eq!(take(&limiter, now), Ok(()));
    limiter.set_calls_per_minute(limit(1));
    assert_eq!(limiter.remaining(now), 0);
    assert!(take(&limiter, now).is_err());
}

#[test]
fn an_exhausted_minute_stays_closed_and_the_next_is_open() {
    let limiter = Limiter::default();
    let retry_at = limiter.exhausted_until_next_minute(at("2026-08-01T23:59:10Z"));
    assert_eq!(retry_at, RetryAt(at("2026-08-02T00:00:00Z")));
    limiter.set_calls_per_minute(limit(1000));
    assert_eq!(take(&limiter, at("2026-08-01T23:59:59Z")), Err(retry_at));
    assert_eq!(limiter.remaining(at("2026-08-01T23:59:59Z")), 0);
    assert_eq!(take(&limiter, retry_at.0), Ok(()));
}

#[test]
fn a_retry_after_holds_across_minutes_and_never_shrinks_or_grows_without_bound() {
    let now = at("2026-08-01T12:00:00Z");
    let limiter = Limiter::default();
    let until = limiter.exhausted_for(now, Duration::from_secs(90));
    assert_eq!(until, RetryAt(at("2026-08-01T12:01:30Z")));
    assert_eq!(
        limiter.exhausted_for(now, Duration::from_secs(5)),
        until,
        "the longer pause stays"
    );
    assert_eq!(take(&limiter, at("2026-08-01T12:01:29Z")), Err(until));
    assert_eq!(take(&limiter, until.0), Ok(()));

    let capped = limiter.exhausted_for(now, Duration::MAX);
    assert_eq!(capped, RetryAt(at("2026-08-01T13:00:00Z")));
    let set_back = at("2026-08-01T09:00:00Z");
    assert_eq!(
        take(&limiter, set_back),
        Ok(()),
        "a clock that was set back does not keep us out for hours"
    );
}

/// A clock that moves only when somebody sleeps on it.
struct Jumping(Mutex<Timestamp>);

impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("no test panics while it holds this")
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        let by = SignedDuration::try_from(duration).expect("a short sleep");
        *self.0.lock().expect("no test panics while it holds this") += by;
        Box::pin(async {})
    }
}

#[tokio::test]
async fn acquire_waits_on_the_clock_it_is_given() {
    let clock = Jumping(Mutex::new(at("2026-08-01T12:00:30Z")));
    let limiter = Limiter::new(limit(2));
    let mut granted = Vec::new();
    for _ in 0..5 {
        granted.push(limiter.acquire(&clock).await.granted_at().to_string());
    }
    let expected = ["12:00:30", "12:00:30", "12:01:00", "12:01:00", "12:02:00"];
    assert_eq!(granted, expected.map(|time| format!("2026-08-01T{time}Z")));
}

#[test]
fn threads_share_one_limit() {
    let limiter = Arc::new(Limiter::default());
    let now = at("2026-08-01T12:00:00Z");
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let limiter = limiter.clone();
            std::thread::spawn(move || (0..50).filter(|_| take(&limiter, now).is_ok()).count())
        })
        .collect();
    let granted: usize = threads
        .into_iter()
        .map(|thread| thread.join().expect("no thread panics"))
        .sum();
    assert_eq!(granted, 60);
}

#[derive(Clone, Debug)]
enum Event {
    Ask { times: u8 },
    Move { seconds: i64 },
    Rejected,
    RejectedWith { seconds: u64 },
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (1_u8..90).prop_map(|times| Event::Ask { times }),
        // Mostly forward, at times back: clocks are set.
        6 => (-90_i64..200).prop_map(|seconds| Event::Move { seconds }),
        1 => Just(Event::Rejected),
        1 => (0_u64..300).prop_map(|seconds| Event::RejectedWith { seconds }),
    ]
}

proptest! {
    #[test]
    fn no_calendar_minute_ever_gets_more_than_the_limit(
        calls in 1_u32..100,
        start in 0_i64..120,
        events in prop::collection::vec(any_event(), 1..40),
    ) {
        let limiter = Limiter::new(limit(calls));
        let mut now = at("2026-08-01T12:00:00Z") + SignedDuration::from_secs(start);
        let mut granted: BTreeMap<i64, u32> = BTreeMap::new();
        for event in events {
            match event {
                Event::Ask { times } => for _ in 0..times {
                    let before = limiter.remaining(now);
                    match take(&limiter, now) {
                        Ok(()) => {
                            prop_assert!(before > 0);
                            *granted.entry(now.as_second() / 60).or_default() += 1;
                        }
                        Err(retry_at) => {
                            prop_assert_eq!(before, 0);
                            prop_assert!(retry_at.0 > now, "asking again at once is never the advice");
                        }
                    }
                },
                Event::Move { seconds } => now += SignedDuration::from_secs(seconds),
                Event::Rejected => {
                    let retry_at = limiter.exhausted_until_next_minute(now);
                    prop_assert!(take(&limiter, now).is_err());
                    prop_assert_eq!(retry_at.0.as_second() % 60, 0);
                }
                Event::RejectedWith { seconds } => {
                    let retry_at = limiter.exhausted_for(now, Duration::from_secs(seconds));
                    prop_assert!(retry_at.0 >= now);
                }
            }
        }
        for (minute, count) in granted {
            prop_assert!(count <= calls, "minute {} got {}", minute, count);
        }
    }
}
