//! Ticks: each starts one run, whoever looks and whoever dies, in the order of its overlap policy.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::Make;
use super::everywhere::{ALL_FAULTS, CRASHES, Scenario, client};
use super::script::{NAP, Script, script};
use super::world::{HOUR, MINUTE, SECOND, TICKED, World};
use crate::runtime::Runtime;
use crate::schedule::{Overlap, Schedule};
use crate::store::{Change, RunRow, ScheduleChange};

pub(super) const BELL: &str = "bell";

/// A workflow whose runs take so long.
pub(super) fn taking(time: Duration) -> Script {
    script!(
        [] | run,
        input | {
            if !time.is_zero() {
                run.sleep(NAP, time).await;
            }
            Ok(input)
        }
    )
}

pub(super) fn every(period: Duration, overlap: Overlap) -> Schedule {
    Schedule::every(BELL, period).overlap(overlap)
}

/// The tick of a run: what its start key ends with.
fn tick_of(row: &RunRow) -> Timestamp {
    let key = row.start_key.as_ref().expect("a schedule's run has a start key");
    let tick = key
        .strip_prefix("schedule:bell@")
        .expect("it names the schedule and the tick");
    tick.parse().expect("it ends with the tick's time")
}

/// Ticks with the times at which their runs were made, in the order of the ticks.
fn made(world: &World) -> BTreeMap<Timestamp, Timestamp> {
    let runs = world.all_runs();
    let made: BTreeMap<_, _> = runs.iter().map(|row| (tick_of(row), row.created_at)).collect();
    assert_eq!(made.len(), runs.len(), "a tick starts one run");
    made
}

/// Minutes from the world's start.
fn minutes(world: &World, times: impl IntoIterator<Item = Timestamp>) -> Vec<i64> {
    let now = world.runtime.now();
    let start = now
        .saturating_sub(world.elapsed())
        .expect("the clock's start is a time");
    let minutes = |time: Timestamp| time.duration_since(start).as_mins();
    times.into_iter().map(minutes).collect()
}

/// When runs began: when they were made.
fn starts(world: &World) -> Vec<i64> {
    minutes(world, made(world).into_values())
}

fn pass_days(world: &World, days: u32) {
    for _ in 0..days {
        world.pass(24 * HOUR);
    }
}

/// A run is made at each tick, at its time, with the declared input.
pub fn ticks_start_runs_on_time(make: Make<'_>) {
    let world = World::new(make);
    world.declare([every(10 * MINUTE, Overlap::Skip)]);
    world.boot(taking(Duration::ZERO));
    world.pass(HOUR + MINUTE);
    assert_eq!(starts(&world), [10, 20, 30, 40, 50, 60]);
    for (tick, made) in made(&world) {
        assert_eq!(tick, made, "it is made at its tick");
    }
    let run = world.all_runs()[0].id;
    assert_eq!(world.end(run), Ok(TICKED));
    let row = world.schedule(BELL);
    assert_eq!((row.started, row.skipped, row.missed), (6, 0, 0));
    assert_eq!(row.last_run, Some(run));
    assert_eq!(minutes(&world, row.next_at.into_iter().chain(row.last_tick)), [70, 60]);
}

