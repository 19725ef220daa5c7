//! `lumina jobs`: what people decide about lookups, with who and why.

use serde_json::{Value, json};

use crate::support::{FAST, Finished, World, until_true};

/// Nobody is looked up within the test.
const SLOW: &str = "calls_per_minute = 100000\nlookup_min = \"10m\"\nlookup_max = \"10m\"\n";

fn jobs(world: &World, arguments: &[&str]) -> Finished {
    world.place.run(&[&["jobs"], arguments].concat())
}

/// The ids of all lookups, oldest first.
fn ids(world: &World) -> Vec<String> {
    let listed = jobs(world, &["list", "--json"]).json();
    let mut ids: Vec<String> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["id"].as_str().unwrap().to_owned())
        .collect();
    ids.reverse();
    ids
}

/// JSON of a command that did not do all that it was asked for.
#[track_caller]
fn partly(finished: &Finished) -> Value {
    assert_eq!(finished.code, Some(1), "{finished:?}");
    serde_json::from_str(&finished.out).unwrap()
}

#[test]
fn pending_lookups_are_given_up_and_taken_up_again() {
    let mut world = World::start(&format!("not_found_percent = 0\n{FAST}"));
    world.place.set_variable("USER", "ada");
    world.place.set("enrichment.sweep", "200ms");
    world.import(0..4);
    let ids = ids(&world);
    let database = world.place.database();

    let failed = jobs(&world, &["fail", &ids[0], &ids[1], "--reason", "they asked not to be"]);
    assert!(failed.ok().contains("2 lookups are given up."), "{failed:?}");
    assert!(
        failed.out.contains(&format!("Next: lumina jobs retry {}", ids[0])),
        "{failed:?}"
    );
    let shown = jobs(&world, &["list", &ids[0], "--json"]).json();
    assert_eq!(
        (&shown[0]["status"], &shown[0]["reason"]),
        (&json!("failed"), &json!("given up by cli:ada: they asked not to be"))
    );
    let unknown = "00000000-0000-7000-8000-000000000000";
    let again = jobs(&world, &["fail", &ids[0], unknown, &ids[2], "--json"]);
    let again = partly(&again);
    assert_eq!(
        (&again["failed"], again["kept"].as_array().unwrap().len()),
        (&json!(1), 2)
    );
    assert_eq!(
        (&again["kept"][0]["why"], &again["kept"][0]["status"]),
        (&json!("it has failed already"), &json!("failed"))
    );
    assert_eq!(
        (&again["kept"][1]["why"], &again["kept"][1]["status"]),
        (&json!("there is no such lookup"), &Value::Null)
    );

    let retried = jobs(&world, &["retry", &ids[0], &ids[3]]);
    assert_eq!(retried.code, Some(1), "{retried:?}");
    assert!(retried.out.contains("1 lookup is pending again."), "{retried:?}");
    assert!(
        retried
            .out
            .contains(&format!("{} stays pending: it is pending already.", ids[3])),
        "{retried:?}"
    );

    let server = world.place.serve();
    until_true("those that were not given up to be looked up", || {
        database.jobs() == [("enriched".to_owned(), 2), ("failed".to_owned(), 2)].into()
    });
    let all = jobs(&world, &["retry"]);
    assert!(
        all.ok().contains("2 lookups are pending again.")
            && all.out.contains("Next: lumina jobs list --status pending")
    );
    world.wait_until_settled();
    let over = partly(&jobs(&world, &["retry", &ids[0], "--json"]));
    assert_eq!(over["kept"][0]["why"], "it was answered: somebody was found");
    server.stop();
    world.assert_truth(4);
}

/// What is out may be charged. Given up, it could be bought a second time without a word.
#[test]
fn what_may_have_been_charged_is_not_given_up() {
    let mut world = World::start(SLOW);
    world.place.set("enrichment.deadline", "3s");
    let server = world.place.serve();
    world.import(0..2);
    let database = world.place.database();
    until_true("the batch to be out", || database.jobs().contains_key("submitted"));
    let ids = ids(&world);
    let out = partly(&jobs(&world, &["fail", &ids[0], "--json"]));
    assert_eq!(out["failed"], 0);
    assert!(
        out["kept"][0]["why"].as_str().unwrap().contains("may be charged"),
        "{out}"
    );
    let listed = jobs(&world, &["list"]);
    assert!(listed.ok().contains("Next: lumina credits show"), "{listed:?}");

    until_true("it to be given up by its deadline", || {
        database.jobs() == [("stale".to_owned(), 2)].into()
    });
    let stale = partly(&jobs(&world, &["fail", &ids[0], "--json"]));
    assert!(
        stale["kept"][0]["why"].as_str().unwrap().contains("--may-pay-twice"),
        "{stale}"
    );
    let kept = partly(&jobs(&world, &["retry", &ids[0], "--json"]));
    assert!(
        kept["kept"][0]["why"]
            .as_str()
            .unwrap()
            .contains("may have been charged: --may-pay-twice"),
        "{kept}"
    );
    let all = jobs(&world, &["retry"]);
    assert!(all.ok().contains("because they may have been charged: 2."), "{all:?}");
    assert_eq!(database.jobs(), [("stale".to_owned(), 2)].into(), "nothing was changed");
    server.stop();
    let retried = jobs(&world, &["retry", &ids[0], "--may-pay-twice", "--json"]).json();
    assert_eq!(retried, json!({"retried": 1, "kept": []}));
}

#[test]
fn lookups_are_listed_by_id_and_by_status() {
    let world = World::start(FAST);
    world.import(0..3);
    let ids = ids(&world);
    let two = jobs(&world, &["list", &ids[2], &ids[0], "--json"]).json();
    assert_eq!(
        (&two[0]["id"], &two[1]["id"]),
        (&json!(ids[2]), &json!(ids[0])),
        "in the order asked for"
    );
    let unknown = "00000000-0000-7000-8000-000000000000";
    let some = jobs(&world, &["list", unknown, &ids[0], "--json"]);
    assert_eq!(partly(&some)[0]["id"], json!(ids[0]));
    assert!(some.err.contains(&format!("there is no lookup {unknown}")), "{some:?}");
    assert_eq!(jobs(&world, &["list", "--status", "stale", "--json"]).json(), json!([]));
    assert_eq!(
        jobs(&world, &["list", "--limit", "2", "--json"])
            .json()
            .as_array()
            .unwrap()
            .len(),
        2
    );
    for wrong in [
        &["list", &ids[0], "--status", "stale"][..],
        &["fail"],
        &["list", "no-id"],
    ] {
        assert_eq!(jobs(&world, wrong).code, Some(2), "{wrong:?}");
    }
}
