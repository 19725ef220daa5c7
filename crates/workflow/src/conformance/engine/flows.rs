//! Flow control: limits hold over workers, crashes and time, and a paused workflow stands still.

use std::time::Duration;

use super::Make;
use super::everywhere::{ALL_FAULTS, Scenario, client};
use super::ledger::Ledger;
use super::script::{A, B, C, PING, RETRIED, Script, script};
use super::world::{MINUTE, Process, SECOND, World, event, options};
use crate::engine::{Engine, StartOptions};
use crate::flow::{Flow, FlowLimits, Rate};
use crate::id::RunId;
use crate::store::{FlowQuery, FlowRow, Limit, RunStatus};
use crate::workflow::{DefinitionError, Overrides};

/// A step that takes ten seconds.
fn slow(world: &World, flow: Flow) -> Script {
    let ledger = world.ledger.clone();
    script!(
        [ledger] | run,
        _ | { run.step(A, ledger.takes(A, 10 * SECOND, 1)).await }
    )
    .limited(flow)
}

fn engine(world: &World, script: Script) -> Engine {
    let overrides = script.overrides();
    let builder = Engine::builder(world.store(), world.shared_runtime());
    let builder = builder.register_with(script, &overrides).expect("the limits are sound");
    world.run(builder.build()).expect("the store answers")
}

fn boot(world: &World, script: Script) -> Process {
    let engine = engine(world, script);
    let worker = engine.start_worker(options());
    Process { engine, worker }
}

fn start(world: &World, engine: &Engine, count: usize, key: &str) -> Vec<RunId> {
    let one = || {
        let options = StartOptions::default().flow_key(key);
        world
            .run(engine.start::<Script>(&1, options))
            .expect("the run starts")
            .run()
    };
    (0..count).map(|_| one()).collect()
}

fn wait_for_all(world: &World, engine: &Engine, runs: &[RunId]) {
    for run in runs {
        let end = world.run(engine.wait_for_end(*run)).expect("the run is there");
        end.expect("it ends well");
    }
}

fn whole(world: &World) -> FlowRow {
    let query = FlowQuery {
        limit: 10,
        ..FlowQuery::default()
    };
    let mut rows = world.run(world.store().flows(query)).expect("the store answers");
    rows.pop().expect("the workflow has a counter")
}

/// The most that were under way at once, by the ledger.
fn at_once(ledger: &Ledger) -> usize {
    let mut under_way = 0;
    let counts = ledger.all().into_iter().map(|note| {
        under_way = if note == "a" { under_way + 1 } else { under_way - 1 };
        under_way
    });
    counts.max().unwrap_or(0)
}

/// Two workers together have no more runs in flight than the limits say, and use them to the full.
pub fn limits_hold_over_workers(make: Make<'_>) {
    let rows = [
        (Flow::none().in_flight(3), 3, 80 * SECOND),
        (Flow::none().in_flight_per_key(1), 2, 120 * SECOND),
        (Flow::none().in_flight(3).in_flight_per_key(2), 3, 90 * SECOND),
    ];
    for (flow, most, time) in rows {
        let world = World::new(make);
        let (one, other) = (boot(&world, slow(&world, flow)), boot(&world, slow(&world, flow)));
        let mut runs = start(&world, &one.engine, 12, "a");
        runs.extend(start(&world, &other.engine, 12, "b"));
        wait_for_all(&world, &one.engine, &runs);
        assert_eq!(world.ledger.count("a"), 24, "each is executed once");
        assert_eq!(at_once(&world.ledger), most, "{flow:?}");
        assert!(
            world.elapsed() < time + 5 * SECOND,
            "no place is left empty: {:?}",
            world.elapsed()
        );
        assert_eq!((whole(&world).in_flight, whole(&world).throttled), (0, 0));
        drop((one.worker, other.worker));
    }
}

/// Exactly so many runs begin in each window, whatever worker has them, and none is lost.
pub fn a_rate_is_kept_to_the_run(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let script = || {
        let flow = Flow::none().rate(5, "10s");
        script!([ledger] | run, _ | { run.step(A, ledger.does(A, 1)).await }).limited(flow)
    };
    let (one, other) = (boot(&world, script()), boot(&world, script()));
    let runs = start(&world, &one.engine, 23, "a");
    assert_eq!(world.row(runs[22]).throttled.map(|held| held.limit), Some(Limit::Rate));
    wait_for_all(&world, &other.engine, &runs);
    let began = |run: &RunId| world.row(*run).begun_at.expect("it has begun");
    let first = runs.iter().map(began).min().expect("there are runs");
    let mut windows = vec![0; 5];
    for run in &runs {
        let after = Duration::try_from(began(run).duration_since(first)).expect("none is before the first");
        windows[usize::try_from(after.as_secs() / 10).expect("a few")] += 1;
    }
    assert_eq!(windows, [5, 5, 5, 5, 3]);
    assert_eq!(ledger.count("a"), 23);
}

