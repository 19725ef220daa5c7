//! Waits for any and all of several events: which they take, when, and what they leave to others.

use futures_util::future::{join, select};

use super::Make;
use super::everywhere::{ALL_FAULTS, Scenario, client};
use super::script::{A, ALL, ANY, B, NAP, PING, PONG, Script, script};
use super::world::{HOUR, MINUTE, SECOND, World, event};
use crate::engine::StartOptions;
use crate::event::{CorrelationKey, Event};
use crate::history::What;
use crate::id::RunId;
use crate::store::RunStatus;

fn ids(events: &[Event]) -> String {
    let ids: Vec<&str> = events.iter().map(|event| event.id.as_str()).collect();
    ids.join(" ")
}

fn left(world: &World, run: RunId) -> Vec<String> {
    world.inbox(Some(run)).into_iter().map(|event| event.id).collect()
}

/// Each event that a run's history says it has received, counted or not, in the order of its waits.
fn received(world: &World, run: RunId) -> Vec<String> {
    let taken = world.history(run).into_iter().filter_map(|record| match record.what {
        What::Received { events, .. } => Some(events),
        _ => None,
    });
    taken.flatten().map(|event| event.id).collect()
}

/// Any takes the lowest of the inbox, whatever its name and the order in which the names are declared; all takes the
/// lowest of each, and leaves the rest.
pub fn the_lowest_events_are_taken(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let code = script!(
        [ledger] | run,
        _ | {
            ledger.note(ids(&[run.wait_any(ANY).await?]));
            ledger.note(ids(&run.wait_all(ALL).await?));
            ledger.note(ids(&[run.wait_any(ANY).await?]));
            Ok(1)
        }
    );
    world.boot_idle(code.clone());
    let run = world.start(1);
    for (id, name) in [
        ("1", "pong"),
        ("2", "other"),
        ("3", "pong"),
        ("4", "pong"),
        ("5", "ping"),
        ("6", "ping"),
    ] {
        world.emit(event(id, run, name, 1));
    }
    world.kill();
    world.boot(code);
    assert_eq!(world.end(run), Ok(1));
    assert_eq!(ledger.all(), ["1", "5 3", "4"]);
}

/// A wait for all takes nothing before it has all, so another wait gets what it could do with; and it goes on
/// waiting for one more.
pub fn a_wait_for_all_holds_nothing_back(make: Make<'_>) {
    let world = World::new(make);
    let code = script!(
        [] | run,
        _ | {
            let late = async {
                run.sleep(NAP, MINUTE).await;
                run.wait::<u64>(PING).await
            };
            let (all, one) = join(run.wait_all(ALL), Box::pin(late)).await;
            assert_eq!((ids(&all?).as_str(), one?), ("second q", 1));
            Ok(1)
        }
    );
    world.boot(code);
    let run = world.start(1);
    world.emit(event("first", run, "ping", 1));
    world.pass(SECOND);
    assert_eq!(left(&world, run), ["first"]);
    world.pass(2 * MINUTE);
    assert_eq!(left(&world, run), Vec::<String>::new(), "the later wait has it");
    world.emit(event("q", run, "pong", 1));
    world.pass(SECOND);
    assert_eq!(
        (world.status(run), left(&world, run)),
        (RunStatus::Waiting, vec!["q".to_owned()])
    );
    world.emit(event("second", run, "ping", 2));
    assert_eq!(world.end(run), Ok(1));
}

/// Names and keys, mixed, in any order of arrival: who names a key gets what has it, and who does not gets the rest.
pub fn keys_choose_before_names(make: Make<'_>) {
    let arrivals = [["ada", "", "bob"], ["bob", "ada", ""], ["", "bob", "ada"]];
    for arrival in arrivals {
        let world = World::new(make);
        world.boot(script!(
            [] | run,
            _ | {
                let keyed = ALL.for_event("ping", "bob").for_event("ping", "ada");
                let all = run.wait_all(keyed).await?;
                let keys: Vec<_> = all.iter().map(|event| event.key.as_deref()).collect();
                assert_eq!(keys, [Some("bob"), Some("ada")]);
                let rest = run.wait_any(ANY).await?;
                assert_eq!(rest.key, None);
                let nobody = run
                    .wait_any_or_timeout(ANY.for_event("pong", "eve").within(MINUTE))
                    .await?;
                assert_eq!(nobody, None);
                Ok(1)
            }
        ));
        let run = world.start(1);
        for key in arrival {
            let plain = event(&format!("of {key}"), run, "ping", 1);
            world.emit(if key.is_empty() { plain } else { plain.with_key(key) });
            world.settle();
        }
        world.emit(event("of another", run, "pong", 1).with_key("ada"));
        assert_eq!(world.end(run), Ok(1), "{arrival:?}");
    }
}

