//! Parents and children, each in every state that the other can be in.

use futures_util::future::join;

use super::Make;
use super::company::children;
use super::everywhere::{ALL_FAULTS, Scenario, client};
use super::script::{A, B, EFFECT, KID, NAP, PING, Script, handler, script};

use super::world::{MINUTE, SECOND, World, event, number};
use crate::control::{MayRepeat, RestartFrom};
use crate::engine::StartOptions;
use crate::error::{FailureKind, StepError};
use crate::id::RunId;
use crate::store::{RunRow, RunStatus};

/// A parent with one child that waits for a ping, and is its own parent's sum with a step beside it.
fn parent_and_child(world: &World) -> Script {
    let ledger = world.ledger.clone();
    script!(
        [ledger] | run,
        input | {
            match input {
                1 => {
                    let slow = run.step(A, ledger.takes(A, 10 * MINUTE, 1));
                    let (slow, kid) = join(slow, run.child::<Script>(KID, &3)).await;
                    Ok(slow? + kid?)
                }
                2 => run.child::<Script>(KID, &3).await,
                _ => run.wait(PING).await,
            }
        }
    )
}

fn child(world: &World, parent: RunId) -> RunRow {
    let mut all = children(world, parent);
    assert_eq!(all.len(), 1, "there is one child");
    all.remove(0)
}

/// A child's end finds its parent parked, executing, paused or blocked, and is never lost: in one process, and in two.
pub fn a_childs_end_finds_its_parent_whatever_it_does(make: Make<'_>) {
    for two in [false, true] {
        for state in ["parked", "running", "paused", "blocked"] {
            let world = World::new(make);
            world.boot(parent_and_child(&world));
            let beside = two.then(|| world.boot_beside(parent_and_child(&world)));
            let parent = world.start(if state == "running" { 1 } else { 2 });
            world.pass(SECOND);
            let kid = child(&world, parent).id;
            let engine = world.alive().engine.clone();
            match state {
                "paused" => assert_eq!(world.run(engine.pause(parent, "ada")), Ok(true)),
                "blocked" => {
                    drop(beside);
                    world.kill();
                    world.boot(script!(
                        [] | run,
                        input | {
                            match input {
                                3 => run.wait(PING).await,
                                _ => run.step(B, |_| async { Ok(1) }).await,
                            }
                        }
                    ));
                    world.emit(event("nothing", parent, "nothing", 1));
                    world.settle();
                    assert_eq!(world.status(parent), RunStatus::Blocked);
                }
                _ => {}
            }
            world.emit(event("e", kid, "ping", 6));
            world.pass(MINUTE);
            assert_eq!(world.status(kid), RunStatus::Completed, "{state}");
            match state {
                "parked" => assert_eq!(world.end(parent), Ok(6)),
                "running" => assert_eq!(world.end(parent), Ok(7)),
                "paused" => {
                    assert_eq!(world.status(parent), RunStatus::Paused);
                    assert_eq!(world.run(engine.resume(parent, "ada")), Ok(true));
                    assert_eq!(world.end(parent), Ok(6));
                }
                _ => {
                    assert_eq!(world.status(parent), RunStatus::Blocked);
                    world.kill();
                    world.boot(parent_and_child(&world));
                    assert_eq!(world.run(world.alive().engine.resume(parent, "ada")), Ok(true));
                    assert_eq!(world.end(parent), Ok(6));
                }
            }
        }
    }
}

/// A child that ends while its parent is being cancelled changes nothing: the parent is cancelled.
pub fn a_child_may_end_while_its_parent_is_cancelled(make: Make<'_>) {
    let world = World::new(make);
    world.boot(parent_and_child(&world));
    let parent = world.start(1);
    world.pass(SECOND);
    let kid = child(&world, parent).id;
    assert_eq!(world.cancel(parent), Ok(true));
    world.pass(SECOND);
    assert_eq!(world.status(parent), RunStatus::Running, "its attempt goes on");
    world.emit(event("e", kid, "ping", 6));
    let failure = world.end(parent).expect_err("it was cancelled");
    assert_eq!(failure.kind, FailureKind::Cancelled);
    assert_eq!(world.status(kid), RunStatus::Completed);
}

