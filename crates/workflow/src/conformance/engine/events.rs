//! Events: stored first, matched later, each consumed once.

use futures_util::future::join;

use super::Make;
use super::everywhere::{ALL_FAULTS, Scenario, client};
use super::script::{A, B, EFFECT, NAP, PING, PONG, Script, script};
use super::wire::{Method, Verdict};
use super::world::{HOUR, MINUTE, SECOND, World, event};
use crate::attempt::Attempt;
use crate::conformance::Act;
use crate::engine::StartOptions;
use crate::error::StepError;
use crate::event::CorrelationKey;
use crate::runtime::Runtime;
use crate::step::Step;
use crate::store::{Change, Delivery, RunQuery, RunStatus};

const NOTHING: u64 = 404;

fn key() -> CorrelationKey {
    CorrelationKey::new("shop", "order-1")
}

/// Registers a key, takes a while, and waits.
fn keyed(world: &World) -> Script {
    let ledger = world.ledger.clone();
    script!(
        [ledger] | run,
        _ | {
            run.step(A, ledger.takes(A, MINUTE, 1)).await?;
            run.step(B, |attempt: Attempt| async move {
                attempt.register_key(key());
                Ok::<u64, StepError>(1)
            })
            .await?;
            run.step(B, ledger.takes(B, MINUTE, 1)).await?;
            Ok(run.wait_or_timeout::<u64>(PING).await?.unwrap_or(NOTHING))
        }
    )
}

/// Before the run, before its key, before its wait: an event is found by the wait it is for.
pub fn an_event_may_come_before_everything(make: Make<'_>) {
    for moment in 0..4u32 {
        for by_key in [false, true] {
            let world = World::new(make);
            let process = world.boot(keyed(&world));
            let new = process
                .engine
                .prepare::<Script>(&1, StartOptions::default())
                .expect("it fits");
            let run = new.id;
            let emit = |now: u32| {
                if now == moment {
                    let sent = if by_key {
                        event("e", key(), "ping", 7)
                    } else {
                        event("e", run, "ping", 7)
                    };
                    world.emit(sent);
                }
            };
            emit(0);
            world.pass(10 * MINUTE);
            world.run(process.engine.start_prepared(new)).expect("it starts");
            world.settle();
            emit(1);
            world.pass(90 * SECOND);
            emit(2);
            world.pass(90 * SECOND);
            assert_eq!(
                world.status(run) == RunStatus::Waiting,
                moment == 3,
                "it waits only when nothing came"
            );
            emit(3);
            assert_eq!(world.end(run), Ok(7), "moment {moment}, by key {by_key}");
            assert!(world.ended_after(run) < HOUR, "the event ended the wait");
        }
    }
}

/// An id that is known is stored once: before its consumption, after it, and after the run's end.
pub fn a_known_id_is_stored_once(make: Make<'_>) {
    let world = World::new(make);
    world.boot(script!(
        [] | run,
        _ | {
            let first: u64 = run.wait(PING).await?;
            Ok(first * 1_000 + run.wait_or_timeout::<u64>(PING).await?.unwrap_or(NOTHING))
        }
    ));
    let run = world.start(1);
    assert_eq!(world.emit(event("e", run, "ping", 7)), Delivery::Routed(run));
    assert_eq!(world.emit(event("e", run, "ping", 8)), Delivery::Duplicate);
    world.settle();
    assert_eq!(
        world.emit(event("e", run, "ping", 9)),
        Delivery::Duplicate,
        "after it was consumed"
    );
    assert_eq!(world.end(run), Ok(7_000 + NOTHING));
    assert_eq!(
        world.emit(event("e", run, "ping", 9)),
        Delivery::Duplicate,
        "after the end"
    );
    assert_eq!(world.inbox(None), [], "and nothing is left over");
}

/// The lowest place first; a wait with a key takes only events with that key.
pub fn the_lowest_fitting_event_is_taken(make: Make<'_>) {
    let world = World::new(make);
    let script = script!(
        [] | run,
        _ | {
            let second: u64 = run.wait(PING.matching("k1")).await?;
            let first: u64 = run.wait(PING).await?;
            let third: u64 = run.wait(PING.matching("k3")).await?;
            Ok(second * 10_000 + first * 100 + third)
        }
    );
    let engine = world.boot_idle(script.clone());
    let run = world.start(1);
    for (id, name, key, value) in [
        ("1", "ping", "k2", 1),
        ("2", "pong", "k1", 99),
        ("3", "ping", "k1", 2),
        ("4", "ping", "k1", 98),
        ("5", "ping", "k3", 3),
    ] {
        world
            .run(engine.emit(event(id, run, name, value).with_key(key)))
            .expect("stored");
    }
    world.kill();
    world.boot(script);
    assert_eq!(world.end(run), Ok(20_103));
    assert_eq!(
        world.told(run)[..3],
        [
            "wait-ping: received 3",
            "wait-ping #2: received 1",
            "wait-ping #3: received 5"
        ]
    );
    let left: Vec<String> = world.inbox(None).into_iter().map(|event| event.id).collect();
    assert_eq!(left, ["2", "4"], "what nobody claimed is listed");
}

