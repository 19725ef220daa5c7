//! Error handlers: a run's, and a step's; durable, and never instead of the first error.

use super::Make;
use super::everywhere::{ALL_FAULTS, Scenario, client};
use super::script::{A, B, CLEAN, EFFECT, NAP, PING, RETRIED, SLOW_EFFECT, Script, handler, script};
use super::world::{HOUR, MINUTE, SECOND, World, event};
use crate::conformance::Act;
use crate::engine::StartOptions;
use crate::error::{Failure, FailureKind, StepError};
use crate::history::Phase;
use crate::store::RunStatus;

fn failing(world: &World) -> Script {
    let ledger = world.ledger.clone();
    script!(
        [ledger] | run,
        _ | {
            run.step(A, ledger.does(A, 1)).await?;
            run.step(
                RETRIED,
                ledger.tries(RETRIED, vec![Err(StepError::retry("down").with_code(503))]),
            )
            .await
        }
    )
}

fn with_long_handler(world: &World) -> Script {
    let (ledger, backend) = (world.ledger.clone(), world.backend.clone());
    failing(world).on_failure(handler!(
        [ledger, backend] | run,
        failure | {
            assert_eq!(
                (failure.step.as_deref(), failure.code, failure.attempts),
                (Some("retried"), Some(503), 3)
            );
            run.step(
                CLEAN,
                ledger.tries(CLEAN, vec![Err(StepError::retry("not yet")), Ok(1)]),
            )
            .await?;
            match run.step(EFFECT, ledger.does(EFFECT, 1)).await {
                Err(failure) if failure.is_unknown() => {}
                other => drop(other?),
            }
            run.step_in_tx::<u64>(B, backend.attach(vec![Act::Count("refunded")]))
                .await?;
            run.sleep(NAP, 5 * SECOND).await;
            Ok(())
        }
    ))
}

/// Whatever goes wrong at whichever call: the handler's steps are recorded like any other,
/// under a count of their own, and the first error is what the run ends with.
pub fn an_error_handler_is_durable(make: Make<'_>) {
    let scenario = Scenario {
        script: &with_long_handler,
        client: &client(|_, engine| {
            Box::pin(async move {
                let run = engine.start::<Script>(&1, StartOptions::keyed("k")).await?.run();
                let failure = engine.wait_for_end(run).await?.expect_err("it fails");
                assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Failed, "down"));
                assert_eq!(failure.handler, None);
                Ok(())
            })
        }),
        check: &|world| {
            assert_eq!(world.cell("refunded"), 1);
            assert!(world.ledger.count("effect") <= 1);
            let run = world.all_runs()[0].id;
            let history = world.history(run);
            let handler = history.iter().filter(|record| record.phase == Phase::OnFailure);
            let ordinals: Vec<_> = handler
                .filter(|r| r.what.is_completion())
                .filter_map(|r| r.step.as_ref())
                .collect();
            let told: Vec<_> = ordinals.iter().map(|step| (step.ordinal, step.name.as_str())).collect();
            assert_eq!(told, [(1, "clean"), (2, "effect"), (3, "b"), (4, "nap")]);
            assert_eq!(world.status(run), RunStatus::Failed);
        },
    };
    scenario.play_with(make, ALL_FAULTS);
    scenario.play_with_dice(make, 0..15);
    scenario.play_with_short_lives(make, 8);
}

/// A handler's own error is kept beside the first.
pub fn a_handlers_error_is_kept_beside_the_first(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    world.boot(failing(&world).on_failure(handler!(
        [ledger] | run,
        _ | {
            run.step(
                CLEAN,
                ledger.tries(CLEAN, vec![Err(StepError::fail("the refund is gone"))]),
            )
            .await?;
            Ok(())
        }
    )));
    let run = world.start(1);
    let failure = world.end(run).expect_err("it fails");
    assert_eq!(failure.message, "down");
    let beside = failure.handler.expect("the handler's error is there");
    assert_eq!(
        (beside.message.as_str(), beside.step.as_deref()),
        ("the refund is gone", Some("clean"))
    );
}

/// A handler has an hour, over restarts as well, whatever it waits for.
pub fn a_handler_has_an_hour(make: Make<'_>) {
    for restart in [false, true] {
        let world = World::new(make);
        let script = || {
            script!([] | _, _ | { Err(Failure::new("no budget")) }).on_failure(handler!(
                [] | run,
                _ | {
                    run.sleep(NAP, 24 * HOUR).await;
                    Ok(())
                }
            ))
        };
        world.boot(script());
        let run = world.start(1);
        world.pass(20 * MINUTE);
        if restart {
            world.kill();
            world.boot(script());
        }
        let failure = world.end(run).expect_err("it fails");
        assert_eq!(failure.message, "no budget");
        assert_eq!(
            failure.handler.map(|beside| beside.kind),
            Some(FailureKind::HandlerDeadline)
        );
        assert_eq!(world.ended_after(run), HOUR, "restart {restart}");
    }
}

