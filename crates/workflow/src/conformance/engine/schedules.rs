//! Schedules: declared, held, started by hand, and without a cost while nothing is due.

use std::time::Duration;

use super::Make;
use super::script::{NextVersion, Script, Stranger};
use super::ticks::{BELL, every, taking};
use super::wire::Method;
use super::world::{HOUR, MINUTE, World, options};
use crate::engine::{Engine, EngineError, StartOptions};
use crate::runtime::Runtime;
use crate::schedule::{Overlap, SCHEDULE_NAME_LIMIT, Schedule};
use crate::store::{Refusal, ScheduleRow};
use crate::workflow::DefinitionError;

fn quick() -> Script {
    taking(Duration::ZERO)
}

/// How many minutes from now the next tick is.
fn next_in(world: &World, row: &ScheduleRow) -> i64 {
    let next = row.next_at.expect("it ticks again");
    next.duration_since(world.runtime.now()).as_mins()
}

/// A restart keeps the next time of a schedule that is declared as before, and reckons that of
/// one whose spec has changed from then on; counters and pauses stay.
pub fn a_changed_spec_moves_the_next_time(make: Make<'_>) {
    let world = World::new(make);
    world.declare([every(20 * MINUTE, Overlap::Skip).catch_up("2h")]);
    world.boot(quick());
    world.pass(30 * MINUTE);
    let before = world.schedule(BELL);
    world.kill();
    world.pass(MINUTE);
    world.boot(quick());
    world.settle();
    assert_eq!(world.schedule(BELL), before, "the same declaration changes nothing");
    world.kill();
    world.pass(29 * MINUTE);
    // Two ticks are open now, and another declaration drops them.
    world.declare([every(30 * MINUTE, Overlap::Skip)]);
    world.boot(quick());
    world.pass(MINUTE);
    let after = world.schedule(BELL);
    assert_eq!((after.started, after.missed, next_in(&world, &after)), (1, 0, 28));
    world.pass(29 * MINUTE);
    assert_eq!(world.schedule(BELL).started, 2);
    world
        .run(world.alive().engine.pause_schedule(BELL, "ada"))
        .expect("it is held");
    world.kill();
    world.declare([every(10 * MINUTE, Overlap::Skip)]);
    world.boot(quick());
    world.pass(HOUR);
    let held = world.schedule(BELL);
    assert_eq!(
        held.paused.map(|wish| wish.by),
        Some("ada".to_owned()),
        "it is still held"
    );
    assert_eq!(held.started, 2);
}

/// A schedule that is no longer declared is marked, ticks no more, and is back when it is
/// declared again.
pub fn an_undeclared_schedule_is_removed(make: Make<'_>) {
    let world = World::new(make);
    world.declare([every(10 * MINUTE, Overlap::Skip)]);
    world.boot(quick());
    world.pass(15 * MINUTE);
    world.kill();
    world.declare([]);
    world.boot(quick());
    world.pass(HOUR);
    let removed = world.schedule(BELL);
    assert_eq!((removed.started, removed.next_at), (1, None));
    assert!(removed.removed_at.is_some());
    world.kill();
    world.declare([every(10 * MINUTE, Overlap::Skip)]);
    world.boot(quick());
    world.pass(10 * MINUTE);
    let back = world.schedule(BELL);
    assert_eq!(
        (back.started, back.missed, back.removed_at),
        (2, 0, None),
        "without what passed meanwhile"
    );
}

/// An engine that does not have a schedule's workflow neither removes nor ticks it.
pub fn schedules_of_others_are_left_alone(make: Make<'_>) {
    let world = World::new(make);
    world.declare([every(10 * MINUTE, Overlap::Skip)]);
    world.boot(quick());
    world.settle();
    world.kill();
    world.declare([]);
    world.boot(Stranger);
    world.pass(HOUR);
    let row = world.schedule(BELL);
    assert_eq!((row.started, row.removed_at), (0, None));
    assert!(
        row.next_at.is_some_and(|next| next < world.runtime.now()),
        "it waits for its own"
    );
}

