//! 14.5: the workflow's steps have retry policies, and keep them across a restart.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::workflow_id;
use crate::support::{Call, FAST, Fault, Serve, Workflow, World, post, until, until_true};

const SUBMIT: &str = "submit-to-fullenrich";

/// The attempts that a step's records tell of, of one kind.
fn attempts(workflow: &Workflow, step: &str, what: &str) -> Vec<u64> {
    let records = workflow
        .of_step(step)
        .into_iter()
        .filter(|record| record["what"] == what);
    records.map(|record| record["attempt"].as_u64().unwrap()).collect()
}

/// The workflow when so many attempts of a step have failed.
fn when_failed(server: &Serve, id: &str, step: &str, count: usize) -> Workflow {
    until(&format!("attempt {count} of {step} to fail"), || {
        Some(server.workflow(id)).filter(|workflow| attempts(workflow, step, "attempt_failed").len() == count)
    })
}

/// Each failed attempt says with which code, and waited no longer than its policy says: 5 s, 10 s, 20 s and 40 s, of
/// which chance takes a part.
fn assert_backoff(workflow: &Workflow, code: u64) {
    let failed = workflow
        .of_step(SUBMIT)
        .into_iter()
        .filter(|record| record["what"] == "attempt_failed");
    for (record, limit) in failed.zip([5_000, 10_000, 20_000, 40_000]) {
        assert_eq!(
            (&record["detail"]["code"], &record["detail"]["decision"]),
            (&code.into(), &"retry".into()),
            "{record}"
        );
        let delay = record["detail"]["delayMs"].as_u64().unwrap();
        assert!(delay <= limit, "{record}");
        let next = Workflow::time(record, "/detail/nextAt").duration_since(Workflow::time(record, "/endedAt"));
        let off = (next - SignedDuration::from_millis(i64::try_from(delay).unwrap())).abs();
        assert!(off < SignedDuration::from_millis(50), "{record}");
    }
}

#[test]
fn requirement_14_5_a_submission_is_retried_with_growing_delays() {
    let world = World::start(FAST);
    world
        .gateway
        .fail_next(Call::Submit, [Fault::Refuse(503), Fault::Refuse(503)]);
    let server = world.place.serve();
    let id = workflow_id(&server.subscribe("sarah.dev@gmail.com")).to_owned();
    let done = server.workflow_when(&id, "completed");
    assert_eq!(attempts(&done, SUBMIT, "attempt_started"), [1, 2, 3]);
    assert_eq!(attempts(&done, SUBMIT, "attempt_failed"), [1, 2]);
    assert_eq!(attempts(&done, SUBMIT, "completed"), [3]);
    assert_backoff(&done, 503);
    assert_eq!(world.gateway.count(Call::Submit), 3);
    world.assert_truth(1);
}

/// When the next attempt may begin.
fn next_attempt(workflow: &Workflow) -> Timestamp {
    let failed = workflow
        .of_step(SUBMIT)
        .into_iter()
        .rfind(|record| record["what"] == "attempt_failed");
    Workflow::time(failed.unwrap(), "/detail/nextAt")
}

/// A restart neither repeats the attempts that were made, nor gives new ones, nor shortens the pause between two.
#[test]
fn requirement_14_5_a_restart_goes_on_with_the_attempts_that_are_left() {
    let world = World::start(FAST);
    world
        .gateway
        .fail_next(Call::Submit, [Fault::Refuse(503), Fault::Refuse(503)]);
    let mut server = world.place.serve();
    let id = workflow_id(&server.subscribe("sarah.dev@gmail.com")).to_owned();
    let before = when_failed(&server, &id, SUBMIT, 1);
    server.process.kill();

    let server = world.place.serve();
    let done = server.workflow_when(&id, "completed");
    assert_eq!(attempts(&done, SUBMIT, "attempt_started"), [1, 2, 3]);
    assert_eq!(attempts(&done, SUBMIT, "completed"), [3]);
    assert_eq!(world.gateway.count(Call::Submit), 3);
    let second = done
        .of_step(SUBMIT)
        .into_iter()
        .find(|record| record["attempt"] == 2)
        .unwrap();
    assert!(
        Workflow::time(second, "/startedAt") >= next_attempt(&before),
        "the pause is kept: {second}"
    );
    world.assert_truth(1);
}

