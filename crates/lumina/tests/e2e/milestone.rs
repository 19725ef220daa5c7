//! CSV -> SQLite -> sandbox -> signed callback -> scored leads, by `serve` and `import`, and everything that shows it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{FAST, Serve, World, get, until_true};

/// A list as platforms export it: semicolons, a BOM, capitals, doubles, people who have left, and mistakes.
const LIST: &str = "\u{feff}E-Mail;First Name;Status;Source\r\n\
    anna.berg@gmail.com;Anna;active;podcast\r\n\
    annaberg@googlemail.com;Anna;active;footer\r\n\
    \"Bert <bert@web.de>\";Bert;active;footer\r\n\
    carla@proton.me;Carla;unsubscribed;footer\r\n\
    dora@gmx.net;Dora;bounced;footer\r\n\
    no address at all;Emil;active;footer\r\n\
    team@acme-invented.example;;active;footer\r\n\
    frida@privaterelay.appleid.com;Frida;active;footer\r\n\
    gustav@mailinator.com;Gustav;active;footer\r\n";

#[test]
fn a_list_becomes_scored_leads() {
    let world = World::start(&format!("not_found_percent = 0\n{FAST}"));
    let server = world.place.serve();
    world.place.write("list.csv", LIST);
    let told = world.place.run(&["import", "list.csv", "--json"]);
    let expected = json!({
        "totalRows": 9, "newSubscribers": 5, "duplicatesSkipped": 1, "skippedUnsubscribed": 2,
        "errors": [{"line": 7, "code": told.json()["errors"][0]["code"], "message": told.json()["errors"][0]["message"]}],
    });
    assert_eq!(told.json(), expected, "exactly these keys");
    assert!(
        told.err.contains("2 new personal addresses; 2 will be looked up."),
        "{}",
        told.err
    );
    assert!(
        told.err.contains("at most 2 credits (about $0.12 at $0.058 a credit)"),
        "{}",
        told.err
    );
    world.wait_until_settled();
    world.assert_truth(2);

    let leads = check_leads(&world, &server);
    check_exports(&world, &leads);
    check_numbers(&world, &server);
    check_jobs_and_workflows(&world, &server);
    server.stop();
}

/// The table, the JSON and the API show the same leads, each with all its keys.
fn check_leads(world: &World, server: &Serve) -> Vec<Value> {
    let listed = world.place.run(&["leads", "--json"]).json();
    let leads = listed.as_array().unwrap().clone();
    assert_eq!(server.show("/api/leads"), json!({"leads": leads, "nextCursor": null}));
    let emails: BTreeSet<&str> = leads.iter().map(|lead| lead["email"].as_str().unwrap()).collect();
    assert_eq!(emails, ["anna.berg@gmail.com", "bert@web.de"].into());
    for lead in &leads {
        assert_eq!(
            keys(lead),
            [
                "id",
                "email",
                "fullName",
                "title",
                "seniority",
                "company",
                "linkedinUrl",
                "icpScore",
                "icpReasons",
                "hiddenGem",
                "source",
                "enrichedAt",
            ]
            .into()
        );
        assert_eq!(
            keys(&lead["company"]),
            ["name", "domain", "headcount", "headcountRange", "industry"].into()
        );
        let score = lead["icpScore"].as_u64().unwrap();
        assert!(score <= 100 && lead["hiddenGem"] == (score > 70), "{lead}");
        assert_eq!(
            lead["icpReasons"].as_array().unwrap().len(),
            3,
            "a reason for each part: {lead}"
        );
    }
    assert!(
        leads.is_sorted_by_key(|lead| std::cmp::Reverse(lead["icpScore"].as_u64().unwrap())),
        "best first"
    );
    let source = |email: &str| leads.iter().find(|lead| lead["email"] == email).unwrap()["source"].clone();
    assert_eq!(
        (source("anna.berg@gmail.com"), source("bert@web.de")),
        ("podcast".into(), "footer".into())
    );
    let table = world.place.run(&["leads"]);
    assert!(emails.iter().all(|email| table.ok().contains(email)), "{table:?}");

    let best = leads[0]["icpScore"].as_u64().unwrap();
    let above = server.show(&format!("/api/leads?minScore={best}&limit=1"));
    assert_eq!(above["leads"], json!([leads[0]]));
    let second = server.show("/api/leads?limit=1");
    let cursor = second["nextCursor"].as_str().unwrap();
    assert_eq!(
        server.show(&format!("/api/leads?limit=1&cursor={cursor}"))["leads"],
        json!([leads[1]])
    );
    leads
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

fn check_exports(world: &World, leads: &[Value]) {
    world.place.run(&["export", "--output", "leads.csv"]).ok();
    let mut file = csv::Reader::from_path(world.place.path("leads.csv")).unwrap();
    let column = file
        .headers()
        .unwrap()
        .iter()
        .position(|name| name == "ICP Score")
        .unwrap();
    let rows: Vec<(String, String)> = file
        .records()
        .map(|row| row.unwrap())
        .map(|row| (row[0].to_owned(), row[column].to_owned()))
        .collect();
    let expected = leads
        .iter()
        .map(|lead| (lead["email"].as_str().unwrap().to_owned(), lead["icpScore"].to_string()));
    assert_eq!(rows, expected.collect::<Vec<_>>());

    let lines = world.place.run(&["export", "--format", "jsonl"]);
    let lines: Vec<Value> = lines
        .ok()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines, leads);
}

