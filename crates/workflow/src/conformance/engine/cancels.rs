//! Cancelling: at once where nothing acts, at the next step boundary elsewhere, once, and for good.

use futures_util::future::join;

use super::Make;
use super::everywhere::{ALL_FAULTS, Scenario, client};
use super::ledger::Ledger;
use super::script::{A, B, CLEAN, EFFECT, NAP, PING, RETRIED, SLOW_EFFECT, Script, handler, script};
use super::wire::{Method, Verdict};
use super::world::{HOUR, MINUTE, SECOND, World, event};
use crate::engine::{EngineError, StartOptions};
use crate::error::{FailureKind, StepError};
use crate::store::{Change, Command, CommandKind, Ending, Member, Next, Refusal, RunStatus};

/// With an error handler that notes what it is told.
fn handled(script: Script, ledger: &Ledger) -> Script {
    script.on_failure(handler!(
        [ledger] | run,
        failure | {
            ledger.note(format!("handles {:?}", failure.kind));
            run.step(CLEAN, ledger.does(CLEAN, 1)).await?;
            Ok(())
        }
    ))
}

fn assert_cancelled(world: &World, run: crate::RunId, name: &str) {
    let failure = world.end(run).expect_err("it was cancelled");
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::Cancelled, "cancelled by ada"),
        "{name}"
    );
    assert_eq!(world.status(run), RunStatus::Cancelled, "{name}");
    assert_eq!(world.ledger.count("clean"), 1, "{name}: on_failure ran");
    let told = world.told(run);
    let requests = told.iter().filter(|line| *line == "cancel by ada").count();
    assert_eq!(requests, 1, "{name}: who asked is on record: {told:?}");
}

/// Waits, sleeps, backoff, deferrals, delayed and unclaimed starts: all end at once.
pub fn a_waiting_run_is_cancelled_at_once(make: Make<'_>) {
    let ping: Play = |_| script!([] | run, _ | { run.wait(PING).await });
    let nap: Play = |_| {
        script!(
            [] | run,
            _ | {
                run.sleep(NAP, HOUR).await;
                Ok(1)
            }
        )
    };
    let backoff: Play = |world| {
        let ledger = world.ledger.clone();
        let later = vec![Err(StepError::retry("busy").not_before(HOUR))];
        script!(
            [ledger, later] | run,
            _ | { run.step(RETRIED, ledger.tries(RETRIED, later)).await }
        )
    };
    let deferral: Play = |world| {
        let ledger = world.ledger.clone();
        let later = vec![Err(StepError::defer(HOUR, "no slot"))];
        script!(
            [ledger, later] | run,
            _ | { run.step(EFFECT, ledger.tries(EFFECT, later)).await }
        )
    };
    let delayed = StartOptions::default().delay(HOUR);
    let rows: [(&str, Play, StartOptions); 5] = [
        ("wait", ping, StartOptions::default()),
        ("sleep", nap, StartOptions::default()),
        ("backoff", backoff, StartOptions::default()),
        ("deferral", deferral, StartOptions::default()),
        ("delayed start", ping, delayed),
    ];
    for (name, script, options) in rows {
        let world = World::new(make);
        let script = handled(script(&world), &world.ledger);
        world.boot(script);
        let run = world.start_as(1, options).run();
        world.pass(MINUTE);
        assert_eq!(world.cancel(run), Ok(true), "{name}");
        assert_cancelled(&world, run, name);
        assert_eq!(world.ended_after(run), MINUTE, "{name}");
    }
}

/// A run that nobody has executed yet is cancelled without executing a step.
pub fn a_run_is_cancelled_before_it_begins(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let script = handled(
        script!([ledger] | run, _ | { run.step(A, ledger.does(A, 1)).await }),
        &ledger,
    );
    world.boot_idle(script.clone());
    let run = world.start(1);
    assert_eq!(world.cancel(run), Ok(true));
    world.kill();
    world.boot(script);
    assert_cancelled(&world, run, "before the start");
    assert_eq!(ledger.count("a"), 0);
}

