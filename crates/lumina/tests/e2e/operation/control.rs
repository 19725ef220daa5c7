//! Workflows taken in hand from the command line, beside the process that executes them.

use serde_json::Value;

use crate::support::{World, until};

/// Paused, resumed, ended, done again: each is on record with who and when, and nobody is paid for twice.
#[test]
fn a_workflow_is_paused_ended_and_done_again() {
    let slow = "calls_per_minute = 100000\nlookup_min = \"2s\"\nlookup_max = \"2s\"\nnot_found_percent = 0\n";
    let mut world = World::start(slow);
    world.place.set_variable("USER", "ada");
    let server = world.place.serve();
    let created = server.subscribe("sarah.dev@gmail.com");
    let id = created["workflowId"].as_str().unwrap();
    server.workflow_when(id, "waiting");
    let run = |arguments: &[&str]| world.place.run(arguments);

    assert!(run(&["workflows", "pause", id]).ok().contains("is paused as soon as"));
    server.workflow_when(id, "paused");
    let listed = run(&["workflows", "list", "--status", "paused"]);
    assert!(listed.ok().contains("paused by cli:ada since"), "{listed:?}");
    // The answer comes meanwhile, and is kept.
    until("the answer to be in the inbox", || {
        let shown = run(&["workflows", "show", id, "--json"]).json();
        (shown["bufferedEvents"] == 1).then_some(())
    });
    assert!(run(&["workflows", "resume", id]).ok().contains("goes on"));
    server.workflow_when(id, "completed");

    run(&["workflows", "restart", id, "--from", "submit-to-fullenrich"])
        .assert_failed("would repeat step submit-to-fullenrich, an outside effect");
    run(&["workflows", "restart", id, "--from", "nowhere"]).assert_failed("it has no step nowhere");
    let restarted = run(&["workflows", "restart", id, "--from", "process-results", "--json"]).json();
    assert_eq!(restarted["effective"], true);
    server.workflow_when(id, "completed");
    let shown = run(&["workflows", "show", id]);
    for told in [
        "paused by cli:ada",
        "resumed by cli:ada",
        "by cli:ada, as of record",
        "~ superseded: the run was sent back to before it",
        "submit-to-fullenrich  attempt 1 begins",
    ] {
        assert!(shown.ok().contains(told), "{told}: {}", shown.out);
    }
    world.assert_truth(1);
}

/// An event for a workflow that has ended is kept, given to another by hand, or deleted; and the program says whether
/// its code fits what is open.
#[test]
fn events_are_sent_and_given_by_hand() {
    let world = World::start("calls_per_minute = 100000\nlookup_min = \"60s\"\nlookup_max = \"60s\"\n");
    let server = world.place.serve();
    let created = server.subscribe("sarah.dev@gmail.com");
    let id = created["workflowId"].as_str().unwrap();
    server.workflow_when(id, "waiting");
    let run = |arguments: &[&str]| world.place.run(arguments);
    let fits = run(&["workflows", "check"]);
    assert!(fits.ok().contains("open runs fit this program's workflows"), "{fits:?}");

    let sent = run(&[
        "workflows",
        "emit",
        id,
        "hello",
        "{\"a\":1}",
        "--event-id",
        "e-1",
        "--json",
    ])
    .json();
    assert_eq!(sent["delivery"], "routed");
    run(&["workflows", "emit", id, "hello", "nonsense"]).assert_failed("the payload `nonsense` is no JSON");
    assert!(run(&["workflows", "unrouted"]).ok().contains("No unrouted events."));
    run(&["workflows", "cancel", id]).ok();
    server.workflow_when(id, "cancelled");
    let unrouted = run(&["workflows", "unrouted", "--json"]).json();
    let number = unrouted[0]["number"].to_string();
    assert_eq!(
        (&unrouted[0]["id"], &unrouted[0]["payload"]["a"]),
        (&Value::from("e-1"), &Value::from(1))
    );
    let other = server.subscribe("other.dev@gmail.com");
    let other = other["workflowId"].as_str().unwrap();
    server.workflow_when(other, "waiting");
    run(&["workflows", "unrouted", "route", &number, id]).assert_failed("it has ended");
    run(&["workflows", "unrouted", "route", &number, other]).ok();
    run(&["workflows", "unrouted", "discard", &number]).assert_failed("there is no unrouted event");
    assert!(run(&["workflows", "unrouted"]).ok().contains("No unrouted events."));
}
