//! `lumina credits`: the ledger as people read it, against the sandbox's own.

use serde_json::{Value, json};

use crate::support::{Call, FAST, Fault, World, until_true};

fn show(world: &World, arguments: &[&str]) -> Value {
    world.place.run(&[&["credits"], arguments, &["--json"]].concat()).json()
}

#[test]
fn the_ledger_agrees_with_the_providers() {
    let mut world = World::start(FAST);
    world.place.set("enrichment.budget.per_day", "500");
    world.place.set("enrichment.budget.per_month", "2000");
    let server = world.place.serve();
    world.import(0..120);
    world.wait_until_settled();
    let (database, charged) = (world.place.database(), world.sandbox.ledger().number("charges"));
    let leads = database.count("lead");
    server.stop();

    let all = show(&world, &[]);
    let day = all["days"][0].clone();
    assert_eq!(all["days"].as_array().unwrap().len(), 1, "{all}");
    let number = |name: &str| day[name].as_u64().unwrap();
    assert_eq!(
        (number("batches"), number("addresses"), number("estimated")),
        (2, 120, 120)
    );
    assert_eq!((number("actual"), number("unanswered")), (charged, 0));
    assert_eq!((number("found"), number("leads")), (leads, leads));
    assert_eq!(day["creditsPerLead"], 1.0);
    assert_eq!(day["dollarsPerLead"], 0.058);
    let budget = |limit: u64| json!({"limit": limit, "used": charged, "reserved": 0, "left": limit - charged});
    assert_eq!(all["budget"], json!({"day": budget(500), "month": budget(2_000)}));
    let mut total = day.clone();
    total.as_object_mut().unwrap().remove("day");
    assert_eq!(all["total"], total);
    for range in [
        &["--days", "1"][..],
        &["--month"],
        &["--month", &day["day"].as_str().unwrap()[..7]],
    ] {
        assert_eq!(show(&world, range)["days"], all["days"], "{range:?}");
    }
    assert_eq!(show(&world, &["--month", "2020-02"])["days"], json!([]));
    world
        .place
        .run(&["credits", "--month", "2020-13"])
        .assert_failed("`2020-13` is no month; write it as 2026-08");
    assert_eq!(world.place.run(&["credits", "--days", "0"]).code, Some(2));

    let table = world.place.run(&["credits"]);
    for told in [
        "cost per lead",
        "1.00 ($0.058)",
        "total",
        "of 500 credits used",
        "of 2,000 credits used",
        "Next: lumina credits batches --day",
    ] {
        assert!(table.ok().contains(told), "{told}: {}", table.out);
    }
    check_batches(&world, day["day"].as_str().unwrap(), charged);
}

/// Each batch by itself.
fn check_batches(world: &World, day: &str, charged: u64) {
    let batches = show(world, &["batches"]);
    let batches = batches.as_array().unwrap();
    assert!(
        batches
            .iter()
            .all(|batch| batch["outcome"] == "finished" && batch["attempt"] == 1)
    );
    let sum = |name: &str| batches.iter().map(|batch| batch[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!((batches.len(), sum("addresses"), sum("actual")), (2, 120, charged));
    assert_eq!(show(world, &["batches", "--day", day]), json!(batches));
    assert_eq!(show(world, &["batches", "--day", "2020-02-01"]), json!([]));
    assert_eq!(show(world, &["batches", "--limit", "1"]), json!(batches[..1]));

    let run = batches[0]["workflowId"].as_str().unwrap();
    let shown = show(world, &["show", run]);
    assert_eq!(shown["posts"], json!(batches[..1]));
    let addresses = shown["addresses"].as_array().unwrap();
    assert_eq!(addresses.len() as u64, batches[0]["addresses"].as_u64().unwrap());
    let found = addresses
        .iter()
        .filter(|address| address["status"] == "enriched")
        .count() as u64;
    assert_eq!(found, batches[0]["actual"].as_u64().unwrap(), "a credit for each");
    let table = world.place.run(&["credits", "show", run]);
    for told in [
        "Sent as no. 1",
        "outcome        finished",
        "enrichment id",
        "Next: lumina workflows show",
        "Next: lumina jobs list",
    ] {
        assert!(table.ok().contains(told), "{told}: {}", table.out);
    }
    world
        .place
        .run(&["credits", "show", "00000000-0000-7000-8000-000000000000"])
        .assert_failed("no batch was made by a run 00000000-0000-7000-8000-000000000000");
}

/// Nobody knows what became of the first one: both are in the ledger, each with what it may cost and did.
#[test]
fn a_batch_that_was_sent_twice_is_in_it_twice() {
    let mut world = World::start(&format!("not_found_percent = 0\n{FAST}"));
    world.place.set("fullenrich.connect_timeout", "500ms");
    world.place.set("fullenrich.timeout", "500ms");
    world.place.set("enrichment.reconcile_window", "1s");
    world.place.set("enrichment.sweep", "200ms");
    world.gateway.fail_next(Call::Submit, [Fault::Swallow]);
    let server = world.place.serve();
    world.import(0..3);
    let database = world.place.database();
    until_true("the first to be in doubt", || {
        database.count("credit_ledger WHERE outcome = 'unknown'") == 1
    });
    let doubtful = show(&world, &[]);
    assert_eq!(
        (
            &doubtful["days"][0]["actual"],
            &doubtful["days"][0]["unanswered"],
            &doubtful["days"][0]["creditsPerLead"]
        ),
        (&json!(0), &json!(3), &Value::Null)
    );
    let told = world.place.run(&["credits"]);
    assert!(
        told.ok()
            .contains("Batches that are not answered may cost up to 3 credits more."),
        "{}",
        told.out
    );
    let seen = world.place.run(&["doctor"]);
    assert!(
        seen.ok()
            .contains("1 of unknown outcome, watched before they are sent once more"),
        "{}",
        seen.out
    );

    world.wait_until_settled();
    server.stop();
    let run = show(&world, &["batches"])[0]["workflowId"].as_str().unwrap().to_owned();
    let shown = show(&world, &["show", &run]);
    let posts: Vec<_> = shown["posts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|post| {
            (
                post["attempt"].clone(),
                post["outcome"].clone(),
                post["estimated"].clone(),
                post["actual"].clone(),
            )
        })
        .collect();
    let expected = [
        (json!(1), json!("unknown"), json!(3), Value::Null),
        (json!(2), json!("finished"), json!(3), json!(3)),
    ];
    assert_eq!(posts, expected);
    assert_eq!(shown["addresses"][0]["attempts"], json!([1, 2]));
    let day = &show(&world, &[])["days"][0];
    assert_eq!(
        (
            &day["batches"],
            &day["addresses"],
            &day["estimated"],
            &day["actual"],
            &day["found"]
        ),
        (&json!(2), &json!(6), &json!(6), &json!(3), &json!(3))
    );
    let listed = world.place.run(&["credits", "batches"]);
    assert!(listed.ok().contains("finished (no. 2)"), "{}", listed.out);
}

#[test]
fn of_nothing_there_is_nothing_to_show() {
    let world = World::start(FAST);
    for (arguments, told) in [
        (&["credits"][..], "Nothing was sent from"),
        (&["credits", "batches"], "No batches yet."),
        (
            &["credits", "batches", "--day", "2026-08-31"],
            "No batches count on 2026-08-31.",
        ),
    ] {
        let shown = world.place.run(arguments);
        assert!(shown.ok().contains(told), "{shown:?}");
    }
}
