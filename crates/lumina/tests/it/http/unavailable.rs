//! Nothing is answered with 200 before it is durable.

use serde_json::{Value, json};

use crate::support::{Call, Form, TestApp, add_any_source, post};

fn subscribe() -> Call {
    let body = json!({"email": "a@gmail.com", "source": "x", "timestamp": 1_785_585_598});
    Call::subscribe(body.to_string())
}

/// Everything that stores something.
fn stores() -> Vec<(&'static str, Call)> {
    let finished: Value = json!({"id": "2db5ea61", "status": "FINISHED", "data": []});
    let contact: Value = json!({"id": "2db5ea61", "status": "IN_PROGRESS", "data": []});
    let file = Form::new().file("list.csv", "email\nc@gmail.com\n");
    vec![
        ("subscribe", subscribe()),
        ("newsletters", Call::any_source(r#"{"email":"b@gmail.com"}"#)),
        ("enrichment", Call::callback("/api/webhooks/enrichment", &finished)),
        ("contact", Call::callback("/api/webhooks/enrichment/contact", &contact)),
        ("upload", file.call().authorized()),
    ]
}

#[tokio::test]
async fn with_a_full_disk_nothing_is_said_to_be_stored_and_nothing_is_lost() {
    let test = TestApp::with(add_any_source).await;
    test.fill_disk().await;
    for (route, call) in stores() {
        let answer = test.send(call).await;
        answer.assert_refused(503, "UNAVAILABLE", "nothing is known to be stored");
        let told = String::from_utf8_lossy(&answer.body);
        assert!(
            !told.contains("lumina.db"),
            "{route}: strangers are told nothing of the machine: {told}"
        );
    }
    let batches = test.send(post("/api/enrichment/batches").authorized()).await;
    batches.assert_refused(503, "UNAVAILABLE", "try again later");
    assert_eq!(test.count("SELECT count(*) FROM subscriber").await, 0);
    assert_eq!(test.count("SELECT count(*) FROM delivery").await, 0);

    test.free_disk().await;
    for (route, call) in stores() {
        assert_eq!(
            test.send(call).await.status,
            200,
            "{route}: what is sent again is taken"
        );
    }
    assert_eq!(test.count("SELECT count(*) FROM subscriber").await, 3);
    assert_eq!(test.count("SELECT count(*) FROM enrichment_answer").await, 2);
}

/// A commit of unknown outcome is repeated without end; its sender has an answer all the same.
#[tokio::test]
async fn a_commit_that_takes_too_long_is_not_said_to_have_happened() {
    let test = TestApp::with(add_any_source).await;
    test.runtime.hurry(true);
    test.send(subscribe())
        .await
        .assert_refused(503, "UNAVAILABLE", "nothing is known to be stored");
    test.runtime.hurry(false);
    let again = test.send(subscribe()).await.ok();
    assert_eq!(test.count("SELECT count(*) FROM subscriber").await, 1, "{again}");
    assert_eq!(
        test.count("SELECT count(*) FROM enrichment_job").await,
        1,
        "sending it again buys nothing twice"
    );
}

#[tokio::test]
async fn a_closed_database_is_unavailable_for_reading_too() {
    let test = TestApp::new().await;
    test.app.database.close().await.unwrap();
    for path in ["/api/leads", "/api/dashboard/metrics", "/api/workflows"] {
        let answer = test.send(Call::new("GET", path).authorized()).await;
        answer.assert_refused(503, "UNAVAILABLE", "the database cannot be used now");
    }
    test.send(subscribe())
        .await
        .assert_refused(503, "UNAVAILABLE", "nothing is known to be stored");
}
