//! `POST /api/webhooks/enrichment` and its `/contact`.

use std::collections::BTreeMap;

use lumina_fullenrich_sandbox::sign;
use lumina_workflow::store::RunStatus;
use serde_json::{Value, json};

use crate::support::{API_KEY, Call, Form, TestApp, get, person, post, until};

const BATCH: &str = "/api/webhooks/enrichment";
const CONTACT: &str = "/api/webhooks/enrichment/contact";

fn body_of_nobody() -> Value {
    json!({"id": "2db5ea61-1752-42cf-8ea1-ab1da060cd0a", "status": "FINISHED", "data": []})
}

async fn answers(test: &TestApp) -> i64 {
    test.count("SELECT count(*) FROM enrichment_answer").await
}

/// The provider's own example: this key and body give this signature.
#[tokio::test]
async fn the_providers_vector_is_believed() {
    const BODY: &str = r#"{"id":"2db5ea61-1752-42cf-8ea1-ab1da060cd0a","name":"Reverse Email Lookup","status":"FINISHED","cost":{"credits":0},"data":[{"input":{"email":"nobody@example.com"},"custom":{"user_id":"12585"}}]}"#;
    const SIGNATURE: &str = "de75aeefce050a06364eefc6990ff251fa2d3010";
    let test = TestApp::new().await;
    for path in [BATCH, CONTACT] {
        let call = post(path).header("X-Signature-SHA1", SIGNATURE).body(BODY);
        let expected = if path == BATCH { "unrouted" } else { "duplicate" };
        assert_eq!(test.send(call).await.ok(), json!({"status": expected}), "{path}");
        let changed = post(path)
            .header("X-Signature-SHA1", SIGNATURE)
            .body(format!("{BODY} "));
        test.send(changed)
            .await
            .assert_refused(401, "INVALID_SIGNATURE", "none of the configured API keys");
    }
}

