//! `lumina demo`: one command, no configuration, invented people.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::SignedDuration;
use serde_json::Value;

use crate::support::{Database, LedgerFile, Place, Serve, Signal, get};

/// The keys of `demo --once --json`, which are a promise.
const KEYS: [&str; 12] = [
    "subscribers",
    "personal",
    "corporate",
    "relay",
    "disposable",
    "enriched",
    "notFound",
    "failed",
    "stale",
    "creditsUsed",
    "hiddenGems",
    "workflows",
];

const ONCE: [&str; 4] = ["demo", "--once", "--json", "--sandbox-delay=100ms"];

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Runs the demo once, and checks that its numbers fit each other, its database and its sandbox's ledger.
#[track_caller]
fn run_once(place: &Place, more: &[&str]) -> Value {
    let outcome = place.run(&[&ONCE[..], more].concat()).json();
    assert_eq!(keys(&outcome), KEYS.into());
    assert_eq!(keys(&outcome["workflows"]), ["completed", "failed"].into());
    let number = |key: &str| outcome[key].as_u64().unwrap();
    let classes = ["personal", "corporate", "relay", "disposable"].map(number);
    assert_eq!(number("subscribers"), classes.iter().sum::<u64>(), "{outcome}");
    assert_eq!(number("personal"), number("enriched") + number("notFound"), "{outcome}");
    assert_eq!((number("failed"), number("stale")), (0, 0), "{outcome}");
    assert_eq!(
        number("creditsUsed"),
        number("enriched"),
        "a credit for each person found"
    );
    assert!(number("hiddenGems") <= number("enriched"), "{outcome}");
    assert_eq!(outcome["workflows"]["failed"], 0);
    let ledger = ledger(place);
    assert_eq!(ledger.found().len() as u64, number("enriched"));
    assert!(ledger.charges().values().all(|charges| *charges == 1));
    assert_eq!(database(place).count("lead WHERE hidden_gem"), number("hiddenGems"));
    outcome
}

fn database(place: &Place) -> Database {
    Database(place.path("lumina-demo.db"))
}

fn ledger(place: &Place) -> LedgerFile {
    LedgerFile::read(&place.path("lumina-demo.db.sandbox.jsonl"))
}

/// Who was found, and their score and name.
fn leads(place: &Place) -> BTreeMap<String, (u64, Option<String>)> {
    let sql = "SELECT s.email, l.icp_score, l.full_name FROM lead l JOIN subscriber s ON s.id = l.subscriber";
    let rows = database(place).rows(sql, |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))));
    rows.into_iter().collect()
}

#[test]
fn it_shows_everything_and_a_second_one_buys_nothing_twice() {
    let place = Place::bare();
    let outcome = run_once(&place, &[]);
    let number = |key: &str| outcome[key].as_u64().unwrap();
    assert!(number("personal") > 100 && number("corporate") > 0 && number("relay") > 0 && number("disposable") > 0);
    assert!(
        number("hiddenGems") > 0 && number("hiddenGems") < number("enriched"),
        "{outcome}"
    );
    assert_eq!(outcome["workflows"]["completed"], number("personal").div_ceil(100));
    let (found, batches) = (leads(&place), ledger(&place).batch_count());

    let again = run_once(&place, &[]);
    assert_eq!(again, outcome);
    assert_eq!(
        (leads(&place), ledger(&place).batch_count()),
        (found, batches),
        "nobody was looked up again"
    );
}

#[test]
fn it_ignores_every_configuration() {
    let plain = run_once(&Place::bare(), &[]);
    let mut place = Place::bare();
    place.write(
        "lumina.toml",
        "[enrichment]\ndeadline = \"1s\"\nbudget.per_day = 0\nno_such_key = 1\n",
    );
    for (name, value) in [
        ("DATABASE_URL", "sqlite:./other.db"),
        ("FULLENRICH_API_KEY", "a-real-key"),
        ("FULLENRICH_BASE_URL", "http://127.0.0.1:9/api/v2"),
        ("FULLENRICH_WEBHOOK_URL", "http://127.0.0.1:9/"),
        ("LUMINA_ENRICHMENT__BUDGET__PER_DAY", "0"),
        ("LUMINA_NO_SUCH__KEY", "1"),
        ("PORT", "1"),
    ] {
        place.set_variable(name, value);
    }
    assert_eq!(run_once(&place, &[]), plain);
    assert!(!place.path("other.db").exists());
    assert!(place.path("lumina-demo.db").exists());
}

#[test]
fn it_takes_a_file_a_seed_a_delay_and_a_database() {
    let place = Place::bare();
    place.write_people("mine.csv", 0..40);
    let outcome = run_once(&place, &["--file", "mine.csv"]);
    assert_eq!(
        (&outcome["subscribers"], &outcome["personal"]),
        (&40.into(), &40.into())
    );

    let other = Place::bare();
    other.write_people("mine.csv", 0..40);
    run_once(&other, &["--file", "mine.csv", "--seed", "2"]);
    assert_ne!(leads(&other), leads(&place), "another seed invents other people");

    let patient = Place::bare();
    patient.write_people("mine.csv", 0..3);
    patient
        .run(&[
            "demo",
            "--once",
            "--json",
            "--file",
            "mine.csv",
            "--sandbox-delay",
            "1500ms",
        ])
        .ok();
    assert!(ledger(&patient).shortest_lookup() >= SignedDuration::from_millis(1_500));

    let elsewhere = Place::bare();
    elsewhere
        .run(&[&ONCE[..], &["--database-url", "sqlite:./elsewhere.db"]].concat())
        .ok();
    assert!(elsewhere.path("elsewhere.db").exists() && !elsewhere.path("lumina-demo.db").exists());
}

#[test]
fn it_prints_leads_for_people_and_keeps_serving() {
    let place = Place::bare();
    place.write_people("mine.csv", 0..40);
    let arguments = ["demo", "--file", "mine.csv", "--sandbox-delay", "100ms", "--port", "0"];
    let mut server = Serve::of(&place, place.spawn(&arguments));
    let told = server.process.wait_for_line("leads from 40 personal addresses");
    server.process.wait_for_line("Press Ctrl-C");
    let address = server.address.to_string();
    let lines = server.process.lines();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("curl") && line.contains(&address)),
        "{lines:?}"
    );
    let found = server.show("/api/leads?limit=500")["leads"].as_array().unwrap().clone();
    assert!(told.starts_with(&format!("{} leads", found.len())), "{told}");
    let best = found[0]["fullName"].as_str().unwrap_or("-");
    assert!(
        lines.iter().any(|line| line.contains(best)),
        "{best} is the best lead: {lines:?}"
    );
    assert_eq!(server.call_openly(&get("/api/leads")).status, 401);

    server.process.send(Signal::Interrupt);
    assert_eq!(server.process.wait().code(), Some(0));
}

#[test]
fn it_says_what_is_wrong_with_a_file() {
    let place = Place::bare();
    place
        .run(&[&ONCE[..], &["--file", "missing.csv"]].concat())
        .assert_failed("missing.csv cannot be opened");
    place.write("odd.csv", "a,b\n1,2\n");
    place
        .run(&[&ONCE[..], &["--file", "odd.csv"]].concat())
        .assert_failed("no column holds e-mail addresses");
    assert!(
        !Path::new("lumina-demo.db").exists(),
        "nothing is left beside the tests"
    );
}
