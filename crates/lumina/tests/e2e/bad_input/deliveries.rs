//! Deliveries over HTTP.

use serde_json::json;

use crate::support::{FAST, Request, SANDBOX_KEY, Serve, World, get, post, signed, subscription, until_true};

fn assert_refusals(server: &Serve, rows: Vec<(Request, u16, &str, &str)>) {
    for (request, status, code, told) in rows {
        server.call_openly(&request).assert_refused(status, code, told);
    }
}

#[test]
fn a_malformed_or_unsigned_subscription_is_refused_and_noted() {
    let world = World::start(FAST);
    let server = world.place.serve();
    let time = "2026-08-01T12:00:00Z";
    let wrong = "0".repeat(64);
    let body = json!({"email": "sarah.dev@gmail.com", "source": "footer", "timestamp": time}).to_string();
    let unsigned = post("/api/webhooks/subscribe").body(body.clone());
    let rows = vec![
        (
            unsigned.clone(),
            401,
            "MISSING_SIGNATURE",
            "send the hex HMAC-SHA256 of the body",
        ),
        (
            unsigned.header("x-webhook-signature", &wrong),
            401,
            "INVALID_SIGNATURE",
            "check the secret",
        ),
        (signed("{\"email\": "), 400, "INVALID_PAYLOAD", "body: it is not JSON"),
        (signed("[]"), 400, "INVALID_PAYLOAD", "body: it must be a JSON object"),
        (
            signed(r#"{"source":"x","timestamp":1}"#),
            400,
            "INVALID_PAYLOAD",
            "email: it is missing",
        ),
        (
            signed(&format!(r#"{{"email":"sarah","source":"x","timestamp":"{time}"}}"#)),
            400,
            "INVALID_PAYLOAD",
            "email: ",
        ),
        (
            signed(&format!(r#"{{"email":"a@gmail.com","timestamp":"{time}"}}"#)),
            400,
            "INVALID_PAYLOAD",
            "source: ",
        ),
        (
            signed(r#"{"email":"a@gmail.com","source":"x"}"#),
            400,
            "INVALID_PAYLOAD",
            "timestamp: ",
        ),
        (
            signed(&body.replace('}', r#","metadata":3}"#)),
            400,
            "INVALID_PAYLOAD",
            "metadata: ",
        ),
        (
            signed(&"x".repeat(1024 * 1024 + 1)),
            413,
            "PAYLOAD_TOO_LARGE",
            "larger than 1048576 bytes",
        ),
        (
            Request::new("DELETE", "/api/webhooks/subscribe"),
            405,
            "METHOD_NOT_ALLOWED",
            "",
        ),
    ];
    let noted = rows.len() as u64 - 1;
    assert_refusals(&server, rows);
    let database = world.place.database();
    assert_eq!((database.count("subscriber"), database.count("delivery")), (0, 0));
    until_true("the refusals to be noted", || {
        database.count("rejected_delivery") == noted
    });

    server.subscribe("sarah.dev@gmail.com");
    assert_eq!(
        (database.count("subscriber"), database.count("delivery")),
        (1, 1),
        "a good one is kept with its body"
    );
}

#[test]
fn a_webhook_without_a_secret_is_closed() {
    let mut world = World::start(FAST);
    world.place.unset_variable("NEWSLETTER_WEBHOOK_SECRET");
    let server = world.place.serve();
    let answer = server.call_openly(&subscription("sarah.dev@gmail.com"));
    answer.assert_refused(503, "NOT_CONFIGURED", "NEWSLETTER_WEBHOOK_SECRET");
    let answer = server.call_openly(&post("/api/webhooks/newsletters/ghost").body("{}"));
    answer.assert_refused(503, "NOT_CONFIGURED", "newsletters");
    assert_eq!(world.place.database().count("subscriber"), 0);
}

#[test]
fn the_api_is_closed_without_the_token() {
    let world = World::start(FAST);
    let server = world.place.serve();
    for path in ["/api/leads", "/api/dashboard/metrics", "/api/workflows"] {
        server
            .call_openly(&get(path))
            .assert_refused(401, "UNAUTHORIZED", "the file that `lumina serve` names");
        let wrong = get(path).header("authorization", "Bearer 0123456789012345678901234567890123456789");
        server
            .call_openly(&wrong)
            .assert_refused(401, "UNAUTHORIZED", "not Lumina's");
    }
    let upload = post("/api/upload").form(&[], "list.csv", "email\nanna@gmail.com\n");
    server.call_openly(&upload).assert_refused(401, "UNAUTHORIZED", "token");
    assert_eq!(server.call_openly(&get("/healthz")).status, 200);
    assert_eq!(server.call_openly(&get("/readyz")).status, 200);
    server
        .call(get("/api/leads?limit=501"))
        .assert_refused(400, "INVALID_QUERY", "limit: ");
    server
        .call(get("/api/leads?cursor=nonsense"))
        .assert_refused(400, "INVALID_QUERY", "cursor: ");
    server.call(get("/api/nothing")).assert_refused(404, "NOT_FOUND", "");
}

#[test]
fn an_upload_that_is_none_is_refused() {
    let world = World::start(FAST);
    let server = world.place.serve();
    let form = |fields: &[(&str, &str)], file: &str| post("/api/upload").form(fields, "list.csv", file);
    let good = "email\nanna@gmail.com\n";
    let rows = [
        (post("/api/upload").body("email\n"), 400, "body: it must be a form"),
        (form(&[], "a,b\n1,2\n"), 400, "file: no column holds e-mail addresses"),
        (form(&[], ""), 400, "file: the file is empty"),
        (
            form(&[("enrich", "perhaps")], good),
            400,
            "enrich: it must be yes or no",
        ),
        (
            form(&[("limit", "many")], good),
            400,
            "limit: it must be a whole number",
        ),
        (form(&[("limits", "5")], good), 400, "limits: there is no such field"),
    ];
    for (request, status, told) in rows {
        server.call(request).assert_refused(status, "INVALID_PAYLOAD", told);
    }
    assert_eq!(world.place.database().count("subscriber"), 0);
    assert_eq!(server.call(form(&[("enrich", "no")], good)).ok()["newSubscribers"], 1);
}

/// What the provider signs and nobody can read is refused; what is not about a batch of ours is kept.
#[test]
fn an_answer_that_is_none_is_refused() {
    let world = World::start(FAST);
    let server = world.place.serve();
    let deliver = |body: &str| {
        let signature = lumina_fullenrich_sandbox::sign(SANDBOX_KEY, body.as_bytes());
        server.call_openly(
            &post("/api/webhooks/enrichment")
                .header("x-signature-sha1", &signature)
                .body(body),
        )
    };
    deliver("{\"id\":").assert_refused(400, "INVALID_PAYLOAD", "body: ");
    deliver("{\"status\":\"FINISHED\"}").assert_refused(400, "INVALID_PAYLOAD", "id: ");
    let strange = r#"{"id":"2db5ea61-1752-42cf-8ea1-ab1da060cd0a","status":"FINISHED","cost":{"credits":3},"data":[]}"#;
    assert_eq!(deliver(strange).ok()["status"], "unrouted");
    assert_eq!(deliver(strange).ok()["status"], "duplicate");
    assert_eq!(world.place.database().count("enrichment_answer"), 1);
}