/// A paused child is cancelled with its parent, and a blocked one.
pub fn a_child_is_cancelled_whatever_it_does(make: Make<'_>) {
    for state in ["waiting", "paused", "blocked"] {
        let world = World::new(make);
        let code = script!(
            [] | run,
            input | {
                match input {
                    1 => run.child::<Script>(KID, &3).await,
                    4 => run.child::<Script>(KID, &5).await,
                    5 => panic!("a bug"),
                    _ => run.wait(PING).await,
                }
            }
        );
        world.boot(code.clone());
        let parent = world.start(if state == "blocked" { 4 } else { 1 });
        world.settle();
        let kid = child(&world, parent).id;
        let engine = world.alive().engine.clone();
        match state {
            "paused" => assert_eq!(world.run(engine.pause(kid, "ada")), Ok(true)),
            "blocked" => assert_eq!(world.status(kid), RunStatus::Blocked),
            _ => {}
        }
        assert_eq!(world.cancel(parent), Ok(true));
        world.end(parent).expect_err("it was cancelled");
        world.settle();
        assert_eq!(world.status(kid), RunStatus::Cancelled, "{state}");
        let by = world.row(kid).failure.expect("it was cancelled").message;
        assert_eq!(by, format!("cancelled by run {parent}"), "{state}");
    }
}

/// A run that is late, and one that ends with its child dropped, end with their children and grandchildren.
pub fn generations_end_together(make: Make<'_>) {
    let world = World::new(make);
    let code = script!(
        [] | run,
        input | {
            match input {
                0 => run.wait(PING).await,
                _ => run.child::<Script>(KID, &(input - 1)).await,
            }
        }
    );
    world.boot(code);
    let oldest = world.start(4);
    world.pass(SECOND);
    assert_eq!(world.all_runs().len(), 5);
    let tasks = world.runtime.tasks();
    world.pass(10 * MINUTE);
    assert_eq!(world.runtime.tasks(), tasks, "five that wait hold no task");
    assert_eq!(world.cancel(oldest), Ok(true));
    world.end(oldest).expect_err("it was cancelled");
    world.pass(SECOND);
    let statuses: Vec<RunStatus> = world.all_runs().iter().map(|row| row.status).collect();
    assert_eq!(statuses, [RunStatus::Cancelled; 5]);
}

/// The run's own deadline takes its children along; the child's deadline is its own matter, and its parent is told of
/// a failure.
pub fn a_deadline_takes_children_along(make: Make<'_>) {
    let world = World::new(make);
    let code = script!(
        [] | run,
        input | {
            match input {
                1 => run.child::<Script>(KID, &3).await,
                2 => {
                    run.sleep(NAP, 50 * MINUTE).await;
                    run.child::<Script>(KID, &3).await
                }
                _ => run.wait(PING).await,
            }
        }
    );
    world.boot_overridden(code.with_deadline(30 * MINUTE));
    let both = world.start(1);
    world.pass(SECOND);
    let kid = child(&world, both).id;
    let failure = world.end(both).expect_err("its time is over");
    assert_eq!(failure.kind, FailureKind::DeadlinePassed);
    world.pass(SECOND);
    assert!(world.status(kid).is_end());
    let late = world.start(2);
    let failure = world.end(late).expect_err("its time is over");
    assert_eq!(failure.kind, FailureKind::DeadlinePassed);
    assert_eq!(children(&world, late), [], "no child begins in a run that is late");
}

/// That nobody knows what became of an effect is told to the parent, and the grandparent, as it is; after a crash in
/// the middle of the effect as well.
pub fn an_unknown_outcome_is_told_upwards(make: Make<'_>) {
    for crash in [false, true] {
        let world = World::new(make);
        let ledger = world.ledger.clone();
        let unknown = vec![Err(StepError::unknown("no answer"))];
        let code = script!(
            [ledger, unknown] | run,
            input | {
                match input {
                    0 if crash => run.step(EFFECT, ledger.takes(EFFECT, 20 * SECOND, 1)).await,
                    0 => run.step(EFFECT, ledger.tries(EFFECT, unknown)).await,
                    _ => run.child::<Script>(KID, &(input - 1)).await,
                }
            }
        );
        world.boot(code.clone());
        let oldest = world.start(2);
        if crash {
            world.pass(10 * SECOND);
            world.kill();
            world.boot(code);
        }
        let failure = world.end(oldest).expect_err("the effect's outcome is unknown");
        assert!(failure.is_unknown(), "{failure}");
        assert_eq!(ledger.count("effect"), 1);
        let engine = world.alive().engine.clone();
        let refused = world.run(engine.retry(oldest, "ada", MayRepeat::Nothing));
        assert!(
            matches!(refused, Err(crate::EngineError::WouldRepeat { .. })),
            "{refused:?}"
        );
    }
}

