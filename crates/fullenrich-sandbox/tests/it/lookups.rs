//! Look-ups: how long they take, how many at once, what they cost, how long they are kept.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use lumina_fullenrich_sandbox::{RunningAnswer, SandboxConfig};
use serde_json::{Value, json};

use crate::world::{BATCH_URL, World, batch, config, crowd, refs, secs};

fn in_threes() -> SandboxConfig {
    SandboxConfig {
        contacts_at_once: NonZeroU32::new(3).unwrap(),
        ..config().with_lookup_delay(secs(10))
    }
}

#[test]
fn a_batch_of_a_hundred_takes_thirty_to_ninety_seconds() {
    let mut world = World::new(config());
    let id = world.start_for(&refs(&crowd("r", 100)));
    world.advance(secs(29));
    assert_eq!(world.totals().lookups, 0);
    world.advance(secs(31));
    assert!(
        (20..80).contains(&world.totals().lookups),
        "half-way: {:?}",
        world.totals()
    );
    assert_eq!(world.read(&id).json["status"], "IN_PROGRESS");
    world.advance(secs(30));
    assert_eq!(world.totals().lookups, 100);
    assert_eq!(world.read(&id).json["status"], "FINISHED");
}

#[test]
fn a_fixed_delay_answers_a_whole_batch_at_once() {
    let mut world = World::new(config().with_lookup_delay(secs(3)));
    world.start_for(&refs(&crowd("r", 100)));
    world.advance(secs(60));
    let arrived = world.arrivals(BATCH_URL);
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0].at.to_string(), "2026-08-03T10:00:03Z");
}

#[test]
fn contacts_above_the_limit_queue_first_come_first_served() {
    let mut world = World::new(in_threes());
    let first = world.start_for(&refs(&crowd("a", 4)));
    let second = world.start_for(&refs(&crowd("b", 3)));
    let statuses =
        |world: &mut World| [&first, &second].map(|id| world.read(id).json["status"].as_str().unwrap().to_owned());
    assert_eq!(statuses(&mut world), ["IN_PROGRESS", "CREATED"]);
    assert_eq!(
        (world.totals().contacts_in_flight, world.totals().contacts_waiting),
        (3, 4)
    );
    world.advance(secs(10));
    assert_eq!(statuses(&mut world), ["IN_PROGRESS", "IN_PROGRESS"]);
    assert_eq!((world.totals().lookups, world.totals().contacts_waiting), (3, 1));
    world.advance(secs(10));
    assert_eq!(statuses(&mut world), ["FINISHED", "IN_PROGRESS"]);
    world.advance(secs(10));
    assert_eq!(statuses(&mut world), ["FINISHED", "FINISHED"]);
    assert_eq!(world.totals().most_contacts_at_once, 3);
    assert_eq!(world.totals().contacts_in_flight, 0);
}

#[test]
fn a_running_batch_is_answered_in_the_form_that_was_chosen() {
    for (form, status) in [
        (RunningAnswer::Status, 200),
        (RunningAnswer::StatusAndData, 200),
        (RunningAnswer::Error, 400),
    ] {
        let mut world = World::new(SandboxConfig {
            running: form,
            ..in_threes()
        });
        let id = world.start_for(&refs(&crowd("r", 5)));
        world.advance(secs(10));
        let answer = world.read(&id);
        assert_eq!(answer.status, status, "{form:?}");
        match form {
            RunningAnswer::Status => assert_eq!(answer.json.get("data"), None),
            RunningAnswer::StatusAndData => assert_eq!(answer.json["data"].as_array().unwrap().len(), 3),
            RunningAnswer::Error => assert_eq!(answer.json["code"], "error.enrichment.in_progress"),
        }
        if form != RunningAnswer::Error {
            assert_eq!(
                (&answer.json["status"], &answer.json["cost"]),
                (&json!("IN_PROGRESS"), &json!({"credits": 3}))
            );
        }
    }
}

#[test]
fn records_come_complete_as_sent_and_in_another_order() {
    let mut world = World::new(config().with_lookup_delay(secs(1)));
    let emails = crowd("R", 40);
    let mut body = batch(&refs(&emails));
    for (place, contact) in body["data"].as_array_mut().unwrap().iter_mut().enumerate() {
        contact["custom"] = json!({"place": place.to_string(), "ünïcode": "ß"});
    }
    let id = world.start(&body);
    world.advance(secs(1));
    let answer = world.read(&id);
    let data = answer.json["data"].as_array().unwrap();
    let order: Vec<&str> = data
        .iter()
        .map(|record| record["input"]["email"].as_str().unwrap())
        .collect();
    assert_ne!(order, refs(&emails));
    assert_eq!(
        order.iter().copied().collect::<BTreeSet<_>>(),
        refs(&emails).into_iter().collect()
    );
    for record in data {
        let place: usize = record["custom"]["place"].as_str().unwrap().parse().unwrap();
        assert_eq!(record["input"]["email"], emails[place]);
        assert_eq!(record["custom"]["ünïcode"], "ß");
        assert!(record["profile"]["full_name"].is_string());
    }
}

