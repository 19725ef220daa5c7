//! Runs that stand still or come to their time: pauses at any moment, deadlines, and what each lets the other do.

use futures_util::future::join;

use super::Make;
use super::everywhere::{ALL_FAULTS, Scenario, client};
use super::ledger::Ledger;
use super::script::{A, B, C, CLEAN, EFFECT, NAP, PING, PONG, RETRIED, SLOW_EFFECT, Script, handler, script};
use super::wire::Verdict;
use super::world::{HOUR, MINUTE, SECOND, World, event};
use crate::control::{MayRepeat, RestartFrom};
use crate::engine::{EngineError, StartOptions};
use crate::error::{FailureKind, StepError};
use crate::history::What;
use crate::id::RunId;
use crate::store::{Change, Command, CommandKind, Ending, Member, Next, Refusal, RunStatus};

fn pause(world: &World, run: RunId) -> Result<bool, EngineError> {
    world.run(world.alive().engine.pause(run, "ada"))
}

fn resume(world: &World, run: RunId) -> Result<bool, EngineError> {
    world.run(world.alive().engine.resume(run, "bob"))
}

fn goes_on(member: &Member, fits: fn(&Next) -> bool) -> bool {
    matches!(&member.change, Change::Advance(advance) if fits(&advance.next))
}

/// Commits a pause just before the first advance that goes on so.
fn pause_just_before(world: &World, fits: fn(&Next) -> bool) {
    let (store, mut armed) = (world.store(), true);
    world.wire.rule(move |call| {
        let found = call.members.iter().find(|member| goes_on(member, fits));
        let (Some(run), true) = (found.and_then(Member::subject), armed) else {
            return Verdict::Pass;
        };
        armed = false;
        let command = Command {
            run,
            what: CommandKind::Pause,
            by: "ada".to_owned(),
        };
        let store = store.clone();
        Verdict::After(Box::pin(async move {
            let member = Change::Command(command).into();
            store.commit([member].into()).await.expect("the request is stored");
        }))
    });
}

/// A pause that is committed just before a run parks holds it; just before its code's end is written it is too late,
/// and the run completes; just before a failure, its error handler is held.
pub fn a_pause_meets_what_the_run_comes_to(make: Make<'_>) {
    let parks: fn(&Next) -> bool = |next| matches!(next, Next::Park { .. });
    let completes: fn(&Next) -> bool = |next| matches!(next, Next::Finish(Ending::Completed(_)));
    let fails: fn(&Next) -> bool = |next| matches!(next, Next::Failing { .. });
    for (input, moment, held) in [(1, parks, true), (2, completes, false), (3, fails, true)] {
        let world = World::new(make);
        let ledger = world.ledger.clone();
        pause_just_before(&world, moment);
        let code = script!(
            [] | run,
            input | {
                match input {
                    1 => run.wait(PING).await,
                    2 => Ok(2),
                    _ => Err(crate::Failure::new("no budget")),
                }
            }
        )
        .on_failure(handler!(
            [ledger] | run,
            _ | { run.step(CLEAN, ledger.does(CLEAN, 1)).await.map(drop) }
        ));
        world.boot(code);
        let run = world.start(input);
        world.pass(HOUR);
        if !held {
            assert_eq!(world.end(run), Ok(2));
            assert_eq!(world.row(run).pause_by, None, "nobody holds what has ended");
            continue;
        }
        assert_eq!(world.status(run), RunStatus::Paused, "{input}");
        assert_eq!(world.ledger.count("clean"), 0);
        assert_eq!(resume(&world, run), Ok(true));
        world.emit(event("e", run, "ping", 1));
        assert_eq!(world.end(run).is_ok(), input == 1);
        assert_eq!(world.ledger.count("clean"), usize::from(input == 3));
        let told = world.told(run);
        let by: Vec<&String> = told.iter().filter(|line| line.contains(" by ")).collect();
        assert_eq!(by.len(), 2, "{told:?}");
    }
}