/// A child that is itself retried answers its parent, if that still waits for it.
pub fn a_restarted_child_answers_its_parent(make: Make<'_>) {
    let world = World::new(make);
    world.boot(parent_and_child(&world));
    let parent = world.start(2);
    world.pass(SECOND);
    let kid = child(&world, parent).id;
    let engine = world.alive().engine.clone();
    assert_eq!(
        world.run(engine.restart(kid, &RestartFrom::Beginning, "ada", MayRepeat::Nothing)),
        Ok(true)
    );
    world.pass(SECOND);
    assert_eq!(world.status(parent), RunStatus::Waiting);
    world.emit(event("e", kid, "ping", 6));
    assert_eq!(world.end(parent), Ok(6));
}

/// An error handler has children as well, which end before it does or with it.
pub fn an_error_handler_has_children(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let code = script!(
        [ledger] | run,
        input | {
            match input {
                1 | 2 => Err(crate::Failure::new(format!("{input}"))),
                3 => run.wait(PING).await,
                _ => run.step(B, ledger.does(B, 1)).await,
            }
        }
    )
    .on_failure(handler!(
        [] | run,
        failure | {
            match failure.message.as_str() {
                "1" => run.child::<Script>(KID, &4).await.map(drop),
                "2" => {
                    let kid = run.child::<Script>(KID, &3);
                    futures_util::future::select(kid, Box::pin(run.sleep(NAP, MINUTE))).await;
                    Ok(())
                }
                _ => Ok(()),
            }
        }
    ));
    world.boot(code);
    let (awaits, drops) = (world.start(1), world.start(2));
    for run in [awaits, drops] {
        world.end(run).expect_err("it fails");
        world.pass(SECOND);
    }
    assert_eq!(
        (child(&world, awaits).status, child(&world, drops).status),
        (RunStatus::Completed, RunStatus::Cancelled)
    );
    assert_eq!(ledger.count("b"), 1);
}

/// The parent's record and its child's first row are one commit; so are the child's end and the event for its parent.
pub fn a_childs_ends_cost_no_commit_of_their_own(make: Make<'_>) {
    let world = World::new(make);
    world.boot(script!(
        [] | run,
        input | {
            match input {
                1 => run.child::<Script>(KID, &2).await,
                _ => Ok(7),
            }
        }
    ));
    let before = world.wire.groups().len();
    let parent = world.start(1);
    assert_eq!(world.end(parent), Ok(7));
    assert_eq!(
        world.wire.groups().len() - before,
        4,
        "the start, the park with the child, the child's end, the parent's end"
    );
}

/// Whatever goes wrong at whichever call, in one process and in two: grandchildren answer once, everyone ends.
pub fn generations_survive_everything(make: Make<'_>) {
    let scenario = Scenario {
        script: &|_| {
            script!(
                [] | run,
                input | {
                    match input {
                        1 => {
                            let (two, three) = join(run.child::<Script>(KID, &2), run.child::<Script>(KID, &3)).await;
                            Ok(two? + three?)
                        }
                        2 => run.child::<Script>(KID, &3).await,
                        _ => {
                            run.sleep(NAP, SECOND).await;
                            Ok(7)
                        }
                    }
                }
            )
        },
        client: &client(|_, engine| {
            Box::pin(async move {
                let run = engine.start::<Script>(&1, StartOptions::keyed("k")).await?.run();
                assert_eq!(engine.wait_for_end(run).await?, Ok(number(14)));
                Ok(())
            })
        }),
        check: &|world| {
            let rows = world.all_runs();
            assert_eq!(rows.len(), 4, "each began once");
            assert!(rows.iter().all(|row| row.status == RunStatus::Completed));
            let told = world.told(rows.iter().find(|row| row.parent.is_none()).expect("the oldest").id);
            assert_eq!(told.iter().filter(|line| line.contains("done")).count(), 2, "{told:?}");
        },
    };
    scenario.play_with(make, ALL_FAULTS);
    scenario.play_with_dice(make, 0..20);
}