fn check_numbers(world: &World, server: &Serve) {
    let used = json!({"limit": null, "used": 2, "reserved": 0, "left": null});
    let expected = json!({
        "totalSubscribers": 5, "personalEmailCount": 2, "enrichedCount": 2, "pendingCount": 0,
        "darkFunnelPercentage": 100.0, "totalCreditsUsed": 2, "estimatedPendingCredits": 0,
        "pauses": [], "budget": {"day": used, "month": used},
    });
    assert_eq!(world.place.run(&["metrics", "--json"]).json(), expected);
    assert_eq!(server.show("/api/dashboard/metrics"), expected);
    assert!(world.place.run(&["metrics"]).ok().contains("100.00 %"));
}

fn check_jobs_and_workflows(world: &World, server: &Serve) {
    let jobs = world
        .place
        .run(&["jobs", "list", "--status", "enriched", "--json"])
        .json();
    assert_eq!(jobs.as_array().unwrap().len(), 2);
    assert_eq!(
        world
            .place
            .run(&["jobs", "list", "--status", "pending", "--json"])
            .json(),
        json!([])
    );
    until_true("the workflow to end", || world.place.database().runs() == ["completed"]);
    let id = jobs[0]["workflowId"].as_str().unwrap();
    let listed = world.place.run(&["workflows", "list", "--json"]).json();
    assert_eq!(
        (&listed[0]["id"], &listed[0]["status"]),
        (&id.into(), &"completed".into())
    );
    let shown = world.place.run(&["workflows", "show", id, "--json"]).json();
    assert_eq!(shown["output"]["enriched"], 2, "{shown}");
    let history = server.workflow(id);
    assert_eq!(
        shown["history"].as_array().unwrap().len(),
        history.0["history"].as_array().unwrap().len()
    );
    for step in [
        "take-slot",
        "read-balance",
        "batch-pending-jobs",
        "submit-to-fullenrich",
        "wait-for-webhook",
    ] {
        assert!(
            world.place.run(&["workflows", "show", id]).ok().contains(step),
            "{step}"
        );
        assert!(!history.of_step(step).is_empty(), "{step}");
    }
    let definitions = world.place.run(&["workflows", "definitions"]);
    assert!(definitions.ok().contains("subscriber-enrichment") && definitions.out.contains("late-answer"));
    let nobody = "01a2078f-0de2-7fc0-919a-00e4a1d8a79c";
    world
        .place
        .run(&["workflows", "show", nobody])
        .assert_failed(&format!("there is no run {nobody}"));
    assert_eq!(server.call(get(&format!("/api/workflows/{nobody}"))).status, 404);
}
