//! Nothing a run has started outlives its interest, and nothing begins that nobody wants any more; whenever the
//! process dies, and whichever way a run ends or goes back.

use futures_util::future::{Either, join, select, try_join};

use super::Make;
use super::company::children;
use super::everywhere::{ALL_FAULTS, Scenario, client};
use super::script::{A, B, EFFECT, KID, NAP, PING, PONG, SLOW_EFFECT, Script, handler, script};
use super::wire::{Call, Verdict};
use super::world::{HOUR, MINUTE, SECOND, World, event};
use crate::control::{MayRepeat, RestartFrom};
use crate::engine::{EngineError, StartOptions};
use crate::error::{FailureKind, StepError};
use crate::id::RunId;
use crate::store::{Change, CommandKind, Member, Refusal, RunStatus};

/// What a parent's children are started with: they wait for ever.
const WAITS: u64 = 9;

/// The run's youngest child.
fn youngest(world: &World, parent: RunId) -> RunId {
    children(world, parent).first().expect("it has a child").id
}

fn is_cancel(member: &Member) -> bool {
    matches!(&member.change, Change::Command(command) if command.what == CommandKind::Cancel)
}

fn is_rewind(member: &Member) -> bool {
    matches!(&member.change, Change::Command(command) if matches!(command.what, CommandKind::Rewind { .. }))
}

/// The process dies at the first commit that fits.
fn die_once(world: &World, fits: fn(&Member) -> bool, verdict: fn() -> Verdict) {
    let mut armed = true;
    world
        .wire
        .rule(move |call: &Call<'_>| match armed && call.members.iter().any(fits) {
            true => {
                armed = false;
                verdict()
            }
            false => Verdict::Pass,
        });
}

fn asserts_cancelled(world: &World, child: RunId, parent: RunId) {
    assert_eq!(world.status(child), RunStatus::Cancelled);
    let by = world.row(child).failure.expect("it was cancelled").message;
    assert_eq!(by, format!("cancelled by run {parent}"));
}

/// A child that the code reaches once its parent was asked to pause, to end, or is late, does not begin; after a
/// pause it does.
pub fn no_child_begins_once_its_parent_was_asked_to_stop(make: Make<'_>) {
    for how in ["pause", "cancel", "deadline"] {
        let world = World::new(make);
        let ledger = world.ledger.clone();
        let code = script!(
            [ledger] | run,
            input | {
                if input == 2 {
                    return run.step(B, ledger.does(B, 2)).await;
                }
                run.step(A, ledger.takes(A, 10 * MINUTE, 1)).await?;
                run.child::<Script>(KID, &2).await
            }
        );
        world.boot_overridden(match how {
            "deadline" => code.with_deadline(MINUTE),
            _ => code,
        });
        let parent = world.start(1);
        world.pass(SECOND);
        let engine = world.alive().engine.clone();
        match how {
            "pause" => assert_eq!(world.run(engine.pause(parent, "ada")), Ok(true)),
            "cancel" => assert_eq!(world.cancel(parent), Ok(true)),
            _ => {}
        }
        world.pass(HOUR);
        assert_eq!((children(&world, parent).len(), ledger.count("b")), (0, 0), "{how}");
        if how == "pause" {
            assert_eq!(world.status(parent), RunStatus::Paused);
            assert_eq!(world.run(engine.resume(parent, "ada")), Ok(true));
            assert_eq!(world.end(parent), Ok(2));
            assert_eq!((children(&world, parent).len(), ledger.count("b")), (1, 1));
        }
    }
}