#[test]
fn a_person_found_costs_one_credit_and_nobody_none() {
    let mut world = World::new(SandboxConfig {
        not_found_percent: 40,
        ..config()
    });
    let id = world.start_for(&refs(&crowd("r", 100)));
    world.advance(secs(90));
    let answer = world.read(&id).json;
    let found = |record: &&Value| record["profile"]["id"].is_string();
    let people = answer["data"].as_array().unwrap().iter().filter(found).count();
    assert!((40..80).contains(&people), "{people} found");
    assert_eq!(answer["cost"]["credits"], people);
    assert_eq!(
        world.get("/api/v2/account/credits").json["balance"],
        5000.0 - people as f64
    );
    assert_eq!(world.totals().charges, people as u64);
}

/// Look-ups take 10 s. What two POSTs of one address cost together, by the time between them.
#[test]
fn a_repeat_is_free_only_once_the_first_lookup_has_finished() {
    let day = 24 * 60 * 60;
    for (pause, charges) in [(0, 2), (9, 2), (10, 1), (60, 1), (89 * day, 1), (90 * day + 10, 2)] {
        let mut world = World::new(config().with_lookup_delay(secs(10)));
        world.start_for(&["Ann@Readers.example"]);
        world.advance(secs(pause));
        let second = world.start_for(&["ann@readers.EXAMPLE"]);
        world.advance(secs(20));
        assert_eq!(world.account("ann@readers.example"), (2, charges), "after {pause} s");
        assert_eq!(
            world.read(&second).json["cost"]["credits"],
            charges - 1,
            "after {pause} s"
        );
        let twice = world.sandbox().report().charged_twice;
        assert_eq!(twice.len(), usize::from(charges == 2), "after {pause} s");
        assert_eq!(world.totals().charged_twice_count, twice.len() as u64);
    }
}

#[test]
fn a_repeat_that_still_queues_is_charged_as_well() {
    let mut world = World::new(SandboxConfig {
        contacts_at_once: NonZeroU32::MIN,
        ..config().with_lookup_delay(secs(10))
    });
    world.start_for(&["ann@readers.example"]);
    world.start_for(&["ann@readers.example"]);
    world.advance(secs(20));
    assert_eq!(
        world.account("ann@readers.example"),
        (2, 2),
        "the first had not finished when the second was accepted"
    );
}

#[test]
fn duplicates_within_a_batch_are_charged_and_a_free_repeat_does_not_extend_the_term() {
    let mut world = World::new(config().with_lookup_delay(secs(10)));
    let id = world.start_for(&["ann@readers.example", "ANN@readers.example", "bob@readers.example"]);
    world.advance(secs(10));
    assert_eq!(world.read(&id).json["cost"]["credits"], 3);
    assert_eq!(world.account("ann@readers.example"), (2, 2));
    assert_eq!(world.sandbox().report().charged_twice, ["ann@readers.example"]);
    world.advance(secs(60 * 24 * 60 * 60));
    world.start_for(&["bob@readers.example"]);
    world.advance(secs(31 * 24 * 60 * 60));
    assert_eq!(world.account("bob@readers.example"), (2, 1));
    world.start_for(&["bob@readers.example"]);
    world.advance(secs(10));
    assert_eq!(world.account("bob@readers.example"), (3, 2));
    assert_eq!(world.totals().free_repeats, 1);
}

#[test]
fn results_are_kept_three_months() {
    let mut world = World::new(config().with_lookup_delay(secs(10)));
    let id = world.start_for(&["ann@readers.example"]);
    world.advance(secs(10 + 90 * 24 * 60 * 60 - 1));
    assert_eq!(world.read(&id).status, 200);
    world.advance(secs(1));
    assert_eq!(world.read(&id).status, 404);
    let ledger = world.get("/sandbox/ledger").json;
    assert_eq!(
        ledger["batches"][0]["contacts"], 1,
        "the ledger forgets nothing: {ledger}"
    );
    assert_eq!(
        ledger["addresses"],
        json!([{"email": "ann@readers.example", "lookups": 1, "charges": 1}])
    );
}

#[test]
fn looking_up_may_take_no_time_at_all() {
    let mut world = World::new(in_threes().with_lookup_delay(secs(0)));
    let id = world.start_for(&refs(&crowd("r", 100)));
    assert_eq!(world.read(&id).json["status"], "FINISHED");
    assert_eq!(world.arrivals(BATCH_URL).len(), 1);
}
