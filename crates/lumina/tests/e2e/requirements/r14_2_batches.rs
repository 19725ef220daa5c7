//! 14.2: pending enrichment requests are batched, at most a hundred together.

use std::collections::BTreeSet;

use super::workflow_id;
use crate::support::{FAST, LOOKUP_RUNS, World, email, post, until_true};

#[test]
fn requirement_14_2_pending_requests_are_batched_by_the_hundred() {
    let world = World::start(FAST);
    let server = world.place.serve();
    world.import(0..250);
    world.wait_until_settled();
    let mut sizes = world.sandbox.ledger().batch_sizes();
    sizes.sort_unstable();
    assert_eq!(sizes, [50, 100, 100]);
    assert_eq!(
        server.show("/api/workflows")["workflows"].as_array().unwrap().len(),
        3,
        "one workflow a batch"
    );
    world.assert_truth(250);
}

#[test]
fn requirement_14_2_subscribers_who_come_at_the_same_time_share_a_batch() {
    let mut world = World::start(FAST);
    world.place.set("enrichment.linger", "3s");
    let server = world.place.serve();
    let workflows: BTreeSet<String> = (0..12)
        .map(|number| workflow_id(&server.subscribe(&email(number))).to_owned())
        .collect();
    assert_eq!(workflows.len(), 1, "all of them are in one batch");
    world.wait_until_settled();
    assert_eq!(world.sandbox.ledger().batch_sizes(), [12]);
    world.assert_truth(12);
}

/// A batch that is full does not linger, and what does not fit opens the next.
#[test]
fn requirement_14_2_a_full_batch_goes_at_once() {
    let mut world = World::start(FAST);
    world.place.set("enrichment.linger", "1h");
    let server = world.place.serve();
    world.import(0..60);
    world.import(60..110);
    let database = world.place.database();
    until_true("the full batch to be answered", || database.open_jobs() <= 10);
    assert_eq!(world.sandbox.ledger().batch_sizes()[0], 100);
    server.stop();
}

/// What nobody works off is batched on request.
#[test]
fn requirement_14_2_what_is_pending_is_batched_on_request() {
    let mut world = World::start(FAST);
    world.place.set("enrichment.sweep", "1h");
    let server = world.place.serve();
    let database = world.place.database();
    let refuse = "CREATE TRIGGER no_runs BEFORE INSERT ON workflow_run WHEN NEW.workflow = 'subscriber-enrichment' \
         BEGIN SELECT RAISE(ABORT, 'a full moon'); END";
    database.open_to_write().execute_batch(refuse).unwrap();
    world.import(0..130);
    database.open_to_write().execute_batch("DROP TRIGGER no_runs").unwrap();
    assert_eq!((database.count(LOOKUP_RUNS), database.open_jobs()), (0, 130));

    let started = server.call(post("/api/enrichment/batches")).ok();
    assert_eq!(started["jobs"], 130);
    let workflows = started["workflowIds"].as_array().unwrap();
    assert_eq!(workflows.len(), 2, "{started}");
    workflows
        .iter()
        .for_each(|id| drop(server.workflow_when(id.as_str().unwrap(), "completed")));
    world.assert_truth(130);
}