/// Five attempts are all, restarts included. Then the run has failed, and its job is as free as if it had never been.
#[test]
fn requirement_14_5_five_attempts_are_all_and_nothing_is_lost() {
    let mut world = World::start(FAST);
    world.place.set("enrichment.sweep", "1h");
    world.gateway.fail_always(Call::Submit, Some(Fault::Refuse(503)));
    let mut server = world.place.serve();
    let id = workflow_id(&server.subscribe("sarah.dev@gmail.com")).to_owned();
    when_failed(&server, &id, SUBMIT, 2);
    server.process.kill();
    let server = world.place.serve();
    let failed = server.workflow_when(&id, "failed");
    assert_eq!(attempts(&failed, SUBMIT, "attempt_started"), [1, 2, 3, 4, 5]);
    assert_eq!(world.gateway.count(Call::Submit), 5);
    assert_backoff(&failed, 503);
    let failure = &failed.0["workflow"]["failure"];
    assert_eq!(
        (&failure["step"], &failure["code"], &failure["attempts"]),
        (&SUBMIT.into(), &503.into(), &5.into())
    );
    let free = "enrichment_job WHERE status = 'pending' AND run IS NULL AND reason IS NOT NULL";
    assert_eq!(
        world.place.database().count(free),
        1,
        "the job was never sent, and says why it waits"
    );

    world.gateway.fail_always(Call::Submit, None);
    let started = server.call(post("/api/enrichment/batches")).ok();
    assert_eq!(started["jobs"], 1);
    world.wait_until_settled();
    world.assert_truth(1);
}

/// A limit that was hit is no failed attempt: it is waited for.
#[test]
fn requirement_14_5_a_rate_limit_uses_up_no_attempt() {
    let world = World::start(FAST);
    world.gateway.fail_next(Call::Submit, [Fault::RefuseFor(429, 1); 6]);
    let server = world.place.serve();
    let id = workflow_id(&server.subscribe("sarah.dev@gmail.com")).to_owned();
    let done = server.workflow_when(&id, "completed");
    assert_eq!(attempts(&done, SUBMIT, "completed"), [1], "{done:?}");
    assert_eq!(world.gateway.count(Call::Submit), 7);
    world.assert_truth(1);
}

/// After these answers nobody knows whether a batch was accepted: it is sent again only when its window is over, and
/// not at all when a callback tells.
#[test]
fn requirement_14_5_what_may_have_been_accepted_is_not_sent_again_blindly() {
    for (fault, submissions) in [
        (Fault::Garble(500), 1),
        (Fault::Garble(502), 1),
        (Fault::Garble(504), 1),
        (Fault::LoseAnswer, 1),
        (Fault::Refuse(500), 2),
        (Fault::Refuse(504), 2),
    ] {
        let mut world = World::start(FAST);
        world.place.set("enrichment.reconcile_window", "3s");
        world.place.set("fullenrich.connect_timeout", "1s");
        world.place.set("fullenrich.timeout", "1s");
        world.gateway.fail_next(Call::Submit, [fault]);
        let server = world.place.serve();
        let id = workflow_id(&server.subscribe("sarah.dev@gmail.com")).to_owned();
        let done = server.workflow_when(&id, "completed");
        assert_eq!(world.gateway.count(Call::Submit), submissions, "{fault:?}");
        assert_eq!(world.sandbox.ledger().number("batchCount"), 1, "{fault:?}: {done:?}");
        world.assert_truth(1);
    }
}

/// What is refused for good is not tried again: one bad address is found by halving its batch.
#[test]
fn requirement_14_5_a_refusal_is_not_retried() {
    let world = World::start(&format!(
        "{FAST}[moods]\nrefused_addresses = [\"invented3@gmail.com\"]\n"
    ));
    let _server = world.place.serve();
    world.import(0..8);
    world.wait_until_settled();
    let database = world.place.database();
    let bad = database
        .status_by_email()
        .into_iter()
        .filter(|(_, status)| status == "failed");
    assert_eq!(bad.map(|(email, _)| email).collect::<Vec<_>>(), ["invented3@gmail.com"]);
    let reason: String = database.value("SELECT reason FROM enrichment_job WHERE status = 'failed'");
    assert!(reason.contains("error.reverse.email.invalid"), "{reason}");
    assert_eq!(world.sandbox.ledger().lookups().len(), 7, "the others were looked up");
    assert_eq!(database.records(SUBMIT, "attempt_failed"), 0);
}

