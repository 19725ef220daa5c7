//! Outages: a database that cannot be used for a while costs time and nothing else.

use futures_util::future::join;

use super::Make;
use super::script::{A, B, EFFECT, NAP, PING, SLOW_EFFECT, script};
use super::wire::{Method, Verdict, unavailable};
use super::world::{MINUTE, SECOND, World, event};
use crate::engine::{EngineError, StartOptions};
use crate::id::Epoch;
use crate::runtime::Runtime;
use crate::step::Step;
use crate::store::StoreError;

fn cut(world: &World) {
    world.wire.rule(|_| Verdict::Refuse(unavailable()));
}

/// Shorter and longer than a lease: an effect that acted meanwhile is on record afterwards, and
/// nothing is executed twice.
pub fn an_effects_result_survives_an_outage(make: Make<'_>) {
    for outage in [5 * SECOND, 14 * SECOND, MINUTE, 10 * MINUTE] {
        for step in [SLOW_EFFECT, A] {
            let world = World::new(make);
            let ledger = world.ledger.clone();
            world.boot(script!(
                [ledger] | run,
                _ | {
                    run.step(step, ledger.takes(step, 2 * SECOND, 1)).await?;
                    run.step(B, ledger.does(B, 2)).await
                }
            ));
            let run = world.start(1);
            world.settle();
            cut(&world);
            world.pass(outage);
            world.wire.clear();
            assert_eq!(world.end(run), Ok(2), "{}, {outage:?}", step.name);
            let repeated = (ledger.count(step.name), ledger.count("b"));
            assert_eq!(repeated, (1, 1), "{}, {outage:?}", step.name);
            assert_eq!(
                world.row(run).epoch,
                Epoch(1),
                "its own worker has not taken the run from itself"
            );
            let took = world.ended_after(run);
            assert!(
                took <= outage + 10 * SECOND,
                "it goes on soon after {outage:?}: {took:?}"
            );
        }
    }
}

/// What cannot be stored is told to whoever asks; the engine says that it is not healthy, and recovers by itself.
pub fn an_outage_is_told_and_over_when_it_is_over(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let process = world.boot(script!(
        [ledger] | run,
        input | {
            run.sleep(NAP, 30 * SECOND).await;
            run.step(A, ledger.does(A, input)).await
        }
    ));
    let engine = &process.engine;
    let waiting = world.start(7);
    world.settle();
    assert!(engine.is_healthy());
    cut(&world);
    let start = world.run(engine.start::<super::script::Script>(&1, StartOptions::default()));
    assert!(
        matches!(start, Err(EngineError::Store(StoreError::Unavailable(_)))),
        "{start:?}"
    );
    let emit = world.run(engine.emit(event("e", waiting, "ping", 1)));
    assert!(
        matches!(emit, Err(EngineError::Store(StoreError::Unavailable(_)))),
        "{emit:?}"
    );
    assert!(!engine.is_healthy());
    world.pass(5 * MINUTE);
    world.wire.clear();
    let later = world.start(8);
    assert!(engine.is_healthy());
    assert_eq!(world.end(waiting), Ok(7));
    assert_eq!(world.end(later), Ok(8));
    assert_eq!(world.all_runs().len(), 2, "what was refused was not done");
    assert!(
        world.ended_after(waiting) <= 5 * MINUTE + 10 * SECOND,
        "{:?}",
        world.ended_after(waiting)
    );
}

/// A result is on record as soon as it is known, whatever else the run is still doing.
pub fn a_result_does_not_wait_for_other_attempts(make: Make<'_>) {
    let rows: [(&str, Step); 2] = [("an effect", SLOW_EFFECT), ("an action", B)];
    for (name, step) in rows {
        let world = World::new(make);
        let ledger = world.ledger.clone();
        let script = script!(
            [ledger] | run,
            _ | {
                let slow = run.step(A, ledger.takes(A, 10 * MINUTE, 1));
                let quick = run.step(step, ledger.takes(step, SECOND, 10));
                let (slow, quick) = join(slow, quick).await;
                Ok(slow? + quick?)
            }
        );
        world.boot(script.clone());
        let run = world.start(1);
        world.pass(MINUTE);
        assert!(
            world.told(run).contains(&format!("{}: done 1", step.name)),
            "{name}: {:?}",
            world.told(run)
        );
        world.kill();
        world.boot(script);
        assert_eq!(world.end(run), Ok(11), "{name}");
        assert_eq!(ledger.count(step.name), 1, "{name}");
    }
}

/// The same while the run is being cancelled: what has acted is on record at once.
pub fn a_result_does_not_wait_for_a_cancel(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let script = script!(
        [ledger] | run,
        _ | {
            let slow = run.step(A, ledger.takes(A, 10 * MINUTE, 1));
            let quick = run.step(SLOW_EFFECT, ledger.takes(SLOW_EFFECT, MINUTE, 10));
            let (slow, quick) = join(slow, quick).await;
            Ok(slow? + quick?)
        }
    );
    world.boot(script.clone());
    let run = world.start(1);
    world.settle();
    assert_eq!(world.cancel(run), Ok(true));
    world.pass(2 * MINUTE);
    world.kill();
    world.boot(script);
    world.end(run).expect_err("it was cancelled");
    let told = world.told(run);
    assert!(told.contains(&"slow-effect: done 1".to_owned()), "{told:?}");
}

/// Commits that fail for a while, with everything else in order: each run goes on where it was, and nothing is
/// done twice.
pub fn failing_commits_lose_nothing(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    world.boot(script!(
        [ledger] | run,
        input | {
            run.step(EFFECT.key(input.to_string()), ledger.does(EFFECT, 1)).await?;
            let ping: u64 = run.wait(PING).await?;
            run.step(B, ledger.does(B, input + ping)).await
        }
    ));
    let runs: Vec<_> = (0..50).map(|input| world.start(input)).collect();
    let mut commits = 0;
    world.wire.rule(move |call| {
        commits += u64::from(call.method == Method::Commit);
        let failing = call.method == Method::Commit && commits % 3 != 0;
        let unknown = || StoreError::OutcomeUnknown("no answer".to_owned());
        match (failing, commits % 2) {
            (false, _) => Verdict::Pass,
            (true, 0) => Verdict::ApplyThenRefuse(unknown()),
            (true, _) => Verdict::Refuse(unavailable()),
        }
    });
    world.pass(MINUTE);
    let process = world.alive();
    for (number, run) in runs.iter().enumerate() {
        let sent = || world.run(process.engine.emit(event("e", *run, "ping", number as u64)));
        while sent().is_err() {
            world.pass(SECOND);
        }
    }
    for (number, run) in runs.iter().enumerate() {
        assert_eq!(world.end(*run), Ok(2 * number as u64));
    }
    assert_eq!((ledger.count("effect"), ledger.count("b")), (50, 50));
    let runtime = &world.runtime;
    assert!(runtime.monotonic() < 30 * MINUTE, "it took {:?}", runtime.monotonic());
}