/// A wait for any, or for all, that has timed out takes nothing later, and one whose time passed while the run was
/// paused takes what is there when it goes on.
pub fn the_time_of_several_runs_out_together(make: Make<'_>) {
    let world = World::new(make);
    world.boot(script!(
        [] | run,
        input | {
            if input == 1 {
                assert_eq!(run.wait_any_or_timeout(ANY.within(MINUTE)).await?, None);
                assert_eq!(run.wait_all_or_timeout(ALL.within(MINUTE)).await?, None);
                run.sleep(NAP, HOUR).await;
                return run.wait(PING).await;
            }
            let all = run.wait_all_or_timeout(ALL.within(MINUTE)).await?;
            Ok(all.map_or(0, |all| all.len() as u64))
        }
    ));
    let late = world.start(1);
    world.pass(3 * MINUTE);
    world.emit(event("late", late, "ping", 7));
    assert_eq!(world.end(late), Ok(7));

    for (names, expected) in [(&["ping", "pong"][..], 2), (&["ping"], 0)] {
        let paused = world.start(2);
        world.settle();
        let engine = world.alive().engine.clone();
        assert_eq!(world.run(engine.pause(paused, "ada")), Ok(true));
        world.pass(HOUR);
        for name in names {
            world.emit(event(name, paused, name, 1));
        }
        assert_eq!(world.run(engine.resume(paused, "ada")), Ok(true));
        assert_eq!(world.end(paused), Ok(expected));
        let rest = if expected == 0 { vec!["ping".to_owned()] } else { vec![] };
        let unrouted: Vec<String> = world.inbox(None).into_iter().map(|event| event.id).collect();
        assert_eq!(unrouted, rest, "who times out has taken nothing");
    }
}

/// A run that is blocked has consumed exactly what is on record as received: all that a wait for all took, and
/// nothing of what it forgets because other code may do something else with it.
pub fn a_blocked_run_has_consumed_what_is_on_record(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let code = |fits: bool| {
        script!(
            [ledger] | run,
            _ | {
                let slow = run.step(A, ledger.takes(A, MINUTE, 1));
                let (_, all) = join(slow, run.wait_all(ALL)).await;
                assert_eq!(ids(&all?), "p q");
                let third: u64 = run.wait(PING).await?;
                assert!(fits, "a bug");
                let none: Option<u64> = run.wait_or_timeout(PONG.within(MINUTE)).await?;
                assert_eq!(none, None);
                Ok(third)
            }
        )
    };
    world.boot(code(false));
    let run = world.start(1);
    world.pass(SECOND);
    for (id, name, value) in [("p", "ping", 1), ("q", "pong", 2), ("third", "ping", 3)] {
        world.emit(event(id, run, name, value));
        world.settle();
    }
    world.pass(HOUR);
    assert_eq!(world.status(run), RunStatus::Blocked);
    assert_eq!(
        (received(&world, run), left(&world, run)),
        (vec!["p".to_owned(), "q".to_owned()], vec!["third".to_owned()])
    );
    world.kill();
    world.boot(code(true));
    let engine = world.alive().engine.clone();
    assert_eq!(world.run(engine.resume(run, "ada")), Ok(true));
    assert_eq!(world.end(run), Ok(3));
}

/// Whatever goes wrong at whichever call: each event is taken once, and by one wait.
pub fn gathering_survives_everything(make: Make<'_>) {
    let scenario = Scenario {
        script: &|world| {
            let ledger = world.ledger.clone();
            script!(
                [ledger] | run,
                _ | {
                    let slow = run.step(A, ledger.takes(A, 5 * SECOND, 1));
                    let one = run.wait::<u64>(PING);
                    let ((_, all), one) = join(join(slow, run.wait_all(ALL)), one).await;
                    let any = run.wait_any(ANY).await?;
                    let sum: u64 = all?
                        .iter()
                        .chain([&any])
                        .filter_map(|event| event.decode::<u64>().ok())
                        .sum();
                    Ok(sum + one?)
                }
            )
        },
        client: &client(|world, engine| {
            Box::pin(async move {
                let run = engine.start::<Script>(&1, StartOptions::keyed("k")).await?.run();
                for (id, name, value) in [
                    ("a", "ping", 1),
                    ("b", "ping", 10),
                    ("c", "pong", 100),
                    ("d", "pong", 1_000),
                ] {
                    engine.emit(event(id, run, name, value)).await?;
                    crate::Runtime::sleep(&world.runtime, SECOND).await;
                }
                let end = engine.wait_for_end(run).await?;
                assert_eq!(end, Ok(super::world::number(1_111)));
                Ok(())
            })
        }),
        check: &|world| {
            let run = world.all_runs()[0].id;
            let mut taken = received(world, run);
            taken.sort();
            assert_eq!(taken, ["a", "b", "c", "d"]);
            assert_eq!(world.inbox(None), []);
        },
    };
    scenario.play_with(make, ALL_FAULTS);
    scenario.play_with_dice(make, 0..15);
}

/// A wait that the code drops is closed in history, also when the process dies between what made the code drop it and
/// that. Histories are checked for it in every case.
pub fn dropping_a_wait_survives_everything(make: Make<'_>) {
    let scenario = Scenario {
        script: &|world| {
            let ledger = world.ledger.clone();
            script!(
                [ledger] | run,
                _ | {
                    let slow = ledger.takes(A, 5 * SECOND, 1);
                    // What registers a key is committed before the code goes on.
                    let registering = run.step(A, move |attempt| {
                        attempt.register_key(CorrelationKey::new("shop", "k"));
                        slow(attempt)
                    });
                    let first = select(run.wait::<u64>(PONG), registering).await;
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
        check: &|world| assert_eq!(world.all_runs()[0].status, RunStatus::Completed),
    };
    scenario.play_with(make, ALL_FAULTS);
}
