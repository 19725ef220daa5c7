//! `POST /api/webhooks/subscribe`.

use serde_json::{Value, json};

use crate::support::{Answer, Call, PREVIOUS_SECRET, TestApp, get, post, until};

const PATH: &str = "/api/webhooks/subscribe";

fn subscriber(email: &str) -> String {
    json!({"email": email, "source": "footer", "timestamp": "2026-08-01T11:59:58Z"}).to_string()
}

async fn assert_nothing_is_stored(test: &TestApp) {
    for table in [
        "SELECT count(*) FROM subscriber",
        "SELECT count(*) FROM enrichment_job",
        "SELECT count(*) FROM delivery",
        "SELECT count(*) FROM workflow_run",
    ] {
        assert_eq!(test.count(table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn a_personal_address_is_stored_and_looked_up() {
    let test = TestApp::new().await;
    let body = subscriber("sarah.dev@gmail.com");
    let answer = test.send(Call::subscribe(body.clone())).await.ok();
    let subscriber = &answer["subscriberId"];
    let workflow = &answer["workflowId"];
    assert_eq!(
        answer,
        json!({"subscriberId": subscriber, "status": "created", "workflowId": workflow})
    );
    assert!(is_id(subscriber) && is_id(workflow), "{answer}");

    let path = format!("/api/workflows/{}", workflow.as_str().unwrap());
    let run = test.send(get(&path).authorized()).await.ok();
    assert_eq!(run["workflow"]["workflow"], "subscriber-enrichment");
    assert_eq!(run["workflow"]["input"], json!({"reason": "webhook"}));
    assert_eq!(
        test.count("SELECT count(*) FROM enrichment_job WHERE status = 'pending'")
            .await,
        1
    );
    let kept: (String, Vec<u8>) = test
        .app
        .database
        .file()
        .unwrap()
        .read(|connection| {
            connection.query_row("SELECT route, body FROM delivery", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
        })
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        kept,
        ("subscribe".to_owned(), body.into_bytes()),
        "the delivery is kept as it came"
    );
}

fn is_id(value: &Value) -> bool {
    value.as_str().is_some_and(|text| uuid::Uuid::try_parse(text).is_ok())
}

/// A platform that got no answer sends again; somebody signs up twice under two spellings.
#[tokio::test]
async fn a_known_one_is_updated_and_not_bought_again() {
    let test = TestApp::new().await;
    let first = test.send(Call::subscribe(subscriber("sarah.dev@gmail.com"))).await.ok();
    for email in ["sarah.dev@gmail.com", "SarahDev+news@googlemail.com"] {
        let again = test.send(Call::subscribe(subscriber(email))).await.ok();
        let expected = json!({"subscriberId": first["subscriberId"], "status": "updated", "workflowId": null});
        assert_eq!(again, expected, "{email}");
    }
    assert_eq!(test.count("SELECT count(*) FROM enrichment_job").await, 1);
    assert_eq!(
        test.count("SELECT count(*) FROM delivery").await,
        3,
        "each valid delivery is logged"
    );
}

#[tokio::test]
async fn what_cannot_be_found_is_stored_alone() {
    let test = TestApp::new().await;
    for email in [
        "sarah@acme-corp.com",
        "abc@privaterelay.appleid.com",
        "x@mailinator.com",
    ] {
        let answer = test.send(Call::subscribe(subscriber(email))).await.ok();
        assert_eq!(
            (&answer["status"], &answer["workflowId"]),
            (&json!("created"), &Value::Null),
            "{email}"
        );
    }
    assert_eq!(test.count("SELECT count(*) FROM enrichment_job").await, 0);
}

/// Made with `openssl dgst -sha256 -hmac "the secret after the rotation"`, not with our own code.
#[tokio::test]
async fn signatures() {
    const BODY: &str = r#"{"email":"sarah@gmail.com","source":"footer","timestamp":1785585598}"#;
    const CURRENT: &str = "0efdb2b34d8ae98e788c1285d244303b730f57936670df29e8c817ce32a6dc46";
    const PREVIOUS: &str = "0158d0053119229144852ea79258d430e373087e9af90e47c5840dcc6b3c7349";
    let test = TestApp::new().await;
    let wrong = "00".repeat(32);
    let rows: [(Option<&str>, u16, &str); 11] = [
        (Some(CURRENT), 200, ""),
        (Some(&CURRENT.to_uppercase()), 200, ""),
        (Some(&format!("sha256={CURRENT}")), 200, ""),
        (Some(PREVIOUS), 200, ""),
        (None, 401, "MISSING_SIGNATURE"),
        (Some(""), 401, "MISSING_SIGNATURE"),
        (Some(&wrong), 401, "INVALID_SIGNATURE"),
        (Some(&CURRENT[..62]), 401, "INVALID_SIGNATURE"),
        (Some(&format!("{CURRENT}00")), 401, "INVALID_SIGNATURE"),
        (Some("not hex at all"), 401, "INVALID_SIGNATURE"),
        (Some("sha1=abc"), 401, "INVALID_SIGNATURE"),
    ];
    for (signature, status, code) in rows {
        let call = signature
            .iter()
            .fold(post(PATH), |call, value| call.header("x-webhook-signature", value));
        let answer = test.send(call.body(BODY)).await;
        match status {
            200 => assert!(answer.ok()["subscriberId"].is_string(), "{signature:?}"),
            _ => answer.assert_refused(status, code, "sign"),
        }
    }
    let other_body = post(PATH)
        .header("x-webhook-signature", CURRENT)
        .body(BODY.replace("sarah", "simon"));
    test.send(other_body)
        .await
        .assert_refused(401, "INVALID_SIGNATURE", "does not fit the body");
}

#[tokio::test]
async fn the_secret_before_the_rotation_is_believed() {
    let test = TestApp::new().await;
    test.send(Call::subscribe_signed_with(PREVIOUS_SECRET, subscriber("a@gmail.com")))
        .await
        .ok();
    let unknown = Call::subscribe_signed_with("a secret of somebody else", subscriber("b@gmail.com"));
    test.send(unknown)
        .await
        .assert_refused(401, "INVALID_SIGNATURE", "check the secret");
}

#[tokio::test]
async fn a_malformed_body_names_the_field_and_stores_nothing() {
    let test = TestApp::new().await;
    let change = |field: &str, value: Value| {
        let mut body: Value = serde_json::from_str(&subscriber("sarah@gmail.com")).unwrap();
        body[field] = value;
        body.to_string()
    };
    let rows = [
        (String::new(), "body: it is not JSON"),
        ("{".to_owned(), "body: it is not JSON"),
        ("[]".to_owned(), "body: it must be a JSON object"),
        ("{}".to_owned(), "email: it is missing"),
        (change("email", Value::Null), "email: it is missing"),
        (change("email", json!(7)), "email: it must be a string"),
        (change("email", json!("sarah")), "email: this is not an e-mail address"),
        (change("source", Value::Null), "source: it is missing"),
        (change("source", json!("  ")), "source: it is empty"),
        (change("metadata", json!("x")), "metadata: it must be a JSON object"),
        (change("metadata", json!({"x": "x".repeat(10_000)})), "metadata: it has"),
        (change("timestamp", Value::Null), "timestamp: it is missing"),
        (change("timestamp", json!("yesterday")), "timestamp: it must be a time"),
    ];
    for (body, message) in rows {
        let answer = test.send(Call::subscribe(body.clone())).await;
        answer.assert_refused(400, "INVALID_PAYLOAD", message);
        assert!(
            !String::from_utf8_lossy(&answer.body).contains("sarah"),
            "nothing of the body is repeated: {answer:?}"
        );
    }
    assert_nothing_is_stored(&test).await;
}

/// The signature is looked at before the body is understood, and the configuration before both.
#[tokio::test]
async fn checks_come_in_their_order() {
    let test = TestApp::new().await;
    test.send(post(PATH).body("{"))
        .await
        .assert_refused(401, "MISSING_SIGNATURE", "not signed");
    let wrong = post(PATH).header("x-webhook-signature", "00").body("{");
    test.send(wrong).await.assert_refused(401, "INVALID_SIGNATURE", "");
    test.send(Call::subscribe("{"))
        .await
        .assert_refused(400, "INVALID_PAYLOAD", "body");

    let closed = TestApp::with(|settings| settings.subscribe = None).await;
    for call in [
        post(PATH),
        post(PATH).body("{"),
        Call::subscribe(subscriber("a@gmail.com")),
    ] {
        closed
            .send(call)
            .await
            .assert_refused(503, "NOT_CONFIGURED", "NEWSLETTER_WEBHOOK_SECRET");
    }
    assert_nothing_is_stored(&closed).await;
}

#[tokio::test]
async fn what_was_refused_is_counted_and_kept_without_its_body() {
    let test = TestApp::new().await;
    let refusals: [(Call, &str); 4] = [
        (post(PATH).body("{}"), "MISSING_SIGNATURE"),
        (
            post(PATH).header("x-webhook-signature", "00").body("12345"),
            "INVALID_SIGNATURE",
        ),
        (Call::subscribe("{}"), "INVALID_PAYLOAD"),
        (Call::subscribe("nonsense"), "INVALID_PAYLOAD"),
    ];
    for (call, _) in &refusals {
        let answer: Answer = test.send(call.clone()).await;
        assert!((400..500).contains(&answer.status), "{answer:?}");
    }
    let counters = until("four notes", || async {
        let counters = test.app.records.counters().await.unwrap();
        (counters.values().sum::<u64>() == 4).then_some(counters)
    })
    .await;
    assert_eq!(counters["rejected.MISSING_SIGNATURE"], 1);
    assert_eq!(counters["rejected.INVALID_SIGNATURE"], 1);
    assert_eq!(counters["rejected.INVALID_PAYLOAD"], 2);
    let kept: Vec<(String, String, i64)> = test
        .app
        .database
        .file()
        .unwrap()
        .read(|connection| {
            let mut find = connection.prepare("SELECT route, code, bytes FROM rejected_delivery ORDER BY seq")?;
            find.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<Result<Vec<_>, _>>()
        })
        .await
        .unwrap()
        .unwrap();
    let expected = [
        ("MISSING_SIGNATURE", 2),
        ("INVALID_SIGNATURE", 5),
        ("INVALID_PAYLOAD", 2),
        ("INVALID_PAYLOAD", 8),
    ];
    let expected: Vec<_> = expected
        .map(|(code, bytes)| ("subscribe".to_owned(), code.to_owned(), bytes))
        .into();
    assert_eq!(kept, expected);
}
