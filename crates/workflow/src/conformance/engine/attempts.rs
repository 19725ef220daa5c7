//! Attempts: decisions, delays, deadlines, and effects that nobody repeats.

use std::time::Duration;

use super::Make;
use super::latch::Latch;
use super::script::{A, CODED, EFFECT, LIMITED, RETRIED, SLOW_EFFECT, Script, script};
use super::world::{HOUR, MINUTE, SECOND, World};
use crate::attempt::Attempt;
use crate::error::{FailureKind, StepError};
use crate::payload::PAYLOAD_HARD_LIMIT;
use crate::replay::Previous;
use crate::step::Step;

type Answers = Vec<Result<u64, StepError>>;

/// What is tried, what it answers, at which seconds it is attempted, and how the run ends.
type Row<'a> = (&'a str, Step, Answers, &'a [u64], Result<u64, FailureKind>);

fn one(world: &World, step: Step, answers: &[Result<u64, StepError>]) -> Script {
    let (ledger, answers) = (world.ledger.clone(), answers.to_vec());
    script!(
        [ledger, answers] | run,
        _ | { run.step(step, ledger.tries(step, answers)).await }
    )
}

fn retry() -> Result<u64, StepError> {
    Err(StepError::retry("not now"))
}

fn code(code: u16) -> Result<u64, StepError> {
    Err(StepError::retry("not now").with_code(code))
}

fn seconds(times: &[Duration]) -> Vec<u64> {
    times.iter().map(Duration::as_secs).collect()
}

/// Which attempts follow, when, and how it ends.
pub fn an_error_carries_its_decision(make: Make<'_>) {
    let fail = || Err(StepError::fail("never"));
    let unknown = || Err(StepError::unknown("who knows"));
    let defer = |time| Err(StepError::defer(time, "no slot"));
    let failed = Err(FailureKind::Failed);
    let rows: Vec<Row<'_>> = vec![
        ("success", A, vec![Ok(7)], &[0], Ok(7)),
        ("no policy, no retry", A, vec![retry(), Ok(7)], &[0], failed),
        ("fail wins", RETRIED, vec![fail(), Ok(7)], &[0], failed),
        (
            "unknown wins",
            RETRIED,
            vec![unknown(), Ok(7)],
            &[0],
            Err(FailureKind::Unknown),
        ),
        (
            "an effect's unknown",
            EFFECT,
            vec![unknown(), Ok(7)],
            &[0],
            Err(FailureKind::Unknown),
        ),
        ("an effect's fail", EFFECT, vec![fail(), Ok(7)], &[0], failed),
        (
            "an effect that did not happen",
            EFFECT,
            vec![retry(), retry(), Ok(7)],
            &[0, 1, 3],
            Ok(7),
        ),
        ("three in all", RETRIED, vec![retry()], &[0, 1, 3], failed),
        (
            "the third succeeds",
            RETRIED,
            vec![retry(), retry(), Ok(7)],
            &[0, 1, 3],
            Ok(7),
        ),
        (
            "a listed code",
            CODED,
            vec![code(429), code(503), Ok(7)],
            &[0, 1, 2],
            Ok(7),
        ),
        ("a code not listed", CODED, vec![code(404), Ok(7)], &[0], failed),
        ("no code", CODED, vec![retry(), Ok(7)], &[0, 1], Ok(7)),
        (
            "deferrals",
            A,
            vec![defer(5 * SECOND), defer(MINUTE), Ok(7)],
            &[0, 5, 65],
            Ok(7),
        ),
        (
            "a deferred effect",
            SLOW_EFFECT,
            vec![defer(5 * SECOND), defer(MINUTE), Ok(7)],
            &[0, 5, 65],
            Ok(7),
        ),
        (
            "both",
            RETRIED,
            vec![retry(), defer(MINUTE), retry(), Ok(7)],
            &[0, 1, 61, 63],
            Ok(7),
        ),
    ];
    for (name, step, answers, times, end) in rows {
        let world = World::new(make);
        world.boot(one(&world, step, &answers));
        let run = world.start(1);
        let found = world.end(run);
        assert_eq!(found.as_ref().map_err(|failure| failure.kind).copied(), end, "{name}");
        assert_eq!(seconds(&world.ledger.times(step.name)), times, "{name}");
        if let Err(failure) = found {
            assert_eq!(failure.step.as_deref(), Some(step.name), "{name}");
        }
        world.check_histories();
    }
}

/// What the other side asked for is the least delay, up to an hour.
pub fn a_retry_after_is_a_minimum_with_a_cap(make: Make<'_>) {
    let rows = [(Duration::from_millis(10), 1), (10 * SECOND, 10), (2 * HOUR, 3_600)];
    for (after, second) in rows {
        let world = World::new(make);
        let asked = Err(StepError::retry("busy").not_before(after));
        world.boot(one(&world, RETRIED, &[asked, Ok(7)]));
        let run = world.start(1);
        assert_eq!(world.end(run), Ok(7));
        assert_eq!(
            seconds(&world.ledger.times("retried")),
            [0, second],
            "asked for {after:?}"
        );
    }
}

