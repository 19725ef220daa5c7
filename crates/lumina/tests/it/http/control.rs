//! What can be asked of workflows: pause, resume, retry, restart, and events by hand.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Call, TestApp, get, person, post};

async fn ask(test: &TestApp, path: &str) -> Value {
    test.send(post(&format!("/api/workflows/{path}")).authorized())
        .await
        .ok()
}

async fn show(test: &TestApp, id: &str) -> Value {
    test.send(get(&format!("/api/workflows/{id}")).authorized()).await.ok()
}

/// A workflow that nobody executes.
async fn with_pending() -> (TestApp, String) {
    let test = TestApp::new().await;
    let taken = test
        .send(Call::subscribe(
            r#"{"email":"a@gmail.com","source":"web","timestamp":"2026-08-01T12:00:00Z"}"#,
        ))
        .await
        .ok();
    let id = taken["workflowId"].as_str().unwrap().to_owned();
    (test, id)
}

/// A workflow that has ended.
async fn with_completed() -> (TestApp, String) {
    let mut test = TestApp::new().await;
    let people = BTreeMap::from([("a@gmail.com", Some(person("A", "Founder")))]);
    test.find_people(&people).await;
    let id = test.wait_for_runs("subscriber-enrichment", 1).await[0].id.to_string();
    (test, id)
}

fn whats(answer: &Value) -> Vec<(&str, bool)> {
    let history = answer["history"].as_array().unwrap();
    let told = |entry: &'_ Value| entry["superseded"].as_bool().unwrap();
    history
        .iter()
        .map(|entry| (entry["what"].as_str().unwrap(), told(entry)))
        .collect()
}

