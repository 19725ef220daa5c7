//! Starts: durable when they return, once per key, in order of priority.

use std::time::Duration;

use uuid::Uuid;

use super::Make;
use super::everywhere::{ALL_FAULTS, Scenario, client};
use super::script::{A, NAP, Script, script};
use super::wire::{Method, Verdict};
use super::world::{HOUR, MINUTE, SECOND, World, options};
use crate::conformance::Act;
use crate::engine::{EngineError, START_KEY_LIMIT, StartOptions, Started};
use crate::error::StepError;
use crate::event::{CorrelationKey, EVENT_NAME_LIMIT, NewEvent};
use crate::payload::{PAYLOAD_HARD_LIMIT, Payload};
use crate::store::{RunStatus, StoreError};
use crate::worker::WorkerOptions;

fn one_step(world: &World) -> Script {
    let ledger = world.ledger.clone();
    script!(
        [ledger] | run,
        input | {
            let done = run.step(A, ledger.does(A, 1)).await?;
            Ok(input + done)
        }
    )
}

/// A start that has returned survives the death of its process.
pub fn a_start_that_returned_is_durable(make: Make<'_>) {
    let world = World::new(make);
    world.boot_idle(one_step(&world));
    let run = world.start(41);
    world.kill();
    world.boot(one_step(&world));
    assert_eq!(world.end(run), Ok(42));
}

/// The same key starts once, whoever asks, however often and whenever; another input is told.
pub fn a_start_key_starts_once(make: Make<'_>) {
    let world = World::new(make);
    world.boot(one_step(&world));
    let again = |input| world.start_as(input, StartOptions::keyed("order-1"));
    let first = again(1);
    let Started::New(run) = first else {
        panic!("the first start makes the run, not {first:?}")
    };
    assert_eq!(again(1), Started::Existing { run, same_input: true });
    assert_eq!(again(2), Started::Existing { run, same_input: false });
    assert_eq!(world.end(run), Ok(2), "the first input counts");
    assert_eq!(
        again(1),
        Started::Existing { run, same_input: true },
        "after its end as well"
    );
    world.kill();
    world.boot(one_step(&world));
    assert_eq!(
        again(1),
        Started::Existing { run, same_input: true },
        "for the next process as well"
    );
    let other = world.start_as(1, StartOptions::keyed("order-2"));
    assert!(
        matches!(other, Started::New(_)),
        "another key is another run: {other:?}"
    );
    world.end(other.run()).expect("it ends well");
    assert_eq!(world.ledger.count("a"), 2);
}

/// Many start with one key at the same moment.
pub fn a_start_key_starts_once_under_contention(make: Make<'_>) {
    let world = World::new(make);
    let process = world.boot(one_step(&world));
    let (beside, _) = world.boot_beside(one_step(&world));
    let starts = (0..100).map(|number| {
        let engine = if number % 2 == 0 {
            &process.engine
        } else {
            &beside.engine
        };
        engine.start::<Script>(&1, StartOptions::keyed("order-1"))
    });
    let started = world
        .run(futures_util::future::try_join_all(starts))
        .expect("all are answered");
    let new = started
        .iter()
        .filter(|started| matches!(started, Started::New(_)))
        .count();
    assert_eq!(new, 1);
    assert!(started.iter().all(|each| each.run() == started[0].run()));
    assert_eq!(world.all_runs().len(), 1);
}

/// Whatever goes wrong at whichever call: what a transaction of the caller's own starts is there once with its
/// other writes.
pub fn a_start_in_the_callers_transaction_happens_once(make: Make<'_>) {
    let scenario = Scenario {
        script: &one_step,
        client: &client(|world, engine| {
            Box::pin(async move {
                let new = engine.prepare::<Script>(&1, StartOptions::keyed("order-1"))?;
                let attach = world.attach([Act::Count("orders"), Act::Start(new)]);
                engine.transact(Uuid::from_u128(7), attach).await?;
                let run = engine.start::<Script>(&1, StartOptions::keyed("order-1")).await?;
                assert!(
                    matches!(run, Started::Existing { .. }),
                    "the transaction has started it"
                );
                engine.wait_for_end(run.run()).await?.expect("it ends well");
                Ok(())
            })
        }),
        check: &|world| {
            assert_eq!(world.cell("orders"), 1);
            assert_eq!(world.all_runs().len(), 1);
        },
    };
    scenario.play_with(make, ALL_FAULTS);
    scenario.play_with_dice(make, 0..15);
}

/// A refused transaction starts nothing.
pub fn a_refused_transaction_starts_nothing(make: Make<'_>) {
    let world = World::new(make);
    let process = world.boot(one_step(&world));
    let new = process
        .engine
        .prepare::<Script>(&1, StartOptions::default())
        .expect("it fits");
    let refusal = Act::Fail(StepError::fail("sold out"));
    let attach = world.attach([Act::Count("orders"), Act::Start(new), refusal]);
    let answer = world.run(process.engine.transact(Uuid::from_u128(7), attach));
    assert!(matches!(answer, Err(EngineError::Refused(_))), "{answer:?}");
    assert_eq!((world.cell("orders"), world.all_runs().len()), (0, 0));
}

