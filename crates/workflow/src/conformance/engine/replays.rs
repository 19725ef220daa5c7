//! Replay: code that does not fit its history blocks its run, and loses nothing.

use super::Make;
use super::groups::Bulky;
use super::latch::Latch;
use super::script::{
    A, B, C, EFFECT, NAP, NextVersion, OtherInput, PING, PONG, SLOW_EFFECT, Script, Stranger, handler, script,
};
use super::world::{HOUR, MINUTE, SECOND, World, event};
use crate::engine::StartOptions;
use crate::error::StepError;
use crate::step::Step;
use crate::store::RunStatus;

const EFFECT_NOW: Step = Step::action("a").outside_effect();
const UNDECLARED: Step = Step::action("undeclared");

/// What the history is made with: two steps, a nap, a wait.
fn first_version(world: &World) -> Script {
    let ledger = world.ledger.clone();
    script!(
        [ledger] | run,
        _ | {
            let a = run.step(A, ledger.does(A, 1)).await?;
            let b = run.step(B, ledger.does(B, 2)).await?;
            run.sleep(NAP, SECOND).await;
            let ping: u64 = run.wait(PING).await?;
            run.step(C, ledger.does(C, a + b + ping)).await
        }
    )
    .on_failure(handler!(
        [ledger] | _,
        _ | {
            ledger.note("on_failure");
            Ok(())
        }
    ))
}

/// A new world with a run of the first version that waits.
fn waiting_run(make: Make<'_>) -> (World, crate::RunId) {
    let world = World::new(make);
    world.boot(first_version(&world));
    let run = world.start(0);
    world.pass(10 * SECOND);
    assert_eq!(world.status(run), RunStatus::Waiting);
    world.kill();
    (world, run)
}

fn noted(script: Script, world: &World) -> Script {
    let ledger = world.ledger.clone();
    script.on_failure(handler!(
        [ledger] | _,
        _ | {
            ledger.note("on_failure");
            Ok(())
        }
    ))
}

/// The run becomes blocked as this is booted and an event comes, with these words in the reason; its
/// handler does not run, and nothing is lost: code that fits finishes it.
fn assert_blocks(make: Make<'_>, name: &str, words: &[&str], boot: impl FnOnce(&World)) {
    let (world, run) = waiting_run(make);
    boot(&world);
    world.emit(event("e", run, "ping", 4));
    world.settle();
    let row = world.row(run);
    assert_eq!(row.status, RunStatus::Blocked, "{name}");
    let reason = row.blocked.expect("a blocked run says why");
    assert!(words.iter().all(|word| reason.contains(word)), "{name}: {reason}");
    assert_eq!(world.ledger.count("on_failure"), 0, "{name}: on_failure does not run");
    assert_eq!(world.inbox(Some(run)).len(), 1, "{name}: the event is kept");
    world.pass(2 * HOUR);
    assert_eq!(
        world.status(run),
        RunStatus::Blocked,
        "{name}: no deadline fires, and nobody tries in vain"
    );
    world.kill();
    world.boot(first_version(&world));
    world.settle();
    let _ = world.run(world.alive().engine.resume(run, "ada"));
    assert_eq!(world.end(run), Ok(7), "{name}: fitting code finishes it");
    assert_eq!(world.ledger.all(), ["a", "b", "c"], "{name}: no step was repeated");
    world.check_histories();
}

type Version = fn(&World) -> Script;