/// What acts is not cut: its end is recorded, and nothing follows.
pub fn an_attempt_under_way_is_not_cut(make: Make<'_>) {
    for step in [A, SLOW_EFFECT] {
        let world = World::new(make);
        let ledger = world.ledger.clone();
        let script = handled(
            script!(
                [ledger] | run,
                _ | {
                    run.step(step, ledger.takes(step, 10 * MINUTE, 1)).await?;
                    run.step(B, ledger.does(B, 1)).await
                }
            ),
            &ledger,
        );
        world.boot(script);
        let run = world.start(1);
        world.pass(MINUTE);
        assert_eq!(world.cancel(run), Ok(true));
        assert_cancelled(&world, run, step.name);
        assert_eq!(world.ended_after(run), 10 * MINUTE);
        assert_eq!(ledger.count(&format!("{} ended", step.name)), 1);
        assert!(
            world.told(run).contains(&format!("{}: done 1", step.name)),
            "{:?}",
            world.told(run)
        );
        assert_eq!(ledger.count("b"), 0, "nothing follows");
    }
}

/// The same beside waits and sleeps whose time comes meanwhile.
pub fn deadlines_that_pass_after_a_cancel_change_nothing(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let script = handled(
        script!(
            [ledger] | run,
            _ | {
                let slow = run.step(SLOW_EFFECT, ledger.takes(SLOW_EFFECT, 10 * MINUTE, 1));
                let wait = run.wait_or_timeout::<u64>(PING.within(2 * MINUTE));
                let (slow, (wait, ())) = join(slow, join(wait, run.sleep(NAP, 3 * MINUTE))).await;
                Ok(slow? + wait?.unwrap_or(0))
            }
        ),
        &ledger,
    );
    world.boot(script);
    let run = world.start(1);
    world.pass(MINUTE);
    assert_eq!(world.cancel(run), Ok(true));
    assert_cancelled(&world, run, "beside a wait");
    assert_eq!(world.ended_after(run), 10 * MINUTE);
    assert!(world.told(run).contains(&"slow-effect: done 1".to_owned()));
}

/// A run that was cancelled during an effect, and whose process died then: the effect is recorded as unknown first.
pub fn a_cancel_during_an_effect_survives_a_crash(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let script = handled(
        script!(
            [ledger] | run,
            _ | { run.step(SLOW_EFFECT, ledger.takes(SLOW_EFFECT, 10 * MINUTE, 1)).await }
        ),
        &ledger,
    );
    world.boot(script.clone());
    let run = world.start(1);
    world.pass(MINUTE);
    assert_eq!(world.cancel(run), Ok(true));
    world.pass(MINUTE);
    world.kill();
    world.boot(script);
    assert_cancelled(&world, run, "after a crash");
    assert_eq!(ledger.count("slow-effect"), 1);
    let told = world.told(run);
    assert_eq!(told[..2], ["slow-effect: started 1", "slow-effect: failed unknown"]);
}

/// The second request changes nothing, the error handler cannot be cancelled, and what has ended has ended.
pub fn only_the_first_request_counts(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let failing = script!([] | _, _ | { Err(crate::Failure::new("no budget")) }).on_failure(handler!(
        [ledger] | run,
        _ | {
            run.step(CLEAN, ledger.takes(CLEAN, MINUTE, 1)).await?;
            run.sleep(NAP, MINUTE).await;
            ledger.note("handled");
            Ok(())
        }
    ));
    world.boot(failing);
    let run = world.start(1);
    world.pass(SECOND);
    assert_eq!(world.cancel(run), Ok(false), "while the handler's step runs");
    world.pass(70 * SECOND);
    assert_eq!(world.cancel(run), Ok(false), "while the handler sleeps");
    let failure = world.end(run).expect_err("it failed");
    assert_eq!(
        (failure.message.as_str(), failure.kind),
        ("no budget", FailureKind::Failed),
        "the first one wins"
    );
    assert_eq!((world.status(run), ledger.count("handled")), (RunStatus::Failed, 1));
    let answer = world.cancel(run);
    assert!(
        matches!(answer, Err(EngineError::Refused(Refusal::WrongStatus { .. }))),
        "{answer:?}"
    );
    let unknown = world.cancel(crate::RunId(uuid::Uuid::from_u128(1)));
    assert!(
        matches!(unknown, Err(EngineError::Refused(Refusal::UnknownRun(_)))),
        "{unknown:?}"
    );
}

