//! Everything the sandbox refuses, and with which body.

use std::num::NonZeroU32;

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::world::{Answer, BULK, KEY, World, config, secs, with_key};

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status, answer.json["code"].as_str()),
        (status, Some(code)),
        "{answer:?}"
    );
    assert!(
        answer.json["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty()),
        "{answer:?}"
    );
    assert_eq!(
        answer.json.as_object().unwrap().len(),
        2,
        "a code, a message and nothing else"
    );
}

#[test]
fn every_call_needs_the_bearer_key() {
    let rows = [
        (None, "error.authorization.not_set"),
        (Some(""), "error.authorization.not_set"),
        (Some("Basic dXNlcjpwYXNz"), "error.authorization.not_bearer"),
        (Some(KEY), "error.authorization.not_bearer"),
        (Some("Bearer"), "error.authorization.not_bearer"),
        (Some("Bearer "), "error.api.key"),
        (Some("Bearer wrong"), "error.api.key"),
        (Some("Bearer test-api-key-not-real-but-longer"), "error.api.key"),
    ];
    let mut world = World::new(config());
    for path in [
        "/account/credits",
        "/account/keys/verify",
        "/contact/reverse/email/bulk/x",
        "/nowhere",
    ] {
        for (authorization, code) in rows {
            let mut request = Request::get(format!("/api/v2{path}"));
            if let Some(value) = authorization {
                request = request.header("authorization", value);
            }
            let answer = world.send(request.body(Body::empty()).unwrap());
            assert_refused(&answer, 401, code);
        }
    }
    let unsigned = world.send(Request::post(BULK).body(Body::from("{}")).unwrap());
    assert_refused(&unsigned, 401, "error.authorization.not_set");
    assert_eq!(world.totals().calls.unauthorized, 33);
    assert_eq!(
        world.totals().calls.most_in_a_minute,
        0,
        "a stranger spends nobody's limit"
    );
    let lower = Request::get("/api/v2/account/credits").header("authorization", format!("bearer {KEY}"));
    assert_eq!(world.send(lower.body(Body::empty()).unwrap()).status, 200);
}

/// A good body with one thing changed.
fn changed(pointer: &str, value: Value) -> Value {
    let mut body = json!({
        "name": "n", "webhook_url": "http://inbox.example/batch",
        "webhook_events": {"contact_finished": "http://inbox.example/contact"},
        "data": [{"email": "good@readers.example", "custom": {"k": "v"}}, {"email": "fine@readers.example"}],
    });
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match body.pointer_mut(parent).unwrap() {
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        object => object[key] = value,
    }
    body
}

fn keys(count: usize) -> Value {
    (0..count).map(|n| (format!("key{n}"), json!("v"))).collect()
}

#[test]
fn a_bad_body_is_refused_whole_with_its_own_code() {
    let contacts = |count| {
        (0..count)
            .map(|n| json!({"email": format!("r{n}@readers.example")}))
            .collect::<Value>()
    };
    let rows = [
        ("/name", json!(""), "error.enrichment.name.empty"),
        ("/name", json!("  "), "error.enrichment.name.empty"),
        ("/name", Value::Null, "error.enrichment.name.empty"),
        ("/data", json!([]), "error.enrichment.data.empty"),
        ("/data", Value::Null, "error.enrichment.data.empty"),
        ("/data", contacts(101), "error.enrichment.data.too_many"),
        (
            "/webhook_url",
            json!("ftp://inbox.example/x"),
            "error.enrichment.webhook_url",
        ),
        ("/webhook_url", json!("inbox.example"), "error.enrichment.webhook_url"),
        ("/webhook_url", json!("not a url"), "error.enrichment.webhook_url"),
        ("/webhook_url", json!(""), "error.enrichment.webhook_url"),
        (
            "/webhook_events/contact_finished",
            json!("file:///etc/passwd"),
            "error.enrichment.webhook_url",
        ),
        ("/data/1/email", json!(""), "error.reverse.email.empty"),
        ("/data/1", json!({}), "error.reverse.email.empty"),
        ("/data/1/email", json!("no-address"), "error.reverse.email.invalid"),
        (
            "/data/1/email",
            json!("two@at@signs.example"),
            "error.reverse.email.invalid",
        ),
        ("/data/0/custom", keys(11), "error.enrichment.custom.key.exceeded"),
        (
            "/data/0/custom/k",
            json!("x".repeat(101)),
            "error.enrichment.custom.value.exceeded",
        ),
        ("/data/0/custom/k", json!(12585), "error.request.body"),
        ("/data", json!("none"), "error.request.body"),
    ];
    let mut world = World::new(config());
    for (pointer, value, code) in rows {
        let body = changed(pointer, value);
        assert_refused(&world.post(BULK, &body), 400, code);
        world.advance(secs(2));
    }
    let garbage = world.send(with_key("POST", BULK, Body::from("{\"name\": ")));
    assert_refused(&garbage, 400, "error.request.body");
    assert_eq!(world.totals().batch_count, 0, "nothing of a refused batch is kept");
}