/// At the end of the hour an action is dropped; an effect is waited for and recorded first.
pub fn a_late_handlers_effect_is_recorded_first(make: Make<'_>) {
    for (step, ended) in [(A, HOUR), (SLOW_EFFECT, 2 * HOUR)] {
        let world = World::new(make);
        let ledger = world.ledger.clone();
        let script = script!([] | _, _ | { Err(Failure::new("no budget")) }).on_failure(handler!(
            [ledger] | run,
            _ | {
                run.step(step, ledger.takes(step, 2 * HOUR, 1)).await?;
                run.step(CLEAN, ledger.does(CLEAN, 1)).await?;
                Ok(())
            }
        ));
        world.boot(script);
        let run = world.start(1);
        let failure = world.end(run).expect_err("it fails");
        assert_eq!(
            failure.handler.map(|beside| beside.kind),
            Some(FailureKind::HandlerDeadline),
            "{}",
            step.name
        );
        assert_eq!(world.ended_after(run), ended);
        let recorded = world.told(run).contains(&"! slow-effect: done 1".to_owned());
        assert_eq!(recorded, step == SLOW_EFFECT);
        assert_eq!(ledger.count("clean"), 0, "nothing begins after the hour");
    }
}

/// The handler finds the events that the work did not consume, and waits for more.
pub fn a_handler_receives_events(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    world.boot(
        script!(
            [] | run,
            _ | { run.wait(PING.within(MINUTE).matching("nobody's")).await }
        )
        .on_failure(handler!(
            [ledger] | run,
            failure | {
                assert!(failure.is_timeout());
                let first: u64 = run.wait(PING).await?;
                let second: u64 = run.wait(PING).await?;
                ledger.note(format!("{first} {second}"));
                Ok(())
            }
        )),
    );
    let run = world.start(1);
    world.emit(event("1", run, "ping", 1));
    world.pass(2 * MINUTE);
    world.emit(event("2", run, "ping", 2));
    world.end(run).expect_err("it timed out");
    assert_eq!(ledger.all(), ["1 2"]);
    let received: Vec<String> = world
        .told(run)
        .into_iter()
        .filter(|line| line.contains("received"))
        .collect();
    assert_eq!(received, ["! wait-ping: received 1", "! wait-ping #2: received 2"]);
}

fn or_handled(world: &World, handler_answers: &[Result<u64, StepError>]) -> Script {
    let (ledger, handler_answers) = (world.ledger.clone(), handler_answers.to_vec());
    script!(
        [ledger, handler_answers] | run,
        _ | {
            let work = run.step(RETRIED, ledger.tries(RETRIED, vec![Err(StepError::retry("down"))]));
            let (noted, answers) = (ledger.clone(), handler_answers);
            let handled = run.or_handle(work, CLEAN, move |_, failure| {
                assert_eq!(failure.message, "down");
                let made = noted.count("clean").min(answers.len() - 1);
                noted.note("clean");
                let answer = answers[made].clone();
                async move { answer.map(drop) }
            });
            match handled.await {
                Ok(value) => Ok(value),
                Err(failure) => {
                    run.step(A, ledger.does(A, if failure.handler.is_some() { 2 } else { 1 }))
                        .await
                }
            }
        }
    )
}

/// Whatever goes wrong at whichever call: a step's handler runs durably and with its own policy.
pub fn a_steps_handler_is_durable(make: Make<'_>) {
    let scenario = Scenario {
        script: &|world| or_handled(world, &[Err(StepError::retry("not yet")), Ok(1)]),
        client: &client(|_, engine| {
            Box::pin(async move {
                let run = engine.start::<Script>(&1, StartOptions::keyed("k")).await?.run();
                let end = engine.wait_for_end(run).await?.expect("it ends well");
                assert_eq!(end.decode::<u64>().expect("a number"), 1);
                Ok(())
            })
        }),
        check: &|world| {
            let told = world.told(world.all_runs()[0].id);
            assert_eq!(
                told.iter().filter(|line| *line == "retried: failed for good").count(),
                1
            );
            assert_eq!(
                told.iter().filter(|line| line.starts_with("clean: done")).count(),
                1,
                "{told:?}"
            );
        },
    };
    scenario.play_with(make, ALL_FAULTS);
    scenario.play_with_dice(make, 0..15);
}

/// A step's handler does not run when the work succeeds, and its own error is kept beside.
pub fn a_steps_handler_runs_for_failures_only(make: Make<'_>) {
    let world = World::new(make);
    world.boot(or_handled(&world, &[Err(StepError::fail("broken as well"))]));
    let run = world.start(1);
    assert_eq!(world.end(run), Ok(2), "its own error is beside the first");
    let calm = World::new(make);
    let ledger = calm.ledger.clone();
    calm.boot(script!(
        [ledger] | run,
        _ | {
            run.or_handle(run.step(A, ledger.does(A, 7)), CLEAN, |_, _| async {
                Err(StepError::fail("never"))
            })
            .await
        }
    ));
    let run = calm.start(1);
    assert_eq!(calm.end(run), Ok(7));
    assert_eq!(calm.told(run), ["a: done 1"]);
}
