//! Runs that start runs and wait for them; waits for several events; deadlines; code that changes.

use futures_util::future::{Either, select};

use super::Make;
use super::everywhere::{ALL_FAULTS, Scenario, client};
use super::script::{A, ALL, ANY, B, CLEAN, EFFECT, KID, NAP, PING, PONG, Script, handler, script};
use super::world::{HOUR, MINUTE, SECOND, World, event, number};
use crate::check::MisfitKind;
use crate::engine::{EngineError, StartOptions};
use crate::error::{FailureKind, StepError};
use crate::id::RunId;
use crate::store::{EVENT_BUFFER_LIMIT, Member, Refusal, RunQuery, RunStatus};

pub(super) fn children(world: &World, parent: RunId) -> Vec<crate::store::RunRow> {
    let query = RunQuery {
        parent: Some(parent),
        limit: 10,
        ..RunQuery::default()
    };
    world.run(world.store().runs(query)).expect("the store answers").items
}

/// A child is started once, executed like any run, and its output is its parent's step's. Meanwhile the parent is a row.
pub fn a_child_answers_its_parent(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    world.boot(script!(
        [ledger] | run,
        input | {
            match input {
                1 => Ok(run.child::<Script>(KID, &2).await? + 1),
                _ => {
                    let event: u64 = run.wait(PING).await?;
                    run.step(A, ledger.does(A, event)).await
                }
            }
        }
    ));
    let parent = world.start(1);
    world.settle();
    let tasks = world.runtime.tasks();
    let child = children(&world, parent).remove(0);
    assert_eq!(
        (world.status(parent), child.status),
        (RunStatus::Waiting, RunStatus::Waiting)
    );
    assert_eq!(child.parent, Some(parent));
    world.pass(10 * MINUTE);
    assert_eq!(world.runtime.tasks(), tasks, "who waits holds no task");
    world.emit(event("e", child.id, "ping", 7));
    assert_eq!(world.end(parent), Ok(8));
    assert_eq!(world.told(parent), ["kid: started", "kid: done 0"]);
    assert_eq!(world.inbox(None), [], "nothing is left of it");
}

/// A child's failure is its parent's step's, with its own words; that it was cancelled is its own matter.
pub fn a_childs_failure_is_its_parents_steps(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let unknown = vec![Err(StepError::unknown("no answer"))];
    world.boot(script!(
        [ledger, unknown] | run,
        input | {
            match input {
                1 | 2 => run.child::<Script>(KID, &(input + 2)).await,
                3 => Err(crate::Failure::new("no budget")),
                _ => run.step(EFFECT, ledger.tries(EFFECT, unknown)).await,
            }
        }
    ));
    for (input, kind, words) in [
        (1, FailureKind::Failed, "no budget"),
        (2, FailureKind::Unknown, "no answer"),
    ] {
        let failure = world.end(world.start(input)).expect_err("the child fails");
        assert_eq!(
            (failure.kind, failure.step.as_deref()),
            (kind, Some("kid")),
            "{failure}"
        );
        assert!(failure.message.contains(words), "{failure}");
    }
    let parent = world.start(1);
    assert!(world.end(parent).is_err());
    assert_eq!(world.status(parent), RunStatus::Failed);
}

/// Parent and child end together: a child is cancelled when its parent is, fails, or drops it.
pub fn a_child_does_not_outlive_its_parents_interest(make: Make<'_>) {
    let world = World::new(make);
    world.boot(script!(
        [] | run,
        input | {
            match input {
                1 => run.child::<Script>(KID, &9).await,
                2 => {
                    let first = select(run.child::<Script>(KID, &9), Box::pin(run.sleep(NAP, MINUTE))).await;
                    assert!(matches!(first, Either::Right(_)));
                    drop(first);
                    run.wait::<u64>(PONG).await
                }
                3 => {
                    let child = run.child::<Script>(KID, &9);
                    let failing = Box::pin(async {
                        run.sleep(NAP, MINUTE).await;
                        Err::<u64, _>(crate::Failure::new("no budget"))
                    });
                    futures_util::future::try_join(child, failing).await.map(|both| both.0)
                }
                _ => run.wait::<u64>(PING).await,
            }
        }
    ));
    for input in [1, 2, 3] {
        let parent = world.start(input);
        world.pass(SECOND);
        let child = children(&world, parent)[0].id;
        if input == 1 {
            assert_eq!(world.cancel(parent), Ok(true));
        }
        world.pass(2 * MINUTE);
        assert_eq!(world.status(child), RunStatus::Cancelled, "{input}");
        let by = world.row(child).failure.expect("it was cancelled").message;
        assert_eq!(by, format!("cancelled by run {parent}"), "{input}");
        let expected = [RunStatus::Cancelled, RunStatus::Waiting, RunStatus::Failed];
        assert_eq!(world.status(parent), expected[input as usize - 1]);
    }
}