/// While it is held it starts nothing, and what ticked meanwhile is dropped; who did it is shown.
pub fn a_paused_schedule_starts_nothing(make: Make<'_>) {
    let world = World::new(make);
    world.declare([every(10 * MINUTE, Overlap::Skip)]);
    let process = world.boot(quick());
    let engine = &process.engine;
    world.pass(15 * MINUTE);
    assert_eq!(world.run(engine.pause_schedule(BELL, "ada")), Ok(true));
    assert_eq!(
        world.run(engine.pause_schedule(BELL, "eve")),
        Ok(false),
        "it is held already"
    );
    world.pass(40 * MINUTE);
    let held = world.schedule(BELL);
    assert_eq!(
        (held.started, held.paused.map(|wish| wish.by)),
        (1, Some("ada".to_owned()))
    );
    assert_eq!(world.run(engine.resume_schedule(BELL, "bob")), Ok(true));
    assert_eq!(world.run(engine.resume_schedule(BELL, "bob")), Ok(false));
    world.settle();
    let row = world.schedule(BELL);
    assert_eq!(
        (row.started, row.skipped, row.missed),
        (1, 0, 0),
        "nothing is made up for, or counted"
    );
    assert_eq!(row.resumed.as_ref().map(|wish| wish.by.as_str()), Some("bob"));
    assert_eq!(next_in(&world, &row), 4);
    world.pass(10 * MINUTE);
    assert_eq!(world.schedule(BELL).started, 2);
}

/// A run by hand starts at once, whatever runs and whether or not the schedule is held; its next
/// tick stays where it was, and meets it like any other run.
pub fn a_trigger_starts_a_run_beside_the_ticks(make: Make<'_>) {
    let world = World::new(make);
    world.declare([every(10 * MINUTE, Overlap::Skip)]);
    let process = world.boot(taking(3 * MINUTE));
    let engine = &process.engine;
    world.pass(8 * MINUTE);
    let before = world.schedule(BELL);
    let run = world.run(engine.trigger_schedule(BELL, "ada")).expect("it starts");
    let row = world.schedule(BELL);
    assert_eq!((row.next_at, row.started, row.triggers), (before.next_at, 0, 1));
    assert_eq!(row.triggered.map(|wish| wish.by), Some("ada".to_owned()));
    assert_eq!(world.end(run), Ok(super::world::TICKED));
    let row = world.schedule(BELL);
    assert_eq!(
        (row.started, row.skipped),
        (0, 1),
        "the tick met a run that had not ended"
    );
    world.run(engine.pause_schedule(BELL, "ada")).expect("it is held");
    let (one, two) = (
        engine.trigger_schedule(BELL, "ada"),
        engine.trigger_schedule(BELL, "ada"),
    );
    let (one, two) = world.run(futures_util::future::join(one, two));
    assert_ne!(one.expect("it starts"), two.expect("it starts as well"));
}

/// A worker that starts has a run started of each schedule that says so: beside its ticks, not
/// while it is held, and not beside a run that has not ended.
pub fn a_start_starts_a_run(make: Make<'_>) {
    let world = World::new(make);
    world.declare([every(HOUR, Overlap::Allow).at_start(), Schedule::every("other", HOUR)]);
    world.boot(taking(3 * MINUTE));
    world.settle();
    let row = world.schedule(BELL);
    assert_eq!((row.started, row.triggers, row.running), (0, 1, true));
    assert_eq!(row.triggered.map(|wish| wish.by), Some("start".to_owned()));
    assert_eq!(world.schedule("other").triggers, 0);
    world.kill();
    world.boot(taking(3 * MINUTE));
    world.settle();
    assert_eq!(world.schedule(BELL).triggers, 1, "the first one has not ended");
    world.pass(10 * MINUTE);
    world.kill();
    world.boot(taking(3 * MINUTE));
    world.pass(10 * MINUTE);
    assert_eq!(world.schedule(BELL).triggers, 2);
    world
        .run(world.alive().engine.pause_schedule(BELL, "ada"))
        .expect("it is held");
    world.kill();
    world.boot(taking(3 * MINUTE));
    world.settle();
    assert_eq!(world.schedule(BELL).triggers, 2, "it is held");
}

/// Nothing can be done with a schedule that is not there.
pub fn commands_for_unknown_schedules_are_refused(make: Make<'_>) {
    let world = World::new(make);
    let engine = world.boot_idle(quick());
    let unknown = || EngineError::Refused(Refusal::UnknownSchedule("no-such".to_owned()));
    assert_eq!(world.run(engine.pause_schedule("no-such", "ada")), Err(unknown()));
    assert_eq!(world.run(engine.resume_schedule("no-such", "ada")), Err(unknown()));
    assert_eq!(world.run(engine.trigger_schedule("no-such", "ada")), Err(unknown()));
    assert_eq!(unknown().to_string(), "there is no schedule no-such");
    assert_eq!(world.run(engine.schedules()), Ok(vec![]));
}