/// A process dies before or after each store call, or a call fails or stays without answer: no
/// more are in flight than there are places, all runs end, and no place is lost.
pub fn limits_survive_everything(make: Make<'_>) {
    let scenario = Scenario {
        script: &|world| {
            let ledger = world.ledger.clone();
            let flow = Flow::none().in_flight(2).in_flight_per_key(1).rate_per_key(1, "15s");
            script!(
                [ledger] | run,
                number | {
                    let step = [A, B, C, RETRIED][usize::try_from(number - 1).expect("a few")];
                    run.step(step, ledger.takes(step, 10 * SECOND, 1)).await
                }
            )
            .limited(flow)
        },
        client: &client(|_, engine| {
            Box::pin(async move {
                let mut runs = Vec::new();
                for (number, key) in [(1, "a"), (2, "a"), (3, "b"), (4, "c")] {
                    let options = StartOptions::keyed(key.to_owned() + &number.to_string()).flow_key(key);
                    runs.push(engine.start::<Script>(&number, options).await?.run());
                }
                for run in runs {
                    engine.wait_for_end(run).await?.expect("it ends well");
                }
                Ok(())
            })
        }),
        check: &|world| {
            let row = whole(world);
            assert_eq!((row.in_flight, row.throttled), (0, 0), "every place is given back");
            let runs = world.all_runs();
            assert_eq!(runs.len(), 4);
            let begun = |run: &crate::store::RunRow| run.begun_at.expect("it has begun");
            let of_a: Vec<_> = runs.iter().filter(|run| run.flow_key.as_deref() == Some("a")).collect();
            let apart = begun(of_a[0]).duration_since(begun(of_a[1])).unsigned_abs();
            assert!(apart >= 15 * SECOND, "the rate of a key holds: {apart:?}");
            for run in &runs {
                let others = runs
                    .iter()
                    .filter(|other| begun(other) <= begun(run) && other.finished_at > run.begun_at);
                assert!(others.count() <= 2, "the limit holds");
            }
        },
    };
    scenario.play_with(make, ALL_FAULTS);
    scenario.play_with_dice(make, 0..20);
}

/// While its workflow is paused nothing of it begins or goes on but what is being executed;
/// afterwards everything does, and who did it is shown.
pub fn a_paused_workflow_stands_still(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let script = script!(
        [ledger] | run,
        _ | {
            run.step(A, ledger.takes(A, 10 * SECOND, 1)).await?;
            run.wait(PING).await
        }
    );
    let process = boot(&world, script.limited(Flow::none().in_flight(4)));
    let engine = &process.engine;
    let runs = start(&world, engine, 10, "a");
    world.pass(SECOND);
    assert_eq!(world.run(engine.pause_workflow("script", "ada")), Ok(true));
    assert_eq!(world.run(engine.pause_workflow("script", "bob")), Ok(false));
    let later = start(&world, engine, 2, "b");
    world.pass(MINUTE);
    for run in runs.iter().chain(&later) {
        world
            .run(engine.emit(event(&run.to_string(), *run, "ping", 1)))
            .expect("it is stored");
    }
    world.pass(MINUTE);
    assert_eq!(ledger.count("a ended"), 4, "what was executed went on");
    assert_eq!(ledger.count("a"), 4, "nothing began");
    assert!(world.all_runs().iter().all(|run| run.status != RunStatus::Running));
    assert!(runs.iter().all(|run| world.row(*run).throttled.is_some()));
    let paused = whole(&world).paused.expect("it is paused");
    assert_eq!(paused.by, "ada");
    assert_eq!(world.run(engine.resume_workflow("script", "bob")), Ok(true));
    wait_for_all(&world, engine, &runs);
    wait_for_all(&world, engine, &later);
    let row = whole(&world);
    assert_eq!(
        (row.paused, row.resumed.map(|stamp| stamp.by)),
        (None, Some("bob".to_owned()))
    );
    assert_eq!((row.in_flight, row.throttled), (0, 0));
}

/// A worker of later code with other limits finds what was held under the former ones.
pub fn changed_limits_free_what_is_held(make: Make<'_>) {
    let world = World::new(make);
    let tight = boot(&world, slow(&world, Flow::none().rate(1, "24h")));
    let runs = start(&world, &tight.engine, 5, "a");
    world.pass(MINUTE);
    assert_eq!(whole(&world).throttled, 4);
    world.kill();
    let loose = boot(&world, slow(&world, Flow::none()));
    wait_for_all(&world, &loose.engine, &runs);
    assert!(world.elapsed() < 10 * MINUTE);
}

/// Limits that cannot work are refused, naming the workflow.
pub fn limits_that_cannot_work_are_refused(make: Make<'_>) {
    let world = World::new(make);
    let rate = |runs, period| Some(Rate { runs, period });
    let none = FlowLimits::default();
    let rows = [
        (
            FlowLimits {
                in_flight: Some(0),
                ..none
            },
            "zero",
        ),
        (
            FlowLimits {
                in_flight_per_key: Some(0),
                ..none
            },
            "zero",
        ),
        (
            FlowLimits {
                rate: rate(0, SECOND),
                ..none
            },
            "zero",
        ),
        (
            FlowLimits {
                rate_per_key: rate(1, Duration::ZERO),
                ..none
            },
            "period",
        ),
        (
            FlowLimits {
                rate: rate(1, Duration::from_nanos(1)),
                ..none
            },
            "period",
        ),
        (
            FlowLimits {
                rate: rate(1, Duration::MAX),
                ..none
            },
            "period",
        ),
    ];
    for (limits, word) in rows {
        let builder = Engine::builder(world.store(), world.shared_runtime());
        let refused = builder.register_with(slow(&world, Flow::none()), &Overrides::default().flow(limits));
        let error = refused.err().unwrap_or_else(|| panic!("{limits:?} is refused"));
        assert!(matches!(error, DefinitionError::Flow { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("script") && text.contains(word), "{text}");
    }
    assert!(
        Flow::none()
            .rate(1, "soon")
            .read()
            .is_err_and(|problem| problem.contains("soon"))
    );
    let engine = engine(&world, slow(&world, Flow::none().in_flight(3)));
    assert_eq!(engine.definitions()[0].flow.in_flight, Some(3), "limits are shown");
}