#[tokio::test]
async fn a_pause_and_a_resume_say_by_whom() {
    let (test, id) = with_pending().await;
    let (effective, in_vain) = (
        json!({"workflowId": id, "effective": true}),
        json!({"workflowId": id, "effective": false}),
    );
    assert_eq!(ask(&test, &format!("{id}/pause?by=ada")).await, effective);
    assert_eq!(ask(&test, &format!("{id}/pause")).await, in_vain);
    let shown = show(&test, &id).await;
    assert_eq!(shown["workflow"]["status"], "paused");
    assert_eq!(shown["workflow"]["pausedBy"], "api:ada");
    assert!(shown["workflow"]["pausedAt"].is_string());
    assert_eq!(ask(&test, &format!("{id}/resume")).await, effective);
    let shown = show(&test, &id).await;
    assert_eq!(
        (&shown["workflow"]["status"], &shown["workflow"]["pausedBy"]),
        (&json!("pending"), &Value::Null)
    );
    let details: Vec<&Value> = shown["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["detail"])
        .collect();
    assert_eq!(details, [&json!({"by": "api:ada"}), &json!({"by": "api"})]);
    assert_eq!(whats(&shown), [("paused", false), ("resumed", false)]);
    let refused = post(&format!("/api/workflows/{id}/resume")).authorized();
    let message = format!("workflow {id} is pending: only a paused or blocked run can be resumed");
    test.send(refused).await.assert_refused(409, "CONFLICT", &message);
}

/// It is done again from a chosen step, what was recorded later is superseded, and what was done outside is not repeated
/// unless that is said.
#[tokio::test]
async fn a_restart_goes_back_to_a_step() {
    let (test, id) = with_completed().await;
    let restart = |query: &str| post(&format!("/api/workflows/{id}/restart{query}")).authorized();
    let refusals = [
        ("?from=nowhere", "it has no step nowhere"),
        (
            "?from=batch-pending-jobs&key=%232",
            "it has no step batch-pending-jobs (#2)",
        ),
        (
            "?from=batch-pending-jobs",
            "would repeat step submit-to-fullenrich, an outside effect",
        ),
        ("", "add mayRepeatEffects=true"),
    ];
    for (query, message) in refusals {
        test.send(restart(query)).await.assert_refused(409, "CONFLICT", message);
    }
    let from = restart("?from=process-results&by=ada");
    assert_eq!(test.send(from).await.ok(), json!({"workflowId": id, "effective": true}));
    test.wait_for_runs("subscriber-enrichment", 1).await;
    let shown = show(&test, &id).await;
    assert_eq!(shown["workflow"]["status"], "completed", "{shown}");
    let told = whats(&shown);
    let rewound = told.iter().position(|(what, _)| *what == "rewound").unwrap();
    let before: Vec<bool> = told[..rewound].iter().map(|(_, superseded)| *superseded).collect();
    assert_eq!(before.iter().filter(|superseded| **superseded).count(), 2, "{told:?}");
    assert!(before[rewound - 1], "only the last two steps are done again: {told:?}");
    assert_eq!(told[rewound + 1..], [("completed", false); 2], "{told:?}");
    let detail = &shown["history"][rewound]["detail"];
    assert_eq!(detail["by"], "api:ada", "{detail}");
    test.send(post(&format!("/api/workflows/{id}/retry")).authorized())
        .await
        .assert_refused(409, "CONFLICT", "only a failed or blocked run can be retried");
}

#[tokio::test]
async fn an_event_is_sent_by_hand() {
    let (test, id) = with_pending().await;
    let emit = |query: &str, body: &str| {
        post(&format!("/api/workflows/{id}/events/enrichment-complete{query}"))
            .authorized()
            .body(body.to_owned())
    };
    let sent = test.send(emit("?id=e-1&key=k&by=ada", r#"{"answer":1}"#)).await.ok();
    assert_eq!(sent, json!({"eventId": "e-1", "delivery": "routed"}));
    assert_eq!(test.send(emit("?id=e-1", "")).await.ok()["delivery"], "duplicate");
    let generated = test.send(emit("", "")).await.ok();
    assert!(
        generated["eventId"].as_str().unwrap().starts_with("by-hand/"),
        "{generated}"
    );
    assert_eq!(show(&test, &id).await["workflow"]["bufferedEvents"], 2);
    test.send(emit("", "{"))
        .await
        .assert_refused(400, "INVALID_PAYLOAD", "body: it is no JSON");
    let too_long = "x".repeat(201);
    test.send(emit(&format!("?id={too_long}"), "")).await.assert_refused(
        400,
        "INVALID_QUERY",
        "an event's id must have 1 to 200 bytes",
    );
    let long = format!("\"{}\"", "x".repeat(1024 * 1024));
    test.send(emit("", &long))
        .await
        .assert_refused(413, "PAYLOAD_TOO_LARGE", "");
    let nobody = post("/api/workflows/01986400-0000-7000-8000-000000000000/events/e").authorized();
    test.send(nobody)
        .await
        .assert_refused(404, "NOT_FOUND", "there is no workflow");
}

/// Events for what has ended are listed, given to a workflow, or deleted.
#[tokio::test]
async fn unrouted_events_are_taken_in_hand() {
    let (test, ended) = with_completed().await;
    for number in 1..=3 {
        let sent = post(&format!("/api/workflows/{ended}/events/late?id=e-{number}&by=ada"))
            .authorized()
            .body(number.to_string());
        assert_eq!(test.send(sent).await.ok()["delivery"], "unrouted");
    }
    let list = |query: &str| get(&format!("/api/events/unrouted{query}")).authorized();
    let page = test.send(list("?limit=2")).await.ok();
    let first = &page["events"][0];
    assert_eq!((&first["id"], &first["payload"]), (&json!("e-1"), &json!(1)));
    assert_eq!(first["target"], format!("run {ended}"));
    let cursor = page["nextCursor"].as_str().unwrap();
    let rest = test.send(list(&format!("?limit=2&cursor={cursor}"))).await.ok();
    assert_eq!(
        (&rest["events"][0]["id"], &rest["nextCursor"]),
        (&json!("e-3"), &Value::Null)
    );

    let taken = test
        .send(Call::subscribe(
            r#"{"email":"b@gmail.com","source":"web","timestamp":"2026-08-01T12:00:00Z"}"#,
        ))
        .await
        .ok();
    let open = taken["workflowId"].as_str().unwrap();
    ask(&test, &format!("{open}/pause")).await;
    let number = first["number"].as_u64().unwrap();
    let route = |number: u64, to: &str| post(&format!("/api/events/unrouted/{number}/route?to={to}")).authorized();
    test.send(route(number, &ended))
        .await
        .assert_refused(409, "CONFLICT", "it has ended");
    assert_eq!(test.send(route(number, open)).await.ok(), json!({"number": number}));
    assert_eq!(show(&test, open).await["workflow"]["bufferedEvents"], 1);
    let told = format!("there is no unrouted event {number}: it was routed, or it has expired");
    test.send(route(number, open))
        .await
        .assert_refused(404, "NOT_FOUND", &told);
    let second = page["events"][1]["number"].as_u64().unwrap();
    let discard = || Call::new("DELETE", &format!("/api/events/unrouted/{second}")).authorized();
    assert_eq!(test.send(discard()).await.ok(), json!({"number": second}));
    test.send(discard())
        .await
        .assert_refused(404, "NOT_FOUND", "there is no unrouted event");
    assert_eq!(test.send(list("")).await.ok()["events"].as_array().unwrap().len(), 1);
    let odd = post("/api/events/unrouted/x/route?to=1").authorized();
    test.send(odd)
        .await
        .assert_refused(404, "NOT_FOUND", "there is no unrouted event x");
}

#[tokio::test]
async fn malformed_wishes_name_the_parameter() {
    let (test, id) = with_pending().await;
    let too_long = "x".repeat(101);
    let rows = [
        (
            "pause?from=a".to_owned(),
            "from: there is no such parameter here; there are by",
        ),
        (format!("cancel?by={too_long}"), "by: it must have 1 to 100 bytes"),
        ("pause?by=".to_owned(), "by: it must have 1 to 100 bytes"),
        (
            "retry?mayRepeatEffects=yes".to_owned(),
            "mayRepeatEffects: it must be true or false",
        ),
        ("restart?key=%23x&from=a".to_owned(), "key: behind # stands a number"),
        ("restart?key=a".to_owned(), "key: it says which step `from` means"),
    ];
    for (path, message) in rows {
        let call = post(&format!("/api/workflows/{id}/{path}")).authorized();
        test.send(call).await.assert_refused(400, "INVALID_QUERY", message);
    }
}