/// Whatever goes wrong at whichever call: one child, executed once, and both end.
pub fn a_child_survives_everything(make: Make<'_>) {
    let scenario = Scenario {
        script: &|world| {
            let ledger = world.ledger.clone();
            script!(
                [ledger] | run,
                input | {
                    if input == 1 {
                        let answer = run.child::<Script>(KID, &2).await?;
                        return run.step(B, ledger.does(B, answer)).await;
                    }
                    run.sleep(NAP, MINUTE).await;
                    run.step(A, ledger.does(A, 7)).await
                }
            )
        },
        client: &client(|_, engine| {
            Box::pin(async move {
                let run = engine.start::<Script>(&1, StartOptions::keyed("k")).await?.run();
                let end = engine.wait_for_end(run).await?;
                assert_eq!(end, Ok(number(7)));
                Ok(())
            })
        }),
        check: &|world| {
            let rows = world.all_runs();
            assert_eq!(rows.len(), 2, "a parent and its child");
            assert!(rows.iter().all(|row| row.status == RunStatus::Completed));
        },
    };
    scenario.play_with(make, ALL_FAULTS);
}

/// Any of several is whichever came first, by name; all of several are taken together, or none of them; and
/// a filter with a key takes only what has it.
pub fn several_events_are_waited_for(make: Make<'_>) {
    let world = World::new(make);
    world.boot(script!(
        [] | run,
        input | {
            match input {
                1 => {
                    let first = run.wait_any(ANY).await?;
                    assert_eq!((first.id.as_str(), first.name.as_str()), ("p", "pong"));
                    Ok(first.decode::<u64>().expect("a number"))
                }
                2 => {
                    let both = run.wait_all(ALL).await?;
                    let ids: Vec<_> = both.iter().map(|event| event.id.as_str()).collect();
                    assert_eq!(ids, ["q", "p"], "in the order of their declaration");
                    Ok(2)
                }
                3 => {
                    let keyed = ALL.for_event("ping", "k1").for_event("ping", "k2");
                    Ok(run
                        .wait_all(keyed)
                        .await?
                        .iter()
                        .map(|event| event.decode::<u64>().expect("a number"))
                        .sum())
                }
                _ => {
                    // What all of several did not get, another wait can still have.
                    let none = run.wait_all_or_timeout(ALL.within(MINUTE)).await?;
                    assert_eq!(none, None);
                    run.wait(PONG).await
                }
            }
        }
    ));
    for input in 1..=4 {
        let run = world.start(input);
        world.settle();
        if input == 3 {
            world.emit(event("x", run, "ping", 1));
            world.emit(event("y", run, "ping", 2).with_key("k2"));
            world.settle();
            assert_eq!(world.status(run), RunStatus::Waiting);
            world.emit(event("z", run, "ping", 3).with_key("k1"));
            assert_eq!(world.end(run), Ok(5));
            continue;
        }
        world.emit(event("p", run, "pong", 10));
        world.settle();
        if input == 2 {
            assert_eq!(world.inbox(Some(run)).len(), 1, "it takes nothing before it has all");
            world.emit(event("q", run, "ping", 2));
        }
        assert_eq!(world.end(run), Ok([10, 2, 0, 10][input as usize - 1]), "{input}");
    }
}

/// A wait that timed out can never swallow a later event.
pub fn a_wait_that_timed_out_takes_nothing(make: Make<'_>) {
    let world = World::new(make);
    world.boot(script!(
        [] | run,
        _ | {
            let none: Option<u64> = run.wait_or_timeout(PING.within(MINUTE)).await?;
            assert_eq!(none, None);
            run.sleep(NAP, MINUTE).await;
            run.wait(PING).await
        }
    ));
    let run = world.start(1);
    world.pass(90 * SECOND);
    world.emit(event("late", run, "ping", 7));
    assert_eq!(world.end(run), Ok(7));
    assert!(
        world.told(run).contains(&"wait-ping #2: received late".to_owned()),
        "{:?}",
        world.told(run)
    );
}

/// A run's own deadline ends it as a cancel does, counted from when it was first executed; its handler runs.
pub fn a_run_has_a_deadline(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let code = script!(
        [ledger] | run,
        _ | {
            run.step(A, ledger.takes(A, 90 * MINUTE, 1)).await?;
            run.wait(PONG).await
        }
    )
    .on_failure(handler!(
        [ledger] | run,
        failure | {
            assert_eq!(failure.kind, FailureKind::DeadlinePassed);
            run.step(CLEAN, ledger.does(CLEAN, 1)).await?;
            Ok(())
        }
    ))
    .with_deadline(HOUR);
    world.boot_overridden(code);
    let run = world.start_as(1, StartOptions::default().delay(HOUR)).run();
    let failure = world.end(run).expect_err("its time is over");
    assert_eq!(failure.kind, FailureKind::DeadlinePassed);
    assert_eq!(
        (ledger.count("a ended"), ledger.count("clean")),
        (1, 1),
        "what acts is not cut"
    );
    assert_eq!(world.ended_after(run), HOUR + 90 * MINUTE);
}

