//! What goes wrong on purpose.

use axum::body::Body;
use lumina_fullenrich_sandbox::{Faults, SandboxConfig};

use crate::world::{BATCH_URL, BULK, CONTACT_URL, World, batch, config, secs, with_key};

fn faulty(faults: Faults) -> World {
    World::new(SandboxConfig {
        faults,
        ..config().with_lookup_delay(secs(10))
    })
}

#[test]
fn a_post_is_accepted_before_its_delayed_answer() {
    let mut world = faulty(Faults {
        answer_delay: secs(25),
        ..Faults::default()
    });
    let body = batch(&["a@readers.example"]);
    let before = world.clock_second();
    world.start(&body);
    assert_eq!(world.clock_second() - before, 25);
    assert_eq!(
        world.arrivals(BATCH_URL).len(),
        1,
        "its callback came before its answer"
    );
}

#[test]
fn a_client_that_vanishes_before_the_answer_has_bought_all_the_same() {
    let mut world = faulty(Faults {
        answer_delay: secs(25),
        ..Faults::default()
    });
    let body = batch(&["a@readers.example"]).to_string();
    world.call_and_vanish(with_key("POST", BULK, Body::from(body)));
    assert_eq!(world.totals().batch_count, 1);
    world.advance(secs(10));
    assert_eq!(world.account("a@readers.example"), (1, 1));
    let id = world.arrivals(CONTACT_URL)[0].json()["id"].as_str().unwrap().to_owned();
    assert_eq!(
        world.read(&id).json["status"],
        "FINISHED",
        "the callback alone tells the id"
    );
}

#[test]
fn the_first_posts_fail_after_they_were_accepted() {
    let mut world = faulty(Faults {
        server_errors_after_acceptance: 2,
        ..Faults::default()
    });
    let statuses: Vec<u16> = ["a@readers.example", "b@readers.example", "c@readers.example"]
        .map(|email| world.post(BULK, &batch(&[email])).status)
        .to_vec();
    assert_eq!(statuses, [500, 500, 200]);
    world.advance(secs(10));
    assert_eq!(world.totals().charges, 3);
    assert_eq!(world.arrivals(BATCH_URL).len(), 3);
}

#[test]
fn a_silent_sandbox_never_calls_back() {
    let mut world = faulty(Faults {
        never_call_back: true,
        ..Faults::default()
    });
    let id = world.start_for(&["a@readers.example"]);
    world.advance(secs(3600));
    assert_eq!(world.arrivals(BATCH_URL).len() + world.arrivals(CONTACT_URL).len(), 0);
    assert_eq!(world.read(&id).json["status"], "FINISHED");
}

#[test]
fn delivered_callbacks_come_again() {
    let mut world = faulty(Faults {
        duplicate_callbacks: 2,
        ..Faults::default()
    });
    world.start_for(&["a@readers.example"]);
    world.advance(secs(3600));
    for url in [BATCH_URL, CONTACT_URL] {
        let arrived = world.arrivals(url);
        assert_eq!(arrived.len(), 3);
        assert!(arrived.iter().all(|arrival| arrival.body == arrived[0].body));
    }
    assert_eq!(world.totals().callbacks.delivered, 2);
}

#[test]
fn an_address_can_be_made_unwelcome() {
    let mut world = faulty(Faults {
        refused_addresses: ["bad@readers.example".to_owned()].into(),
        ..Faults::default()
    });
    let answer = world.post(BULK, &batch(&["good@readers.example", "Bad@readers.example"]));
    assert_eq!(
        (answer.status, answer.json["code"].as_str()),
        (400, Some("error.reverse.email.invalid"))
    );
    world.start_for(&["good@readers.example"]);
}