/// Every way in which code of the same declaration can differ from the history.
pub fn code_that_does_not_fit_blocks_its_run(make: Make<'_>) {
    let rows: [(&str, Version, &[&str]); 8] = [
        (
            "another step",
            |w| {
                let l = w.ledger.clone();
                script!([l] | run, _ | { run.step(C, l.does(C, 1)).await })
            },
            &["action c", "action a"],
        ),
        (
            "a step with a key now",
            |w| {
                let l = w.ledger.clone();
                script!([l] | run, _ | { run.step(A.key("k"), l.does(A, 1)).await })
            },
            &["action a (=k)", "action a"],
        ),
        (
            "moved",
            |w| {
                let l = w.ledger.clone();
                script!(
                    [l] | run,
                    _ | {
                        run.step(B, l.does(B, 1)).await?;
                        run.step(A, l.does(A, 1)).await
                    }
                )
            },
            &["action b", "action a"],
        ),
        (
            "vanished at the end",
            |w| {
                let l = w.ledger.clone();
                script!(
                    [l] | run,
                    _ | {
                        run.step(A, l.does(A, 1)).await?;
                        run.wait(PONG).await
                    }
                )
            },
            &["wait wait-pong", "action b"],
        ),
        (
            "ends too early",
            |w| {
                let l = w.ledger.clone();
                script!([l] | run, _ | { run.step(A, l.does(A, 1)).await })
            },
            &["action b"],
        ),
        (
            "undeclared",
            |_| {
                script!(
                    [] | run,
                    _ | { run.step(UNDECLARED, |_| async { Ok::<u64, StepError>(1) }).await }
                )
            },
            &["undeclared", "STEPS"],
        ),
        (
            "undecodable",
            |_| {
                script!(
                    [] | run,
                    _ | {
                        run.step(A, |_| async { Ok::<String, StepError>(String::new()) })
                            .await
                            .map(|_| 1)
                    }
                )
            },
            &["step a"],
        ),
        (
            "a panic",
            |_| {
                script!(
                    [] | _,
                    input | {
                        assert!(input > 0, "out of cheese");
                        Ok(1)
                    }
                )
            },
            &["panicked", "out of cheese"],
        ),
    ];
    for (name, version, words) in rows {
        assert_blocks(make, name, words, |world| {
            drop(world.boot(noted(version(world), world)));
        });
    }
}

/// The same for the ways that need another declaration.
pub fn declarations_that_do_not_fit_block_their_runs(make: Make<'_>) {
    let now_an_effect = |world: &World| {
        let script = script!(
            [] | run,
            _ | { run.step(EFFECT_NOW, |_| async { Ok::<u64, StepError>(1) }).await }
        );
        drop(world.boot(NextVersion(noted(script, world))));
    };
    assert_blocks(make, "kind changed", &["effect a", "action a"], now_an_effect);
    let used_otherwise = |world: &World| {
        let script = script!(
            [] | run,
            _ | { run.step(A, |_| async { Ok::<u64, StepError>(1) }).await }
        );
        drop(world.boot(NextVersion(noted(script, world))));
    };
    assert_blocks(make, "used as another kind", &["step a", "effect"], used_otherwise);
    assert_blocks(make, "undecodable input", &["input"], |world| {
        drop(world.boot(OtherInput(script!([] | _, input | { Ok(input) }))));
    });
    assert_blocks(make, "unknown workflow", &["script"], |world| {
        drop(world.boot(Stranger));
    });
}

/// A step of its own kind can be missing in the middle: the next one is in its place.
pub fn a_step_that_vanished_is_named(make: Make<'_>) {
    let (world, run) = waiting_run(make);
    let ledger = world.ledger.clone();
    world.boot(script!(
        [ledger] | run,
        _ | {
            run.step(A, ledger.does(A, 1)).await?;
            run.sleep(NAP, SECOND).await;
            run.wait(PING).await
        }
    ));
    world.emit(event("e", run, "ping", 4));
    world.settle();
    let reason = world.row(run).blocked.expect("it is blocked");
    assert!(
        reason.contains("sleep nap") && reason.contains("action b") && reason.contains('2'),
        "{reason}"
    );
}

/// Awaiting what is not the run's blocks it, saying so, before anything else could wait for it for ever.
pub fn a_foreign_await_blocks_the_run(make: Make<'_>) {
    let world = World::new(make);
    let never = Latch::closed();
    world.boot(script!(
        [never] | _,
        _ | {
            never.pass().await;
            Ok(1)
        }
    ));
    let run = world.start(1);
    world.settle();
    let row = world.row(run);
    assert_eq!(row.status, RunStatus::Blocked);
    assert!(row.blocked.expect("it says why").contains("not the run's"));
}