#[test]
fn what_just_stays_within_the_limits_is_accepted() {
    let hundred: Value = (0..100)
        .map(|n| json!({"email": format!("r{n}@readers.example")}))
        .collect();
    let rows = [
        ("/data", hundred),
        ("/data/0/custom", keys(10)),
        ("/data/0/custom/k", json!("ü".repeat(100))),
        ("/data/0/custom", json!({})),
        ("/data/0/custom", Value::Null),
        ("/webhook_url", json!("https://inbox.example:8443/hook?run=1")),
        ("/webhook_url", Value::Null),
        ("/webhook_events", Value::Null),
        ("/webhook_events", json!({})),
        ("/unknown", json!({"is": "ignored"})),
    ];
    let mut world = World::new(config());
    for (pointer, value) in rows {
        let body = changed(pointer, value);
        let answer = world.post(BULK, &body);
        assert_eq!(answer.status, 200, "{pointer}: {answer:?}");
    }
}

#[test]
fn a_body_without_end_is_not_read() {
    let mut world = World::new(config());
    let answer = world.send(with_key("POST", BULK, Body::from(vec![b' '; 3 * 1024 * 1024])));
    assert_refused(&answer, 413, "error.request.too_large");
}

#[test]
fn unknown_batches_and_calls_are_not_found() {
    let mut world = World::new(config());
    world.start_for(&["a@readers.example"]);
    for id in ["2db5ea61-1752-42cf-8ea1-ab1da060cd0a", "no-uuid"] {
        assert_refused(&world.read(id), 404, "error.reverse.email.not_found");
    }
    assert_refused(
        &world.get("/api/v2/contact/reverse/phone"),
        404,
        "error.request.not_found",
    );
}

#[test]
fn sixty_calls_a_calendar_minute_over_all_endpoints() {
    let mut world = World::new(config());
    world.advance(secs(30));
    let id = world.start_for(&["a@readers.example"]);
    for n in 1..60 {
        let batch = format!("{BULK}/{id}");
        let path = ["/api/v2/account/credits", "/api/v2/account/keys/verify", &batch][n % 3];
        assert_eq!(world.get(path).status, 200, "call {n}");
    }
    let refused = world.get("/api/v2/account/credits");
    assert_refused(&refused, 429, "error.rate.limit");
    assert_eq!(refused.retry_after, None, "the provider is not known to send one");
    let unaccepted = world.post(BULK, &crate::world::batch(&["b@readers.example"]));
    assert_refused(&unaccepted, 429, "error.rate.limit");
    assert_eq!(world.totals().batch_count, 1);
    world.advance(secs(29));
    assert_eq!(
        world.get("/api/v2/account/credits").status,
        429,
        "it is the calendar's minute"
    );
    world.advance(secs(1));
    assert_eq!(
        world.get("/api/v2/account/credits").status,
        200,
        "and a new one has begun"
    );
    let calls = world.totals().calls;
    assert_eq!((calls.most_in_a_minute, calls.rate_limited), (63, 3));
    assert_eq!(
        (calls.start_batch, calls.credits + calls.verify_key + calls.read_batch),
        (2, 62)
    );
}

#[test]
fn the_limit_is_adjustable_and_may_be_told() {
    let mut settings = config();
    settings.calls_per_minute = NonZeroU32::new(2).unwrap();
    settings.retry_after = true;
    let mut world = World::new(settings);
    world.advance(secs(45));
    for _ in 0..2 {
        assert_eq!(world.get("/api/v2/account/credits").status, 200);
    }
    let refused = world.get("/api/v2/account/credits");
    assert_refused(&refused, 429, "error.rate.limit");
    assert_eq!(refused.retry_after.as_deref(), Some("15"));
}