/// While a run is paused neither backoff nor sleeps nor waits nor its own deadline come to their end; all do when it
/// goes on, in the order of their times.
pub fn nothing_fires_while_a_run_is_paused(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let answers = vec![Err(StepError::retry("busy").not_before(2 * MINUTE)), Ok(1)];
    let code = script!(
        [ledger, answers] | run,
        _ | {
            let retried = run.step(RETRIED, ledger.tries(RETRIED, answers));
            let nap = async {
                run.sleep(NAP, MINUTE).await;
                ledger.note("woke");
            };
            let wait = run.wait_or_timeout::<u64>(PING.within(3 * MINUTE));
            let ((retried, ()), answer) = join(join(retried, Box::pin(nap)), wait).await;
            assert_eq!(answer?, None);
            retried
        }
    );
    world.boot(code);
    let run = world.start(1);
    world.pass(SECOND);
    assert_eq!(pause(&world, run), Ok(true));
    world.pass(HOUR);
    assert_eq!(ledger.all(), ["retried"]);
    assert_eq!(resume(&world, run), Ok(true));
    assert_eq!(world.end(run), Ok(1));
    assert_eq!(ledger.all(), ["retried", "woke", "retried"]);
    assert_eq!(world.ended_after(run), HOUR + SECOND, "all of it is over at once");
}

/// The time of a paused run counts towards its deadline, but only when it goes on; so does that of a blocked one.
pub fn a_deadline_waits_for_a_run_that_stands_still(make: Make<'_>) {
    for blocked in [false, true] {
        let world = World::new(make);
        let code = |fits: bool| {
            script!(
                [] | run,
                _ | {
                    assert!(fits, "a bug");
                    run.wait(PONG).await
                }
            )
            .with_deadline(HOUR)
        };
        world.boot_overridden(code(!blocked));
        let run = world.start(1);
        world.pass(MINUTE);
        if !blocked {
            assert_eq!(pause(&world, run), Ok(true));
        }
        let status = world.status(run);
        assert_eq!(status, if blocked { RunStatus::Blocked } else { RunStatus::Paused });
        world.pass(3 * HOUR);
        assert_eq!(world.status(run), status, "no deadline fires");
        world.kill();
        world.boot_overridden(code(true));
        world.pass(MINUTE);
        assert_eq!(world.status(run), status);
        assert_eq!(resume(&world, run), Ok(true));
        let failure = world.end(run).expect_err("its time is over");
        assert_eq!(failure.kind, FailureKind::DeadlinePassed);
    }
}

/// A deadline interrupts waits, sleeps and backoff at its very time, after restarts too, and lets effects end; a
/// cancel that is committed first wins.
pub fn a_deadline_ends_what_waits_at_its_time(make: Make<'_>) {
    type Play = fn(&Ledger) -> Script;
    let ping: Play = |_| script!([] | run, _ | { run.wait(PONG).await });
    let nap: Play = |_| {
        script!(
            [] | run,
            _ | {
                run.sleep(NAP, 2 * HOUR).await;
                Ok(1)
            }
        )
    };
    let backoff: Play = |ledger| {
        let later = vec![Err(StepError::retry("busy").not_before(HOUR)), Ok(1)];
        script!(
            [ledger, later] | run,
            _ | {
                run.sleep(NAP, MINUTE).await;
                run.step(RETRIED, ledger.tries(RETRIED, later)).await
            }
        )
    };
    for (name, play) in [("wait", ping), ("sleep", nap), ("backoff", backoff)] {
        for restarted in [false, true] {
            let world = World::new(make);
            let code = play(&world.ledger).with_deadline(HOUR);
            world.boot_overridden(code.clone());
            let run = world.start(1);
            world.pass(30 * MINUTE);
            if restarted {
                world.kill();
                world.pass(MINUTE);
                world.boot_overridden(code);
            }
            let failure = world.end(run).expect_err("its time is over");
            assert_eq!(failure.kind, FailureKind::DeadlinePassed, "{name}");
            assert_eq!(world.ended_after(run), HOUR, "{name}");
        }
    }
    let world = World::new(make);
    world.boot_overridden(ping(&world.ledger).with_deadline(HOUR));
    let run = world.start(1);
    world.pass(30 * MINUTE);
    assert_eq!(world.cancel(run), Ok(true));
    let failure = world.end(run).expect_err("it was cancelled");
    assert_eq!(failure.kind, FailureKind::Cancelled);
}

/// A restart gives the run its whole time again.
pub fn a_restart_begins_the_deadline_anew(make: Make<'_>) {
    let world = World::new(make);
    world.boot_overridden(script!([] | run, _ | { run.wait(PONG).await }).with_deadline(HOUR));
    let run = world.start(1);
    world.end(run).expect_err("its time is over");
    let engine = world.alive().engine.clone();
    world.pass(HOUR);
    let restarted = world.run(engine.restart(run, &RestartFrom::Beginning, "ada", MayRepeat::Nothing));
    assert_eq!(restarted, Ok(true));
    world.pass(59 * MINUTE);
    assert_eq!(world.status(run), RunStatus::Waiting);
    world.emit(event("e", run, "pong", 7));
    assert_eq!(world.end(run), Ok(7));
}

