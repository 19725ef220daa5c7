//! Calls.

use axum::body::Body;
use http::Request;
use lumina_fullenrich_sandbox::Mood;
use uuid::Uuid;

use super::moody;
use crate::world::{BATCH_URL, BULK, KEY, World, batch, config, secs, with_key};

fn id_of(answer: &crate::world::Answer) -> Uuid {
    answer.json["enrichment_id"].as_str().unwrap().parse().unwrap()
}

facts! {
    /// Base `https://app.fullenrich.com/api/v2` [o].
    fn everything_is_under_the_base_path() {
        let mut world = World::new(config());
        for (path, status) in [
            ("/api/v2/account/credits", 200),
            ("/account/credits", 404),
            ("/api/v1/account/credits", 404),
        ] {
            assert_eq!(world.get(path).status, status, "{path}");
        }
    }

    /// `Authorization: Bearer <API key>`, JSON [o].
    fn a_bearer_key_and_json() {
        let mut world = World::new(config());
        let call = |key: &str| {
            let request = Request::get("/api/v2/account/credits").header("authorization", format!("Bearer {key}"));
            request.body(Body::empty()).unwrap()
        };
        let answer = world.send(call(KEY));
        assert_eq!((answer.status, answer.content_type.as_deref()), (200, Some("application/json")));
        let refused = world.send(call("another"));
        assert_eq!((refused.status, refused.content_type.as_deref()), (401, Some("application/json")));
    }

    /// | POST `/contact/reverse/email/bulk` | start a batch | `{"enrichment_id": "<uuid>"}` (200, not 202) |
    fn a_post_starts_a_batch() {
        let mut world = World::new(config());
        let answer = world.post("/api/v2/contact/reverse/email/bulk", &batch(&["a@readers.example"]));
        assert_eq!((answer.status, answer.json.as_object().unwrap().len()), (200, 1));
        assert_eq!(id_of(&answer), world.batch_line(0).enrichment_id);
    }

    /// | GET `/contact/reverse/email/bulk/{enrichment_id}` | read it | the result body below |
    fn a_get_reads_it() {
        let mut world = World::new(config());
        let id = world.start_for(&["a@readers.example"]);
        world.advance(secs(90));
        let answer = world.get(&format!("/api/v2/contact/reverse/email/bulk/{id}"));
        assert_eq!((answer.status, &answer.bytes), (200, &world.arrivals(BATCH_URL)[0].body));
    }

    /// | GET `/account/credits` | balance, costs nothing but a call | `{"balance": 5000.0}` (a double) |
    fn the_balance_costs_a_call() {
        let mut world = World::new(config());
        for calls in 1..4 {
            let answer = world.get("/api/v2/account/credits");
            assert_eq!(&answer.bytes[..], br#"{"balance":5000.0}"#);
            assert_eq!(world.totals().calls.most_in_a_minute, calls);
        }
    }

    /// | GET `/account/keys/verify` | is the key valid | `{"workspace_id": "..."}` |
    fn a_key_can_be_verified() {
        let mut world = World::new(config());
        let answer = world.get("/api/v2/account/keys/verify");
        assert_eq!((answer.status, answer.json.as_object().unwrap().len()), (200, 1));
        assert!(answer.json["workspace_id"].is_string());
        let wrong = Request::get("/api/v2/account/keys/verify").header("authorization", "Bearer wrong");
        assert_eq!(world.send(wrong.body(Body::empty()).unwrap()).status, 401);
    }

    /// There is no list, no search by name, no cancel, no replay of a webhook [o].
    fn there_are_no_other_calls() {
        let mut world = World::new(config());
        let id = world.start_for(&["a@readers.example"]);
        let of = |path: &str| format!("{BULK}{path}");
        for (method, path) in [
            ("GET", of("")),
            ("GET", of("?name=a%20batch")),
            ("DELETE", of(&format!("/{id}"))),
            ("POST", of(&format!("/{id}"))),
            ("POST", of(&format!("/{id}/cancel"))),
            ("POST", of(&format!("/{id}/webhook"))),
            ("PUT", of(&format!("/{id}"))),
        ] {
            let answer = world.send(with_key(method, &path, Body::empty()));
            assert!([404, 405].contains(&answer.status), "{method} {path}: {answer:?}");
        }
        world.advance(secs(90));
        assert_eq!(world.read(&id).json["status"], "FINISHED");
    }

    /// An `enrichment_id` whose POST answer was lost can only come back inside a webhook.
    fn a_lost_id_comes_back_by_webhook() {
        let mut world = moody([Mood::ResetAfter]);
        assert!(world.post(BULK, &batch(&["a@readers.example"])).reset);
        world.advance(secs(90));
        let id = world.arrivals(BATCH_URL)[0].json()["id"].as_str().unwrap().to_owned();
        assert_eq!(world.read(&id).json["status"], "FINISHED");
    }
}