/// Newer code with another declaration goes on with a run that waits, if it fits.
pub fn newer_code_that_fits_goes_on(make: Make<'_>) {
    let world = World::new(make);
    let script = || script!([] | run, _ | { run.wait(PING).await });
    world.boot(script());
    let run = world.start(0);
    world.settle();
    let before = world.row(run).hash;
    world.kill();
    world.pass(SECOND);
    world.boot(NextVersion(script()));
    world.emit(event("e", run, "ping", 7));
    assert_eq!(world.end(run), Ok(7));
    assert_ne!(world.row(run).hash, before, "it is the newer code's run now");
}

/// An output that cannot be stored blocks the run: code with a smaller one finishes it.
pub fn an_output_that_does_not_fit_blocks_the_run(make: Make<'_>) {
    let world = World::new(make);
    let process = world.boot(Bulky);
    let start = |length| {
        let input = "x".repeat(length);
        let started = world.run(process.engine.start::<Bulky>(&input, StartOptions::default()));
        world.settle();
        started.expect("it starts").run()
    };
    assert_eq!(world.status(start(1_000)), RunStatus::Completed);
    let run = start(600_000);
    let reason = world.row(run).blocked.expect("twice its input is too much");
    assert!(reason.contains("output") && reason.contains("limit"), "{reason}");
}

/// A blocked run is due again by itself for another declaration, once for each.
pub fn another_declaration_tries_a_blocked_run_once(make: Make<'_>) {
    let (world, run) = waiting_run(make);
    let wrong = || {
        script!(
            [] | _,
            input | {
                assert!(input > 0, "a bug");
                Ok(1)
            }
        )
    };
    world.boot(wrong());
    world.emit(event("e", run, "ping", 4));
    world.settle();
    assert_eq!(world.status(run), RunStatus::Blocked);
    let epoch = world.row(run).epoch;
    world.kill();
    world.boot(NextVersion(wrong()));
    world.pass(HOUR);
    assert_eq!(
        world.row(run).epoch.0,
        epoch.0 + 1,
        "tried once more, and not again and again"
    );
    world.kill();
    world.boot(wrong());
    world.pass(HOUR);
    assert_eq!(
        world.row(run).epoch.0,
        epoch.0 + 1,
        "a declaration that did not fit is not tried again"
    );
    world.kill();
    // A declaration that fits the history in another way: the second version knows these steps.
    world.boot(first_version(&world));
    world.pass(MINUTE);
    assert_eq!(world.status(run), RunStatus::Blocked);
    assert_eq!(world.run(world.alive().engine.resume(run, "ada")), Ok(true));
    assert_eq!(world.end(run), Ok(7));
}

/// A declaration that fits goes on with a run that another one has blocked, without anybody's help.
pub fn a_fitting_declaration_resumes_by_itself(make: Make<'_>) {
    let (world, run) = waiting_run(make);
    world.boot(NextVersion(script!(
        [] | run,
        _ | { run.step(C, |_| async { Ok::<u64, StepError>(1) }).await }
    )));
    world.emit(event("e", run, "ping", 4));
    world.settle();
    assert_eq!(world.status(run), RunStatus::Blocked);
    world.kill();
    world.boot(first_version(&world));
    assert_eq!(world.end(run), Ok(7));
    assert_eq!(world.ledger.all(), ["a", "b", "c"]);
}