/// Two waits for one name: each event goes to one of them, the first to the one reached first.
pub fn an_event_ends_one_wait(make: Make<'_>) {
    let world = World::new(make);
    world.boot(script!(
        [] | run,
        _ | {
            let (first, second) = join(run.wait::<u64>(PING), run.wait::<u64>(PING)).await;
            Ok(first? * 10 + second?)
        }
    ));
    let run = world.start(1);
    world.settle();
    world.emit(event("e1", run, "ping", 1));
    world.settle();
    assert_eq!(world.status(run), RunStatus::Waiting);
    world.emit(event("e2", run, "ping", 2));
    assert_eq!(world.end(run), Ok(12));
}

/// Whatever goes wrong at whichever call, by id or by key: each event counts once.
pub fn each_event_is_consumed_once(make: Make<'_>) {
    let scenario = Scenario {
        script: &|world| {
            let ledger = world.ledger.clone();
            script!(
                [ledger] | run,
                _ | {
                    run.step(A, |attempt: Attempt| async move {
                        attempt.register_key(key());
                        Ok::<u64, StepError>(1)
                    })
                    .await?;
                    let (one, two) = join(run.wait::<u64>(PING), run.wait::<u64>(PONG)).await;
                    let three = run.wait::<u64>(PING).await?;
                    let sum = one? + two? * 10 + three * 100;
                    run.step(B, ledger.does(B, sum)).await
                }
            )
        },
        client: &client(|_, engine| {
            Box::pin(async move {
                engine.emit(event("1", key(), "ping", 1)).await?;
                let run = engine.start::<Script>(&1, StartOptions::keyed("k")).await?.run();
                engine.emit(event("2", run, "pong", 2)).await?;
                engine.emit(event("3", key(), "ping", 3)).await?;
                engine.emit(event("3", key(), "ping", 3)).await?;
                let end = engine.wait_for_end(run).await?.expect("it ends well");
                assert_eq!(end.decode::<u64>().expect("a number"), 321);
                Ok(())
            })
        }),
        check: &|world| {
            let received = |run| world.told(run).iter().filter(|line| line.contains("received")).count();
            assert_eq!(
                world.all_runs().iter().map(|row| received(row.id)).collect::<Vec<_>>(),
                [3]
            );
            assert_eq!(world.inbox(None), [], "nothing is left over");
        },
    };
    scenario.play_with(make, ALL_FAULTS);
    scenario.play_with_dice(make, 0..15);
    scenario.play_with_short_lives(make, 12);
}

/// Registers the key in its input's place, and holds it until the event comes.
fn holder(step: Step) -> Script {
    script!(
        [] | run,
        _ | {
            run.step(step, |attempt: Attempt| async move {
                attempt.register_key(key());
                Ok::<u64, StepError>(1)
            })
            .await?;
            run.wait(PING).await
        }
    )
}

/// Two live runs cannot hold one key: the second's step fails, an effect's outcome is unknown.
/// When the first has ended, the key is free.
pub fn a_taken_key_is_refused(make: Make<'_>) {
    for step in [A, EFFECT] {
        let world = World::new(make);
        world.boot(holder(step));
        let first = world.start(1);
        world.settle();
        let second = world.start(2);
        let failure = world.end(second).expect_err("the key is taken");
        assert_eq!(failure.is_unknown(), step == EFFECT, "{failure}");
        assert!(failure.message.contains("order-1"), "{failure}");
        world.emit(event("e", key(), "ping", 5));
        assert_eq!(world.end(first), Ok(5), "the event went to the holder");
        let third = world.start(3);
        world.settle();
        assert_eq!(world.emit(event("f", key(), "ping", 6)), Delivery::Routed(third));
        assert_eq!(world.end(third), Ok(6));
    }
}

