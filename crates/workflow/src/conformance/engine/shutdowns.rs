//! Going down in order: what can end ends, what cannot is given back, and the next process goes on at once.

use std::time::Duration;

use futures_util::future::{join, select};

use super::Make;
use super::latch::Latch;
use super::script::{A, B, EFFECT, NAP, PING, RETRIED, SLOW_EFFECT, Script, script};
use super::wire::{Method, Verdict, unavailable};
use super::world::{HOUR, MINUTE, SECOND, World};
use crate::error::StepError;
use crate::runtime::Runtime;
use crate::store::RunStatus;

fn shut_down(world: &World, grace: Duration) -> Duration {
    let before = world.elapsed();
    world.run(world.alive().worker.shutdown(grace));
    assert_eq!(world.alive().worker.in_flight(), 0);
    world.elapsed() - before
}

/// An attempt ends within its time: its result is kept, and the next process goes on with the next step at once.
pub fn an_attempt_may_end_within_the_grace(make: Make<'_>) {
    for step in [A, SLOW_EFFECT] {
        let world = World::new(make);
        let ledger = world.ledger.clone();
        let script = script!(
            [ledger] | run,
            _ | {
                run.step(step, ledger.takes(step, 5 * SECOND, 1)).await?;
                run.step(B, ledger.does(B, 2)).await
            }
        );
        world.boot(script.clone());
        let run = world.start(1);
        world.settle();
        let took = shut_down(&world, 10 * SECOND);
        assert!(took < 5 * SECOND, "it does not wait longer than it must: {took:?}");
        assert_eq!(ledger.count("b"), 0, "nothing new begins");
        world.kill();
        let down = world.elapsed();
        world.boot(script);
        assert_eq!(world.end(run), Ok(2));
        assert_eq!(ledger.all().len(), 3, "{:?}", ledger.all());
        assert_eq!(ledger.times("b"), [down], "the next goes on at once");
    }
}

/// An attempt that does not end is given up after the grace: an action is made again at once, an effect is unknown.
pub fn an_attempt_is_given_up_after_the_grace(make: Make<'_>) {
    for step in [A, SLOW_EFFECT] {
        let world = World::new(make);
        let ledger = world.ledger.clone();
        let script = script!(
            [ledger] | run,
            _ | { run.step(step, ledger.takes(step, MINUTE, 1)).await }
        );
        world.boot(script.clone());
        let run = world.start(1);
        world.settle();
        assert_eq!(shut_down(&world, 10 * SECOND), 10 * SECOND);
        world.kill();
        let down = world.elapsed();
        world.boot(script);
        let end = world.end(run);
        if step == A {
            assert_eq!(end, Ok(1));
            assert_eq!(ledger.times("a")[1], down, "the lease was given back");
        } else {
            assert!(end.expect_err("nobody knows").is_unknown());
            assert_eq!(world.ended_after(run), down, "the lease was given back");
            assert_eq!(ledger.count("slow-effect"), 1);
        }
    }
}

/// Runs that wait are parked, whatever they wait for; runs that were just claimed are given back.
pub fn waiting_runs_do_not_hold_a_shutdown_up(make: Make<'_>) {
    let world = World::new(make);
    let script = || {
        script!(
            [] | run,
            input | {
                match input % 3 {
                    0 => run.wait(PING).await,
                    1 => {
                        run.sleep(NAP, HOUR).await;
                        Ok(1)
                    }
                    _ => {
                        run.step(RETRIED, |_| async {
                            Err::<u64, _>(StepError::retry("busy").not_before(HOUR))
                        })
                        .await
                    }
                }
            }
        )
    };
    world.boot(script());
    for input in 0..30 {
        world.start(input);
    }
    assert_eq!(shut_down(&world, 10 * SECOND), Duration::ZERO);
    let statuses: Vec<_> = world.all_runs().iter().map(|row| row.status).collect();
    assert!(
        statuses
            .iter()
            .all(|status| matches!(status, RunStatus::Waiting | RunStatus::Pending)),
        "{statuses:?}"
    );
}

/// A gate and an attempt at the same time: the gate is left, the attempt ends, and the gated
/// step's turn comes again at once in the next process.
pub fn a_step_at_its_gate_is_not_forgotten(make: Make<'_>) {
    for beside_a_wait in [false, true] {
        let world = World::new(make);
        let (ledger, gate) = (world.ledger.clone(), Latch::closed());
        let script = script!(
            [ledger, gate] | run,
            _ | {
                let gate = move || {
                    let gate = gate.clone();
                    async move {
                        gate.pass().await;
                        Ok::<(), StepError>(())
                    }
                };
                let code = ledger.does(EFFECT, 10);
                let gated = run.gated_step(EFFECT, gate, move |attempt, ()| code(attempt));
                let a = run.step(A, ledger.takes(A, 5 * SECOND, 1));
                if beside_a_wait {
                    let wait = run.wait_or_timeout::<u64>(PING);
                    let ((gated, a), wait) = join(join(gated, a), wait).await;
                    return Ok(gated? + a? + wait?.unwrap_or(100));
                }
                let (gated, a) = join(gated, a).await;
                Ok(gated? + a?)
            }
        );
        world.boot(script.clone());
        let run = world.start(1);
        world.settle();
        shut_down(&world, 10 * SECOND);
        let row = world.row(run);
        assert_eq!(
            (row.status, row.blocked),
            (RunStatus::Waiting, None),
            "beside a wait {beside_a_wait}"
        );
        world.kill();
        gate.open();
        let down = world.elapsed();
        world.boot(script);
        assert_eq!(world.end(run), Ok(if beside_a_wait { 111 } else { 11 }));
        assert_eq!(ledger.times("effect"), [down]);
        assert_eq!(ledger.count("a"), 1);
    }
}