/// A child is cancelled because of what is on record: a crash right afterwards does not have the code see
/// something else, with its child gone.
pub fn what_a_child_is_dropped_for_is_on_record(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let code = script!(
        [ledger] | run,
        input | {
            if input == WAITS {
                return run.wait(PING).await;
            }
            let answers = vec![Ok(3), Err(StepError::fail("no budget"))];
            let first = select(run.child::<Script>(KID, &WAITS), run.step(A, ledger.tries(A, answers))).await;
            let Either::Right((answer, _)) = first else {
                panic!("the child does not answer")
            };
            answer
        }
    );
    die_once(&world, is_cancel, || Verdict::ApplyThenDie);
    world.boot(code.clone());
    let parent = world.start(1);
    world.run(world.wire.died());
    world.kill();
    world.boot(code);
    assert_eq!(world.end(parent), Ok(3));
    assert_eq!(ledger.count("a"), 1, "what was acted upon is on record");
    world.settle();
    asserts_cancelled(&world, youngest(&world, parent), parent);
}

/// The process dies between the moment at which the code drops its child and the request to it: whoever takes
/// the run over makes the request.
pub fn a_dropped_child_is_cancelled_after_a_crash(make: Make<'_>) {
    let world = World::new(make);
    let code = script!(
        [] | run,
        input | {
            if input == WAITS {
                return run.wait(PING).await;
            }
            let first = select(run.child::<Script>(KID, &WAITS), run.sleep(NAP, MINUTE)).await;
            drop(first);
            run.wait(PONG).await
        }
    );
    die_once(&world, is_cancel, || Verdict::Die);
    world.boot(code.clone());
    let parent = world.start(1);
    world.run(world.wire.died());
    world.kill();
    world.boot(code);
    world.pass(MINUTE);
    asserts_cancelled(&world, youngest(&world, parent), parent);
    assert_eq!(world.status(parent), RunStatus::Waiting);
    let told = world.told(parent);
    assert!(told.contains(&"kid: abandoned".to_owned()), "{told:?}");
}

/// The code's end may be known only from history, with the child still running: it is cancelled all the same.
pub fn a_run_that_ends_on_replay_takes_its_children_along(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let code = script!(
        [ledger] | run,
        input | {
            if input == WAITS {
                return run.wait(PING).await;
            }
            let slow = run.step(SLOW_EFFECT, ledger.takes(SLOW_EFFECT, HOUR, 1));
            let failing = run.step(A, ledger.tries(A, vec![Err(StepError::fail("no budget"))]));
            let all = try_join(try_join(run.child::<Script>(KID, &WAITS), slow), failing).await?;
            Ok(all.1)
        }
    );
    world.boot(code.clone());
    let parent = world.start(1);
    world.pass(MINUTE);
    world.kill();
    world.boot(code);
    world.end(parent).expect_err("a step has failed");
    world.settle();
    asserts_cancelled(&world, youngest(&world, parent), parent);
}

/// A run whose code does not fit is cancelled together with the children that its history has.
pub fn a_blocked_runs_children_are_cancelled_with_it(make: Make<'_>) {
    let world = World::new(make);
    world.boot(script!(
        [] | run,
        input | {
            match input {
                WAITS => run.wait(PING).await,
                _ => run.child::<Script>(KID, &WAITS).await,
            }
        }
    ));
    let parent = world.start(1);
    world.settle();
    world.kill();
    world.boot(script!(
        [] | run,
        input | {
            match input {
                WAITS => run.wait(PING).await,
                _ => run.wait(PONG).await,
            }
        }
    ));
    world.emit(event("e", parent, "pong", 1));
    world.settle();
    assert_eq!(world.status(parent), RunStatus::Blocked);
    assert_eq!(
        world.status(youngest(&world, parent)),
        RunStatus::Waiting,
        "a blocked run keeps its children"
    );
    assert_eq!(world.cancel(parent), Ok(true));
    world.end(parent).expect_err("it was cancelled");
    world.settle();
    asserts_cancelled(&world, youngest(&world, parent), parent);
}

