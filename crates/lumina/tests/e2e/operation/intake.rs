//! Subscribers as they come.

use serde_json::{Value, json};

use crate::support::{FAST, World, email, free_address, get, post, subscription, until};

/// The webhooks can have an address of their own, which shows nothing else.
#[test]
fn the_address_to_expose_serves_webhooks_alone() {
    let mut world = World::start(FAST);
    let open = free_address();
    world.place.set("server.webhook_address", &open.to_string());
    let server = world.place.serve();
    assert_eq!(
        subscription("sarah.dev@gmail.com").send(open).unwrap().ok()["status"],
        "created"
    );
    for path in ["/api/leads", "/api/workflows", "/api/dashboard/metrics"] {
        assert_eq!(get(path).send(open).unwrap().status, 404, "{path}");
    }
    assert_eq!(get("/healthz").send(open).unwrap().status, 200);
    world.wait_until_settled();
    server.stop();
}

/// Many at once are all answered and all looked up.
#[test]
fn subscribers_who_come_all_at_once_are_all_looked_up() {
    let world = World::start(FAST);
    let server = world.place.serve();
    let address = server.address;
    std::thread::scope(|scope| {
        for part in 0..8 {
            scope.spawn(move || {
                for number in part * 40..(part + 1) * 40 {
                    let answer = subscription(&email(number)).send(address).unwrap().ok();
                    assert!(answer["workflowId"].is_string(), "{answer}");
                }
            });
        }
    });
    world.wait_until_settled();
    world.assert_truth(320);
    let runs = until("the runs to end", || {
        let runs = world.place.database().runs();
        runs.iter().all(|status| status == "completed").then_some(runs)
    });
    assert_eq!(runs.len(), world.sandbox.ledger().batch_sizes().len(), "a run a batch");
}

/// A platform that the operator has described: pointers into its body, and a secret in the URL or in a header.
#[test]
fn a_configured_platform_delivers_subscribers() {
    let world = World::start(&format!("not_found_percent = 0\n{FAST}"));
    world.place.write(
        "lumina.toml",
        r#"
        [newsletters.ghost]
        secret = "a-secret-in-the-address"
        email = "/member/current/email"
        name = "/member/current/name"
        [newsletters.brevo]
        secret = "a-secret-in-a-header"
        header = "X-Brevo-Secret"
        email = "/email"
        source = "/list"
        "#,
    );
    let server = world.place.serve();
    let ghost = json!({"member": {"current": {"email": "anna@gmail.com", "name": "Anna Berg"}}}).to_string();
    let brevo = json!({"email": "bert@web.de", "list": "spring"}).to_string();
    let to_ghost = |query: &str| post(&format!("/api/webhooks/newsletters/ghost{query}")).body(ghost.clone());
    server
        .call_openly(&to_ghost(""))
        .assert_refused(401, "MISSING_SECRET", "secret");
    server
        .call_openly(&to_ghost("?secret=guessed"))
        .assert_refused(401, "INVALID_SECRET", "secret");
    let taken = server.call_openly(&to_ghost("?secret=a-secret-in-the-address")).ok();
    assert_eq!(taken["status"], "created");
    let request = post("/api/webhooks/newsletters/brevo")
        .header("x-brevo-secret", "a-secret-in-a-header")
        .body(brevo);
    assert_eq!(server.call_openly(&request).ok()["status"], "created");
    assert_eq!(
        get("/api/webhooks/newsletters/ghost")
            .send(server.address)
            .unwrap()
            .status,
        200,
        "platforms look first"
    );
    world.wait_until_settled();
    world.assert_truth(2);
    let sources = world
        .place
        .database()
        .rows("SELECT email, source, name FROM subscriber ORDER BY email", |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, Option<String>>(2)?,
            ))
        });
    let expected = [
        ("anna@gmail.com", "ghost", Some("Anna Berg")),
        ("bert@web.de", "spring", None),
    ];
    let expected = expected.map(|(email, source, name)| (email.to_owned(), source.to_owned(), name.map(str::to_owned)));
    assert_eq!(sources, expected);
}

/// A whole workflow is paused by hand, beside the process that serves: what comes in waits, and says
/// for what, until the workflow is resumed.
#[test]
fn a_paused_workflow_waits() {
    let world = World::start("calls_per_minute = 100000\nnot_found_percent = 0\n");
    let server = world.place.serve();
    let run = |arguments: &[&str]| world.place.run(arguments).ok().to_owned();
    let definitions = ["workflows", "definitions"];
    let steer = |what| [&definitions[..], &[what, "subscriber-enrichment"]].concat();
    let told = run(&steer("pause"));
    assert!(told.contains("is paused"), "{told}");
    let again = run(&steer("pause"));
    assert!(again.contains("paused already"), "{again}");
    let created = server.subscribe("sarah.dev@gmail.com");
    let id = created["workflowId"].as_str().unwrap();
    until("the run to be throttled", || {
        let shown = server.show(&format!("/api/workflows/{id}"));
        (shown["workflow"]["throttled"]["limit"] == "workflow_paused").then_some(())
    });
    let listed = run(&["workflows", "list", "--throttled"]);
    assert!(listed.contains("workflow_paused") && listed.contains(id), "{listed}");
    let shown = run(&["workflows", "show", id]);
    assert!(shown.contains("throttled by workflow_paused"), "{shown}");
    let whole = run(&definitions);
    assert!(
        whole.contains("paused by cli:") && whole.contains("1 throttled"),
        "{whole}"
    );
    let told = run(&steer("resume"));
    assert!(told.contains("goes on"), "{told}");
    server.workflow_when(id, "completed");
    let all = world.place.run(&["workflows", "definitions", "--json"]).json();
    let all = all.as_array().unwrap();
    let shown = all.iter().find(|one| one["name"] == "subscriber-enrichment").unwrap();
    assert_eq!(
        (&shown["paused"], &shown["throttled"]),
        (&Value::Null, &Value::from(0)),
        "{shown}"
    );
    assert!(shown["resumed"]["by"].as_str().unwrap().starts_with("cli:"), "{shown}");
}

/// A run can be ended by hand. What is out comes back all the same, and is applied: it was paid for.
#[test]
fn a_cancelled_workflow_loses_nothing_that_was_paid_for() {
    let slow = "calls_per_minute = 100000\nlookup_min = \"3s\"\nlookup_max = \"3s\"\nnot_found_percent = 0\n";
    let world = World::start(slow);
    let server = world.place.serve();
    let created = server.subscribe("sarah.dev@gmail.com");
    let id = created["workflowId"].as_str().unwrap();
    server.workflow_when(id, "waiting");
    assert!(
        world
            .place
            .run(&["workflows", "cancel", id])
            .ok()
            .contains("is being cancelled")
    );
    let cancelled = server.workflow_when(id, "cancelled");
    assert_eq!(cancelled.0["workflow"]["failure"]["kind"], "cancelled");
    let database = world.place.database();
    assert_eq!(database.jobs(), [("stale".to_owned(), 1)].into());
    let again = server.call(post(&format!("/api/workflows/{id}/cancel")));
    again.assert_refused(409, "CONFLICT", "");
    assert_eq!(
        server.subscribe("sarah.dev@gmail.com")["workflowId"],
        Value::Null,
        "it may have been paid for"
    );
    until("the late answer to be applied", || {
        (database.jobs() == [("enriched".to_owned(), 1)].into()).then_some(())
    });
    world.assert_truth(1);
}