/// The hour of an error handler stands still while its run is paused.
pub fn the_hour_of_a_handler_stands_still(make: Make<'_>) {
    let world = World::new(make);
    let code = script!([] | _, _ | { Err(crate::Failure::new("no budget")) })
        .on_failure(handler!([] | run, _ | { run.wait::<u64>(PONG).await.map(drop) }));
    world.boot(code);
    let (answered, late) = (world.start(1), world.start(1));
    world.pass(50 * MINUTE);
    for run in [answered, late] {
        assert_eq!(pause(&world, run), Ok(true));
    }
    // Less than what is left of the two hours of the wait, which do not stand still.
    world.pass(55 * MINUTE);
    for run in [answered, late] {
        assert_eq!(world.status(run), RunStatus::Paused);
        assert_eq!(resume(&world, run), Ok(true));
    }
    world.pass(5 * MINUTE);
    world.emit(event("e", answered, "pong", 1));
    let failure = world.end(answered).expect_err("it fails");
    assert_eq!((failure.message.as_str(), failure.handler), ("no budget", None));
    let failure = world.end(late).expect_err("it fails");
    let kind = failure.handler.expect("its handler did not end").kind;
    assert_eq!(kind, FailureKind::HandlerDeadline);
    assert_eq!(world.ended_after(late), HOUR + 55 * MINUTE, "ten minutes were left");
}

/// A worker that shuts down gives a run back that it was asked to pause; the wish stays, is taken back by a resume,
/// or acted upon by whoever executes the run next.
pub fn a_wish_outlives_its_worker(make: Make<'_>) {
    for taken_back in [false, true] {
        let world = World::new(make);
        let ledger = world.ledger.clone();
        let code = script!(
            [ledger] | run,
            _ | {
                run.step(A, ledger.takes(A, HOUR, 1)).await?;
                run.step(B, ledger.does(B, 2)).await
            }
        );
        world.boot(code.clone());
        let run = world.start(1);
        world.pass(SECOND);
        assert_eq!(pause(&world, run), Ok(true));
        world.run(world.alive().worker.shutdown(10 * SECOND));
        assert_eq!(world.status(run), RunStatus::Waiting);
        world.kill();
        world.boot_idle(code.clone());
        if taken_back {
            assert_eq!(resume(&world, run), Ok(true));
            assert_eq!(world.row(run).pause_by, None);
        }
        world.kill();
        world.boot(code);
        world.pass(MINUTE);
        let expected = if taken_back {
            RunStatus::Running
        } else {
            RunStatus::Paused
        };
        assert_eq!(world.status(run), expected);
        if !taken_back {
            assert_eq!(resume(&world, run), Ok(true));
        }
        assert_eq!(world.end(run), Ok(2));
        assert_eq!(ledger.count("b"), 1);
    }
}

/// Each of pause, resume, restart, retry, cancel and emitting by hand is on record with who and when.
pub fn who_and_when_is_on_record(make: Make<'_>) {
    let world = World::new(make);
    world.boot(script!([] | run, _ | { run.wait(PING).await }));
    let run = world.start(1);
    world.pass(MINUTE);
    let engine = world.alive().engine.clone();
    assert_eq!(world.run(engine.pause(run, "ada")), Ok(true));
    world.pass(MINUTE);
    assert_eq!(world.run(engine.resume(run, "bob")), Ok(true));
    world.pass(MINUTE);
    let from = RestartFrom::Beginning;
    assert_eq!(
        world.run(engine.restart(run, &from, "cyd", MayRepeat::Nothing)),
        Ok(true)
    );
    world.pass(MINUTE);
    let by_hand = crate::NewEvent {
        by: Some("dan".to_owned()),
        ..event("e", run, "ping", 7)
    };
    world.emit(by_hand);
    assert_eq!(world.end(run), Ok(7));
    world.pass(MINUTE);
    assert_eq!(
        world.run(engine.restart(run, &from, "eve", MayRepeat::Nothing)),
        Ok(true)
    );
    world.pass(MINUTE);
    assert_eq!(world.run(engine.cancel(run, "fay")), Ok(true));
    world.end(run).expect_err("it was cancelled");
    let history = world.history(run);
    let begin = history[0].started_at;
    let asked = history.iter().filter_map(|record| {
        let by = match &record.what {
            What::Paused { by } | What::Resumed { by } | What::Rewound { by, .. } | What::CancelRequested { by } => by,
            What::Received { events, .. } => events[0].by.as_ref()?,
            _ => return None,
        };
        let minutes = record.ended_at.duration_since(begin).as_secs() / 60;
        Some((by.as_str(), minutes))
    });
    let asked: Vec<_> = asked.collect();
    assert_eq!(
        asked,
        [("ada", 1), ("bob", 2), ("cyd", 3), ("dan", 4), ("eve", 5), ("fay", 6)]
    );
}

