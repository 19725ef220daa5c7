//! `POST /api/webhooks/newsletters/{source}`.

use http::HeaderName;
use lumina::http::{HttpSettings, NewsletterSource};
use lumina_intake::newsletters::{ConfiguredSource, SharedSecrets};
use serde_json::{Value, json};

use crate::support::{Call, TestApp, post, until};

const SECRET: &str = "a secret & more";
const IN_URL: &str = "/api/webhooks/newsletters/kit?list=7&secret=a%20secret%20%26%20more";

fn source(secret: Option<&str>, header: Option<&'static str>) -> NewsletterSource {
    let pointer = |text: &str| text.parse().unwrap();
    NewsletterSource {
        fields: ConfiguredSource {
            email: pointer("/subscriber/email_address"),
            name: Some(pointer("/subscriber/first_name")),
            source: Some(pointer("/form")),
        },
        secrets: secret.map(|secret| SharedSecrets::new(&format!("{secret}, long enough"), None).unwrap()),
        header: header.map(HeaderName::from_static),
    }
}

fn configure(settings: &mut HttpSettings) {
    let url = NewsletterSource {
        secrets: Some(SharedSecrets::new(&format!("{SECRET}!"), None).unwrap()),
        ..source(None, None)
    };
    settings.newsletters.insert("kit".to_owned(), url);
    settings
        .newsletters
        .insert("brevo".to_owned(), source(Some("in a header"), Some("x-brevo-secret")));
    settings.newsletters.insert("later".to_owned(), source(None, None));
}

fn body(email: &str) -> String {
    json!({"form": 4711, "subscriber": {"email_address": email, "first_name": "Sarah"}}).to_string()
}

fn kit() -> Call {
    post(&format!("{IN_URL}!"))
}

#[tokio::test]
async fn a_delivery_is_read_where_the_operator_says() {
    let test = TestApp::with(configure).await;
    let first = test.send(kit().body(body("sarah@gmail.com"))).await.ok();
    let (subscriber, workflow) = (&first["subscriberId"], &first["workflowId"]);
    assert!(subscriber.is_string() && workflow.is_string(), "{first}");
    assert_eq!(
        first,
        json!({"subscriberId": subscriber, "status": "created", "workflowId": workflow})
    );
    let again = test.send(kit().body(body("sarah@gmail.com"))).await.ok();
    assert_eq!(
        again,
        json!({"subscriberId": subscriber, "status": "updated", "workflowId": null})
    );

    let stored: (String, String, String) = test
        .app
        .database
        .file()
        .unwrap()
        .read(|connection| {
            let sql = "SELECT s.name, s.source, d.route FROM subscriber s, delivery d LIMIT 1";
            connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        })
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored, ("Sarah".into(), "4711".into(), "newsletters/kit".into()));
}

#[tokio::test]
async fn without_a_source_in_the_body_it_is_the_platforms_name() {
    let test = TestApp::with(configure).await;
    test.send(kit().body(r#"{"subscriber":{"email_address":"a@gmail.com"}}"#))
        .await
        .ok();
    assert_eq!(
        test.count("SELECT count(*) FROM subscriber WHERE source = 'kit' AND name IS NULL")
            .await,
        1
    );
}

#[tokio::test]
async fn secrets() {
    let test = TestApp::with(configure).await;
    let brevo = || post("/api/webhooks/newsletters/brevo");
    let good = "in a header, long enough";
    let rows = [
        (kit(), 200, "", ""),
        (brevo().header("X-Brevo-Secret", good), 200, "", ""),
        (post("/api/webhooks/newsletters/kit"), 401, "MISSING_SECRET", "?secret="),
        (
            post("/api/webhooks/newsletters/kit?secret="),
            401,
            "INVALID_SECRET",
            "not the configured one",
        ),
        (post(IN_URL), 401, "INVALID_SECRET", "not the configured one"),
        (
            post(&format!("{IN_URL}!&secret=x")),
            401,
            "INVALID_SECRET",
            "not the configured one",
        ),
        (
            post(&format!("{IN_URL}!!")),
            401,
            "INVALID_SECRET",
            "not the configured one",
        ),
        (brevo(), 401, "MISSING_SECRET", "x-brevo-secret"),
        (
            brevo().header("x-brevo-secret", ""),
            401,
            "INVALID_SECRET",
            "not the configured one",
        ),
        (
            brevo().header("x-brevo-secret", "in a header"),
            401,
            "INVALID_SECRET",
            "not the configured one",
        ),
        (
            post("/api/webhooks/newsletters/brevo?secret=in%20a%20header%2C%20long%20enough"),
            401,
            "MISSING_SECRET",
            "x-brevo-secret",
        ),
    ];
    for (number, (call, status, code, message)) in rows.into_iter().enumerate() {
        let answer = test.send(call.body(body(&format!("someone{number}@gmail.com")))).await;
        match status {
            200 => assert_eq!(answer.ok()["status"], "created", "row {number}"),
            _ => answer.assert_refused(status, code, message),
        }
    }
    assert_eq!(
        test.count("SELECT count(*) FROM subscriber").await,
        2,
        "what was refused stored nothing"
    );
}

/// A platform deletes a webhook that answers 404 or 410, and a configuration is soon put right.
#[tokio::test]
async fn a_source_without_secret_is_closed_and_not_gone() {
    let test = TestApp::with(configure).await;
    for path in ["later", "later?secret=", "never-heard-of", "%2E%2E"] {
        let call = post(&format!("/api/webhooks/newsletters/{path}")).body(body("a@gmail.com"));
        test.send(call)
            .await
            .assert_refused(503, "NOT_CONFIGURED", "no secret yet");
    }
    assert_eq!(test.count("SELECT count(*) FROM subscriber").await, 0);
}

#[tokio::test]
async fn a_body_without_address_is_refused_by_its_pointer() {
    let test = TestApp::with(configure).await;
    let with = |email: Value| json!({"subscriber": {"email_address": email}}).to_string();
    let rows = [
        ("type=subscribe".to_owned(), "body: it is not JSON"),
        ("{}".to_owned(), "/subscriber/email_address: it is missing"),
        (
            with(json!(["a@gmail.com"])),
            "/subscriber/email_address: it must be a string",
        ),
        (
            with(json!("nobody")),
            "/subscriber/email_address: this is not an e-mail address",
        ),
    ];
    let expected = rows.len() as u64;
    for (body, message) in rows {
        test.send(kit().body(body))
            .await
            .assert_refused(400, "INVALID_PAYLOAD", message);
    }
    let counters = until("the notes", || async {
        let counters = test.app.records.counters().await.unwrap();
        (counters.get("rejected.INVALID_PAYLOAD") == Some(&expected)).then_some(counters)
    })
    .await;
    assert_eq!(counters.len(), 1);
    assert_eq!(
        test.count("SELECT count(*) FROM rejected_delivery WHERE route = 'newsletters/kit'")
            .await,
        4
    );
    assert_eq!(test.count("SELECT count(*) FROM delivery").await, 0);
}