/// A child that was cancelled because its parent failed begins anew when the parent is retried, however much was
/// purged meanwhile: what it ended with says nothing.
pub fn a_retry_starts_cancelled_children_anew(make: Make<'_>) {
    for purged in [false, true] {
        let world = World::new(make);
        let ledger = world.ledger.clone();
        let answers = vec![Err(StepError::fail("no budget")), Ok(5)];
        world.boot(script!(
            [ledger, answers] | run,
            input | {
                if input == WAITS {
                    return run.wait(PING).await;
                }
                let failing = async {
                    run.sleep(NAP, MINUTE).await;
                    run.step(A, ledger.tries(A, answers)).await
                };
                let both = try_join(run.child::<Script>(KID, &WAITS), Box::pin(failing)).await?;
                Ok(both.0 + both.1)
            }
        ));
        let parent = world.start(1);
        world.end(parent).expect_err("a step has failed");
        world.pass(SECOND);
        let first = youngest(&world, parent);
        asserts_cancelled(&world, first, parent);
        if purged {
            let now = world.run(world.store().now()).expect("the store answers");
            let before = now.saturating_sub(HOUR).expect("a time");
            let purge = crate::store::Purge {
                before,
                workflow: None,
                limit: 100,
            };
            world.run(world.store().purge(purge)).expect("the store answers");
            assert_eq!(world.inbox(None), []);
        }
        let engine = world.alive().engine.clone();
        assert_eq!(world.run(engine.retry(parent, "ada", MayRepeat::Nothing)), Ok(true));
        world.settle();
        let second = youngest(&world, parent);
        assert_ne!(first, second, "it begins anew");
        world.emit(event("e", second, "ping", 7));
        assert_eq!(world.end(parent), Ok(12));
        assert_eq!(ledger.count("a"), 2);
    }
}

/// A run that goes back cancels the children of what counts no more, those of its error handler among them, though
/// whoever asked for it dies at once; and the children of what stays go on.
pub fn a_run_that_goes_back_cancels_what_it_leaves(make: Make<'_>) {
    for dies in [false, true] {
        let world = World::new(make);
        let code = script!(
            [] | run,
            input | {
                if input == WAITS {
                    return run.wait(PING).await;
                }
                let kept = run.child::<Script>(KID.key("kept"), &WAITS);
                let failing = async {
                    run.sleep(NAP, MINUTE).await;
                    run.child::<Script>(KID.key("left"), &WAITS).await
                };
                let both = join(kept, Box::pin(failing)).await;
                Ok(both.0? + both.1?)
            }
        );
        world.boot(code.clone());
        let parent = world.start(1);
        world.pass(2 * MINUTE);
        let kids = children(&world, parent);
        let (left, kept) = (kids[0].id, kids[1].id);
        let engine = world.alive().engine.clone();
        let from = RestartFrom::Step {
            name: KID.name.to_owned(),
            key: Some(crate::StepKey::Given("left".to_owned())),
        };
        if dies {
            die_once(&world, is_rewind, || Verdict::ApplyThenDie);
            let asking = engine.restart(parent, &from, "ada", MayRepeat::Effects);
            let (asking, death) = (std::pin::pin!(asking), std::pin::pin!(world.wire.died()));
            world.run(select(asking, death));
            world.kill();
            world.boot(code);
        } else {
            assert_eq!(
                world.run(engine.restart(parent, &from, "ada", MayRepeat::Effects)),
                Ok(true)
            );
        }
        world.pass(SECOND);
        asserts_cancelled(&world, left, parent);
        assert_eq!(world.status(kept), RunStatus::Waiting);
        let anew = youngest(&world, parent);
        assert_eq!(children(&world, parent).len(), 3);
        for child in [kept, anew] {
            world.emit(event("e", child, "ping", 4));
        }
        assert_eq!(world.end(parent), Ok(8));
    }
}

/// A restart out of the error handler cancels the handler's children too.
pub fn a_restart_cancels_the_handlers_children(make: Make<'_>) {
    let world = World::new(make);
    world.boot(
        script!(
            [] | run,
            input | {
                match input {
                    WAITS => run.wait(PING).await,
                    _ => run.wait(PONG.within(MINUTE)).await,
                }
            }
        )
        .on_failure(handler!(
            [] | run,
            failure | {
                match failure.kind {
                    FailureKind::Cancelled => Ok(()),
                    _ => run.child::<Script>(KID, &WAITS).await.map(drop),
                }
            }
        )),
    );
    let parent = world.start(1);
    world.pass(2 * MINUTE);
    let child = youngest(&world, parent);
    assert_eq!(world.status(child), RunStatus::Waiting);
    let engine = world.alive().engine.clone();
    assert_eq!(
        world.run(engine.restart(parent, &RestartFrom::Beginning, "ada", MayRepeat::Effects)),
        Ok(true)
    );
    world.pass(SECOND);
    asserts_cancelled(&world, child, parent);
    world.emit(event("e", parent, "pong", 7));
    assert_eq!(world.end(parent), Ok(7));
}

