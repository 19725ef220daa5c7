//! Runs in hand: paused, resumed, retried from where they failed, restarted from a step. Each is on record with
//! who asked, and nothing that is done is done again unless somebody says so.

use futures_util::future::join;

use super::Make;
use super::everywhere::{ALL_FAULTS, Scenario, client};
use super::script::{A, B, C, EFFECT, KID, PING, RETRIED, SLOW_EFFECT, Script, script};
use super::world::{HOUR, MINUTE, SECOND, World, event};
use crate::control::{MayRepeat, RestartFrom};
use crate::engine::{EngineError, StartOptions};
use crate::error::StepError;
use crate::id::RunId;
use crate::step::Step;
use crate::store::{Refusal, RunStatus};

fn from(step: Step) -> RestartFrom {
    RestartFrom::Step {
        name: step.name.to_owned(),
        key: None,
    }
}

fn pause(world: &World, run: RunId) -> Result<bool, EngineError> {
    world.run(world.alive().engine.pause(run, "ada"))
}

fn resume(world: &World, run: RunId) -> Result<bool, EngineError> {
    world.run(world.alive().engine.resume(run, "bob"))
}

/// While a run is paused no deadline fires and nothing is taken; on resuming, a stored event wins over an
/// expired wait. Who paused and who resumed is on record.
pub fn a_paused_run_waits_for_its_resumption(make: Make<'_>) {
    for answered in [true, false] {
        let world = World::new(make);
        world.boot(script!(
            [] | run,
            _ | { Ok(run.wait_or_timeout(PING).await?.unwrap_or(0)) }
        ));
        let run = world.start(1);
        world.pass(MINUTE);
        assert_eq!(pause(&world, run), Ok(true));
        assert_eq!(pause(&world, run), Ok(false), "it is paused already");
        world.pass(HOUR);
        if answered {
            world.emit(event("e", run, "ping", 7));
        }
        world.pass(2 * HOUR);
        assert_eq!(world.status(run), RunStatus::Paused);
        assert_eq!(world.told(run), ["wait-ping: opened", "paused by ada"]);
        assert_eq!(resume(&world, run), Ok(true));
        assert_eq!(world.end(run), Ok(if answered { 7 } else { 0 }));
        let last = if answered {
            "wait-ping: received e"
        } else {
            "wait-ping: timed out"
        };
        assert_eq!(world.told(run)[2..], ["resumed by bob", last]);
        let answer = resume(&world, run);
        assert!(
            matches!(answer, Err(EngineError::Refused(Refusal::WrongStatus { .. }))),
            "{answer:?}"
        );
    }
}

/// What is under way ends and is recorded; nothing new begins before the run is resumed, whoever executes it.
pub fn an_attempt_ends_before_a_pause(make: Make<'_>) {
    for step in [A, SLOW_EFFECT] {
        let world = World::new(make);
        let ledger = world.ledger.clone();
        let code = script!(
            [ledger] | run,
            _ | {
                run.step(step, ledger.takes(step, 10 * MINUTE, 1)).await?;
                run.step(B, ledger.does(B, 2)).await
            }
        );
        world.boot(code.clone());
        let run = world.start(1);
        world.pass(MINUTE);
        assert_eq!(pause(&world, run), Ok(true));
        assert_eq!(world.status(run), RunStatus::Running);
        world.pass(HOUR);
        assert_eq!(world.status(run), RunStatus::Paused);
        assert_eq!((ledger.count(step.name), ledger.count("b")), (1, 0));
        world.kill();
        world.boot(code);
        world.pass(HOUR);
        assert_eq!(world.status(run), RunStatus::Paused, "a new process leaves it alone");
        assert_eq!(resume(&world, run), Ok(true));
        assert_eq!(world.end(run), Ok(2));
        assert_eq!((ledger.count(step.name), ledger.count("b")), (1, 1));
    }
}

/// A pause that is taken back before it took effect changes nothing; a paused run can be cancelled; one that
/// has not begun keeps its time.
pub fn a_pause_can_be_taken_back(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    world.boot(script!(
        [ledger] | run,
        _ | { run.step(A, ledger.takes(A, MINUTE, 1)).await }
    ));
    let run = world.start(1);
    world.pass(SECOND);
    assert_eq!((pause(&world, run), resume(&world, run)), (Ok(true), Ok(true)));
    assert_eq!(world.end(run), Ok(1));
    assert_eq!(world.told(run), ["a: done 1"]);

    let delayed = world.start_as(1, StartOptions::default().delay(HOUR)).run();
    assert_eq!((pause(&world, delayed), resume(&world, delayed)), (Ok(true), Ok(true)));
    world.pass(MINUTE);
    assert_eq!(world.status(delayed), RunStatus::Pending, "it keeps its time");
    assert_eq!(pause(&world, delayed), Ok(true));
    assert_eq!(world.cancel(delayed), Ok(true));
    world.end(delayed).expect_err("it was cancelled");
}

