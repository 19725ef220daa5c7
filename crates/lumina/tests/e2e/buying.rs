//! What is bought, on whose word, and within which bounds.

use crate::support::{FAST, World, post, until_true};

/// What is declined is stored without a job, so that nothing buys it; `enrich` creates the jobs.
#[test]
fn what_was_declined_is_looked_up_on_request_alone() {
    let mut world = World::start(FAST);
    world.place.set("enrichment.sweep", "200ms");
    let server = world.place.serve();
    let database = world.place.database();
    world.place.write_people("people.csv", 0..150);
    world.place.run(&["import", "people.csv", "--no-enrich"]).ok();
    assert_eq!(
        (database.count("subscriber"), database.count("enrichment_job")),
        (150, 0)
    );
    world.place.write_people("more.csv", 150..200);
    world.place.run(&["import", "more.csv", "--limit", "20"]).ok();
    world.wait_until_settled();
    assert_eq!(
        server.call(post("/api/enrichment/batches")).ok()["jobs"],
        0,
        "nothing else is pending"
    );
    world.assert_truth(20);

    let dry = world.place.run(&["enrich", "--dry-run", "--json"]);
    assert_eq!(
        (&dry.json()["neverLookedUp"], &dry.json()["lookupsCreated"]),
        (&180.into(), &0.into())
    );
    assert!(
        dry.err.contains("180 personal subscribers were never looked up") && dry.err.contains("at most 180 credits")
    );
    assert_eq!(database.count("enrichment_job"), 20, "a dry run does nothing");
    let unasked = world.place.run(&["enrich"]);
    unasked.assert_failed("more than 100 lookups need --yes where nobody can be asked");
    assert_eq!(database.count("enrichment_job"), 20);

    let some = world.place.run(&["enrich", "--limit", "30", "--json"]).json();
    assert_eq!(
        (&some["lookupsCreated"], &some["neverLookedUp"]),
        (&30.into(), &180.into())
    );
    world.place.run(&["enrich", "--yes", "--wait"]).ok();
    assert_eq!(database.open_jobs(), 0, "it waited");
    world.assert_truth(200);
    assert_eq!(
        world.place.run(&["enrich", "--json"]).json()["lookupsCreated"],
        0,
        "everybody was looked up"
    );
}

#[test]
fn more_than_a_hundred_lookups_need_somebodys_word() {
    let world = World::start(FAST);
    let server = world.place.serve();
    let database = world.place.database();
    world.place.write_people("people.csv", 0..101);
    let refused = world.place.run(&["import", "people.csv"]);
    refused.assert_failed("more than 100 lookups need --yes where nobody can be asked; with --no-enrich");
    assert!(refused.err.contains("101 new personal addresses") && refused.err.contains("at most 101 credits"));
    assert_eq!(
        database.count("subscriber"),
        0,
        "nothing was stored before that was clear"
    );

    world.place.write_people("hundred.csv", 0..100);
    let taken = world.place.run(&["import", "hundred.csv", "--wait", "--json"]).json();
    assert_eq!(taken["newSubscribers"], 100);
    assert_eq!(database.open_jobs(), 0, "it waited");
    // Of 101 one is new: that is no question any more.
    let rest = world.place.run(&["import", "people.csv", "--json"]).json();
    assert_eq!(
        (&rest["newSubscribers"], &rest["duplicatesSkipped"]),
        (&1.into(), &100.into())
    );
    world.wait_until_settled();
    world.assert_truth(101);

    let others = std::fs::read_to_string(world.place.write_people("others.csv", 200..350)).unwrap();
    let upload = |fields: &[(&str, &str)]| post("/api/upload").form(fields, "others.csv", &others);
    let stored = server.call(upload(&[])).ok();
    assert_eq!((&stored["newSubscribers"], &stored["jobs"]), (&150.into(), &0.into()));
    assert!(stored["note"].as_str().unwrap().contains("lumina enrich"), "{stored}");
    let known = server.call(upload(&[("enrich", "yes"), ("limit", "5")])).ok();
    assert_eq!(
        (&known["newSubscribers"], &known["duplicatesSkipped"]),
        (&0.into(), &150.into())
    );
}

/// Budget and balance bound what is bought; the rest waits and says why.
#[test]
fn the_budget_bounds_a_day() {
    let mut world = World::start(FAST);
    world.place.set("enrichment.budget.per_day", "60");
    world.place.set("enrichment.sweep", "200ms");
    let server = world.place.serve();
    server.process.wait_for_line("Budget: 60 credits a day.");
    world.import(0..100);
    let database = world.place.database();
    until_true("the budget to be used up", || {
        database.value::<u64>("SELECT coalesce(sum(cost), 0) FROM enrichment") == 60
            && database.count("pause WHERE reason = 'budget'") == 1
            && !database.jobs().contains_key("submitted")
    });
    assert_eq!(world.sandbox.ledger().number("charges"), 60, "and no more at any time");
    let waiting = database.jobs()["pending"];
    let told = "enrichment_job WHERE status = 'pending' AND run IS NULL AND reason LIKE '%enrichment.budget.per_day%'";
    assert!(
        waiting > 0 && database.count(told) == waiting,
        "jobs above it say why they wait"
    );
    assert_eq!(database.jobs().get("failed"), None);

    server.stop();
    world.place.set("enrichment.budget.per_day", "unlimited");
    let _server = world.place.serve();
    world.wait_until_settled();
    world.assert_truth(100);
}

/// An empty account stops the pipeline, and buying credits lets it go on; nothing fails.
#[test]
fn an_empty_account_fails_nothing() {
    let mut world = World::start(&format!("credits = 10\nnot_found_percent = 0\n{FAST}"));
    world.place.set("enrichment.sweep", "200ms");
    let server = world.place.serve();
    world.import(0..25);
    let database = world.place.database();
    until_true("the credits to be used up", || {
        database.count("lead") == 10 && database.count("pause WHERE reason = 'credits'") == 1
    });
    assert_eq!(
        database.jobs(),
        [("enriched".to_owned(), 10), ("pending".to_owned(), 15)].into()
    );
    let reason: String = database.value("SELECT DISTINCT reason FROM enrichment_job WHERE status = 'pending'");
    assert!(reason.contains("credits"), "{reason}");
    server.stop();
    world.sandbox.buy_credits(100);
    let _server = world.place.serve();
    world.wait_until_settled();
    world.assert_truth(25);
}
