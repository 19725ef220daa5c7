//! Whatever a row says, each tick is accounted for once.

use proptest::prelude::*;

use super::*;
use crate::payload::Payload;
use crate::schedule::Timing;
use crate::store::Wish;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_774_000_000 + seconds).unwrap()
}

fn row(spec: &ScheduleSpec, next_at: Option<Timestamp>, running: bool) -> ScheduleRow {
    ScheduleRow {
        name: "bell".to_owned(),
        workflow: "order".to_owned(),
        spec: spec.clone(),
        input: Payload::null(),
        revision: 1,
        next_at,
        paused: None,
        resumed: None,
        triggered: None,
        removed_at: None,
        running,
        last_tick: None,
        last_run: None,
        started: 0,
        skipped: 0,
        missed: 0,
        triggers: 0,
        created_at: at(0),
        updated_at: at(0),
    }
}

fn timing() -> impl Strategy<Value = Timing> {
    let cron = |expression: &str| Timing::Cron {
        expression: expression.to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
    };
    prop_oneof![
        (1..900_u64).prop_map(|seconds| Timing::Every {
            period: Duration::from_secs(seconds)
        }),
        Just(cron("* * * * *")),
        Just(cron("*/7 * * * *")),
        Just(cron("30 2 * * *")),
    ]
}

fn spec() -> impl Strategy<Value = ScheduleSpec> {
    let overlap = prop_oneof![Just(Overlap::Skip), Just(Overlap::Queue), Just(Overlap::Allow)];
    let parts = (timing(), overlap, 0..100_000_u64, proptest::option::of(0..200_000_i64));
    parts.prop_map(|(timing, overlap, window, end)| ScheduleSpec {
        timing,
        start: None,
        end: end.map(at),
        overlap,
        catch_up: Duration::from_secs(window),
        priority: 0,
    })
}

/// How many ticks there are from one on and before another.
fn count(calendar: &Calendar, from: Timestamp, to: Option<Timestamp>) -> u64 {
    let ticks = std::iter::successors(Some(from), |tick| calendar.next_after(*tick));
    ticks.take_while(|tick| Some(*tick) != to).count() as u64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn each_tick_is_accounted_for_once(
        spec in spec(),
        running: bool,
        behind in -1_000..150_000_i64,
        most in 1..200_usize,
    ) {
        let calendar = Calendar::read(&spec).unwrap();
        let first = calendar.next_after(at(0));
        let row = row(&spec, first, running);
        let now = first.unwrap_or(at(0)) + jiff::SignedDuration::from_secs(behind);
        let ticked = match decide(&spec, &calendar, &row, now, most) {
            Decision::Wait(until) => {
                prop_assert!(Some(until) == first && until > now);
                return Ok(());
            }
            Decision::Idle => {
                prop_assert!(first.is_none() || (running && spec.overlap == Overlap::Queue));
                return Ok(());
            }
            Decision::Advance(ticked) => ticked,
        };
        let first = first.unwrap();
        let accounted = ticked.starts.len() as u64 + ticked.skipped + ticked.missed;
        prop_assert_eq!(accounted, count(&calendar, first, ticked.next_at), "none is lost or made up");
        let oldest = now - spec.catch_up;
        prop_assert!(ticked.starts.iter().all(|tick| oldest <= *tick && *tick <= now));
        prop_assert!(ticked.starts.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert!(ticked.starts.len() <= most);
        let one_at_a_time = spec.overlap != Overlap::Allow;
        prop_assert!(!one_at_a_time || ticked.starts.len() <= usize::from(!running));
        prop_assert!(spec.overlap == Overlap::Skip || ticked.skipped == 0);
    }

    /// Looking again and again, with the last run ended each time, comes to an end, and by then
    /// nothing is due.
    #[test]
    fn looking_again_comes_to_an_end(spec in spec(), behind in 0..150_000_i64) {
        let calendar = Calendar::read(&spec).unwrap();
        let Some(first) = calendar.next_after(at(0)) else { return Ok(()) };
        let now = first + Duration::from_secs(behind.unsigned_abs());
        let mut row = row(&spec, Some(first), false);
        for _ in 0..200_000 {
            match decide(&spec, &calendar, &row, now, MOST_STARTS) {
                Decision::Advance(ticked) => row.next_at = ticked.next_at,
                Decision::Wait(until) => {
                    prop_assert!(until > now);
                    return Ok(());
                }
                Decision::Idle => {
                    prop_assert_eq!(row.next_at, None);
                    return Ok(());
                }
            }
        }
        prop_assert!(false, "it never ends");
    }
}

#[test]
fn what_is_held_or_removed_rests() {
    let spec = ScheduleSpec {
        timing: Timing::Every {
            period: Duration::from_secs(60),
        },
        start: None,
        end: None,
        overlap: Overlap::Allow,
        catch_up: Duration::from_secs(3_600),
        priority: 0,
    };
    let calendar = Calendar::read(&spec).unwrap();
    let due = row(&spec, Some(at(0)), false);
    assert!(matches!(decide(&spec, &calendar, &due, at(1), 1), Decision::Advance(_)));
    let wish = Some(Wish {
        by: "ada".to_owned(),
        at: at(0),
    });
    let held = ScheduleRow {
        paused: wish,
        ..due.clone()
    };
    let removed = ScheduleRow {
        removed_at: Some(at(0)),
        ..due
    };
    assert_eq!(decide(&spec, &calendar, &held, at(1), 1), Decision::Idle);
    assert_eq!(decide(&spec, &calendar, &removed, at(1), 1), Decision::Idle);
}