/// In the hour that is skipped a single time of day ticks at the first moment after it; in the
/// hour that is repeated, once.
pub fn ticks_follow_daylight_saving(make: Make<'_>) {
    let rows = [
        (
            "Europe/Berlin",
            "30 2 * * *",
            86,
            ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
        ),
        (
            "America/New_York",
            "30 2 * * *",
            65,
            ["2026-03-07T07:30:00Z", "2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"],
        ),
        (
            "Europe/Berlin",
            "30 2 * * *",
            296,
            ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        ),
        (
            "America/New_York",
            "30 1 * * *",
            303,
            ["2026-10-31T05:30:00Z", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"],
        ),
    ];
    for (zone, expression, days, ticks) in rows {
        let world = World::new(make);
        world.declare([Schedule::cron(BELL, expression, zone).expect("a sound schedule")]);
        pass_days(&world, days);
        world.boot(taking(Duration::ZERO));
        pass_days(&world, 3);
        let made: Vec<_> = made(&world).into_values().map(|made| made.to_string()).collect();
        assert_eq!(made, ticks, "{expression} in {zone}");
    }
}

/// No tick before the start, none at the end or after it; then the schedule rests.
pub fn a_start_and_an_end_bound_the_ticks(make: Make<'_>) {
    let world = World::new(make);
    let start = world.runtime.now();
    world.declare([every(10 * MINUTE, Overlap::Skip)
        .starting(start + 25 * MINUTE)
        .ending(start + 45 * MINUTE)]);
    world.boot(taking(Duration::ZERO));
    world.pass(3 * HOUR);
    assert_eq!(starts(&world), [25, 35]);
    assert_eq!(world.schedule(BELL).next_at, None);
}

/// Two workers of two processes, both awake at each tick: one has it.
pub fn two_workers_start_a_tick_once(make: Make<'_>) {
    let world = World::new(make);
    world.declare([every(MINUTE, Overlap::Allow)]);
    world.boot(taking(Duration::ZERO));
    let (beside, wire) = world.boot_beside(taking(Duration::ZERO));
    world.pass(30 * MINUTE + SECOND);
    assert_eq!(starts(&world), (1..=30).collect::<Vec<_>>());
    assert_eq!(world.schedule(BELL).started, 30);
    let tried = |wire: &super::wire::Wire| {
        wire.groups()
            .iter()
            .flat_map(|group| group.iter())
            .filter(is_tick)
            .count()
    };
    let (own, other) = (tried(&world.wire), tried(&wire));
    assert!(own + other > 30, "they met: {own} and {other}");
    drop(beside);
}

fn is_tick(member: &&crate::store::Member) -> bool {
    matches!(member.change, Change::Schedule(ScheduleChange::Tick(_)))
}

fn play(overlap: Overlap, time: Duration, how: impl Fn(&Scenario<'_>)) {
    how(&Scenario {
        script: &|world| {
            world.declare([every(10 * SECOND, overlap)]);
            taking(time)
        },
        client: &client(|world, _| {
            Box::pin(async move {
                // Until the second minute has passed.
                let left = (2 * MINUTE).saturating_sub(world.elapsed());
                world.runtime.sleep(left).await;
                Ok(())
            })
        }),
        check: &|world| check_ticks(world, overlap),
    });
}

/// From the first tick on none is left out, and none is started twice.
fn check_ticks(world: &World, overlap: Overlap) {
    // Not in the middle of one.
    world.settle();
    let ticks: Vec<_> = made(world).into_keys().collect();
    assert!(ticks.len() >= 3, "some ticks came: {ticks:?}");
    for pair in ticks.windows(2) {
        assert_eq!(
            pair[1].duration_since(pair[0]).as_secs(),
            10,
            "no tick is left out: {ticks:?}"
        );
    }
    let row = world.schedule(BELL);
    assert_eq!((row.started, row.skipped, row.missed), (ticks.len() as u64, 0, 0));
    if overlap == Overlap::Queue {
        check_one_at_a_time(world);
    }
}

/// Each run was made when the one before had ended.
fn check_one_at_a_time(world: &World) {
    let runs: BTreeMap<_, _> = world.all_runs().into_iter().map(|row| (tick_of(&row), row)).collect();
    let runs: Vec<_> = runs.into_values().collect();
    for pair in runs.windows(2) {
        let ended = pair[0].finished_at.expect("the one before has ended");
        assert!(ended <= pair[1].created_at, "one at a time");
    }
}

/// A process dies before or after each of its store calls: no tick is lost or started twice.
pub fn a_tick_survives_a_crash_at_every_call(make: Make<'_>) {
    play(Overlap::Allow, Duration::ZERO, |scenario| {
        scenario.play_with(make, CRASHES);
    });
}

/// Each store call fails, or its outcome stays unknown.
pub fn a_tick_survives_failing_calls(make: Make<'_>) {
    play(Overlap::Allow, Duration::ZERO, |scenario| {
        scenario.play_with(make, &ALL_FAULTS[2..]);
    });
}

/// Two processes side by side, with faults of all kinds as the dice fall.
pub fn no_dice_lose_or_repeat_a_tick(make: Make<'_>) {
    play(Overlap::Allow, SECOND, |scenario| scenario.play_with_dice(make, 0..30));
}

/// The same with a queue: whose run ended while nobody looked goes on when somebody does.
pub fn a_queue_survives_a_crash_at_every_call(make: Make<'_>) {
    play(Overlap::Queue, 12 * SECOND, |scenario| {
        scenario.play_with(make, CRASHES);
    });
}

/// After a downtime the ticks within the window are started, one run each; older ones are missed.
pub fn recent_ticks_are_caught_up(make: Make<'_>) {
    let world = World::new(make);
    world.declare([every(10 * MINUTE, Overlap::Allow).catch_up("30m")]);
    world.boot(taking(Duration::ZERO));
    world.pass(25 * MINUTE);
    world.kill();
    world.pass(100 * MINUTE);
    world.boot(taking(Duration::ZERO));
    world.settle();
    // Down from minute 25 to 125: 30 to 90 are too old, 100 to 120 are started late.
    assert_eq!(minutes(&world, made(&world).into_keys()), [10, 20, 100, 110, 120]);
    assert_eq!(starts(&world), [10, 20, 125, 125, 125]);
    let row = world.schedule(BELL);
    assert_eq!((row.started, row.skipped, row.missed), (5, 0, 7));
    world.pass(10 * MINUTE);
    assert_eq!(starts(&world).last(), Some(&130), "it goes on");
}

/// However many ticks there are to be caught up, no commit starts more than a hundred.
pub fn catching_up_takes_many_short_commits(make: Make<'_>) {
    let world = World::new(make);
    world.declare([Schedule::cron(BELL, "* * * * *", "Europe/Berlin")
        .expect("a sound schedule")
        .overlap(Overlap::Allow)
        .catch_up("5h")]);
    world.boot(taking(Duration::ZERO));
    world.settle();
    world.kill();
    pass_days(&world, 2);
    world.boot(taking(Duration::ZERO));
    world.settle();
    let row = world.schedule(BELL);
    assert_eq!((row.started, row.missed), (300, 2_880 - 300));
    assert_eq!(made(&world).len(), 300);
    let groups = world.wire.groups();
    let ticks = groups
        .iter()
        .flat_map(|group| group.iter())
        .filter_map(|member| match &member.change {
            Change::Schedule(ScheduleChange::Tick(tick)) => Some((tick.starts.len(), tick.missed)),
            _ => None,
        });
    let ticks: Vec<_> = ticks.collect();
    assert!(
        ticks.iter().all(|(starts, missed)| *starts <= 100 && *missed <= 1_000),
        "{ticks:?}"
    );
}

/// A tick that comes while a run has not ended is dropped, and counted.
pub fn an_overlapping_tick_is_skipped(make: Make<'_>) {
    let world = World::new(make);
    world.declare([every(10 * MINUTE, Overlap::Skip)]);
    world.boot(taking(25 * MINUTE));
    world.pass(75 * MINUTE);
    assert_eq!(starts(&world), [10, 40, 70]);
    let row = world.schedule(BELL);
    assert_eq!((row.started, row.skipped, row.missed), (3, 4, 0));
}

/// A tick that comes while a run has not ended waits until it has; nothing is lost.
pub fn a_queued_tick_waits_for_its_turn(make: Make<'_>) {
    let world = World::new(make);
    let start = world.runtime.now();
    world.declare([every(10 * MINUTE, Overlap::Queue).ending(start + 45 * MINUTE)]);
    world.boot(taking(25 * MINUTE));
    world.pass(3 * HOUR);
    assert_eq!(minutes(&world, made(&world).into_keys()), [10, 20, 30, 40]);
    assert_eq!(starts(&world), [10, 35, 60, 85], "at the end of the one before");
    check_one_at_a_time(&world);
    let row = world.schedule(BELL);
    assert_eq!((row.started, row.skipped, row.missed, row.next_at), (4, 0, 0, None));
}

/// Ticks wait no longer than the window.
pub fn a_queue_is_as_long_as_the_window(make: Make<'_>) {
    let world = World::new(make);
    world.declare([every(10 * MINUTE, Overlap::Queue).catch_up("15m")]);
    world.boot(taking(55 * MINUTE));
    world.pass(70 * MINUTE);
    // The run of minute 10 ends at 65: of 20 to 60 only 50 and 60 are young enough.
    assert_eq!(minutes(&world, made(&world).into_keys()), [10, 50]);
    assert_eq!(starts(&world), [10, 65]);
    assert_eq!(world.schedule(BELL).missed, 3);
}

/// Where overlapping is allowed, runs of several ticks go on side by side.
pub fn allowed_ticks_run_side_by_side(make: Make<'_>) {
    let world = World::new(make);
    world.declare([every(10 * MINUTE, Overlap::Allow)]);
    world.boot(taking(25 * MINUTE));
    world.pass(31 * MINUTE);
    assert_eq!(starts(&world), [10, 20, 30]);
    let open = world.all_runs().iter().filter(|row| !row.status.is_end()).count();
    assert_eq!(open, 3);
}