/// A backoff, a sleep and a wait that come due while an attempt is still ending.
pub fn what_comes_due_during_the_grace_waits(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let script = script!(
        [ledger] | run,
        _ | {
            let slow = run.step(A, ledger.takes(A, 30 * SECOND, 1));
            let tried = run.step(
                RETRIED,
                ledger.tries(RETRIED, vec![Err(StepError::retry("x").not_before(5 * SECOND)), Ok(2)]),
            );
            let nap = run.sleep(NAP, 6 * SECOND);
            let wait = run.wait_or_timeout::<u64>(PING.within(7 * SECOND));
            let ((slow, tried), ((), wait)) = join(join(slow, tried), join(nap, wait)).await;
            Ok(slow? + tried? + wait?.unwrap_or(100))
        }
    );
    world.boot(script.clone());
    let run = world.start(1);
    world.settle();
    let took = shut_down(&world, MINUTE);
    assert!(took < 31 * SECOND, "{took:?}");
    assert_eq!(ledger.count("retried"), 1, "nothing begins during the grace");
    world.kill();
    world.boot(script);
    assert_eq!(world.end(run), Ok(103));
    assert_eq!(ledger.count("a"), 1);
}

/// A claim that is under way when the worker stops: what it brings is given back before the shutdown is over.
pub fn a_claim_under_way_is_given_back(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let script = script!([ledger] | run, _ | { run.step(A, ledger.takes(A, SECOND, 1)).await });
    world.boot(script.clone());
    world.settle();
    let runtime = world.runtime.clone();
    world.wire.rule(move |call| match call.method {
        Method::Claim => Verdict::ApplyThenWait(runtime.sleep(2 * SECOND)),
        _ => Verdict::Pass,
    });
    let run = world.start(1);
    world.pass(SECOND);
    assert_eq!(
        world.status(run),
        RunStatus::Running,
        "it was claimed, and nobody knows yet"
    );
    shut_down(&world, 10 * SECOND);
    assert_ne!(world.status(run), RunStatus::Running, "it was given back");
    world.kill();
    world.wire.clear();
    let down = world.elapsed();
    world.boot(script);
    assert_eq!(world.end(run), Ok(1));
    assert_eq!(ledger.times("a"), [down]);
}

/// While the database does not answer, a shutdown ends after its grace.
pub fn a_shutdown_ends_without_the_database(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    world.boot(script!(
        [ledger] | run,
        _ | { run.step(A, ledger.takes(A, SECOND, 1)).await }
    ));
    let run = world.start(1);
    world.settle();
    world.wire.rule(|_| Verdict::Refuse(unavailable()));
    let took = shut_down(&world, 10 * SECOND);
    assert!(took <= 12 * SECOND, "{took:?}");
    assert_eq!(world.status(run), RunStatus::Running, "its lease runs out by itself");
}

/// Not even a database that never answers holds a shutdown up for long.
pub fn a_shutdown_ends_though_the_database_hangs(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    world.boot(script!(
        [ledger] | run,
        _ | { run.step(A, ledger.takes(A, SECOND, 1)).await }
    ));
    world.start(1);
    world.settle();
    world.wire.rule(|_| Verdict::After(Box::pin(std::future::pending())));
    world.pass(2 * SECOND);
    let before = world.elapsed();
    world.run(world.alive().worker.shutdown(10 * SECOND));
    assert_eq!(world.elapsed() - before, 12 * SECOND);
}

/// A worker that has been shut down claims nothing more, and another on the same engine does.
pub fn a_stopped_worker_claims_nothing(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let process = world.boot(script!([ledger] | run, _ | { run.step(A, ledger.does(A, 1)).await }));
    shut_down(&world, SECOND);
    let run = world.start(1);
    world.pass(HOUR);
    assert_eq!(world.status(run), RunStatus::Pending);
    let _second = process.engine.start_worker(super::world::options());
    assert_eq!(world.end(run), Ok(1));
}

/// Shutting down while runs are being executed and started over and over loses none of them.
pub fn rolling_restarts_lose_nothing(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let script: Script = script!(
        [ledger] | run,
        input | {
            run.step(A, ledger.takes(A, Duration::from_millis(300 * (input % 7)), 1))
                .await?;
            let nap = run.sleep(NAP, Duration::from_millis(200 * (input % 5)));
            let wait = run.wait_or_timeout::<u64>(PING.within(SECOND));
            drop(select(nap, wait).await);
            run.step(B, ledger.takes(B, Duration::from_millis(500), 1)).await
        }
    );
    let mut runs = Vec::new();
    for round in 0..20 {
        world.boot(script.clone());
        runs.extend((0..5).map(|input| world.start(round * 5 + input)));
        world.pass(Duration::from_millis(700));
        shut_down(&world, Duration::from_millis(100 * (round % 4)));
        world.kill();
    }
    world.boot(script);
    for run in runs {
        assert_eq!(world.end(run), Ok(1));
    }
    world.check_histories();
}