/// Stored answers that cannot be read, until they are put back.
const SPOILT_ANSWERS: &str = "
    CREATE TABLE kept_answer (id BLOB, body BLOB);
    CREATE TRIGGER spoil AFTER INSERT ON enrichment_answer BEGIN
        INSERT INTO kept_answer VALUES (NEW.id, NEW.body);
        UPDATE enrichment_answer SET body = x'ff' WHERE id = NEW.id;
    END;";
const HEALED_ANSWERS: &str = "
    UPDATE enrichment_answer SET body = (SELECT k.body FROM kept_answer k WHERE k.id = enrichment_answer.id);
    DROP TRIGGER spoil;
    DROP TABLE kept_answer;";

#[test]
fn requirement_14_5_processing_is_retried_across_a_restart() {
    const PROCESS: &str = "process-results";
    let world = World::start(FAST);
    let mut server = world.place.serve();
    let database = world.place.database();
    database.open_to_write().execute_batch(SPOILT_ANSWERS).unwrap();
    let id = workflow_id(&server.subscribe("sarah.dev@gmail.com")).to_owned();
    when_failed(&server, &id, PROCESS, 1);
    server.process.kill();
    database.open_to_write().execute_batch(HEALED_ANSWERS).unwrap();
    let server = world.place.serve();
    let done = server.workflow_when(&id, "completed");
    assert_eq!(attempts(&done, PROCESS, "attempt_failed")[0], 1);
    assert!(attempts(&done, PROCESS, "completed")[0] > 1, "{done:?}");
    world.assert_truth(1);
}

/// The jobs of a run that fails say why. What was paid for is kept, and having it again costs nothing.
#[test]
fn requirement_14_5_nothing_that_was_paid_for_is_thrown_away_when_processing_fails() {
    let mut world = World::start(&format!("not_found_percent = 0\n{FAST}"));
    world.place.set("enrichment.sweep", "200ms");
    let server = world.place.serve();
    let database = world.place.database();
    let refuse = "CREATE TRIGGER no_leads BEFORE INSERT ON lead BEGIN SELECT RAISE(ABORT, 'a full moon'); END";
    database.open_to_write().execute_batch(refuse).unwrap();
    let id = workflow_id(&server.subscribe("sarah.dev@gmail.com")).to_owned();
    let failed = server.workflow_when(&id, "failed");
    assert_eq!(failed.0["workflow"]["failure"]["step"], "process-results");
    assert_eq!(database.jobs(), [("stale".to_owned(), 1)].into());
    assert!(
        database
            .value::<String>("SELECT reason FROM enrichment_job")
            .contains("a full moon")
    );
    assert_eq!(
        database.count("enrichment_answer WHERE is_final"),
        1,
        "the answer is kept"
    );

    database.open_to_write().execute_batch("DROP TRIGGER no_leads").unwrap();
    assert_eq!(
        world.place.run(&["jobs", "retry", "--may-pay-twice", "--json"]).json()["retried"],
        1
    );
    world.wait_until_settled();
    assert_eq!(world.sandbox.ledger().number("freeRepeats"), 1);
    world.assert_truth(1);
}

/// What the seed's document says of each step is what runs.
#[test]
fn requirement_14_5_the_policies_are_the_documented_ones() {
    let world = World::start(FAST);
    let definitions = world.place.run(&["workflows", "definitions", "--json"]).json();
    let all = definitions.as_array().unwrap();
    let enrichment = all
        .iter()
        .find(|definition| definition["name"] == "subscriber-enrichment")
        .unwrap();
    let step = |name: &str| -> &Value {
        enrichment["steps"]
            .as_array()
            .unwrap()
            .iter()
            .find(|step| step["name"] == name)
            .unwrap()
    };
    for (name, tries) in [("batch-pending-jobs", 3), (SUBMIT, 5), ("process-results", 3)] {
        assert_eq!(
            (&step(name)["attempts"], &step(name)["backoff"]),
            (&tries.into(), &"exponential".into()),
            "{name}"
        );
    }
    assert_eq!(step(SUBMIT)["codes"], serde_json::json!([429, 500, 502, 503, 504]));
    assert_eq!(step("wait-for-webhook")["timeoutMs"], 24 * 3_600 * 1_000);
    assert_eq!(step("wait-for-webhook")["event"], "enrichment-complete");
    // And it is what the server does: the requirement's other tests see it at work.
    let server = world.place.serve();
    server.workflow_when(workflow_id(&server.subscribe("sarah.dev@gmail.com")), "completed");
    until_true("the lookup to end", || world.place.database().open_jobs() == 0);
}