/// A restart neither resets attempts nor skips or shortens the time to the next.
pub fn attempts_and_their_times_survive_restarts(make: Make<'_>) {
    for step in [RETRIED, EFFECT] {
        let world = World::new(make);
        let script = || one(&world, step, &[retry()]);
        world.boot(script());
        let run = world.start(1);
        for _ in 0..5 {
            world.pass(SECOND * 3 / 10);
            world.kill();
            world.pass(SECOND / 10);
            world.boot(script());
        }
        let failure = world.end(run).expect_err("three attempts fail");
        assert_eq!(failure.attempts, 3);
        let times = world.ledger.times(step.name);
        assert_eq!(times.len(), 3, "{}", step.name);
        assert_eq!(times[1] - times[0], SECOND, "{}: the second keeps its time", step.name);
        assert_eq!(
            times[2] - times[1],
            2 * SECOND,
            "{}: the third keeps its time",
            step.name
        );
    }
}

/// A process that was down when an attempt came due makes it at once.
pub fn an_overdue_attempt_is_made_at_once(make: Make<'_>) {
    let world = World::new(make);
    let script = || one(&world, RETRIED, &[retry(), Ok(7)]);
    world.boot(script());
    let run = world.start(1);
    world.settle();
    world.kill();
    world.pass(HOUR);
    world.boot(script());
    assert_eq!(world.end(run), Ok(7));
    let times = world.ledger.times("retried");
    assert_eq!(times[1], HOUR + Duration::from_millis(1));
}

/// A process that dies during an action makes another attempt, which does not count the lost one.
pub fn an_unresolved_action_is_repeated(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let script = script!(
        [ledger] | run,
        _ | { run.step(A, ledger.takes(A, 20 * SECOND, 7)).await }
    );
    world.boot(script.clone());
    let run = world.start(1);
    world.pass(10 * SECOND);
    world.kill();
    world.boot(script.clone());
    assert_eq!(world.end(run), Ok(7));
    assert_eq!(ledger.all(), ["a", "a", "a ended"]);
}

/// A panic of an action is a failure, of an effect unknown; wherever in its code it happens.
pub fn a_panic_is_an_end(make: Make<'_>) {
    let rows = [
        (RETRIED, true, FailureKind::Failed),
        (RETRIED, false, FailureKind::Failed),
        (EFFECT, true, FailureKind::Unknown),
        (EFFECT, false, FailureKind::Unknown),
    ];
    for (step, at_once, kind) in rows {
        let world = World::new(make);
        let ledger = world.ledger.clone();
        world.boot(script!(
            [ledger] | run,
            _ | {
                run.step(step, move |_| {
                    ledger.note("made");
                    assert!(!at_once, "out of cheese");
                    async {
                        if true {
                            panic!("out of cheese")
                        } else {
                            Ok::<u64, StepError>(1)
                        }
                    }
                })
                .await
            }
        ));
        let run = world.start(1);
        let failure = world.end(run).expect_err("it fails");
        assert_eq!(failure.kind, kind, "{}, at once {at_once}", step.name);
        assert!(failure.message.contains("out of cheese"), "{failure}");
        assert_eq!(ledger.count("made"), 1);
    }
}

/// A panic of a gate is a failure: nothing has acted.
pub fn a_gates_panic_is_a_failure(make: Make<'_>) {
    for at_once in [true, false] {
        let world = World::new(make);
        let ledger = world.ledger.clone();
        world.boot(script!(
            [ledger] | run,
            _ | {
                let gate = move || {
                    assert!(!at_once, "out of cheese");
                    async {
                        if true {
                            panic!("out of cheese")
                        } else {
                            Ok::<(), StepError>(())
                        }
                    }
                };
                run.gated_step(EFFECT, gate, move |_, ()| {
                    ledger.note("effect");
                    async { Ok::<u64, StepError>(1) }
                })
                .await
            }
        ));
        let run = world.start(1);
        let failure = world.end(run).expect_err("it fails");
        assert_eq!(failure.kind, FailureKind::Failed, "at once {at_once}");
        assert_eq!(ledger.count("effect"), 0);
    }
}

/// An action's attempt that takes too long is tried again; an effect's is unknown.
pub fn an_attempts_timeout_is_its_end(make: Make<'_>) {
    let rows: [(Step, &[u64], FailureKind, Duration); 2] = [
        (LIMITED, &[0, 11], FailureKind::Failed, 21 * SECOND),
        (EFFECT, &[0], FailureKind::Unknown, 30 * SECOND),
    ];
    for (step, times, kind, end) in rows {
        let world = World::new(make);
        let ledger = world.ledger.clone();
        world.boot(script!(
            [ledger] | run,
            _ | { run.step(step, ledger.takes(step, HOUR, 1)).await }
        ));
        let run = world.start(1);
        let failure = world.end(run).expect_err("it fails");
        assert_eq!(failure.kind, kind, "{}", step.name);
        assert_eq!(seconds(&ledger.times(step.name)), times);
        assert_eq!(world.ended_after(run), end);
        world.pass(2 * HOUR);
        assert_eq!(
            ledger.times(step.name).len(),
            times.len(),
            "what was cut off goes on nowhere"
        );
        assert!(
            !ledger.all().iter().any(|note| note.ends_with("ended")),
            "what was cut off does not end"
        );
    }
}