/// Whatever goes wrong at whichever call: a run that is paused and resumed does everything once.
pub fn a_pause_survives_everything(make: Make<'_>) {
    let scenario = Scenario {
        script: &|world| {
            let ledger = world.ledger.clone();
            script!(
                [ledger] | run,
                _ | {
                    run.step(A, ledger.takes(A, 5 * SECOND, 1)).await?;
                    run.step(B, ledger.takes(B, 5 * SECOND, 1)).await
                }
            )
        },
        client: &client(|world, engine| {
            Box::pin(async move {
                let run = engine.start::<Script>(&1, StartOptions::keyed("k")).await?.run();
                crate::Runtime::sleep(&world.runtime, SECOND).await;
                // What is asked may be so already, or too late.
                for wish in [engine.pause(run, "ada").await, {
                    crate::Runtime::sleep(&world.runtime, MINUTE).await;
                    engine.resume(run, "bob").await
                }] {
                    match wish {
                        Ok(_) | Err(EngineError::Refused(Refusal::WrongStatus { .. })) => {}
                        Err(other) => return Err(other),
                    }
                }
                engine.wait_for_end(run).await?.expect("it completes");
                Ok(())
            })
        }),
        check: &|world| {
            let row = &world.all_runs()[0];
            assert_eq!(row.status, RunStatus::Completed);
        },
    };
    scenario.play_with(make, ALL_FAULTS);
}

/// A failed run is retried from the step that it failed in: what was done before answers from history, and what
/// became of the failure is superseded, the error handler's steps included.
pub fn a_failed_run_is_retried_from_its_step(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let answers = vec![Err(StepError::fail("no budget")), Ok(5)];
    let code = script!(
        [ledger, answers] | run,
        _ | {
            run.step(A, ledger.does(A, 1)).await?;
            run.step(RETRIED, ledger.tries(RETRIED, answers)).await
        }
    )
    .on_failure(super::script::handler!(
        [ledger] | run,
        _ | {
            run.step(B, ledger.does(B, 1)).await?;
            Ok(())
        }
    ));
    world.boot(code);
    let run = world.start(1);
    world.end(run).expect_err("the step fails");
    let engine = world.alive().engine.clone();
    assert_eq!(world.run(engine.retry(run, "ada", MayRepeat::Nothing)), Ok(true));
    assert_eq!(world.end(run), Ok(5));
    assert_eq!(ledger.all(), ["a", "retried", "b", "retried"]);
    let told = world.told(run);
    assert_eq!(
        told[..5],
        [
            "a: done 1",
            "retried: failed for good",
            "failing for good",
            "! b: done 1",
            "back to 2 by ada"
        ]
    );
    let stored = world
        .run(world.store().history(run, crate::Seq(0), 100))
        .expect("the store answers");
    let superseded: Vec<bool> = stored.iter().map(|stored| stored.superseded).collect();
    assert_eq!(superseded, [false, true, true, true, false, false]);
    let again = world.run(engine.retry(run, "ada", MayRepeat::Nothing));
    assert!(
        matches!(again, Err(EngineError::Refused(Refusal::WrongStatus { .. }))),
        "{again:?}"
    );
}

/// Only what failed is done again: another branch that has come to its end, or to nothing known, is not.
pub fn a_retry_leaves_other_branches_alone(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let answers = vec![Err(StepError::fail("no budget")), Ok(5)];
    world.boot(script!(
        [ledger, answers] | run,
        _ | {
            let effect = run.step(EFFECT, ledger.does(EFFECT, 1));
            let slow = run.step(SLOW_EFFECT, ledger.takes(SLOW_EFFECT, 10 * SECOND, 1));
            let ((effect, slow), failing) =
                join(join(effect, slow), run.step(RETRIED, ledger.tries(RETRIED, answers))).await;
            Ok(effect? + slow? + failing?)
        }
    ));
    let run = world.start(1);
    world.end(run).expect_err("one branch fails");
    let engine = world.alive().engine.clone();
    assert_eq!(world.run(engine.retry(run, "ada", MayRepeat::Nothing)), Ok(true));
    assert_eq!(world.end(run), Ok(7));
    assert_eq!(
        (
            ledger.count("effect"),
            ledger.count("slow-effect"),
            ledger.count("retried")
        ),
        (1, 1, 2)
    );
}

