//! Time: deadlines, sleeps, and events that come in the last moment.

use std::time::Duration;

use futures_util::future::join;

use super::Make;
use super::script::{A, NAP, PING, PONG, Script, script};
use super::wire::{Method, Verdict};
use super::world::{HOUR, MINUTE, SECOND, World, event};
use crate::error::FailureKind;
use crate::history::What;
use crate::runtime::Runtime;
use crate::store::{Change, Member, Next};

const NOTHING: u64 = 404;

fn waiting() -> Script {
    script!(
        [] | run,
        _ | { Ok(run.wait_or_timeout::<u64>(PING).await?.unwrap_or(NOTHING)) }
    )
}

/// `wait` fails the run at its deadline.
pub fn a_wait_fails_at_its_deadline(make: Make<'_>) {
    let world = World::new(make);
    world.boot(script!([] | run, _ | { run.wait(PING).await }));
    let run = world.start(1);
    let failure = world.end(run).expect_err("nothing comes");
    assert_eq!(
        (failure.kind, failure.step.as_deref()),
        (FailureKind::TimedOut, Some("wait-ping"))
    );
    assert_eq!(world.ended_after(run), HOUR);
    assert_eq!(
        world.told(run),
        ["wait-ping: opened", "wait-ping: timed out", "failing timed out"]
    );
}

/// `wait_or_timeout` answers nothing at its deadline; a deadline may be given where it is reached.
pub fn a_deadline_can_be_an_answer(make: Make<'_>) {
    let rows: [(&str, Option<Duration>, bool, Duration); 4] = [
        ("declared", None, false, HOUR),
        ("within", Some(5 * MINUTE), false, 5 * MINUTE),
        ("until", Some(3 * HOUR), true, 3 * HOUR),
        (
            "a microsecond",
            Some(Duration::from_micros(1)),
            false,
            Duration::from_micros(1),
        ),
    ];
    for (name, time, absolute, ended) in rows {
        let world = World::new(make);
        world.boot(script!(
            [] | run,
            _ | {
                let wait = match time {
                    None => PING.into(),
                    Some(time) if absolute => PING.until(run.created_at() + time),
                    Some(time) => PING.within(time),
                };
                Ok(run.wait_or_timeout::<u64>(wait).await?.unwrap_or(NOTHING))
            }
        ));
        let run = world.start(1);
        assert_eq!(world.end(run), Ok(NOTHING), "{name}");
        assert_eq!(world.ended_after(run), ended, "{name}");
    }
}

/// Deadlines and wake-up times neither move nor get lost when processes die.
pub fn deadlines_survive_restarts(make: Make<'_>) {
    let napping = || {
        script!(
            [] | run,
            _ | {
                run.sleep(NAP, HOUR).await;
                Ok(NOTHING)
            }
        )
    };
    let scripts: [&dyn Fn() -> Script; 2] = [&waiting, &napping];
    for script in scripts {
        for (down, ended) in [(15 * MINUTE, HOUR), (5 * HOUR, 30 * MINUTE + 5 * HOUR)] {
            let world = World::new(make);
            world.boot(script());
            let run = world.start(1);
            world.pass(30 * MINUTE);
            world.kill();
            world.pass(down);
            world.boot(script());
            assert_eq!(world.end(run), Ok(NOTHING));
            assert_eq!(world.ended_after(run), ended, "down for {down:?}");
        }
    }
}

/// A sleep and a wait beside a long attempt keep their times when the process dies during the attempt.
pub fn deadlines_beside_an_attempt_survive_restarts(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let script = script!(
        [ledger] | run,
        _ | {
            let work = run.step(A, ledger.takes(A, 40 * MINUTE, 1));
            let (noted, also) = (ledger.clone(), ledger.clone());
            let nap = async move {
                run.sleep(NAP, HOUR).await;
                noted.note("woke");
            };
            let wait = async move {
                let answer = run.wait_or_timeout::<u64>(PONG).await;
                also.note("gave up");
                answer
            };
            let (done, ((), answer)) = join(work, join(nap, wait)).await;
            assert!(answer?.is_none());
            done
        }
    );
    world.boot(script.clone());
    let run = world.start(1);
    world.pass(30 * MINUTE);
    world.kill();
    world.boot(script);
    assert_eq!(world.end(run), Ok(1));
    assert_eq!(ledger.times("woke")[0], HOUR, "the sleep keeps its time");
    assert_eq!(ledger.times("gave up")[0], 2 * HOUR, "the wait keeps its deadline");
}

/// A process that was down past a deadline finds the event first that came in meanwhile.
pub fn a_stored_event_wins_over_an_expired_wait(make: Make<'_>) {
    let world = World::new(make);
    world.boot(waiting());
    let run = world.start(1);
    world.pass(30 * MINUTE);
    world.kill();
    world.pass(HOUR);
    world.boot_idle(waiting());
    world.emit(event("late", run, "ping", 7));
    world.kill();
    world.pass(HOUR);
    world.boot(waiting());
    assert_eq!(world.end(run), Ok(7));
}