/// Whatever goes wrong at whichever call, in one process and in two: a run with an effect, a wait and a backoff that
/// is paused again and again does everything once.
pub fn many_pauses_survive_everything(make: Make<'_>) {
    let scenario = Scenario {
        script: &|world| {
            let ledger = world.ledger.clone();
            let busy = vec![Err(StepError::retry("busy")), Ok(1)];
            script!(
                [ledger, busy] | run,
                _ | {
                    let effect = run.step(EFFECT, ledger.takes(EFFECT, 2 * SECOND, 1)).await;
                    if let Err(failure) = effect {
                        assert!(failure.is_unknown(), "{failure}");
                    }
                    let (answer, ()) = join(run.wait::<u64>(PING), run.sleep(NAP, 3 * SECOND)).await;
                    run.step(RETRIED, ledger.tries(RETRIED, busy)).await?;
                    run.step(C, ledger.does(C, answer?)).await
                }
            )
        },
        client: &client(|world, engine| {
            Box::pin(async move {
                let run = engine.start::<Script>(&1, StartOptions::keyed("k")).await?.run();
                for round in 0..3 {
                    crate::Runtime::sleep(&world.runtime, SECOND).await;
                    tolerate(engine.pause(run, "ada").await)?;
                    if round == 1 {
                        engine.emit(event("e", run, "ping", 7)).await?;
                    }
                    crate::Runtime::sleep(&world.runtime, 3 * SECOND).await;
                    tolerate(engine.resume(run, "bob").await)?;
                }
                engine.wait_for_end(run).await?.expect("it completes");
                Ok(())
            })
        }),
        check: &|world| {
            let row = &world.all_runs()[0];
            assert_eq!((row.status, row.paused_at), (RunStatus::Completed, None));
            assert!(world.ledger.count("effect") <= 1);
        },
    };
    scenario.play_with(make, ALL_FAULTS);
    scenario.play_with_dice(make, 0..15);
}

/// Whatever goes wrong at whichever call: a run that is late ends once, late, with its handler run.
pub fn a_deadline_survives_everything(make: Make<'_>) {
    let scenario = Scenario {
        script: &|world| {
            let ledger = world.ledger.clone();
            script!(
                [ledger] | run,
                _ | {
                    run.step(A, ledger.does(A, 1)).await?;
                    match run.step(SLOW_EFFECT, ledger.takes(SLOW_EFFECT, 5 * SECOND, 1)).await {
                        Err(failure) if !failure.is_unknown() => return Err(failure),
                        _ => {}
                    }
                    run.wait(PONG).await
                }
            )
            .on_failure(handler!(
                [ledger] | run,
                failure | {
                    assert_eq!(failure.kind, FailureKind::DeadlinePassed);
                    run.step(CLEAN, ledger.does(CLEAN, 1)).await.map(drop)
                }
            ))
            .with_deadline(3 * SECOND)
        },
        client: &client(|_, engine| {
            Box::pin(async move {
                let run = engine.start::<Script>(&1, StartOptions::keyed("k")).await?.run();
                engine.wait_for_end(run).await?.expect_err("its time is over");
                Ok(())
            })
        }),
        check: &|world| {
            let row = &world.all_runs()[0];
            assert_eq!(row.status, RunStatus::Failed);
            assert_eq!(
                row.failure.as_ref().map(|failure| failure.kind),
                Some(FailureKind::DeadlinePassed)
            );
            assert!(world.ledger.count("slow-effect") <= 1);
            assert_eq!(world.told(row.id).last().map(String::as_str), Some("! clean: done 1"));
        },
    };
    scenario.play_with(make, ALL_FAULTS);
    scenario.play_with_dice(make, 0..15);
}

/// What is asked may be so already, or too late.
fn tolerate(answer: Result<bool, EngineError>) -> Result<(), EngineError> {
    match answer {
        Ok(_) | Err(EngineError::Refused(Refusal::WrongStatus { .. })) => Ok(()),
        Err(other) => Err(other),
    }
}