/// Two requests in a row while the run waits for its attempt.
pub fn a_second_request_changes_nothing(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    world.boot(handled(
        script!([ledger] | run, _ | { run.step(A, ledger.takes(A, MINUTE, 1)).await }),
        &ledger,
    ));
    let run = world.start(1);
    world.settle();
    let cancel = |by: &str| world.run(world.alive().engine.cancel(run, by));
    assert_eq!(cancel("ada"), Ok(true));
    assert_eq!(cancel("bob"), Ok(false));
    assert_cancelled(&world, run, "twice");
}

type Moment = fn(&Member) -> bool;
type Play = fn(&World) -> Script;

fn finishes(member: &Member) -> bool {
    let Change::Advance(advance) = &member.change else {
        return false;
    };
    matches!(advance.next, Next::Finish(Ending::Completed(_)))
}

fn fails(member: &Member) -> bool {
    let Change::Advance(advance) = &member.change else {
        return false;
    };
    matches!(&advance.next, Next::Failing { cause } if cause.kind != FailureKind::Cancelled)
}

fn parks(member: &Member) -> bool {
    matches!(&member.change, Change::Advance(advance) if matches!(advance.next, Next::Park { .. }))
}

fn blocks(member: &Member) -> bool {
    matches!(&member.change, Change::Advance(advance) if matches!(advance.next, Next::Block { .. }))
}

/// Commits a cancel just before the first commit that fits.
fn cancel_just_before(world: &World, moment: Moment) {
    let (store, mut armed) = (world.store(), true);
    world.wire.rule(move |call| {
        let found = call
            .members
            .iter()
            .find(|member| moment(member))
            .and_then(Member::subject);
        let (Some(run), true) = (found, armed) else {
            return Verdict::Pass;
        };
        armed = false;
        let (store, command) = (
            store.clone(),
            Command {
                run,
                what: CommandKind::Cancel,
                by: "ada".to_owned(),
            },
        );
        Verdict::After(Box::pin(async move {
            store
                .commit([Change::Command(command).into()].into())
                .await
                .expect("the request is stored");
        }))
    });
}

/// A cancel that is committed first wins over an end, a failure, a park, a blocking; and over
/// the start of an effect, which then is not sent.
pub fn the_first_request_committed_wins(make: Make<'_>) {
    let rows: [(&str, Moment, Play); 5] = [
        ("the end", finishes, |_| script!([] | _, _ | { Ok(1) })),
        ("a failure", fails, |_| {
            script!([] | _, _ | { Err(crate::Failure::new("no budget")) })
        }),
        ("a park", parks, |_| script!([] | run, _ | { run.wait(PING).await })),
        ("blocking", blocks, |_| {
            script!(
                [] | run,
                input | {
                    assert!(input == 0, "a bug");
                    run.wait(PING).await
                }
            )
        }),
        ("an effect", super::groups::starts_effect, |world| {
            let ledger = world.ledger.clone();
            script!([ledger] | run, _ | { run.step(EFFECT, ledger.does(EFFECT, 1)).await })
        }),
    ];
    for (name, moment, script) in rows {
        let world = World::new(make);
        cancel_just_before(&world, moment);
        world.boot(handled(script(&world), &world.ledger));
        let run = world.start(1);
        assert_cancelled(&world, run, name);
        assert_eq!(world.ledger.count("effect"), 0, "{name}");
    }
}

/// The code has ended while an attempt that it dropped goes on, and a cancel comes before the end is
/// written: the attempt is waited for. The code is not polled again meanwhile, which would look like
/// code that does not fit, and what it has seen would be forgotten.
pub fn code_that_has_ended_is_not_polled_again(make: Make<'_>) {
    let world = World::new(make);
    cancel_just_before(&world, finishes);
    let ledger = world.ledger.clone();
    let script = script!(
        [ledger] | run,
        _ | {
            let slow = run.step(A, ledger.takes(A, MINUTE, 1));
            futures_util::future::select(slow, run.wait::<u64>(PING)).await;
            Ok(3)
        }
    );
    world.boot(handled(script, &world.ledger));
    let run = world.start(1);
    world.pass(SECOND);
    world.emit(event("e", run, "ping", 1));
    assert_cancelled(&world, run, "after the code's end");
    let told = world.told(run);
    assert!(told.contains(&"wait-ping: received e".to_owned()), "{told:?}");
}

