//! Waiting runs are rows: no task, no work, no cost.

use std::time::Duration;

use futures_util::future::{join, join_all};

use super::Make;
use super::script::{A, B, NAP, NextVersion, PING, PONG, RETRIED, Script, script};
use super::world::{HOUR, MINUTE, SECOND, World, event, options};
use crate::engine::StartOptions;
use crate::error::StepError;
use crate::store::RunStatus;
use crate::worker::WorkerOptions;

fn every_kind_of_waiting() -> [(&'static str, Script); 5] {
    [
        ("wait", script!([] | run, _ | { run.wait(PING).await })),
        (
            "sleep",
            script!(
                [] | run,
                _ | {
                    run.sleep(NAP, HOUR).await;
                    Ok(1)
                }
            ),
        ),
        (
            "several",
            script!(
                [] | run,
                _ | {
                    join(run.wait::<u64>(PING), join(run.wait::<u64>(PONG), run.sleep(NAP, HOUR)))
                        .await
                        .0
                }
            ),
        ),
        (
            "backoff",
            script!(
                [] | run,
                _ | {
                    run.step(RETRIED, |_| async {
                        Err::<u64, _>(StepError::retry("busy").not_before(HOUR))
                    })
                    .await
                }
            ),
        ),
        (
            "deferral",
            script!(
                [] | run,
                _ | {
                    run.step(A, |_| async { Err::<u64, _>(StepError::defer(HOUR, "no slot")) })
                        .await
                }
            ),
        ),
    ]
}

/// Whatever it waits for, a waiting run holds no task and no seat.
pub fn a_waiting_run_holds_no_task(make: Make<'_>) {
    for (name, script) in every_kind_of_waiting() {
        let world = World::new(make);
        let process = world.boot(script);
        world.settle();
        let idle = world.runtime.tasks();
        for _ in 0..100 {
            world.start(1);
        }
        world.settle();
        assert!(
            world.all_runs().iter().all(|row| row.status == RunStatus::Waiting),
            "{name}"
        );
        assert_eq!(process.worker.in_flight(), 0, "{name}");
        assert_eq!(world.runtime.tasks(), idle, "{name}");
    }
}

/// A process that has nothing to do asks the store seldom, however many runs wait.
pub fn waiting_runs_cost_nothing(make: Make<'_>) {
    let calls = [1, 300].map(|runs| {
        let world = World::new(make);
        let script = || {
            script!(
                [] | run,
                _ | {
                    run.sleep(NAP, 20 * HOUR).await;
                    Ok(1)
                }
            )
        };
        let process = world.boot(script());
        world.run(join_all((0..runs).map(|input| {
            let engine = process.engine.clone();
            async move {
                engine
                    .start::<Script>(&input, StartOptions::default())
                    .await
                    .expect("it starts")
            }
        })));
        world.settle();
        world.kill();
        let before = world.wire.calls();
        world.boot(script());
        world.pass(HOUR);
        assert_eq!(world.all_runs().len() as u64, runs);
        world.wire.calls() - before
    });
    assert_eq!(
        calls[0], calls[1],
        "starting and idling cost what is due, not what is stored"
    );
    assert!(calls[0] < 3_000, "{} calls in an idle hour", calls[0]);
}

/// Ready runs that only another version can execute do not keep a worker busy, and do not keep
/// its own work from it for long.
pub fn work_for_others_does_not_disturb(make: Make<'_>) {
    let world = World::new(make);
    let old = world.boot(script!(
        [] | run,
        _ | {
            run.sleep(NAP, MINUTE).await;
            Ok(1)
        }
    ));
    let own = world.start(1);
    world.settle();
    let next = script!([] | _, _ | { Ok(2) });
    let newer = crate::Engine::builder(world.store(), world.shared_runtime());
    let newer = world
        .run(newer.register(NextVersion(next)).expect("sound").build())
        .expect("the store answers");
    let others = world
        .run(newer.start::<NextVersion>(&1, StartOptions::default()))
        .expect("it starts")
        .run();
    let before = world.wire.calls();
    world.pass(HOUR);
    assert_eq!(
        world.status(others),
        RunStatus::Pending,
        "only its own version may execute it"
    );
    let calls = world.wire.calls() - before;
    assert!(calls < 20_000, "{calls} calls in an hour for what it cannot have");
    assert_eq!(world.end(own), Ok(1));
    assert!(
        world.ended_after(own) <= MINUTE + 5 * SECOND,
        "{:?}",
        world.ended_after(own)
    );
    drop(old);
}

/// A worker executes as many runs at once as it may, and goes on as seats become free.
pub fn seats_are_limited(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let script = script!([ledger] | run, _ | { run.step(A, ledger.takes(A, MINUTE, 1)).await });
    let process = world.boot_with(
        script,
        WorkerOptions {
            max_in_flight: 3,
            ..options()
        },
    );
    let runs: Vec<_> = (0..7).map(|input| world.start(input)).collect();
    world.settle();
    assert_eq!(process.worker.in_flight(), 3);
    for run in runs {
        assert_eq!(world.end(run), Ok(1));
    }
    let minutes: Vec<u64> = world.ledger.times("a").iter().map(|time| time.as_secs() / 60).collect();
    assert_eq!(minutes, [0, 0, 0, 1, 1, 1, 2]);
}

/// An event that comes while an attempt runs beside the wait is taken at once.
pub fn an_event_beside_a_running_attempt_is_taken_at_once(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    world.boot(script!(
        [ledger] | run,
        _ | {
            let noted = ledger.clone();
            let wait = async move {
                let value = run.wait::<u64>(PING).await?;
                run.step(B, noted.does(B, value)).await
            };
            let (a, b) = join(run.step(A, ledger.takes(A, HOUR, 1)), wait).await;
            Ok(a? + b?)
        }
    ));
    let run = world.start(1);
    world.pass(10 * MINUTE);
    world.emit(event("e", run, "ping", 7));
    assert_eq!(world.end(run), Ok(8));
    assert_eq!(ledger.times("b"), [10 * MINUTE]);
    assert_eq!(world.ended_after(run), HOUR);
    assert_eq!(ledger.times("a").len(), 1);
    assert!(world.elapsed() < HOUR + 2 * SECOND + Duration::from_millis(1));
}