type Moment = fn(&[Member]) -> bool;

fn expires(members: &[Member]) -> bool {
    let timed_out = |member: &Member| match &member.change {
        Change::Advance(advance) => advance.records.iter().any(|record| record.what == What::TimedOut),
        _ => false,
    };
    members.iter().any(timed_out)
}

fn parks(members: &[Member]) -> bool {
    let parks = |member: &Member| match &member.change {
        Change::Advance(advance) => matches!(advance.next, Next::Park { .. }),
        _ => false,
    };
    members.iter().any(parks)
}

/// An event that is stored just before a timeout or a park is committed is seen.
pub fn an_event_in_the_last_moment_is_seen(make: Make<'_>) {
    let rows: [(&str, Moment, Duration); 2] = [
        ("before the timeout", expires, HOUR),
        ("before the park", parks, Duration::ZERO),
    ];
    for (name, moment, ended) in rows {
        let world = World::new(make);
        world.boot(waiting());
        let (store, mut armed) = (world.store(), true);
        world.wire.rule(move |call| {
            let run = call.members.iter().find_map(Member::subject);
            let (Method::Commit, Some(run), true, true) = (call.method, run, armed, moment(call.members)) else {
                return Verdict::Pass;
            };
            armed = false;
            let (store, member) = (store.clone(), Change::Emit(event("late", run, "ping", 7)).into());
            Verdict::After(Box::pin(async move {
                store.commit([member].into()).await.expect("the event is stored");
            }))
        });
        let run = world.start(1);
        assert_eq!(world.end(run), Ok(7), "{name}");
        assert_eq!(world.ended_after(run), ended, "{name}");
    }
}

/// History tells when a wait and a sleep began and when they ended, over restarts as well.
pub fn history_tells_when_a_wait_began(make: Make<'_>) {
    let world = World::new(make);
    let script = || {
        script!(
            [] | run,
            _ | {
                run.sleep(NAP, MINUTE).await;
                run.wait_or_timeout::<u64>(PING.within(MINUTE)).await?;
                run.wait(PONG).await
            }
        )
    };
    world.boot(script());
    let run = world.start(1);
    for _ in 0..9 {
        world.pass(17 * SECOND);
        world.kill();
        world.boot(script());
    }
    world.emit(event("e", run, "pong", 1));
    assert_eq!(world.end(run), Ok(1));
    let began = world.row(run).created_at;
    let seconds = |time: jiff::Timestamp| time.duration_since(began).as_secs();
    let ends = world
        .history(run)
        .into_iter()
        .filter(|record| record.what.is_completion());
    let spans: Vec<_> = ends
        .map(|record| (seconds(record.started_at), seconds(record.ended_at)))
        .collect();
    assert_eq!(spans, [(0, 60), (60, 120), (120, 153)]);
}

/// A sleep may have its end given.
pub fn a_sleep_until_a_time_ends_then(make: Make<'_>) {
    for (until, ended) in [(25 * HOUR, 25 * HOUR), (Duration::ZERO, Duration::ZERO)] {
        let world = World::new(make);
        world.boot(script!(
            [] | run,
            _ | {
                run.sleep_until(NAP, run.created_at() + until).await;
                Ok(1)
            }
        ));
        let run = world.start(1);
        assert_eq!(world.end(run), Ok(1));
        assert_eq!(world.ended_after(run), ended);
    }
}

/// Days, one at a time, with nothing but the clock to drive them.
pub fn days_pass_in_no_time(make: Make<'_>) {
    let world = World::new(make);
    world.boot(script!(
        [] | run,
        days | {
            for _ in 0..days {
                run.sleep(NAP, 24 * HOUR).await;
            }
            Ok(days)
        }
    ));
    let run = world.start(5);
    for _ in 0..5 {
        world.pass(24 * HOUR);
    }
    assert_eq!(world.end(run), Ok(5));
    assert_eq!(world.ended_after(run), 5 * 24 * HOUR);
}

/// What the runtime draws and reads is all that a world depends on: it repeats exactly.
pub fn a_world_repeats_exactly(make: Make<'_>) {
    let play = || {
        let world = World::new(make);
        let ledger = world.ledger.clone();
        world.boot(script!(
            [ledger] | run,
            _ | {
                let first = run.step(A, ledger.takes(A, SECOND, 1));
                let (first, second) = join(first, run.wait_or_timeout::<u64>(PING)).await;
                Ok(first? + second?.unwrap_or(NOTHING))
            }
        ));
        let runs: Vec<_> = (0..5).map(|input| world.start(input)).collect();
        world.emit(event("e", runs[3], "ping", 7));
        let ends: Vec<_> = runs.iter().map(|run| world.end(*run)).collect();
        let histories: Vec<_> = runs.iter().map(|run| world.history(*run)).collect();
        (runs, ends, histories, world.runtime.now())
    };
    assert_eq!(play(), play());
}