/// A cancel that comes after the end was committed is refused, and the end stays.
pub fn a_cancel_after_the_end_is_refused(make: Make<'_>) {
    let world = World::new(make);
    let runtime = crate::deterministic::DeterministicRuntime::clone(&world.runtime);
    world.wire.rule(
        move |call| match call.method == Method::Commit && call.members.iter().any(finishes) {
            true => Verdict::ApplyThenWait(crate::Runtime::sleep(&runtime, MINUTE)),
            false => Verdict::Pass,
        },
    );
    world.boot(script!([] | _, _ | { Ok(1) }));
    let run = world.start(1);
    world.pass(SECOND);
    let (beside, _) = world.boot_beside(script!([] | _, _ | { Ok(1) }));
    let answer = world.run(beside.engine.cancel(run, "ada"));
    assert!(
        matches!(answer, Err(EngineError::Refused(Refusal::WrongStatus { .. }))),
        "{answer:?}"
    );
    assert_eq!(world.end(run), Ok(1));
}

/// A blocked run can be cancelled: its error handler runs, whatever does not fit in the rest of its code.
pub fn a_blocked_run_can_be_cancelled(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    world.boot(handled(
        script!(
            [] | run,
            input | {
                assert!(input == 0, "a bug");
                run.wait(PING).await
            }
        ),
        &ledger,
    ));
    let run = world.start(1);
    world.settle();
    assert_eq!(world.status(run), RunStatus::Blocked);
    assert_eq!(
        ledger.all(),
        Vec::<String>::new(),
        "on_failure does not run for a blocked run"
    );
    assert_eq!(world.cancel(run), Ok(true));
    assert_cancelled(&world, run, "blocked");
}

/// Whatever goes wrong at whichever call: a run that was asked to end ends once, in one way, and its handler
/// ran to its end.
pub fn a_cancel_survives_everything(make: Make<'_>) {
    let scenario = Scenario {
        script: &|world| {
            let ledger = world.ledger.clone();
            handled(
                script!(
                    [ledger] | run,
                    _ | {
                        run.step(A, ledger.does(A, 1)).await?;
                        match run.step(EFFECT, ledger.takes(EFFECT, 5 * SECOND, 1)).await {
                            Err(failure) if !failure.is_unknown() => return Err(failure),
                            _ => {}
                        }
                        run.wait(PING).await
                    }
                ),
                &ledger,
            )
        },
        client: &client(|world, engine| {
            Box::pin(async move {
                let run = engine.start::<Script>(&1, StartOptions::keyed("k")).await?.run();
                crate::Runtime::sleep(&world.runtime, SECOND).await;
                match engine.cancel(run, "ada").await {
                    Ok(_) | Err(EngineError::Refused(Refusal::WrongStatus { .. })) => {}
                    Err(other) => return Err(other),
                }
                engine.wait_for_end(run).await?.expect_err("it was cancelled");
                Ok(())
            })
        }),
        check: &|world| {
            let rows = world.all_runs();
            assert_eq!((rows.len(), rows[0].status), (1, RunStatus::Cancelled));
            assert!(world.ledger.count("effect") <= 1);
            let told = world.told(rows[0].id);
            let terminal = told.iter().filter(|line| line.starts_with("failing")).count();
            assert_eq!(terminal, 1, "{told:?}");
            assert_eq!(told.last().map(String::as_str), Some("! clean: done 1"), "{told:?}");
        },
    };
    scenario.play_with(make, ALL_FAULTS);
    scenario.play_with_dice(make, 0..15);
}

/// An event that comes together with the request does not keep the run from ending.
pub fn an_event_does_not_outrun_a_cancel(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let script = handled(
        script!(
            [ledger] | run,
            _ | {
                run.wait::<u64>(PING).await?;
                run.step(A, ledger.does(A, 1)).await
            }
        ),
        &ledger,
    );
    world.boot(script.clone());
    let run = world.start(1);
    world.settle();
    world.kill();
    world.boot_idle(script.clone());
    world.emit(event("e", run, "ping", 1));
    assert_eq!(world.cancel(run), Ok(true));
    world.kill();
    world.boot(script);
    assert_cancelled(&world, run, "with an event");
    assert_eq!(ledger.count("a"), 0);
}
