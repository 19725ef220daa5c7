//! Steps: recorded once, executed at least once, and their transactions exactly once.

use super::Make;
use super::everywhere::{ALL_FAULTS, CRASHES, Scenario, client};
use super::script::{A, B, C, CLEAN, EFFECT, NAP, PING, RETRIED, Script, script};
use super::world::{SECOND, World, event};
use crate::attempt::Attempt;
use crate::conformance::Act;
use crate::engine::StartOptions;
use crate::error::{Failure, FailureKind, StepError};
use crate::store::RunStatus;

/// One of each kind. An effect whose outcome is unknown is looked up, as a workflow should.
fn one_of_each(world: &World) -> Script {
    let (ledger, backend) = (world.ledger.clone(), world.backend.clone());
    script!(
        [ledger, backend] | run,
        input | {
            let a = run.step(A, ledger.does(A, 1)).await?;
            let paid = match run.step(EFFECT, ledger.does(EFFECT, 10)).await {
                Err(failure) if failure.is_unknown() => run.step(CLEAN, ledger.does(CLEAN, 10)).await?,
                other => other?,
            };
            let counted: u64 = run.step_in_tx(B, backend.attach(vec![Act::Count("in-tx")])).await?;
            let retried = run
                .step(
                    RETRIED,
                    ledger.tries(RETRIED, vec![Err(StepError::retry("not yet")), Ok(100)]),
                )
                .await?;
            run.sleep(NAP, 5 * SECOND).await;
            let ping: u64 = run.wait(PING).await?;
            let attached = {
                let (ledger, backend) = (ledger.clone(), backend.clone());
                run.step(C, move |attempt: Attempt| {
                    ledger.note("c");
                    attempt.attach(backend.attach(vec![Act::Count("attached")]));
                    async { Ok::<u64, StepError>(1_000) }
                })
                .await?
            };
            Ok(input + a + paid + counted + retried + ping + attached)
        }
    )
}

const SUM: u64 = 100_000 + 1 + 10 + 1 + 100 + 10_000 + 1_000;