/// A run is done again from a chosen step, whatever became of it. Outside effects among what would be done again
/// have to be allowed by name.
pub fn a_restart_repeats_effects_only_if_it_may(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    world.boot(script!(
        [ledger] | run,
        _ | {
            run.step(A, ledger.does(A, 1)).await?;
            run.step(EFFECT, ledger.does(EFFECT, 1)).await?;
            run.step(B, ledger.does(B, 1)).await?;
            run.step(C, ledger.does(C, 3)).await
        }
    ));
    let run = world.start(1);
    assert_eq!(world.end(run), Ok(3));
    let engine = world.alive().engine.clone();
    let restart = |from: RestartFrom, may| world.run(engine.restart(run, &from, "ada", may));
    for step in [RestartFrom::Beginning, from(A), from(EFFECT)] {
        let refused = restart(step, MayRepeat::Nothing);
        assert!(
            matches!(&refused, Err(EngineError::WouldRepeat { step, .. }) if step == "effect"),
            "{refused:?}"
        );
    }
    let nowhere = restart(from(PING), MayRepeat::Nothing);
    assert!(matches!(nowhere, Err(EngineError::NoSuchStep { .. })), "{nowhere:?}");
    assert_eq!(restart(from(B), MayRepeat::Nothing), Ok(true));
    assert_eq!(world.end(run), Ok(3));
    assert_eq!(ledger.all(), ["a", "effect", "b", "c", "b", "c"]);
    assert_eq!(restart(from(EFFECT), MayRepeat::Effects), Ok(true));
    assert_eq!(world.end(run), Ok(3));
    assert_eq!(ledger.all()[6..], ["effect", "b", "c"]);
    assert_eq!(ledger.count("a"), 1);
}

/// What an error handler has done outside, itself or by a child, is done again if the run fails again: so that has to
/// be allowed by name too.
pub fn a_handlers_effects_are_not_repeated_unasked(make: Make<'_>) {
    for by_child in [false, true] {
        let world = World::new(make);
        let ledger = world.ledger.clone();
        let code = script!(
            [ledger] | run,
            input | {
                match input {
                    0 => run.step(EFFECT, ledger.does(EFFECT, 1)).await,
                    _ => {
                        run.step(A, ledger.tries(A, vec![Err(StepError::fail("no budget"))]))
                            .await
                    }
                }
            }
        );
        world.boot(code.on_failure(super::script::handler!(
            [ledger] | run,
            _ | {
                match by_child {
                    true => run.child::<Script>(KID, &0).await.map(drop),
                    false => run.step(EFFECT, ledger.does(EFFECT, 1)).await.map(drop),
                }
            }
        )));
        let run = world.start(1);
        world.end(run).expect_err("the step fails");
        let engine = world.alive().engine.clone();
        let refused = world.run(engine.retry(run, "ada", MayRepeat::Nothing));
        let named = if by_child { "kid" } else { "effect" };
        assert!(
            matches!(&refused, Err(EngineError::WouldRepeat { step, .. }) if step == named),
            "{refused:?}"
        );
        assert_eq!(world.run(engine.retry(run, "ada", MayRepeat::Effects)), Ok(true));
        world.end(run).expect_err("the step fails again");
        assert_eq!(ledger.count("effect"), 2);
    }
}

/// Whatever goes wrong at whichever call: a retried run repeats what failed, and nothing else.
pub fn a_retry_survives_everything(make: Make<'_>) {
    let scenario = Scenario {
        script: &|world| {
            let ledger = world.ledger.clone();
            let cell = world.attach([crate::conformance::Act::Count("booked")]);
            script!(
                [ledger, cell] | run,
                _ | {
                    let booked: u64 = run.step_in_tx(A, cell).await?;
                    run.wait::<u64>(PING.within(10 * SECOND)).await?;
                    run.step(B, ledger.does(B, booked)).await
                }
            )
        },
        client: &client(|_, engine| {
            Box::pin(async move {
                let run = engine.start::<Script>(&1, StartOptions::keyed("k")).await?.run();
                if engine.wait_for_end(run).await?.is_ok() {
                    return Ok(());
                }
                engine.emit(event("e", run, "ping", 7)).await?;
                match engine.retry(run, "ada", MayRepeat::Nothing).await {
                    Ok(_) | Err(EngineError::Refused(Refusal::WrongStatus { .. })) => {}
                    Err(other) => return Err(other),
                }
                engine.wait_for_end(run).await?.expect("it completes");
                Ok(())
            })
        }),
        check: &|world| {
            assert_eq!(world.all_runs()[0].status, RunStatus::Completed);
            assert_eq!(world.cell("booked"), 1, "what was done before is not done again");
        },
    };
    scenario.play_with(make, ALL_FAULTS);
}
