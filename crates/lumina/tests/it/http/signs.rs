//! Callbacks for single contacts, as many as come at once: they share a change, and nothing else.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Answer, Call, TestApp, post};

const BATCH: &str = "/api/webhooks/enrichment";
const CONTACT: &str = "/api/webhooks/enrichment/contact";

/// A contact's event of nobody's batch.
fn event(number: u32, status: &str) -> Value {
    let email = format!("person{number}@gmail.com");
    json!({"id": "2db5ea61-1752-42cf-8ea1-ab1da060cd0a", "status": status, "data": [{"input": {"email": email}}]})
}

async fn send_all(test: &TestApp, calls: Vec<Call>) -> Vec<Answer> {
    join_all(calls.into_iter().map(|call| test.send(call))).await
}

#[tokio::test]
async fn those_that_come_at_once_share_a_change_and_are_answered_each() {
    let test = TestApp::new().await;
    let mut calls: Vec<Call> = (0..40)
        .map(|number| Call::callback(CONTACT, &event(number, "IN_PROGRESS")))
        .collect();
    calls.push(Call::callback(CONTACT, &event(7, "IN_PROGRESS")));
    calls.push(post(CONTACT).header("X-Signature-SHA1", &"0".repeat(40)).body("{}"));
    calls.push(Call::callback(BATCH, &event(99, "FINISHED")));
    let changes = "SELECT count(*) FROM workflow_applied";
    let before = test.count(changes).await;
    let mut answers = send_all(&test, calls).await;
    let end = answers.pop().unwrap();
    assert_eq!(end.ok(), json!({"status": "unrouted"}));
    answers
        .pop()
        .unwrap()
        .assert_refused(401, "INVALID_SIGNATURE", "none of the configured API keys");
    assert_eq!(answers.pop().unwrap().ok(), json!({"status": "duplicate"}));
    for answer in answers {
        assert_eq!(answer.ok(), json!({"status": "unrouted"}));
    }
    assert_eq!(test.count("SELECT count(*) FROM enrichment_answer").await, 41);
    // The end has one, and what was refused is noted with one.
    let made = test.count(changes).await - before;
    assert!(made <= 10, "{made} changes");
}

/// The database never takes one of them: the others are stored, and its sender alone hears of it.
#[tokio::test]
async fn one_that_cannot_be_stored_is_nothing_to_the_others() {
    let test = TestApp::new().await;
    test.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON enrichment_answer WHEN new.status = 'CURSED'
         BEGIN SELECT RAISE(ABORT, 'not this one'); END"
            .to_owned(),
    )
    .await;
    let calls = (0..20).map(|number| {
        Call::callback(
            CONTACT,
            &event(number, if number == 7 { "CURSED" } else { "IN_PROGRESS" }),
        )
    });
    let answers = send_all(&test, calls.collect()).await;
    for (number, answer) in answers.into_iter().enumerate() {
        match number {
            7 => assert_eq!(answer.status, 500),
            _ => assert_eq!(answer.ok(), json!({"status": "unrouted"}), "{number}"),
        }
    }
    assert_eq!(test.count("SELECT count(*) FROM enrichment_answer").await, 19);
}