#[tokio::test]
async fn refusals_store_nothing() {
    let test = TestApp::new().await;
    let signed = |body: &str| {
        post(BATCH)
            .header("x-signature-sha1", &sign(API_KEY, body.as_bytes()))
            .body(body)
    };
    let wrong_key = sign("another key", b"{}");
    let rows = [
        (
            post(BATCH).body("{}"),
            401,
            "MISSING_SIGNATURE",
            "X-Signature-SHA1 header is missing",
        ),
        (
            post(CONTACT).body("{}"),
            401,
            "MISSING_SIGNATURE",
            "X-Signature-SHA1 header is missing",
        ),
        (
            post(BATCH).header("x-signature-sha1", "").body("{}"),
            401,
            "INVALID_SIGNATURE",
            "40 hex digits",
        ),
        (
            post(BATCH).header("x-signature-sha1", "xyz").body("{}"),
            401,
            "INVALID_SIGNATURE",
            "40 hex digits",
        ),
        (
            post(BATCH).header("x-signature-sha1", &wrong_key).body("{}"),
            401,
            "INVALID_SIGNATURE",
            "API keys",
        ),
        (
            signed(""),
            400,
            "INVALID_PAYLOAD",
            "body: the body is no enrichment result",
        ),
        (
            signed("[]"),
            400,
            "INVALID_PAYLOAD",
            "body: the body is no enrichment result",
        ),
        (signed("{}"), 400, "INVALID_PAYLOAD", "id: it is missing"),
        (signed(r#"{"id":"a b"}"#), 400, "INVALID_PAYLOAD", "id: it is missing"),
    ];
    let expected = rows.len() as u64;
    for (call, status, code, message) in rows {
        test.send(call).await.assert_refused(status, code, message);
    }
    assert_eq!(answers(&test).await, 0);
    until("the notes", || async {
        let counters = test.app.records.counters().await.unwrap();
        (counters.values().sum::<u64>() == expected).then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_a_key_both_are_closed() {
    let test = TestApp::with(|settings| settings.signing_keys.clear()).await;
    for path in [BATCH, CONTACT] {
        for call in [post(path), Call::callback(path, &body_of_nobody())] {
            test.send(call)
                .await
                .assert_refused(503, "NOT_CONFIGURED", "FULLENRICH_API_KEY");
        }
    }
    assert_eq!(answers(&test).await, 0);
}

#[tokio::test]
async fn the_key_before_a_rotation_still_signs() {
    let keys = ["the new key".into(), API_KEY.into()];
    let test = TestApp::with(|settings| settings.signing_keys = keys.into()).await;
    assert_eq!(
        test.send(Call::callback(BATCH, &body_of_nobody())).await.ok()["status"],
        "unrouted"
    );
}

/// Subscribes two people and has them sent. Answers the run's id.
async fn send_two(test: &mut TestApp) -> (lumina_workflow::RunId, crate::support::Batch) {
    test.start_worker();
    let form = Form::new()
        .file("two.csv", "email\nsarah@gmail.com\nbob@gmail.com\n")
        .text("enrich", "yes");
    assert_eq!(test.send(form.call().authorized()).await.ok()["jobs"], 2);
    let batch = test.provider.next_batch().await;
    let run = batch.request["data"][0]["custom"]["lumina_run"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    (run, batch)
}

fn find(email: &str) -> Option<Value> {
    (email == "sarah@gmail.com").then(|| person("Sarah Dev", "VP Engineering"))
}

#[tokio::test]
async fn an_answer_resumes_its_run_whatever_the_url_says() {
    let mut test = TestApp::new().await;
    let (run, batch) = send_two(&mut test).await;
    let part = batch.answer("IN_PROGRESS", &["sarah@gmail.com"], find);
    let finished = batch.finished(find);
    let elsewhere = format!("{BATCH}?run=01986400-0000-7000-8000-000000000000&attempt=9");
    let rows = [
        (CONTACT, &part, "kept"),
        (CONTACT, &part, "duplicate"),
        (elsewhere.as_str(), &finished, "routed"),
        (BATCH, &finished, "duplicate"),
    ];
    for (path, body, status) in rows {
        assert_eq!(
            test.send(Call::callback(path, body)).await.ok(),
            json!({"status": status}),
            "{path}"
        );
    }
    test.app.engine.wait_for_end(run).await.unwrap().unwrap();
    let census = test.app.records.census().await.unwrap();
    assert_eq!(
        census.jobs,
        BTreeMap::from([("enriched".into(), 1), ("not_found".into(), 1)])
    );
    let leads = test.send(get("/api/leads").authorized()).await.ok();
    assert_eq!(leads["leads"][0]["fullName"], "Sarah Dev");
}

#[tokio::test]
async fn a_late_answer_is_applied_all_the_same() {
    let mut test = TestApp::new().await;
    let (run, batch) = send_two(&mut test).await;
    until("the batch to be on record", || async {
        (test.count("SELECT count(*) FROM enrichment").await == 1).then_some(())
    })
    .await;
    let cancel = post(&format!("/api/workflows/{run}/cancel")).authorized();
    assert_eq!(test.send(cancel).await.ok()["effective"], true);
    test.app.engine.wait_for_end(run).await.unwrap().unwrap_err();
    assert_eq!(test.run(run).await.status, RunStatus::Cancelled);
    assert_eq!(
        test.app.records.census().await.unwrap().jobs,
        BTreeMap::from([("stale".into(), 2)])
    );

    let answer = test.send(Call::callback(BATCH, &batch.finished(find))).await.ok();
    assert_eq!(answer, json!({"status": "late"}));
    test.wait_for_runs("late-answer", 1).await;
    let census = test.app.records.census().await.unwrap();
    assert_eq!(
        census.of_status(lumina_enrichment::job::JobStatus::Enriched),
        1,
        "{census:?}"
    );
}

#[tokio::test]
async fn an_answer_of_nobodys_batch_is_kept() {
    let test = TestApp::new().await;
    let rows = [(BATCH, "unrouted"), (BATCH, "duplicate"), (CONTACT, "duplicate")];
    for (path, status) in rows {
        let answer = test.send(Call::callback(path, &body_of_nobody())).await.ok();
        assert_eq!(answer, json!({"status": status}));
    }
    assert_eq!(answers(&test).await, 1);
}