fn play_one_of_each(play: impl Fn(&Scenario<'_>)) {
    play(&Scenario {
        script: &one_of_each,
        client: &client(|_, engine| {
            Box::pin(async move {
                let run = engine.start::<Script>(&100_000, StartOptions::keyed("k")).await?.run();
                engine.emit(event("e", run, "ping", 10_000)).await?;
                let end = engine.wait_for_end(run).await?.expect("it ends well");
                assert_eq!(end.decode::<u64>().expect("a number"), SUM);
                Ok(())
            })
        }),
        check: &|world| {
            assert_eq!(world.cell("in-tx"), 1, "a step in a transaction happens once");
            assert_eq!(world.cell("attached"), 1, "what is attached to a record happens once");
            assert!(world.ledger.count("effect") <= 1, "an effect is never blindly repeated");
            assert!(world.ledger.count("a") >= 1, "a step executes at least once");
            let runs = world.all_runs();
            assert_eq!((runs.len(), runs[0].status), (1, RunStatus::Completed));
        },
    });
}

/// A process dies before or after each store call: recorded steps do not execute again, the
/// result is the same, and what belongs to a transaction happened once.
pub fn recorded_steps_never_execute_again(make: Make<'_>) {
    play_one_of_each(|scenario| scenario.play_with(make, CRASHES));
}

/// Each store call fails, or its outcome stays unknown: nothing is lost or done twice.
pub fn failing_store_calls_lose_and_repeat_nothing(make: Make<'_>) {
    play_one_of_each(|scenario| scenario.play_with(make, &ALL_FAULTS[2..]));
}

/// Processes that each die after a few store calls finish the work together, and nothing is done
/// twice. To be born takes a look at the clock and one at the schedules.
pub fn short_lived_processes_finish_together(make: Make<'_>) {
    play_one_of_each(|scenario| scenario.play_with_short_lives(make, 9));
}

/// Two processes side by side, with faults of all kinds as the dice fall: nothing is lost or done twice.
pub fn no_dice_lose_or_repeat_anything(make: Make<'_>) {
    play_one_of_each(|scenario| scenario.play_with_dice(make, 0..60));
}

/// Without faults each step executes once, and history has them in their order.
pub fn history_tells_what_happened(make: Make<'_>) {
    let world = World::new(make);
    world.boot(one_of_each(&world));
    let run = world.start(100_000);
    world.settle();
    world.pass(10 * SECOND);
    world.emit(event("e", run, "ping", 10_000));
    assert_eq!(world.end(run), Ok(SUM));
    let told = [
        "a: done 1",
        "effect: started 1",
        "effect: done 1",
        "b: done 1",
        "retried: again after 1 in 1s",
        "retried: done 2",
        "nap: opened",
        "nap: done 0",
        "wait-ping: opened",
        "wait-ping: received e",
        "c: done 1",
    ];
    assert_eq!(world.told(run), told);
    assert_eq!(world.ledger.all(), ["a", "effect", "retried", "retried", "c"]);
    world.check_histories();
}

/// A step's record and what follows it at once are one commit: one for a start, one for each step.
pub fn an_ordinary_step_costs_one_commit(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    world.boot(script!(
        [ledger] | run,
        input | {
            run.step(A, ledger.does(A, 1)).await?;
            run.step(B, ledger.does(B, 1)).await?;
            let ping: u64 = run.wait(PING).await?;
            run.step(C, ledger.does(C, 1)).await?;
            Ok(input + ping)
        }
    ));
    let run = world.start(1);
    world.settle();
    let commits = world.wire.groups().len();
    assert_eq!(commits, 3, "the start; a; b and the park");
    world.emit(event("e", run, "ping", 1));
    assert_eq!(world.end(run), Ok(2));
    assert_eq!(world.wire.groups().len(), 5, "the event; its receipt, c and the end");
}

/// What an attachment answers is judged as an attempt's error, and its writes are taken back.
pub fn a_refused_attachment_is_judged_like_an_attempt(make: Make<'_>) {
    let retry = || StepError::retry("locked");
    let rows: [(&str, StepError, usize, FailureKind); 3] = [
        ("retry", retry(), 3, FailureKind::Failed),
        ("fail", StepError::fail("sold out"), 1, FailureKind::Failed),
        ("unknown", StepError::unknown("who knows"), 1, FailureKind::Unknown),
    ];
    for (name, error, attempts, kind) in rows {
        for attached in [false, true] {
            let world = World::new(make);
            let (ledger, backend) = (world.ledger.clone(), world.backend.clone());
            let acts = vec![Act::Count("cell"), Act::Fail(error.clone())];
            world.boot(script!(
                [ledger, backend, acts] | run,
                _ | {
                    if !attached {
                        return run.step_in_tx(RETRIED, backend.attach(acts)).await;
                    }
                    run.step(RETRIED, move |attempt: Attempt| {
                        ledger.note("retried");
                        attempt.attach(backend.attach(acts.clone()));
                        async { Ok::<u64, StepError>(1) }
                    })
                    .await
                }
            ));
            let run = world.start(1);
            let failure = world.end(run).expect_err("it fails");
            assert_eq!(
                (failure.kind, failure.attempts as usize),
                (kind, attempts),
                "{name}, attached {attached}"
            );
            assert_eq!(failure.message, error.message);
            assert_eq!(world.cell("cell"), 0, "its writes were taken back");
            assert!(!attached || world.ledger.count("retried") == attempts);
        }
    }
}

/// An effect has acted when its attachment is refused: nobody can say that it did not.
pub fn an_effect_whose_record_is_refused_is_unknown(make: Make<'_>) {
    let world = World::new(make);
    let (ledger, backend) = (world.ledger.clone(), world.backend.clone());
    world.boot(script!(
        [ledger, backend] | run,
        _ | {
            run.step(EFFECT, move |attempt: Attempt| {
                ledger.note("effect");
                attempt.attach(backend.attach(vec![Act::Fail(StepError::retry("locked"))]));
                async { Ok::<u64, StepError>(1) }
            })
            .await
        }
    ));
    let run = world.start(1);
    let failure = world.end(run).expect_err("it fails");
    assert!(failure.is_unknown() && failure.message.contains("locked"), "{failure}");
    assert_eq!(world.ledger.count("effect"), 1);
}

/// A failure that the code decides on, with its words, ends the run so.
pub fn a_failure_ends_the_run_as_it_was_said(make: Make<'_>) {
    let world = World::new(make);
    world.boot(script!([] | _, _ | { Err(Failure::new("no budget")) }));
    let run = world.start(1);
    let failure = world.end(run).expect_err("it fails");
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::Failed, "no budget")
    );
    assert_eq!(world.status(run), RunStatus::Failed);
}