/// More events than come with a claim, and a history longer than comes with one: all is read, also after a crash.
pub fn a_long_inbox_and_a_long_history_are_read_in_full(make: Make<'_>) {
    const MANY: u64 = 1_300;
    let world = World::new(make);
    let script = script!(
        [] | run,
        _ | {
            let mut sum = 0;
            for place in 0..MANY {
                let value: u64 = run.wait(PING).await?;
                assert_eq!(value, place, "in their order");
                sum += value;
            }
            run.wait::<u64>(PONG).await?;
            Ok(sum)
        }
    );
    let engine = world.boot_idle(script.clone());
    let run = world.start(1);
    let emits = (0..MANY).map(|value| engine.emit(event(&value.to_string(), run, "ping", value)));
    world.run(futures_util::future::try_join_all(emits)).expect("stored");
    world.kill();
    world.boot(script.clone());
    world.settle();
    assert_eq!(world.status(run), RunStatus::Waiting);
    assert_eq!(world.history(run).len() as u64, MANY + 1);
    world.kill();
    world.boot(script);
    world.emit(event("last", run, "pong", 0));
    assert_eq!(world.end(run), Ok(MANY * (MANY - 1) / 2));
}

/// An event and a timer's haste that are part of a step's transaction reach their runs with it.
pub fn a_transaction_reaches_other_runs(make: Make<'_>) {
    let world = World::new(make);
    let script = script!(
        [] | run,
        input | {
            match input {
                0 => run.wait(PING).await,
                1 => {
                    run.sleep(NAP, HOUR).await;
                    Ok(1)
                }
                _ => {
                    let waiting = run.step(A, |_| async { Ok::<u64, StepError>(1) }).await?;
                    assert_eq!(waiting, 1);
                    Ok(input)
                }
            }
        }
    );
    let process = world.boot(script);
    let (waiting, sleeping) = (world.start(0), world.start(1));
    let delayed = world.start_as(2, StartOptions::default().delay(HOUR)).run();
    world.pass(MINUTE);
    let acts = [
        Act::Emit(event("e", waiting, "ping", 7)),
        Act::MakeDue(delayed),
        Act::MakeDue(sleeping),
    ];
    let attach = world.attach(acts);
    world
        .run(process.engine.transact(uuid::Uuid::from_u128(1), attach))
        .expect("it is committed");
    assert_eq!(world.end(waiting), Ok(7));
    assert_eq!(world.end(delayed), Ok(2));
    assert_eq!(
        (world.ended_after(waiting), world.ended_after(delayed)),
        (MINUTE, MINUTE)
    );
    assert_eq!(world.end(sleeping), Ok(1));
    assert_eq!(
        world.ended_after(sleeping),
        HOUR,
        "a sleep that is woken early goes on sleeping"
    );
}

/// An event that comes while a claim brings its run is taken at once, and does not wait for what the run then does.
pub fn an_event_during_a_claim_is_taken_at_once(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    world.boot(script!(
        [ledger] | run,
        _ | {
            let slow = run.step(A, ledger.takes(A, HOUR, 1));
            let noted = ledger.clone();
            let wait = async move { run.wait::<u64>(PING).await.inspect(|_| noted.note("taken")) };
            let (a, ping) = join(slow, wait).await;
            Ok(a? + ping?)
        }
    ));
    world.settle();
    let (store, runtime, mut armed) = (world.store(), world.runtime.clone(), true);
    world.wire.rule(
        move |call| match call.method == Method::Claim && std::mem::take(&mut armed) {
            false => Verdict::Pass,
            true => {
                let (store, runtime) = (store.clone(), runtime.clone());
                Verdict::ApplyThenWait(Box::pin(async move {
                    let rows = store
                        .runs(RunQuery {
                            limit: 1,
                            ..RunQuery::default()
                        })
                        .await
                        .expect("it answers");
                    let sent = event("e", rows.items[0].id, "ping", 7);
                    store
                        .commit([Change::Emit(sent).into()].into())
                        .await
                        .expect("the event is stored");
                    runtime.sleep(SECOND).await;
                }))
            }
        },
    );
    let run = world.start(1);
    world.pass(MINUTE);
    assert_eq!(ledger.count("taken"), 1);
    assert_eq!(world.end(run), Ok(8));
}

/// Events for a run that has ended are kept for whoever looks.
pub fn an_event_for_an_ended_run_is_listed(make: Make<'_>) {
    let world = World::new(make);
    world.boot(script!([] | _, input | { Ok(input) }));
    let run = world.start(1);
    assert_eq!(world.end(run), Ok(1));
    assert_eq!(world.emit(event("late", run, "ping", 7)), Delivery::Unrouted);
    assert_eq!(world.inbox(None).len(), 1);
}
