//! Webhooks.

use axum::body::Body;
use lumina_fullenrich_sandbox::{Mood, SIGNATURE_HEADER, sign};
use serde_json::json;

use super::moody;
use crate::world::{Arrival, BATCH_URL, BULK, CONTACT_URL, KEY, World, batch, config, crowd, refs, secs, with_key};

/// A world in which a batch of five was looked up, and its final callback.
fn called_back() -> (World, Arrival) {
    let mut world = World::new(config());
    world.start_for(&refs(&crowd("r", 5)));
    world.advance(secs(90));
    let arrived = world.arrivals(BATCH_URL).remove(0);
    (world, arrived)
}

facts! {
    /// - Header `X-Signature-SHA1`: lowercase hex HMAC-SHA1 of the raw body, key = the API key.
    fn the_signature() {
        let (_, arrived) = called_back();
        assert!("X-Signature-SHA1".eq_ignore_ascii_case(SIGNATURE_HEADER));
        let signature = arrived.headers["X-Signature-SHA1"].to_str().unwrap();
        assert_eq!(signature, sign(KEY, &arrived.body));
        let lowercase_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        assert!(signature.len() == 40 && signature.chars().all(lowercase_hex), "{signature}");
        assert_ne!(signature, sign("another", &arrived.body));
    }

    /// No timestamp, no event id.
    fn no_other_header() {
        let (_, arrived) = called_back();
        let mut names: Vec<&str> = arrived.headers.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-type", "x-signature-sha1"]);
        let fields = arrived.json();
        assert_eq!(fields.as_object().unwrap().keys().collect::<Vec<_>>(), ["cost", "data", "id", "name", "status"]);
    }

    /// - Test vector: key `test-api-key-not-real`, body
    /// `{"id":"2db5ea61-1752-42cf-8ea1-ab1da060cd0a","name":"Reverse Email Lookup","status":"FINISHED","cost":{"credits":0},"data":[{"input":{"email":"nobody@example.com"},"custom":{"user_id":"12585"}}]}`
    /// gives `de75aeefce050a06364eefc6990ff251fa2d3010`.
    fn the_test_vector() {
        let body = concat!(
            r#"{"id":"2db5ea61-1752-42cf-8ea1-ab1da060cd0a","name":"Reverse Email Lookup","status":"FINISHED","#,
            r#""cost":{"credits":0},"data":[{"input":{"email":"nobody@example.com"},"custom":{"user_id":"12585"}}]}"#,
        );
        assert_eq!(sign("test-api-key-not-real", body.as_bytes()), "de75aeefce050a06364eefc6990ff251fa2d3010");
    }

    /// - A non-2xx (or failed) delivery is retried every minute, up to 5 times; then nothing more comes: the GET is what is left.
    fn retries() {
        for answer in [None, Some(500), Some(302), Some(404)] {
            let mut world = World::new(config().with_lookup_delay(secs(30)));
            world.answer_callbacks(move |_| answer);
            let mut body = batch(&["a@readers.example"]);
            body.as_object_mut().unwrap().remove("webhook_events");
            let id = world.start(&body);
            world.advance(secs(24 * 60 * 60));
            let arrived = world.arrivals(BATCH_URL);
            let minutes = arrived.windows(2).map(|pair| pair[1].at.duration_since(pair[0].at).as_secs());
            assert_eq!(minutes.collect::<Vec<_>>(), [60; 5], "{answer:?}");
            assert_eq!(world.read(&id).bytes, arrived[0].body);
        }
    }

    /// - Order and duplicates are not promised: the same body may come twice, per-contact events after the final one, a callback before the POST's own answer.
    fn order_and_duplicates() {
        let mut world = moody([Mood::CallbackDoubled]);
        world.start_for(&["a@readers.example"]);
        world.advance(secs(90));
        let arrived = world.arrivals(BATCH_URL);
        assert_eq!((arrived.len(), &arrived[0].body), (2, &arrived[1].body));

        let mut world = moody([Mood::CallbacksOutOfOrder]);
        world.answer_callbacks(|n| Some(if n == 1 { 500 } else { 200 }));
        world.start_for(&["a@readers.example"]);
        world.advance(secs(200));
        assert!(world.arrivals(CONTACT_URL)[0].at >= world.arrivals(BATCH_URL)[1].at);

        let mut world = moody([Mood::CallbackBeforeAnswer]);
        world.hang_callbacks();
        let request = batch(&["a@readers.example"]).to_string();
        let post = world.begin(with_key("POST", BULK, Body::from(request)));
        assert!(post.answer().is_none() && world.arrivals(BATCH_URL).len() == 1);
    }

    /// - Per-contact event: same envelope, one item in `data[]`, status IN_PROGRESS.
    fn an_event() {
        let (world, whole) = called_back();
        let whole = whole.json();
        let events = world.arrivals(CONTACT_URL);
        assert_eq!(events.len(), 5);
        for event in events.iter().map(Arrival::json) {
            assert_eq!((&event["id"], &event["name"]), (&whole["id"], &whole["name"]));
            assert_eq!(event["status"], "IN_PROGRESS");
            let data = event["data"].as_array().unwrap();
            assert!(data.len() == 1 && whole["data"].as_array().unwrap().contains(&data[0]));
        }
    }

    /// Nothing names the kind: use a different URL for it.
    fn nothing_names_the_kind() {
        let (world, whole) = called_back();
        let event = &world.arrivals(CONTACT_URL)[0];
        let names = |arrival: &Arrival| arrival.headers.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(event), names(&whole));
        let fields = |arrival: &Arrival| arrival.json().as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(fields(event), fields(&whole));
        assert_ne!(event.url, whole.url);
    }

    /// - Polling is discouraged: not more often than every 5 minutes, and each GET spends the rate limit.
    fn each_get_spends_the_limit() {
        let mut world = World::new(config());
        let id = world.start_for(&["a@readers.example"]);
        let statuses: Vec<u16> = (0..60).map(|_| world.read(&id).status).collect();
        assert_eq!((&statuses[..59], statuses[59]), (&[200; 59][..], 429), "the POST was one of sixty");
        assert_eq!(world.read(&id).json["code"], json!("error.rate.limit"));
    }
}