/// A delayed start waits its time, over restarts as well, and no longer.
pub fn a_delayed_start_keeps_its_time(make: Make<'_>) {
    let world = World::new(make);
    world.boot(one_step(&world));
    let run = world.start_as(1, StartOptions::default().delay(HOUR)).run();
    world.pass(30 * MINUTE);
    world.kill();
    world.pass(15 * MINUTE);
    world.boot(one_step(&world));
    assert_eq!(world.end(run), Ok(2));
    assert_eq!(world.ledger.times("a"), [HOUR]);
}

/// Among what is ready, the higher priority runs first, then what was ready first.
pub fn higher_priorities_run_first(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let numbered = script!(
        [ledger] | run,
        input | {
            let noted = ledger.clone();
            run.step(A, move |_| {
                noted.note(input.to_string());
                async move { Ok::<u64, StepError>(input) }
            })
            .await
        }
    );
    world.boot_idle(numbered.clone());
    let rows = [(1, 0), (2, -5), (3, 7), (4, 0), (5, 7), (6, i16::MAX), (7, i16::MIN)];
    for (input, priority) in rows {
        world.start_as(input, StartOptions::default().priority(priority));
        world.settle();
    }
    world.kill();
    world.boot_with(
        numbered,
        WorkerOptions {
            max_in_flight: 1,
            ..options()
        },
    );
    world.pass(MINUTE);
    assert_eq!(ledger.all(), ["6", "3", "5", "1", "4", "2", "7"]);
}

/// A start that the database did not answer at first is told as what it was: a new run.
pub fn a_start_is_told_as_new_though_it_was_repeated(make: Make<'_>) {
    let world = World::new(make);
    world.boot_idle(one_step(&world));
    let mut first = true;
    world.wire.rule(
        move |call| match call.method == Method::Commit && std::mem::take(&mut first) {
            true => Verdict::ApplyThenRefuse(StoreError::OutcomeUnknown("no answer".to_owned())),
            false => Verdict::Pass,
        },
    );
    let started = world.start_as(1, StartOptions::keyed("order-1"));
    assert!(matches!(started, Started::New(_)), "{started:?}");
    assert_eq!(world.all_runs().len(), 1);
}

/// What cannot be stored is refused before anything is.
pub fn what_does_not_fit_is_refused_at_the_door(make: Make<'_>) {
    let world = World::new(make);
    let engine = world.boot_idle(one_step(&world));
    let start = |key: String| {
        world
            .run(engine.start::<Script>(&1, StartOptions::keyed(key)))
            .map(|_| ())
    };
    assert!(matches!(start(String::new()), Err(EngineError::Invalid(_))));
    assert!(matches!(
        start("k".repeat(START_KEY_LIMIT + 1)),
        Err(EngineError::Invalid(_))
    ));
    let unknown = world.run(engine.start::<super::script::Stranger>(&(), StartOptions::default()));
    assert!(matches!(unknown, Err(EngineError::UnknownWorkflow(name)) if name == "stranger"));
    let bulk = Payload::encode(&"x".repeat(PAYLOAD_HARD_LIMIT));
    assert!(bulk.is_err(), "a payload has a limit");
    let long = || "x".repeat(EVENT_NAME_LIMIT + 1);
    let run = engine
        .prepare::<Script>(&1, StartOptions::default())
        .expect("it fits")
        .id;
    let key =
        |namespace: String, key: String| NewEvent::new("e", CorrelationKey::new(namespace, key), "n", Payload::null());
    let events = [
        NewEvent::new("", run, "ping", Payload::null()),
        NewEvent::new(long(), run, "ping", Payload::null()),
        NewEvent::new("e", run, long(), Payload::null()),
        NewEvent::new("e", run, "", Payload::null()),
        NewEvent::new("e", run, "ping", Payload::null()).with_key(long()),
        key(long(), "k".to_owned()),
        key("n".to_owned(), long()),
        key("n".to_owned(), String::new()),
    ];
    for event in events {
        let answer = world.run(engine.emit(event.clone()));
        assert!(
            matches!(answer, Err(EngineError::Invalid(_))),
            "{event:?} gave {answer:?}"
        );
    }
    assert_eq!(world.all_runs().len(), 0);
}

/// A run that was started with a delay and one that sleeps wake at their times, not at each other's.
pub fn timers_do_not_disturb_each_other(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let sleeper = script!(
        [ledger] | run,
        input | {
            run.sleep(NAP, Duration::from_secs(input)).await;
            ledger.note(format!("woke {input}"));
            Ok(input)
        }
    );
    world.boot(sleeper);
    let times = [90, 30, 3_600, 31, 7];
    let runs = times.map(|time| world.start(time));
    for (run, time) in runs.into_iter().zip(times) {
        world.end(run).expect("it ends well");
        assert_eq!(world.ended_after(run), time as u32 * SECOND);
        assert_eq!(world.status(run), RunStatus::Completed);
    }
    assert_eq!(ledger.all(), ["woke 7", "woke 30", "woke 31", "woke 90", "woke 3600"]);
}
