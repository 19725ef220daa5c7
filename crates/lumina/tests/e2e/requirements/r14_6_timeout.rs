//! 14.6: the wait for the callback has a deadline, here a short one.

use jiff::SignedDuration;

use super::workflow_id;
use crate::support::{Call, Serve, Workflow, World, email, until_true};

/// Accepts everything and is never heard of again.
const SILENT: &str = r#"
calls_per_minute = 100000
lookup_min = "10h"
lookup_max = "10h"
[moods]
callback_never = 100
events_never = 100
"#;

fn start_impatient(sandbox: &str, deadline: &str) -> World {
    let mut world = World::start(sandbox);
    world.place.set("enrichment.deadline", deadline);
    world
}

/// The run failed for its deadline, at it; the jobs are stale, say why, and are nobody's.
fn assert_timed_out(world: &World, failed: &Workflow, jobs: u64) {
    let failure = &failed.0["workflow"]["failure"];
    assert_eq!(
        (&failure["kind"], &failure["step"]),
        (&"timed_out".into(), &"wait-for-webhook".into()),
        "{failure}"
    );
    assert!(
        failure["message"].as_str().unwrap().contains("within its deadline"),
        "{failure}"
    );
    assert_eq!(failed.words("wait-for-webhook"), ["opened", "timed_out"]);
    let opened = failed.of_step("wait-for-webhook")[0];
    let late =
        Workflow::time(&failed.0, "/workflow/finishedAt").duration_since(Workflow::time(opened, "/detail/deadline"));
    assert!(
        late >= SignedDuration::ZERO && late < SignedDuration::from_secs(5),
        "{late:#}: {failed:?}"
    );
    let database = world.place.database();
    assert_eq!(database.jobs(), [("stale".to_owned(), jobs)].into());
    let told = database.column::<String>("SELECT DISTINCT reason FROM enrichment_job");
    assert!(told.len() == 1 && told[0].contains("within its deadline"), "{told:?}");
}

/// Stale lookups may have been paid for: nothing buys them again but a person who says so.
fn assert_not_bought_again(world: &World, server: &Serve, jobs: u64) {
    let enriched = world.place.run(&["enrich", "--yes", "--json"]).json();
    assert_eq!((&enriched["lookupsCreated"], &enriched["jobs"]), (&0.into(), &0.into()));
    assert_eq!(world.place.run(&["jobs", "retry", "--json"]).json()["retried"], 0);
    let again = server.subscribe(&email(0));
    assert_eq!(
        (&again["status"], &again["workflowId"]),
        (&"updated".into(), &serde_json::Value::Null)
    );
    assert_eq!(world.gateway.count(Call::Submit), 1, "sent once, and not again");
    let retried = world.place.run(&["jobs", "retry", "--may-pay-twice", "--json"]).json();
    assert_eq!(retried["retried"], jobs);
}

#[test]
fn requirement_14_6_the_wait_for_the_callback_has_a_deadline() {
    let world = start_impatient(SILENT, "2s");
    let server = world.place.serve();
    let id = workflow_id(&server.subscribe(&email(0))).to_owned();
    let failed = server.workflow_when(&id, "failed");
    assert_timed_out(&world, &failed, 1);
    assert_eq!(
        world.gateway.count(Call::Read),
        1,
        "it was asked once more before the verdict"
    );
    assert_not_bought_again(&world, &server, 1);
}

#[test]
fn requirement_14_6_the_deadline_holds_across_a_restart() {
    let world = start_impatient(SILENT, "6s");
    let mut server = world.place.serve();
    world.import(0..30);
    let database = world.place.database();
    until_true("the run to wait", || database.runs() == ["waiting"]);
    let id = server.show("/api/workflows")["workflows"][0]["workflowId"]
        .as_str()
        .unwrap()
        .to_owned();
    let waiting = server.workflow(&id);
    server.process.kill();

    let server = world.place.serve();
    let failed = server.workflow_when(&id, "failed");
    assert_eq!(
        failed.of_step("wait-for-webhook")[0],
        waiting.of_step("wait-for-webhook")[0],
        "the deadline is the old one"
    );
    assert_eq!(
        failed.words("submit-to-fullenrich"),
        ["attempt_started", "completed"],
        "it was not sent again"
    );
    assert_timed_out(&world, &failed, 30);
    assert_not_bought_again(&world, &server, 30);
}

/// A deadline that passed while no process was there is kept by the next one.
#[test]
fn requirement_14_6_a_deadline_that_passed_between_two_processes_is_kept() {
    let world = start_impatient(SILENT, "1s");
    let mut server = world.place.serve();
    let id = workflow_id(&server.subscribe(&email(0))).to_owned();
    let database = world.place.database();
    until_true("the batch to be on record", || {
        database.records("submit-to-fullenrich", "completed") == 1
    });
    server.process.kill();
    let server = world.place.serve();
    server.workflow_when(&id, "failed");
    assert_eq!(database.jobs(), [("stale".to_owned(), 1)].into());
    assert_eq!(world.gateway.count(Call::Submit), 1);
}

/// What comes after the deadline was paid for as well, and is not thrown away.
#[test]
fn requirement_14_6_an_answer_after_the_deadline_is_still_applied() {
    let late = "calls_per_minute = 100000\nlookup_min = \"5s\"\nlookup_max = \"5s\"\nnot_found_percent = 0\n";
    let world = start_impatient(late, "1s");
    let server = world.place.serve();
    let id = workflow_id(&server.subscribe(&email(0))).to_owned();
    server.workflow_when(&id, "failed");
    let database = world.place.database();
    assert_eq!(database.jobs(), [("stale".to_owned(), 1)].into());
    until_true("the late answer to be applied", || {
        database.jobs() == [("enriched".to_owned(), 1)].into()
    });
    // The contact's event and the batch's answer are applied each by a run of its own.
    until_true("the runs that apply it to end", || {
        database
            .value::<String>("SELECT group_concat(DISTINCT status) FROM workflow_run WHERE workflow = 'late-answer'")
            == "completed"
    });
    world.assert_truth(1);
}