/// A declaration that cannot work is refused, naming the schedule.
pub fn a_schedule_that_cannot_work_is_refused(make: Make<'_>) {
    let world = World::new(make);
    let declare = |schedule: Schedule| {
        let builder = Engine::builder(world.store(), world.shared_runtime()).register(quick());
        builder
            .expect("sound")
            .schedule::<Script>(schedule, &1)
            .err()
            .map(|error| error.to_string())
    };
    let cron = |expression, zone| {
        Schedule::cron("odd", expression, zone)
            .err()
            .map(|error: DefinitionError| error.to_string())
    };
    let now = world.runtime.now();
    let long = "x".repeat(SCHEDULE_NAME_LIMIT + 1);
    let rows = [
        (cron("7 * * *", "UTC"), "`7 * * *`"),
        (cron("0 7 * * *", "Mars/Olympus"), "no time zone `Mars/Olympus`"),
        (declare(Schedule::every("odd", Duration::ZERO)), "a period of 0ns"),
        (
            declare(Schedule::every("odd", MINUTE).catch_up("soon")),
            "`soon` is not a duration",
        ),
        (
            declare(Schedule::every("odd", MINUTE).starting(now).ending(now)),
            "ends before it starts",
        ),
        (declare(Schedule::every("odd one", MINUTE)), "one word"),
        (declare(Schedule::every("odd@", MINUTE)), "one word"),
        (declare(Schedule::every(long, MINUTE)), "1 to 100"),
    ];
    for (error, problem) in rows {
        let error = error.unwrap_or_else(|| panic!("refused: {problem}"));
        assert!(error.starts_with("schedule ") && error.contains(problem), "{error}");
    }
    assert_eq!(declare(Schedule::every("sound", MINUTE)), None);
    let builder = || Engine::builder(world.store(), world.shared_runtime());
    let unregistered = builder()
        .schedule::<Script>(Schedule::every("odd", MINUTE), &1)
        .err()
        .expect("refused");
    assert_eq!(
        unregistered.to_string(),
        "schedule odd: the workflow script is not registered"
    );
    let once = builder()
        .register(NextVersion(quick()))
        .expect("sound")
        .schedule::<Script>(Schedule::every("odd", MINUTE), &1);
    let twice = once
        .expect("sound")
        .schedule::<Script>(Schedule::every("odd", HOUR), &1)
        .err()
        .expect("refused");
    assert_eq!(twice.to_string(), "schedule odd: is declared twice");
}

/// Nobody else starts runs under the start keys of ticks.
pub fn start_keys_of_schedules_are_their_own(make: Make<'_>) {
    let world = World::new(make);
    let engine = world.boot_idle(quick());
    let started = world.run(engine.start::<Script>(&1, StartOptions::keyed("schedule:bell@now")));
    assert!(matches!(started, Err(EngineError::Invalid(_))), "{started:?}");
}

/// A worker with schedules of which none is due looks once a minute, as for runs, and writes nothing.
pub fn an_idle_schedule_costs_nothing(make: Make<'_>) {
    let calls = |schedules: Vec<Schedule>| {
        let world = World::new(make);
        world.declare(schedules);
        world.boot(quick());
        world.pass(MINUTE);
        let (calls, groups) = (world.wire.calls(), world.wire.groups().len());
        world.pass(10 * HOUR);
        assert_eq!(world.wire.groups().len(), groups, "nothing is written");
        world.wire.calls() - calls
    };
    let yearly = |name: &str| Schedule::cron(name, "0 0 1 7 *", "Europe/Berlin").expect("a sound schedule");
    let many = (0..30).map(|number| yearly(&format!("bell-{number}")));
    let (without, with) = (calls(Vec::new()), calls(many.collect()));
    assert!(
        with - without <= 2 * 10 * 60,
        "{with} calls instead of {without} in ten hours"
    );
}

/// A worker that was told to stop starts no tick, and its task ends.
pub fn a_stopped_worker_starts_nothing(make: Make<'_>) {
    let world = World::new(make);
    world.declare([every(10 * MINUTE, Overlap::Skip)]);
    let process = world.boot_with(quick(), options());
    world.pass(15 * MINUTE);
    world.run(process.worker.shutdown(MINUTE));
    let calls = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let seen = calls.clone();
    world.wire.rule(move |call| {
        if call.method == Method::Read {
            seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
        super::wire::Verdict::Pass
    });
    world.pass(HOUR);
    assert_eq!(world.schedule(BELL).started, 1);
    assert_eq!(
        calls.load(std::sync::atomic::Ordering::SeqCst),
        0,
        "nobody looks any more"
    );
}
