//! 14.1: a workflow is triggered when a subscriber with a personal address is created.

use serde_json::Value;

use super::workflow_id;
use crate::support::{FAST, LOOKUP_RUNS, World, post, until_true};

#[test]
fn requirement_14_1_a_workflow_is_triggered_by_a_personal_subscriber_from_the_webhook() {
    let world = World::start(FAST);
    let server = world.place.serve();
    let created = server.subscribe("sarah.dev@gmail.com");
    assert_eq!(created["status"], "created");
    let workflow = server.workflow_when(workflow_id(&created), "completed");
    assert_eq!(workflow.0["workflow"]["workflow"], "subscriber-enrichment");
    assert_eq!(workflow.0["workflow"]["input"]["reason"], "webhook");
    assert_eq!(
        world.sandbox.ledger().lookups(),
        [("sarah.dev@gmail.com".to_owned(), 1)].into()
    );

    let again = server.subscribe("SarahDev+news@googlemail.com");
    assert_eq!(
        (&again["status"], &again["subscriberId"]),
        (&"updated".into(), &created["subscriberId"])
    );
    assert_eq!(again["workflowId"], Value::Null, "she was looked up a moment ago");
    world.assert_truth(1);
}

#[test]
fn requirement_14_1_no_workflow_is_triggered_by_other_addresses() {
    let world = World::start(FAST);
    let server = world.place.serve();
    for email in [
        "sarah@acme-invented.example",
        "a1b2c3@privaterelay.appleid.com",
        "throwaway@mailinator.com",
    ] {
        let answer = server.subscribe(email);
        assert_eq!(
            (&answer["status"], &answer["workflowId"]),
            (&"created".into(), &Value::Null),
            "{email}"
        );
    }
    let database = world.place.database();
    assert_eq!(database.count("subscriber"), 3);
    assert_eq!((database.count("enrichment_job"), database.count(LOOKUP_RUNS)), (0, 0));
    assert_eq!(world.sandbox.ledger().number("batchCount"), 0);
}

#[test]
fn requirement_14_1_a_workflow_is_triggered_by_an_upload_and_by_an_import() {
    let world = World::start(FAST);
    let server = world.place.serve();
    let upload = "email\nanna@gmail.com\nbert@web.de\nteam@acme-invented.example\n";
    let uploaded = server.call(post("/api/upload").form(&[], "list.csv", upload)).ok();
    assert_eq!(
        (&uploaded["newSubscribers"], &uploaded["jobs"]),
        (&3.into(), &2.into()),
        "{uploaded}"
    );
    world.wait_until_settled();
    world.import([7]);
    world.wait_until_settled();
    world.assert_truth(3);
    assert_eq!(world.sandbox.ledger().batch_sizes(), [2, 1]);
}

/// Whatever the trigger meets, the subscriber is taken in, and the sweep starts what it could not.
#[test]
fn requirement_14_1_a_trigger_that_fails_loses_no_subscriber() {
    let mut world = World::start(FAST);
    world.place.set("enrichment.sweep", "200ms");
    let server = world.place.serve();
    let database = world.place.database();
    let refuse = "CREATE TRIGGER no_runs BEFORE INSERT ON workflow_run WHEN NEW.workflow = 'subscriber-enrichment' \
         BEGIN SELECT RAISE(ABORT, 'a full moon'); END";
    database.open_to_write().execute_batch(refuse).unwrap();
    let answer = server.subscribe("sarah.dev@gmail.com");
    assert_eq!(
        (&answer["status"], &answer["workflowId"]),
        (&"created".into(), &Value::Null)
    );
    assert_eq!(database.jobs(), [("pending".to_owned(), 1)].into());
    assert_eq!(
        database.value::<u64>("SELECT count FROM counter WHERE name = 'trigger_failed'"),
        1
    );

    database.open_to_write().execute_batch("DROP TRIGGER no_runs").unwrap();
    world.wait_until_settled();
    until_true("the run to end", || database.runs() == ["completed"]);
    world.assert_truth(1);
}