/// To begin a child anew repeats what it did outside, so that has to be allowed by name: of children that are
/// retried, restarted, or begin anew because what they ended with is given up; of grandchildren too.
pub fn a_childs_effects_are_not_repeated_unasked(make: Make<'_>) {
    for depth in [1, 2] {
        let world = World::new(make);
        let ledger = world.ledger.clone();
        world.boot(script!(
            [ledger] | run,
            input | {
                if input > 0 {
                    return run.child::<Script>(KID, &(input - 1)).await;
                }
                run.step(EFFECT, ledger.does(EFFECT, 1)).await?;
                run.step(A, ledger.tries(A, vec![Err(StepError::fail("no budget")), Ok(5)]))
                    .await
            }
        ));
        let parent = world.start(depth);
        world.end(parent).expect_err("the child fails");
        let engine = world.alive().engine.clone();
        let retry = |may| world.run(engine.retry(parent, "ada", may));
        let restart = |may| world.run(engine.restart(parent, &RestartFrom::Beginning, "ada", may));
        for refused in [retry(MayRepeat::Nothing), restart(MayRepeat::Nothing)] {
            assert!(
                matches!(&refused, Err(EngineError::WouldRepeat { step, .. }) if step == "kid"),
                "{refused:?}"
            );
        }
        assert_eq!(ledger.count("effect"), 1);
        assert_eq!(retry(MayRepeat::Effects), Ok(true));
        assert_eq!(world.end(parent), Ok(5));
        assert_eq!(ledger.count("effect"), 2);
    }
}

/// A child that has not ended may still act outside until it is cancelled, so to leave it behind has to be allowed by
/// name as well; once it has ended and has done nothing outside it has not.
pub fn a_child_that_may_still_act_is_not_left_behind_unasked(make: Make<'_>) {
    let world = World::new(make);
    world.boot(script!(
        [] | run,
        input | {
            if input == WAITS {
                return run.wait(PING).await;
            }
            let answer = run.child::<Script>(KID, &WAITS).await?;
            run.wait::<u64>(PONG).await.map(|more| answer + more)
        }
    ));
    let parent = world.start(1);
    world.pass(SECOND);
    let child = youngest(&world, parent);
    let engine = world.alive().engine.clone();
    let restart = |may| world.run(engine.restart(parent, &RestartFrom::Beginning, "ada", may));
    let refused = restart(MayRepeat::Nothing);
    assert!(
        matches!(&refused, Err(EngineError::WouldRepeat { step, .. }) if step == "kid"),
        "{refused:?}"
    );
    assert_eq!(world.status(child), RunStatus::Waiting, "it goes on");
    world.emit(event("e", child, "ping", 7));
    world.pass(SECOND);
    assert_eq!(restart(MayRepeat::Nothing), Ok(true));
    world.pass(SECOND);
    let anew = youngest(&world, parent);
    assert_ne!(anew, child);
    world.emit(event("f", anew, "ping", 4));
    world.emit(event("g", parent, "pong", 1));
    assert_eq!(world.end(parent), Ok(5));
}