/// A run that was beyond a place keeps to its old way there; one that comes to it anew goes the new way, for good.
pub fn changed_code_takes_a_branch(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    world.boot(script!([] | run, _ | { run.wait(PING).await }));
    let old = world.start(1);
    world.settle();
    world.kill();
    let changed = script!(
        [ledger] | run,
        _ | {
            if run.patched("price-first") {
                run.step(A, ledger.does(A, 1)).await?;
            }
            let answer = run.wait(PING).await?;
            if run.patched("price-first") {
                ledger.note("still new");
            }
            Ok(answer)
        }
    );
    world.boot(changed.clone());
    let new = world.start(1);
    world.settle();
    world.kill();
    world.boot(changed);
    for run in [old, new] {
        world.emit(event("e", run, "ping", 7));
        assert_eq!(world.end(run), Ok(7));
    }
    assert_eq!(ledger.count("a"), 1, "only the new run goes the new way");
    assert!(world.told(old).iter().all(|line| !line.contains("new way")));
    assert_eq!(world.told(new)[..2], ["goes the new way price-first", "a: done 1"]);
}

/// Before a deploy: the check names each open run that would meet a step that moved, vanished or appeared, and nothing
/// is written or executed.
pub fn a_check_tells_what_would_not_fit(make: Make<'_>) {
    let rows: [(Script, Option<MisfitKind>); 4] = [
        (
            script!(
                [] | run,
                _ | {
                    run.step(A, |_| async { Ok(1) }).await?;
                    run.wait(PING).await
                }
            ),
            None,
        ),
        (
            script!(
                [] | run,
                _ | {
                    run.step(B, |_| async { Ok(1) }).await?;
                    run.wait(PING).await
                }
            ),
            Some(MisfitKind::Appeared),
        ),
        (
            script!(
                [] | run,
                _ | {
                    let _: u64 = run.wait(PING).await?;
                    run.step(A, |_| async { Ok(1) }).await
                }
            ),
            Some(MisfitKind::Moved),
        ),
        (
            script!([] | run, _ | { run.step(A, |_| async { Ok(1) }).await }),
            Some(MisfitKind::Vanished),
        ),
    ];
    for (code, expected) in rows {
        let world = World::new(make);
        world.boot(script!(
            [] | run,
            _ | {
                run.step(A, |_| async { Ok(1) }).await?;
                run.wait(PING).await
            }
        ));
        let run = world.start(1);
        world.settle();
        let told = world.told(run);
        world.kill();
        let engine = world.boot_idle(code);
        let report = world.run(engine.check()).expect("the store answers");
        assert_eq!(report.checked, 1);
        let kinds: Vec<MisfitKind> = report.misfits.iter().map(|misfit| misfit.kind).collect();
        assert_eq!(kinds, Vec::from_iter(expected), "{:?}", report.misfits);
        assert!(report.misfits.iter().all(|misfit| misfit.run == run));
        assert_eq!((world.status(run), world.told(run)), (RunStatus::Waiting, told));
    }
}

/// Ten thousand steps are the most that a run may have, and it is told so.
pub fn a_run_has_so_many_steps(make: Make<'_>) {
    let world = World::new(make);
    world.boot(script!(
        [] | run,
        count | {
            let naps = (0..count).map(|_| run.sleep(NAP, SECOND));
            futures_util::future::join_all(naps).await;
            Ok(count)
        }
    ));
    let failure = world.end(world.start(10_001)).expect_err("it is too long");
    assert!(failure.message.contains("10000 steps"), "{failure}");
}

/// Ten thousand events are the most that an inbox holds; once some are consumed it takes more.
pub fn an_inbox_holds_so_many_events(make: Make<'_>) {
    let world = World::new(make);
    world.boot_idle(script!([] | run, _ | { run.wait(PING).await }));
    let run = world.start(1);
    let store = world.store();
    for group in 0..20 {
        let events = (0..500).map(|place| event(&format!("e{}", group * 500 + place), run, "ping", 1));
        let members: Vec<Member> = events.map(|event| crate::store::Change::Emit(event).into()).collect();
        let answers = world.run(store.commit(members.into())).expect("the store answers");
        assert!(answers.iter().all(Result::is_ok));
    }
    assert_eq!(world.row(run).buffered, EVENT_BUFFER_LIMIT);
    let engine = world.alive().engine.clone();
    let one_more = world.run(engine.emit(event("more", run, "ping", 1)));
    assert!(
        matches!(&one_more, Err(EngineError::Refused(refusal @ Refusal::InboxFull { .. })) if refusal.to_string().contains("10000 events")),
        "{one_more:?}"
    );
    let known = world.run(engine.emit(event("e7", run, "ping", 1)));
    assert_eq!(known, Ok(crate::store::Delivery::Duplicate), "what is known is known");
}