/// An attempt that waits at its gate is not being timed.
pub fn waiting_at_a_gate_is_not_timed(make: Make<'_>) {
    let world = World::new(make);
    let (ledger, latch) = (world.ledger.clone(), Latch::closed());
    world.boot(script!(
        [ledger, latch] | run,
        _ | {
            let gate = move || {
                let latch = latch.clone();
                async move {
                    latch.pass().await;
                    Ok::<u64, StepError>(5)
                }
            };
            run.gated_step(LIMITED, gate, move |_, permit| {
                ledger.note("limited");
                async move { Ok::<u64, StepError>(permit) }
            })
            .await
        }
    ));
    let run = world.start(1);
    world.pass(HOUR);
    latch.open();
    assert_eq!(world.end(run), Ok(5), "what the gate answered is handed on");
    assert_eq!(world.ledger.times("limited"), [HOUR]);
}

/// Each attempt is told its number and how the one before ended, over restarts as well.
pub fn the_attempt_before_is_told(make: Make<'_>) {
    for restart in [false, true] {
        let world = World::new(make);
        let ledger = world.ledger.clone();
        let script = script!(
            [ledger] | run,
            _ | {
                run.step(RETRIED, move |attempt: Attempt| {
                    let previous = match attempt.previous() {
                        None => "none".to_owned(),
                        Some(Previous::Failed(error)) => error.message.clone(),
                        Some(Previous::Unknown) => "unknown".to_owned(),
                    };
                    ledger.note(format!("{} after {previous}", attempt.number()));
                    let number = attempt.number();
                    async move {
                        if number < 3 {
                            Err(StepError::retry(format!("no {number}")))
                        } else {
                            Ok(7u64)
                        }
                    }
                })
                .await
            }
        );
        world.boot(script.clone());
        let run = world.start(1);
        world.settle();
        if restart {
            world.kill();
            world.boot(script.clone());
        }
        assert_eq!(world.end(run), Ok(7));
        assert_eq!(
            ledger.all(),
            ["1 after none", "2 after no 1", "3 after no 2"],
            "restart {restart}"
        );
    }
}

/// A gate may say "not now" as often as it likes: the attempt has not begun.
pub fn a_gates_deferral_uses_no_attempt_up(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let script = script!(
        [ledger] | run,
        _ | {
            let asked = ledger.clone();
            let gate = move || {
                asked.note("asked");
                let free = asked.count("asked") > 5;
                async move {
                    if free {
                        Ok(())
                    } else {
                        Err(StepError::defer(MINUTE, "no slot"))
                    }
                }
            };
            run.gated_step(SLOW_EFFECT, gate, move |attempt: Attempt, ()| {
                ledger.note(format!("attempt {}", attempt.number()));
                async { Ok::<u64, StepError>(7) }
            })
            .await
        }
    );
    world.boot(script.clone());
    let run = world.start(1);
    world.pass(90 * SECOND);
    assert_eq!(world.alive().worker.in_flight(), 0, "a deferred run is only a row");
    world.kill();
    world.boot(script);
    assert_eq!(world.end(run), Ok(7));
    assert_eq!(ledger.count("asked"), 6);
    assert_eq!(ledger.count("attempt 1"), 1);
    assert_eq!(world.told(run), ["slow-effect: started 1", "slow-effect: done 1"]);
}

/// A result that cannot be stored: an action has failed, an effect has acted.
pub fn a_result_that_does_not_fit_is_an_error(make: Make<'_>) {
    for (step, kind) in [(RETRIED, FailureKind::Failed), (EFFECT, FailureKind::Unknown)] {
        let world = World::new(make);
        let ledger = world.ledger.clone();
        world.boot(script!(
            [ledger] | run,
            _ | {
                let bulk = run.step(step, move |_| {
                    ledger.note("made");
                    async { Ok::<String, StepError>("x".repeat(PAYLOAD_HARD_LIMIT)) }
                });
                bulk.await.map(|text| text.len() as u64)
            }
        ));
        let run = world.start(1);
        let failure = world.end(run).expect_err("it does not fit");
        assert_eq!(failure.kind, kind, "{}", step.name);
        assert!(failure.message.contains("limit"), "{failure}");
        assert_eq!(ledger.count("made"), 1);
    }
}

/// Blocking code runs and answers.
pub fn blocking_code_answers(make: Make<'_>) {
    let world = World::new(make);
    world.boot(script!(
        [] | run,
        input | {
            run.step(A, move |attempt: Attempt| async move {
                Ok::<u64, StepError>(attempt.blocking(move || input * 2).await)
            })
            .await
        }
    ));
    let run = world.start(21);
    assert_eq!(world.end(run), Ok(42));
}
