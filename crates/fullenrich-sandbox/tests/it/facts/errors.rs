//! Errors.

use axum::body::Body;
use http::Request;
use lumina_fullenrich_sandbox::Mood;
use serde_json::{Value, json};

use super::moody;
use crate::world::{Answer, BULK, World, batch, config, crowd, refs};

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status, answer.json["code"].as_str()),
        (status, Some(code)),
        "{answer:?}"
    );
    let fields: Vec<&String> = answer.json.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["code", "message"]);
    assert!(
        answer.json["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty())
    );
}

fn changed(pointer: &str, value: Value) -> Value {
    let mut body = batch(&["a@readers.example", "b@readers.example"]);
    body["data"][1]["custom"] = json!({});
    *body.pointer_mut(pointer).unwrap() = value;
    body
}

facts! {
    /// Body `{"code","message"}`.
    fn the_body_of_an_error() {
        let mut world = World::new(config());
        assert_refused(&world.get("/api/v2/nowhere"), 404, "error.request.not_found");
    }

    /// 400 `error.reverse.email.invalid` / `error.reverse.email.empty` (**one bad address refuses the whole batch**),
    fn one_bad_address() {
        let mut world = World::new(config());
        for (email, code) in [("no-address", "error.reverse.email.invalid"), ("", "error.reverse.email.empty")] {
            let body = changed("/data/1/email", json!(email));
            assert_refused(&world.post(BULK, &body), 400, code);
        }
        assert_eq!(world.totals().batch_count, 0);
    }

    /// `error.enrichment.webhook_url`, `error.enrichment.custom.key.exceeded`, `.custom.value.exceeded`, `.data.empty`, `.name.empty`; above 100: `error.enrichment.data.too_many` [c].
    fn the_other_bad_requests() {
        let keys = (0..11).map(|n| (format!("k{n}"), json!("v"))).collect::<Value>();
        for (pointer, value, code) in [
            ("/webhook_url", json!("nowhere"), "webhook_url"),
            ("/webhook_events/contact_finished", json!("nowhere"), "webhook_url"),
            ("/data/1/custom", keys, "custom.key.exceeded"),
            ("/data/1/custom", json!({"k": "v".repeat(101)}), "custom.value.exceeded"),
            ("/data", json!([]), "data.empty"),
            ("/name", json!(""), "name.empty"),
            ("/data", batch(&refs(&crowd("r", 101)))["data"].clone(), "data.too_many"),
        ] {
            let answer = World::new(config()).post(BULK, &changed(pointer, value));
            assert_refused(&answer, 400, &format!("error.enrichment.{code}"));
        }
    }

    /// 401 `error.authorization.not_set` / `.not_bearer` / `error.api.key`.
    fn without_a_key() {
        let mut world = World::new(config());
        for (authorization, code) in [
            ("", "error.authorization.not_set"),
            ("Basic abc", "error.authorization.not_bearer"),
            ("Bearer wrong", "error.api.key"),
        ] {
            let request = Request::get("/api/v2/account/credits").header("authorization", authorization);
            assert_refused(&world.send(request.body(Body::empty()).unwrap()), 401, code);
        }
    }

    /// 404 `error.reverse.email.not_found`.
    fn an_unknown_batch() {
        let mut world = World::new(config());
        for id in ["2db5ea61-1752-42cf-8ea1-ab1da060cd0a", "no-id"] {
            assert_refused(&world.read(id), 404, "error.reverse.email.not_found");
        }
    }

    /// 429 `error.rate.limit`, no documented Retry-After (obey one if it comes).
    fn too_many_calls() {
        for (tells, wait) in [(false, None), (true, Some("60"))] {
            let mut settings = config();
            settings.retry_after = tells;
            let mut world = World::new(settings);
            let answer = (0..61).map(|_| world.get("/api/v2/account/credits")).last().unwrap();
            assert_refused(&answer, 429, "error.rate.limit");
            assert_eq!(answer.retry_after.as_deref(), wait);
        }
    }

    /// 5xx undocumented.
    fn server_errors_in_any_form() {
        let mut world = moody([Mood::ServerErrorBurst]);
        let answers: Vec<Answer> = (0..40).map(|_| world.get("/api/v2/account/credits")).collect();
        for status in [500, 502, 503, 504] {
            let with = answers.iter().find(|answer| answer.status == status).unwrap();
            let is_json = with.content_type.as_deref() == Some("application/json");
            assert_eq!(is_json, [500, 503].contains(&status), "a gateway speaks for itself: {with:?}");
        }
    }
}
