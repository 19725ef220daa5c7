//! 14.4: the provider's callback resumes the workflow.

use super::workflow_id;
use crate::support::{Call, FAST, LOOKUP_RUNS, World, post, until_true};

const IN_A_SECOND: &str = r#"
calls_per_minute = 100000
lookup_min = "1s"
lookup_max = "1s"
callback_retry_every = "200ms"
"#;

#[test]
fn requirement_14_4_the_callback_resumes_the_workflow() {
    let world = World::start(IN_A_SECOND);
    let server = world.place.serve();
    let id = workflow_id(&server.subscribe("sarah.dev@gmail.com")).to_owned();
    server.workflow_when(&id, "waiting");
    let done = server.workflow_when(&id, "completed");
    assert_eq!(done.words("wait-for-webhook"), ["opened", "received"]);
    assert_eq!(done.words("process-results"), ["completed"]);
    assert_eq!(world.gateway.count(Call::Read), 0, "it was told, and did not ask");
    assert_eq!(
        world
            .place
            .database()
            .column::<String>("SELECT DISTINCT source FROM enrichment_answer WHERE is_final"),
        ["callback"]
    );
    world.assert_truth(1);
}

#[test]
fn requirement_14_4_nobody_but_the_provider_resumes_it() {
    const BUSY: &str = "calls_per_minute = 100000\nlookup_min = \"10h\"\nlookup_max = \"10h\"\n";
    let world = World::start(BUSY);
    let server = world.place.serve();
    let id = workflow_id(&server.subscribe("sarah.dev@gmail.com")).to_owned();
    server.workflow_when(&id, "waiting");
    let batch = world.sandbox.ledger().batches()[0]["enrichmentId"]
        .as_str()
        .unwrap()
        .to_owned();
    let forged =
        serde_json::json!({"id": batch, "name": "x", "status": "FINISHED", "cost": {"credits": 0}, "data": []});
    let deliver = || post("/api/webhooks/enrichment").body(forged.to_string());
    server
        .call_openly(&deliver())
        .assert_refused(401, "MISSING_SIGNATURE", "X-Signature-SHA1");
    let wrong = "0123456789abcdef0123456789abcdef01234567";
    let refused = server.call_openly(&deliver().header("x-signature-sha1", wrong));
    refused.assert_refused(401, "INVALID_SIGNATURE", "signature");
    assert_eq!(server.workflow(&id).status(), "waiting");
    assert_eq!(world.place.database().count("enrichment_answer"), 0);
}

/// The callback may come twice, and before the answer to the POST that it is about.
#[test]
fn requirement_14_4_callbacks_that_come_early_and_twice_resume_it_once() {
    let world = World::start(&format!(
        "{FAST}answer_min = \"2s\"\nanswer_max = \"2s\"\n[moods]\ncallback_doubled = 100\ncallback_copies = 2\n"
    ));
    let server = world.place.serve();
    let id = workflow_id(&server.subscribe("sarah.dev@gmail.com")).to_owned();
    let database = world.place.database();
    until_true("the results to come before the POST's own answer", || {
        database.count("enrichment_answer WHERE is_final") == 1
    });
    assert_eq!(server.workflow(&id).words("submit-to-fullenrich"), ["attempt_started"]);
    let done = server.workflow_when(&id, "completed");
    assert_eq!(
        done.words("wait-for-webhook"),
        ["received"],
        "the results were there before the wait"
    );
    assert_eq!(database.count(LOOKUP_RUNS), 1, "no other run had anything to do");
    world.assert_truth(1);
}

/// While nobody listens the provider tries again.
#[test]
fn requirement_14_4_the_callback_resumes_a_workflow_of_an_earlier_process() {
    let world = World::start(IN_A_SECOND);
    let mut server = world.place.serve();
    let id = workflow_id(&server.subscribe("sarah.dev@gmail.com")).to_owned();
    server.workflow_when(&id, "waiting");
    server.process.kill();
    until_true("a callback to fail", || {
        world.sandbox.ledger().number("callbacks.failedAttempts") > 0
    });
    let server = world.place.serve();
    let done = server.workflow_when(&id, "completed");
    assert_eq!(done.words("wait-for-webhook"), ["opened", "received"]);
    assert_eq!(world.gateway.count(Call::Read), 0);
    world.assert_truth(1);
}