/// No deadline fires while a run is blocked, and on its return a stored event wins.
pub fn a_blocked_runs_deadlines_wait(make: Make<'_>) {
    for sent in [true, false] {
        let world = World::new(make);
        let waiting = || {
            script!(
                [] | run,
                _ | { Ok(run.wait_or_timeout::<u64>(PING).await?.unwrap_or(404)) }
            )
        };
        world.boot(waiting());
        let run = world.start(0);
        world.settle();
        world.kill();
        let engine = world
            .boot(script!(
                [] | _,
                input | {
                    assert!(input > 0, "a bug");
                    Ok(1)
                }
            ))
            .engine
            .clone();
        // Something has to wake it, and not the event that it waits for.
        world.emit(event("other", run, "other", 1));
        world.settle();
        assert_eq!(world.status(run), RunStatus::Blocked);
        world.pass(10 * HOUR);
        assert_eq!(world.status(run), RunStatus::Blocked);
        if sent {
            world.emit(event("late", run, "ping", 7));
        }
        world.run(engine.resume(run, "ada")).expect("it is blocked");
        world.kill();
        world.boot(waiting());
        assert_eq!(world.end(run), Ok(if sent { 7 } else { 404 }));
    }
}

/// What is known when the code turns out not to fit is kept: a step's result, and that of an
/// effect that is under way.
pub fn results_are_kept_when_a_run_is_blocked(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let good = |bad: bool| {
        script!(
            [ledger] | run,
            _ | {
                let slow = run.step(SLOW_EFFECT, ledger.takes(SLOW_EFFECT, MINUTE, 10));
                let noted = ledger.clone();
                let other = async move {
                    let a = run.step(A, noted.does(A, 1)).await?;
                    assert!(!bad, "a bug");
                    run.wait::<u64>(PING).await.map(|ping| ping + a)
                };
                let (slow, other) = futures_util::future::join(slow, other).await;
                Ok(slow? + other?)
            }
        )
    };
    world.boot(good(true));
    let run = world.start(0);
    world.pass(2 * MINUTE);
    assert_eq!(world.status(run), RunStatus::Blocked);
    let told = world.told(run);
    assert_eq!(told, ["slow-effect: started 1", "a: done 1", "slow-effect: done 1"]);
    world.kill();
    world.boot(good(false));
    world
        .run(world.alive().engine.resume(run, "ada"))
        .expect("it is blocked");
    world.emit(event("e", run, "ping", 100));
    assert_eq!(world.end(run), Ok(111));
    assert_eq!((ledger.count("slow-effect"), ledger.count("a")), (1, 1));
}

/// Only a blocked run can be retried.
pub fn only_a_blocked_run_is_retried(make: Make<'_>) {
    let (world, run) = waiting_run(make);
    world.boot(first_version(&world));
    assert!(world.run(world.alive().engine.resume(run, "ada")).is_err());
}

/// A key names a step once per run; a step that is reached again without one is counted.
pub fn a_steps_identity_is_its_name_and_key(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    world.boot(script!(
        [ledger] | run,
        _ | {
            for name in ["x", "y"] {
                run.step(A.key(name), ledger.does(A, 1)).await?;
                run.step(B, ledger.does(B, 1)).await?;
            }
            run.step(EFFECT.key("x"), ledger.does(EFFECT, 1)).await
        }
    ));
    let run = world.start(1);
    assert_eq!(world.end(run), Ok(1));
    let told = [
        "a =x: done 1",
        "b: done 1",
        "a =y: done 1",
        "b #2: done 1",
        "effect =x: started 1",
        "effect =x: done 1",
    ];
    assert_eq!(world.told(run), told);
    let twice = World::new(make);
    let ledger = twice.ledger.clone();
    twice.boot(script!(
        [ledger] | run,
        _ | {
            run.step(A.key("x"), ledger.does(A, 1)).await?;
            run.step(A.key("x"), ledger.does(A, 1)).await
        }
    ));
    let run = twice.start(1);
    twice.settle();
    let reason = twice.row(run).blocked.expect("the second is refused");
    assert!(reason.contains("step a") && reason.contains("twice"), "{reason}");
    assert_eq!(twice.told(run), ["a =x: done 1"], "the first is kept");
}
