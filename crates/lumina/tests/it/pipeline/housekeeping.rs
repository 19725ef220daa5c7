//! What is done again and again beside the lookups.

use std::time::Duration;

use lumina::records::{PauseReason, Records};
use lumina::workflows::{HOUSEKEEPING, PROBE, PipelineSettings, RETENTION, SCHEDULED_BATCH, SWEEP};
use lumina_fullenrich_sandbox::SandboxConfig;
use lumina_workflow::store::{Attachment, RunQuery, RunRow, ScheduleRow};
use lumina_workflow::{Payload, Runtime};

use super::world::{On, World, on_each_database, settings};

const MINUTE: Duration = Duration::from_secs(60);

fn pass(world: &World, time: Duration) {
    world.run(world.runtime.sleep(time));
}

fn schedule(world: &World, name: &str) -> ScheduleRow {
    world.run(world.app().engine.schedule(name)).unwrap().unwrap()
}

fn runs_of(world: &World, workflow: &str) -> Vec<RunRow> {
    let query = RunQuery {
        workflow: Some(workflow.to_owned()),
        limit: 10_000,
        ..RunQuery::default()
    };
    world.run(world.app().engine.runs(query)).unwrap().items
}

fn each_schedule_ticks_at_its_interval_and_all_but_the_batch_at_the_start(on: On) {
    let world = World::start(on, SandboxConfig::default(), settings());
    pass(&world, 30 * MINUTE + MINUTE / 2);
    let rows = [
        (SWEEP, 1, 30),
        (SCHEDULED_BATCH, 0, 2),
        (PROBE, 1, 30),
        (RETENTION, 1, 3),
    ];
    for (name, triggers, started) in rows {
        let row = schedule(&world, name);
        assert_eq!(
            (row.triggers, row.started, row.skipped, row.missed),
            (triggers, started, 0, 0),
            "{name}"
        );
    }
    assert!(
        world
            .run(world.app().engine.runs(RunQuery {
                limit: 100,
                ..RunQuery::default()
            }))
            .unwrap()
            .items
            .iter()
            .all(|run| run.status.as_str() == "completed")
    );
}

/// A minute has two runs of housekeeping, half a day has 1,500: those of the last hour are kept.
fn runs_of_housekeeping_are_kept_for_an_hour(on: On) {
    let world = World::start(on, SandboxConfig::default(), settings());
    pass(&world, 12 * 60 * MINUTE);
    let kept: u64 = HOUSEKEEPING
        .iter()
        .map(|workflow| runs_of(&world, workflow).len() as u64)
        .sum();
    let records = world.count("SELECT count(*) FROM lumina.workflow_record");
    assert!((100..=160).contains(&kept), "{kept} runs");
    assert!(records < 3 * kept, "{records} records of {kept} runs");
}

/// 2,500 deliveries of long ago.
fn many_deliveries() -> Attachment {
    const ON_A_FILE: &str = "INSERT INTO delivery (id, route, body, received_at) \
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) \
        SELECT unhex(printf('019b%08x', i) || '70008000000000000000'), 'x', x'00', 0 FROM n";
    const ON_A_SERVER: &str = "INSERT INTO lumina.delivery (id, route, body, received_at) \
        SELECT ('019b' || lpad(to_hex(i), 8, '0') || '70008000000000000000')::uuid, 'x', '\\x00', 0 \
        FROM generate_series(1, 2500) AS n (i)";
    let on_a_file = lumina_workflow_sqlite::attach(|tx| {
        tx.connection().execute_batch(ON_A_FILE)?;
        Ok(Payload::null())
    });
    on_a_file.or(lumina_workflow_postgres::attach(|tx| {
        Box::pin(async {
            tx.execute(ON_A_SERVER, &[]).await?;
            Ok(Payload::null())
        })
    }))
}

/// More than fits into one transaction is deleted within one run of retention.
fn retention_goes_on_until_nothing_is_left_that_is_old_enough(on: On) {
    let world = World::start(
        on,
        SandboxConfig {
            not_found_percent: 0,
            ..SandboxConfig::default()
        },
        PipelineSettings {
            runs_kept: 24 * 60 * MINUTE,
            ..settings()
        },
    );
    world.import((0..250).map(|number| format!("person{number}@gmail.com")));
    world.run_until_settled(MINUTE);
    world
        .run(world.app().engine.transact(world.runtime.new_id(), many_deliveries()))
        .unwrap();
    assert_eq!(world.count("SELECT count(*) FROM lumina.delivery"), 2_500);
    assert!(!runs_of(&world, "subscriber-enrichment").is_empty());
    pass(&world, 26 * 60 * MINUTE);
    assert_eq!(world.count("SELECT count(*) FROM lumina.delivery"), 0);
    assert_eq!(world.count("SELECT count(*) FROM lumina.enrichment_answer"), 0);
    assert_eq!(runs_of(&world, "subscriber-enrichment").len(), 0, "kept for a day here");
    assert_eq!(
        world.count("SELECT count(*) FROM lumina.lead"),
        250,
        "what was made of it stays"
    );
}

/// A pause whose time has come is looked at, and the jobs that waited for it are started.
fn a_probe_lifts_a_pause_and_has_the_waiting_jobs_started(on: On) {
    let world = World::start(on, SandboxConfig::default(), settings());
    let pause = Records::pause(PauseReason::Credits, "the balance is used up".to_owned());
    world
        .run(world.app().engine.transact(world.runtime.new_id(), pause))
        .unwrap();
    world.import((0..5).map(|number| format!("person{number}@gmail.com")));
    pass(&world, 10 * MINUTE);
    assert_eq!(
        world.run(world.app().records.pauses()).unwrap().len(),
        1,
        "its time has not come"
    );
    assert_eq!(world.run(world.app().records.census()).unwrap().open_jobs(), 5);
    pass(&world, 6 * MINUTE);
    assert_eq!(world.run(world.app().records.pauses()).unwrap(), []);
    let census = world.run_until_settled(MINUTE);
    assert_eq!(census.open_jobs(), 0);
    let by = schedule(&world, SWEEP).triggered.map(|wish| wish.by);
    assert_eq!(by.as_deref(), Some("pause-probe"));
}

on_each_database![
    each_schedule_ticks_at_its_interval_and_all_but_the_batch_at_the_start,
    runs_of_housekeeping_are_kept_for_an_hour,
    retention_goes_on_until_nothing_is_left_that_is_old_enough,
    a_probe_lifts_a_pause_and_has_the_waiting_jobs_started,
];