/// A child that has done nothing outside may begin anew as it likes, and one whose failure was kept by another
/// branch's retry is begun anew with it.
pub fn failed_children_are_retried_together(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    world.boot(script!(
        [ledger] | run,
        input | {
            let answers = vec![
                Err(StepError::fail("no budget")),
                Err(StepError::fail("no budget")),
                Ok(5),
            ];
            if input > 1 {
                run.sleep(NAP, SECOND * u32::try_from(input).expect("it is small"))
                    .await;
                return run.step(A, ledger.tries(A, answers)).await;
            }
            let two = run.child::<Script>(KID.key("two"), &2);
            let three = run.child::<Script>(KID.key("three"), &3);
            let (two, three) = join(two, three).await;
            Ok(two? + three?)
        }
    ));
    let parent = world.start(1);
    let failure = world.end(parent).expect_err("both children fail");
    assert!(failure.message.contains("no budget"), "{failure}");
    let engine = world.alive().engine.clone();
    assert_eq!(world.run(engine.retry(parent, "ada", MayRepeat::Nothing)), Ok(true));
    assert_eq!(world.end(parent), Ok(10));
}

/// Whatever goes wrong at whichever call: a parent that loses its interest leaves no child behind.
pub fn losing_a_child_survives_everything(make: Make<'_>) {
    let scenario = Scenario {
        script: &|world| {
            let ledger = world.ledger.clone();
            script!(
                [ledger] | run,
                input | {
                    if input == WAITS {
                        return run.wait(PING).await;
                    }
                    let first = select(
                        run.child::<Script>(KID, &WAITS),
                        run.step(A, ledger.takes(A, 5 * SECOND, 1)),
                    )
                    .await;
                    drop(first);
                    run.step(B, ledger.does(B, 7)).await
                }
            )
        },
        client: &client(|_, engine| {
            Box::pin(async move {
                let run = engine.start::<Script>(&1, StartOptions::keyed("k")).await?.run();
                engine.wait_for_end(run).await?.expect("it completes");
                Ok(())
            })
        }),
        check: &all_end,
    };
    scenario.play_with(make, ALL_FAULTS);
    scenario.play_with_dice(make, 0..15);
}

/// The same for one that is cancelled, with a grandchild.
pub fn cancelling_together_survives_everything(make: Make<'_>) {
    let scenario = Scenario {
        script: &|_| {
            script!(
                [] | run,
                input | {
                    match input {
                        WAITS => run.wait(PING).await,
                        1 => run.child::<Script>(KID, &2).await,
                        _ => run.child::<Script>(KID, &WAITS).await,
                    }
                }
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
        check: &all_end,
    };
    scenario.play_with(make, ALL_FAULTS);
    scenario.play_with_dice(make, 0..15);
}

/// The same for one that is restarted while its child runs.
pub fn going_back_survives_everything(make: Make<'_>) {
    let scenario = Scenario {
        script: &|_| {
            script!(
                [] | run,
                input | {
                    match input {
                        WAITS => run.wait(PING).await,
                        _ => Ok(run.child::<Script>(KID, &WAITS).await.unwrap_or(7)),
                    }
                }
            )
        },
        client: &client(|world, engine| {
            Box::pin(async move {
                let run = engine.start::<Script>(&1, StartOptions::keyed("k")).await?.run();
                crate::Runtime::sleep(&world.runtime, SECOND).await;
                match engine
                    .restart(run, &RestartFrom::Beginning, "ada", MayRepeat::Effects)
                    .await
                {
                    Ok(_) | Err(EngineError::Refused(Refusal::WrongStatus { .. }) | EngineError::NoSuchStep { .. }) => {
                    }
                    Err(other) => return Err(other),
                }
                crate::Runtime::sleep(&world.runtime, MINUTE).await;
                match engine.cancel(run, "ada").await {
                    Ok(_) | Err(EngineError::Refused(Refusal::WrongStatus { .. })) => {}
                    Err(other) => return Err(other),
                }
                engine.wait_for_end(run).await?.expect_err("it was cancelled");
                Ok(())
            })
        }),
        check: &all_end,
    };
    scenario.play_with(make, ALL_FAULTS);
    scenario.play_with_dice(make, 0..15);
}

/// In the end nothing is left that waits.
fn all_end(world: &World) {
    world.pass(10 * MINUTE);
    let open: Vec<_> = world
        .all_runs()
        .into_iter()
        .filter(|row| !row.status.is_end())
        .collect();
    assert_eq!(open, []);
}
