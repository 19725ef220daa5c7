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

/// What would be bought, what it costs, and what bounds it: the same numbers in words and for programs.
#[test]
fn a_dry_run_says_what_would_be_bought_and_what_bounds_it() {
    let world = World::start(&format!("credits = 400\n{FAST}"));
    let run = |arguments: &[&str]| world.place.run(&[&["enrich", "--dry-run"], arguments].concat());
    run(&[]).assert_failed("there is no database ./lumina.db yet");
    assert!(!world.place.path("lumina.db").exists(), "and none is made");
    world.place.write_people("people.csv", 0..250);
    world
        .place
        .run(&["import", "people.csv", "--limit", "30", "--yes"])
        .ok();
    let database = world.place.database();
    let before = std::fs::read(world.place.path("lumina.db")).unwrap();

    let plan = run(&["--json"]).json();
    let expected = serde_json::json!({
        "neverLookedUp": 220, "wouldCreate": 220, "pending": 30, "submitted": 0, "lookups": 250, "batches": 3,
        "creditsAtMost": 250, "dollarsAtMost": 14.5, "balance": 400, "balanceReserved": 0, "allowedToday": 250,
        "boundBy": null, "secondsAtMost": 720, "daysAtMost": null, "lookupsCreated": 0, "jobs": 30, "dryRun": true,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&plan[name], value, "{name}: {plan}");
    }
    let told = run(&[]);
    for part in [
        "250, in 3 batches",
        "250 (about $14.50 at $0.058 a credit)",
        "balance              400 credits",
        "250: all of them",
        "up to 12 min",
        "Nothing was changed.",
        "Next: lumina enrich",
    ] {
        assert!(told.ok().contains(part), "{part}: {}", told.out);
    }

    let budget = |day: &str, month: &str, limit: &str| {
        let (day, month) = (
            format!("enrichment.budget.per_day={day}"),
            format!("enrichment.budget.per_month={month}"),
        );
        let plan = run(&["--json", "--set", &day, "--set", &month, "--limit", limit]).json();
        ["lookups", "allowedToday", "boundBy", "daysAtMost"].map(|name| plan[name].clone())
    };
    let rows = [
        (("100", "unlimited", "220"), serde_json::json!([250, 100, "day", 3])),
        (("100", "60", "220"), serde_json::json!([250, 60, "month", 3])),
        (("unlimited", "60", "20"), serde_json::json!([50, 50, null, null])),
        (("0", "unlimited", "220"), serde_json::json!([250, 0, "day", null])),
    ];
    for ((day, month, limit), expected) in rows {
        assert_eq!(
            serde_json::json!(budget(day, month, limit)),
            expected,
            "{day}, {month}, {limit}"
        );
    }
    assert_eq!(
        std::fs::read(world.place.path("lumina.db")).unwrap(),
        before,
        "nothing was changed"
    );
    assert_eq!(database.count("enrichment_job"), 30);
}

/// The balance bounds what is bought as well, as far as the provider tells it.
#[test]
fn a_dry_run_asks_for_the_balance_where_it_can() {
    let mut world = World::start(&format!("credits = 40\n{FAST}"));
    world.place.write_people("people.csv", 0..50);
    world.place.run(&["import", "people.csv", "--no-enrich"]).ok();
    let plan = |world: &World| world.place.run(&["enrich", "--dry-run", "--json"]).json();
    let told = plan(&world);
    assert_eq!(
        (&told["allowedToday"], &told["boundBy"]),
        (&40.into(), &"balance".into())
    );
    world
        .place
        .database()
        .open_to_write()
        .execute_batch("INSERT INTO pause VALUES ('credits', 'used up', 1, 1)")
        .unwrap();
    let told = plan(&world);
    assert_eq!(
        (&told["allowedToday"], &told["boundBy"], &told["pauses"][0]["reason"]),
        (&0.into(), &"pause".into(), &"credits".into())
    );
    world
        .place
        .set_variable("FULLENRICH_BASE_URL", "http://127.0.0.1:9/api/v2");
    let told = plan(&world);
    assert!(
        told["balance"].is_null()
            && told["balanceUnknown"]
                .as_str()
                .unwrap()
                .contains("could not be reached"),
        "{told}"
    );
    world.place.unset_variable("FULLENRICH_API_KEY");
    let told = plan(&world);
    assert!(
        told["balanceUnknown"].as_str().unwrap().contains("no key is set"),
        "{told}"
    );
    world.place.unset_variable("FULLENRICH_BASE_URL");
    world
        .place
        .run(&["enrich", "--dry-run"])
        .assert_failed("this database holds sandbox people");
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
