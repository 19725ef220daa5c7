//! Moments that are chosen: each is found by what the provider and the database show.

use super::{LATE_ANSWER, PEOPLE, SANDBOX, start_world};
use crate::support::{Call, Fault, World, until_true};

/// Everybody is in the database before the server starts, so that it begins at once.
fn start_with_people(sandbox: &str) -> World {
    let world = start_world(sandbox);
    world.import(0..PEOPLE);
    world
}

/// The rest of each story: a new process finds everything and ends it well.
fn finish(world: &World) {
    let server = world.place.serve();
    world.wait_until_settled();
    server.stop();
    world.assert_truth(PEOPLE as usize);
    assert!(
        !world.place.database().runs().contains(&"failed".to_owned()),
        "no run failed"
    );
}

/// How many batches the provider has accepted.
fn batches(world: &World) -> u64 {
    world.sandbox.ledger().number("batchCount")
}

#[test]
fn killed_before_a_batch_is_sent() {
    let world = start_with_people(SANDBOX);
    world.gateway.fail_always(Call::Credits, Some(Fault::Swallow));
    let mut server = world.place.spawn(&["serve"]);
    let database = world.place.database();
    until_true("the runs to ask for the balance", || {
        world.gateway.count(Call::Credits) >= 2 && database.records("take-slot", "completed") > 0
    });
    server.kill();
    assert_eq!(
        (batches(&world), database.count("enrichment_post")),
        (0, 0),
        "nothing was sent"
    );

    world.gateway.fail_always(Call::Credits, None);
    finish(&world);
    assert_eq!(
        world.sandbox.ledger().batch_sizes(),
        [100, 100, 100],
        "each was sent once"
    );
}

#[test]
fn killed_while_a_batch_is_on_its_way_and_never_arrives() {
    let world = start_with_people(SANDBOX);
    world.gateway.fail_always(Call::Submit, Some(Fault::Swallow));
    let mut server = world.place.serve();
    until_true("three batches to be on their way", || {
        world.gateway.count(Call::Submit) == 3
    });
    server.process.kill();
    assert_eq!(batches(&world), 0, "the provider has heard of none");

    world.gateway.fail_always(Call::Submit, None);
    finish(&world);
    assert_eq!(
        world.sandbox.ledger().batch_sizes(),
        [100, 100, 100],
        "each arrived once"
    );
    assert_eq!(world.sandbox.ledger().number("lookups"), u64::from(PEOPLE));
}

/// Killed when the provider has accepted all batches and Lumina has heard of none of it.
fn kill_between_acceptance_and_record() -> World {
    let world = start_with_people(&format!("{SANDBOX}{LATE_ANSWER}"));
    let database = world.place.database();
    let mut server = world.place.serve();
    until_true("three batches to be accepted", || batches(&world) == 3);
    server.process.kill();
    assert_eq!(database.count("enrichment"), 0, "no answer to a POST is on record");
    assert_eq!(database.records("submit-to-fullenrich", "attempt_started"), 3);
    world
}

#[test]
fn killed_between_the_post_and_the_record_of_its_answer() {
    let world = kill_between_acceptance_and_record();
    finish(&world);
    let ledger = world.sandbox.ledger();
    assert_eq!(
        ledger.batch_sizes(),
        [100, 100, 100],
        "the callbacks told what became of the batches"
    );
    assert_eq!(ledger.number("lookups"), u64::from(PEOPLE));
}

#[test]
fn killed_between_the_post_and_its_record_and_away_until_no_callback_comes_any_more() {
    let mut world = kill_between_acceptance_and_record();
    until_true("all callbacks to be given up", || {
        world.sandbox.ledger().has_given_up_callbacks()
    });
    world.restart_sandbox(SANDBOX);
    finish(&world);
    let ledger = world.sandbox.ledger();
    assert_eq!(
        ledger.batch_sizes(),
        [100; 6],
        "each was sent once more, when its window was over"
    );
    assert_eq!(
        ledger.number("freeRepeats"),
        u64::from(PEOPLE),
        "a repeat of a finished lookup is free"
    );
}

/// Killed when all batches are out, on record, and waited for.
fn kill_while_waiting() -> World {
    let world = start_with_people(SANDBOX);
    let database = world.place.database();
    let mut server = world.place.serve();
    until_true("all runs to wait for the provider", || {
        database.records("wait-for-webhook", "opened") == 3 && database.runs() == ["waiting"; 3]
    });
    assert_eq!(database.count("enrichment_answer WHERE is_final"), 0);
    server.process.kill();
    world
}

#[test]
fn killed_while_waiting() {
    let world = kill_while_waiting();
    finish(&world);
    assert_eq!(world.sandbox.ledger().batch_sizes(), [100, 100, 100]);
}

#[test]
fn killed_while_waiting_and_away_until_no_callback_comes_any_more() {
    let world = kill_while_waiting();
    until_true("all callbacks to be given up", || {
        world.sandbox.ledger().has_given_up_callbacks()
    });
    finish(&world);
    let ledger = world.sandbox.ledger();
    assert_eq!(ledger.batch_sizes(), [100, 100, 100]);
    assert!(ledger.number("calls.readBatch") >= 3, "the results were asked for");
}

/// Each lead takes so long to write that a kill finds the transaction open.
const SLOW_LEADS: &str = "
    CREATE VIEW slowness AS WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 400000)
        SELECT n FROM number;
    CREATE TRIGGER slow_lead BEFORE INSERT ON lead BEGIN SELECT count(*) FROM slowness; END;";

#[test]
fn killed_while_results_are_processed() {
    let world = start_with_people(SANDBOX);
    let database = world.place.database();
    database.open_to_write().execute_batch(SLOW_LEADS).unwrap();
    let mut server = world.place.serve();
    until_true("an answer to be stored and not applied", || {
        database.count("enrichment_answer WHERE is_final AND applied_at IS NULL") > 0
    });
    server.process.kill();
    let unapplied = database.count("enrichment_answer WHERE is_final AND applied_at IS NULL");
    assert!(unapplied > 0, "it was killed before the results were applied");
    assert!(database.open_jobs() > 0);

    database
        .open_to_write()
        .execute_batch("DROP TRIGGER slow_lead; DROP VIEW slowness;")
        .unwrap();
    finish(&world);
    assert_eq!(world.sandbox.ledger().batch_sizes(), [100, 100, 100]);
}

#[test]
fn the_provider_may_die_as_well() {
    let mut world = kill_while_waiting();
    world.restart_sandbox(SANDBOX);
    finish(&world);
}
