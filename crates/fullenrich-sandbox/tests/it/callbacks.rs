//! Callbacks: what they carry, when they come, how often they are tried again.

use lumina_fullenrich_sandbox::{SandboxConfig, sign};
use serde_json::json;

use crate::world::{Arrival, BATCH_URL, CONTACT_URL, World, batch, config, crowd, refs, secs};

fn quick() -> SandboxConfig {
    config().with_lookup_delay(secs(10))
}

fn seconds(arrivals: &[Arrival]) -> Vec<i64> {
    let start: jiff::Timestamp = "2026-08-03T10:00:00Z".parse().unwrap();
    arrivals
        .iter()
        .map(|arrival| arrival.at.as_second() - start.as_second())
        .collect()
}

#[test]
fn the_signature_is_the_documented_one() {
    let body = concat!(
        r#"{"id":"2db5ea61-1752-42cf-8ea1-ab1da060cd0a","name":"Reverse Email Lookup","status":"FINISHED","#,
        r#""cost":{"credits":0},"data":[{"input":{"email":"nobody@example.com"},"custom":{"user_id":"12585"}}]}"#,
    );
    assert_eq!(
        sign("test-api-key-not-real", body.as_bytes()),
        "de75aeefce050a06364eefc6990ff251fa2d3010"
    );
    assert_ne!(
        sign("another-key", body.as_bytes()),
        "de75aeefce050a06364eefc6990ff251fa2d3010"
    );
}

#[test]
fn a_batch_calls_back_once_with_what_a_get_then_answers() {
    let mut world = World::new(quick());
    let id = world.start_for(&refs(&crowd("r", 20)));
    world.advance(secs(9));
    assert_eq!(world.arrivals(BATCH_URL).len(), 0);
    world.advance(secs(3600));
    let arrived = world.arrivals(BATCH_URL);
    assert_eq!(seconds(&arrived), [10]);
    assert_eq!(arrived[0].body, world.read(&id).bytes);
    assert_eq!(world.sandbox().report().batches[0].callback_attempts, 1);
    assert!(world.sandbox().report().batches[0].called_back);
}

#[test]
fn each_contact_calls_back_with_the_same_envelope() {
    let mut world = World::new(SandboxConfig {
        not_found_percent: 50,
        ..config()
    });
    let id = world.start_for(&refs(&crowd("r", 50)));
    world.advance(secs(100));
    let events = world.arrivals(CONTACT_URL);
    let whole = world.read(&id).json;
    let records = whole["data"].as_array().unwrap();
    assert_eq!(events.len(), 50);
    for event in &events {
        let event = event.json();
        assert_eq!((&event["id"], &event["name"]), (&whole["id"], &whole["name"]));
        assert_eq!(event["status"], "IN_PROGRESS", "even the last one");
        assert_eq!(event["data"].as_array().unwrap().len(), 1);
        assert!(records.contains(&event["data"][0]));
    }
    let costs: Vec<u64> = events
        .iter()
        .map(|event| event.json()["cost"]["credits"].as_u64().unwrap())
        .collect();
    assert!(costs.is_sorted(), "the cost so far: {costs:?}");
    assert_eq!(costs.last(), whole["cost"]["credits"].as_u64().as_ref());
}

#[test]
fn callbacks_are_asked_for_one_by_one() {
    for (drop_batch, drop_contact) in [(true, false), (false, true), (true, true)] {
        let mut body = batch(&["a@readers.example"]);
        if drop_batch {
            body.as_object_mut().unwrap().remove("webhook_url");
        }
        if drop_contact {
            body.as_object_mut().unwrap().remove("webhook_events");
        }
        let mut world = World::new(quick());
        world.start(&body);
        world.advance(secs(60));
        assert_eq!(world.arrivals(BATCH_URL).len(), usize::from(!drop_batch));
        assert_eq!(world.arrivals(CONTACT_URL).len(), usize::from(!drop_contact));
    }
}

#[test]
fn an_undelivered_callback_is_tried_again_every_minute_five_times() {
    for answer in [None, Some(500), Some(404), Some(301)] {
        let mut world = World::new(quick());
        world.answer_callbacks(move |_| answer);
        world.start(&json!({"name": "n", "webhook_url": BATCH_URL, "data": [{"email": "a@readers.example"}]}));
        world.advance(secs(24 * 60 * 60));
        let arrived = world.arrivals(BATCH_URL);
        assert_eq!(seconds(&arrived), [10, 70, 130, 190, 250, 310], "{answer:?}");
        assert!(
            arrived.iter().all(|arrival| arrival.body == arrived[0].body),
            "the same bytes each time"
        );
        let totals = world.totals().callbacks;
        assert_eq!((totals.delivered, totals.failed_attempts), (0, 6));
    }
}

#[test]
fn the_retries_end_with_the_first_that_is_delivered() {
    let mut world = World::new(quick());
    world.answer_callbacks(|n| if n < 3 { Some(503) } else { Some(204) });
    world.start(&json!({"name": "n", "webhook_url": BATCH_URL, "data": [{"email": "a@readers.example"}]}));
    world.advance(secs(3600));
    assert_eq!(seconds(&world.arrivals(BATCH_URL)), [10, 70, 130]);
    let totals = world.totals().callbacks;
    assert_eq!((totals.delivered, totals.failed_attempts), (1, 2));
}

#[test]
fn interval_and_number_of_retries_are_adjustable() {
    let settings = SandboxConfig {
        callback_retry_every: secs(2),
        callback_retries: 2,
        ..quick()
    };
    let mut world = World::new(settings);
    world.answer_callbacks(|_| Some(500));
    world.start_for(&["a@readers.example"]);
    world.advance(secs(3600));
    assert_eq!(seconds(&world.arrivals(BATCH_URL)), [10, 12, 14]);
    assert_eq!(seconds(&world.arrivals(CONTACT_URL)), [10, 12, 14]);
}

#[test]
fn a_receiver_that_never_answers_is_a_failed_delivery() {
    let mut world = World::new(SandboxConfig {
        callback_timeout: secs(7),
        callback_retries: 1,
        ..quick()
    });
    world.hang_callbacks();
    world.start(&json!({"name": "n", "webhook_url": BATCH_URL, "data": [{"email": "a@readers.example"}]}));
    world.advance(secs(3600));
    assert_eq!(
        seconds(&world.arrivals(BATCH_URL)),
        [10, 77],
        "seven seconds of waiting, then the minute"
    );
    assert_eq!(world.totals().callbacks.failed_attempts, 2);
}
