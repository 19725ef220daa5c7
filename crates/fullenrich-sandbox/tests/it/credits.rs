//! Batches that cannot be paid for.

use lumina_fullenrich_sandbox::{InsufficientAnswer, SandboxConfig, UnpayableBatch};
use serde_json::{Value, json};

use crate::world::{BATCH_URL, CONTACT_URL, World, config, crowd, refs, secs};

fn with_credits(credits: u64) -> SandboxConfig {
    SandboxConfig {
        credits,
        ..config().with_lookup_delay(secs(10))
    }
}

fn with_profile(body: &Value) -> usize {
    body["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|record| record["profile"].is_object())
        .count()
}

#[test]
fn an_unpayable_batch_is_accepted_and_ends_later() {
    let rows = [
        (UnpayableBatch::StopsMidway, 7, 7, 7),
        (UnpayableBatch::StopsMidwayWithBlanks, 7, 20, 7),
        (UnpayableBatch::FailsWhole, 7, 0, 0),
        (UnpayableBatch::StopsMidway, 0, 0, 0),
        (UnpayableBatch::StopsMidwayWithBlanks, 0, 20, 0),
        (UnpayableBatch::FailsWhole, 0, 0, 0),
    ];
    for (form, credits, records, paid) in rows {
        let mut world = World::new(SandboxConfig {
            unpayable: form,
            ..with_credits(credits)
        });
        let id = world.start_for(&refs(&crowd("r", 20)));
        assert_eq!(
            world.read(&id).json["status"],
            "IN_PROGRESS",
            "{form:?}, {credits}: it was accepted"
        );
        world.advance(secs(10));
        let answer = world.read(&id);
        assert_eq!(answer.status, 402, "{form:?}, {credits}");
        assert_eq!(answer.json["status"], "CREDITS_INSUFFICIENT");
        assert_eq!(answer.json["cost"], json!({"credits": paid}));
        assert_eq!(
            answer.json["data"].as_array().unwrap().len(),
            records,
            "{form:?}, {credits}"
        );
        assert_eq!(with_profile(&answer.json), paid);
        assert_eq!(world.totals().balance, credits - paid as u64);
        assert_eq!(
            world.arrivals(BATCH_URL)[0].body,
            answer.bytes,
            "the callback says the same"
        );
        assert_eq!(world.arrivals(CONTACT_URL).len(), paid);
        world.advance(secs(600));
        assert_eq!(world.totals().charges, paid as u64, "nothing comes after the end");
    }
}

#[test]
fn the_answer_may_be_a_plain_200() {
    let mut world = World::new(SandboxConfig {
        insufficient: InsufficientAnswer::Ok,
        ..with_credits(1)
    });
    let id = world.start_for(&refs(&crowd("r", 2)));
    world.advance(secs(10));
    let answer = world.read(&id);
    assert_eq!(
        (answer.status, &answer.json["status"]),
        (200, &json!("CREDITS_INSUFFICIENT"))
    );
}

#[test]
fn just_enough_is_enough_and_nobody_costs_nothing() {
    for form in [UnpayableBatch::StopsMidway, UnpayableBatch::FailsWhole] {
        let mut world = World::new(SandboxConfig {
            unpayable: form,
            ..with_credits(20)
        });
        let id = world.start_for(&refs(&crowd("r", 20)));
        world.advance(secs(10));
        assert_eq!(world.read(&id).json["status"], "FINISHED", "{form:?}");
        assert_eq!(world.get("/api/v2/account/credits").json, json!({"balance": 0.0}));
    }
    let mut world = World::new(SandboxConfig {
        not_found_percent: 100,
        ..with_credits(1)
    });
    let id = world.start_for(&refs(&crowd("r", 20)));
    world.advance(secs(10));
    assert_eq!(world.read(&id).json["status"], "FINISHED");
    assert_eq!(world.totals().balance, 1);
}

#[test]
fn a_free_repeat_needs_no_credits() {
    for form in [UnpayableBatch::StopsMidway, UnpayableBatch::FailsWhole] {
        let mut world = World::new(SandboxConfig {
            unpayable: form,
            ..with_credits(2)
        });
        world.start_for(&["a@readers.example", "b@readers.example"]);
        world.advance(secs(10));
        let id = world.start_for(&["a@readers.example", "b@readers.example"]);
        world.advance(secs(10));
        let answer = world.read(&id).json;
        assert_eq!(
            (&answer["status"], with_profile(&answer)),
            (&json!("FINISHED"), 2),
            "{form:?}"
        );
        assert_eq!(world.totals().free_repeats, 2);
    }
}

#[test]
fn contacts_of_a_stopped_batch_leave_the_queue_to_others() {
    let mut world = World::new(with_credits(100));
    let first = world.start_for(&refs(&crowd("a", 99)));
    let second = world.start_for(&refs(&crowd("b", 100)));
    world.advance(secs(10));
    world.advance(secs(10));
    assert_eq!(world.read(&first).json["status"], "FINISHED");
    assert_eq!(world.read(&second).json["status"], "CREDITS_INSUFFICIENT");
    world.sandbox().add_credits(50).unwrap();
    let third = world.start_for(&refs(&crowd("c", 50)));
    world.advance(secs(10));
    assert_eq!(world.read(&third).json["status"], "FINISHED");
    let totals = world.totals();
    assert_eq!((totals.balance, totals.charges, totals.credits_bought), (0, 150, 150));
    assert_eq!((totals.contacts_in_flight, totals.contacts_waiting), (0, 0));
}

#[test]
fn credits_can_be_bought_over_http() {
    let mut world = World::new(with_credits(0));
    let answer = world.post("/sandbox/credits", &json!({"add": 12}));
    assert_eq!((answer.status, answer.json), (200, json!({"balance": 12})));
    assert_eq!(world.get("/api/v2/account/credits").json, json!({"balance": 12.0}));
    assert_eq!(world.post("/sandbox/credits", &json!({"add": -1})).status, 422);
}
