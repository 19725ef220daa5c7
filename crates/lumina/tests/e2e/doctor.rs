//! `lumina doctor`: what it finds, what it says to type, and that it changes nothing.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use crate::support::{FAST, Finished, Place, World, post, read_message, until_true};

/// What was found, by check: its state, the words, and the command to type.
struct Seen {
    code: Option<i32>,
    checks: BTreeMap<String, (String, String, String)>,
}

impl Seen {
    fn of(finished: &Finished) -> Self {
        let report: Value = serde_json::from_str(&finished.out).unwrap_or_else(|error| panic!("{error}: {finished:?}"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let checks = report["checks"].as_array().unwrap().iter().map(|check| {
            let told = (
                text(&check["state"]),
                text(&check["found"]),
                text(&check["next"]["command"]),
            );
            (text(&check["name"]), told)
        });
        let seen = Self {
            code: finished.code,
            checks: checks.collect(),
        };
        let problems = seen.checks.values().filter(|(state, ..)| state == "problem").count();
        assert_eq!(
            (&report["ok"], &report["problems"]),
            (&(problems == 0).into(), &problems.into())
        );
        assert_eq!(seen.code, Some(i32::from(problems > 0)), "{:?}", seen.checks);
        seen
    }

    #[track_caller]
    fn assert(&self, name: &str, state: &str, found: &str, next: &str) {
        let check = self
            .checks
            .get(name)
            .unwrap_or_else(|| panic!("no {name} in {:?}", self.checks));
        assert!(
            check.0 == state && check.1.contains(found) && check.2.contains(next),
            "{name} is {check:?}, not {state}: {found} -> {next}"
        );
        assert_eq!(
            check.2.is_empty(),
            matches!(state, "ok" | "unknown"),
            "{name}: {check:?}"
        );
    }

    /// All of these are well.
    #[track_caller]
    fn assert_ok(&self, names: &[&str]) {
        names.iter().for_each(|name| self.assert(name, "ok", "", ""));
    }
}

fn doctor(place: &Place) -> Seen {
    Seen::of(&place.run(&["doctor", "--json"]))
}

/// Every file of a place with its bytes.
fn files(place: &Place) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(place.path("")).unwrap();
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            (
                entry.file_name().into_string().unwrap(),
                std::fs::read(entry.path()).unwrap_or_default(),
            )
        })
        .collect()
}

const OF_THE_PIPELINE: [&str; 9] = [
    "paused",
    "budget",
    "pending",
    "waiting",
    "out",
    "answers",
    "events",
    "lookups",
    "workflows",
];

#[test]
fn it_works_beside_a_server_and_without_one_and_without_a_database() {
    let mut world = World::start(FAST);
    world.place.set("enrichment.budget.per_day", "1000");
    let before = files(&world.place);
    let seen = doctor(&world.place);
    seen.assert_ok(&["configuration", "key", "balance", "clock", "callback"]);
    seen.assert(
        "database",
        "warning",
        "there is no file ./lumina.db yet",
        "lumina serve",
    );
    assert_eq!(
        seen.checks.len(),
        6,
        "nothing in it can be looked at: {:?}",
        seen.checks
    );
    assert_eq!(
        files(&world.place).keys().collect::<Vec<_>>(),
        before.keys().collect::<Vec<_>>()
    );

    let server = world.place.serve();
    world.import(0..120);
    world.wait_until_settled();
    let seen = doctor(&world.place);
    seen.assert_ok(&[
        "configuration",
        "key",
        "balance",
        "clock",
        "callback",
        "database",
        "schema",
        "integrity",
        "disk",
    ]);
    seen.assert_ok(&OF_THE_PIPELINE);
    seen.assert(
        "executor",
        "ok",
        &format!("process {} works with it", server.process.id()),
        "",
    );
    seen.assert("database", "ok", "with sandbox people", "");
    assert_eq!(seen.code, Some(0));
    let table = world.place.run(&["doctor"]);
    assert!(table.ok().contains("All is well."), "{table:?}");

    server.stop();
    let before = files(&world.place);
    let seen = doctor(&world.place);
    seen.assert("executor", "warning", "no `lumina serve`", "lumina serve");
    seen.assert_ok(&OF_THE_PIPELINE);
    assert_eq!(
        files(&world.place),
        before,
        "not a byte is changed, and no file is left"
    );
}

/// The other checks are made whatever the provider says.
#[test]
fn what_the_provider_says_of_the_key_is_told() {
    let mut world = World::start(FAST);
    world.place.write_people("people.csv", 0..3);
    world.place.run(&["import", "people.csv", "--no-enrich"]).ok();
    let others = [
        "database",
        "schema",
        "integrity",
        "disk",
        "paused",
        "pending",
        "lookups",
    ];

    world.place.set_variable("FULLENRICH_API_KEY", "a-key-of-somebody-else");
    let seen = doctor(&world.place);
    seen.assert(
        "key",
        "problem",
        "not valid: FullEnrich refused the call with 401 (error.api.key)",
        "lumina config print",
    );
    seen.assert("balance", "unknown", "see the key", "");
    seen.assert("clock", "ok", "agrees with FullEnrich's", "");
    seen.assert_ok(&others);

    world.place.unset_variable("FULLENRICH_API_KEY");
    let seen = doctor(&world.place);
    seen.assert(
        "key",
        "problem",
        "no FullEnrich key is set",
        "export FULLENRICH_API_KEY=",
    );
    seen.assert("clock", "unknown", "without a key", "");
    seen.assert_ok(&others);

    world.place.set_variable("FULLENRICH_API_KEY", "any-key");
    world
        .place
        .set_variable("FULLENRICH_BASE_URL", "http://127.0.0.1:9/api/v2");
    let seen = doctor(&world.place);
    seen.assert(
        "key",
        "problem",
        "not verified: FullEnrich could not be reached",
        "lumina doctor",
    );
    seen.assert("clock", "unknown", "no answer of FullEnrich's had a date", "");
    seen.assert_ok(&others);
}

#[test]
fn an_empty_account_is_a_problem() {
    let world = World::start(&format!("credits = 0\n{FAST}"));
    let seen = doctor(&world.place);
    seen.assert("balance", "problem", "no credits are left", "lumina doctor");
    world.sandbox.buy_credits(3);
    doctor(&world.place).assert("balance", "ok", "3 credits", "");
}

/// A provider that answers everything alike, with a date of its own.
fn answer_from(date: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let body = r#"{"workspace_id":"w","balance":5}"#;
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ndate: {date}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            );
            // Who asks may have gone.
            let _ = read_message(&mut stream).and_then(|_| stream.write_all(answer.as_bytes()));
        }
    });
    address
}

#[test]
fn a_clock_that_is_wrong_is_told_with_by_how_much() {
    for (date, told) in [
        ("Thu, 01 Jan 2015 00:00:00 GMT", "s ahead of FullEnrich's"),
        ("Sat, 01 Jan 2095 00:00:00 GMT", "s behind FullEnrich's"),
    ] {
        let place = Place::for_provider(answer_from(date));
        doctor(&place).assert("clock", "problem", told, "timedatectl status");
    }
}

/// FullEnrich itself is never called here: there is no key.
#[test]
fn a_callback_that_fullenrich_cannot_reach_by_its_form_is_told() {
    let mut place = Place::bare();
    doctor(&place).assert(
        "callback",
        "warning",
        "no public URL is set",
        "export FULLENRICH_WEBHOOK_URL=",
    );
    let rows = [
        ("https://lumina.example.com", "ok", "public, and encrypted"),
        (
            "https://lumina.example.com/api/webhooks/enrichment",
            "ok",
            "public, and encrypted",
        ),
        ("http://lumina.example.com", "warning", "not encrypted"),
        ("https://lumina.example.com/hooks", "warning", "a proxy has to map it"),
        ("https://localhost:7879", "problem", "FullEnrich cannot reach localhost"),
        ("https://192.168.1.7", "problem", "FullEnrich cannot reach 192.168.1.7"),
        ("https://[fd12::1]", "problem", "FullEnrich cannot reach fd12::1"),
        (
            "https://laptop.local",
            "problem",
            "FullEnrich cannot reach laptop.local",
        ),
    ];
    for (url, state, told) in rows {
        place.set_variable("FULLENRICH_WEBHOOK_URL", url);
        doctor(&place).assert("callback", state, told, "");
    }
    place.set_variable("FULLENRICH_BASE_URL", "http://127.0.0.1:9/api/v2");
    place.set_variable("FULLENRICH_WEBHOOK_URL", "http://127.0.0.1:7878");
    doctor(&place).assert("callback", "ok", "a sandbox reaches it", "");
}

/// A database that something is wrong with is told apart from one that is not there, and left as it is.
#[test]
fn what_is_wrong_with_the_database_is_told() {
    type Spoil = fn(&Path);
    fn write(path: &Path, sql: &str) {
        Connection::open(path).unwrap().execute_batch(sql).unwrap();
    }
    let rows: [(Spoil, &str, &str, &str, &str); 6] = [
        (
            |path| std::fs::write(path, "Dear diary, ".repeat(2_000)).unwrap(),
            "database",
            "problem",
            "lumina.db",
            "lumina config print",
        ),
        (
            |path| {
                std::fs::remove_file(path).unwrap();
                write(path, "CREATE TABLE recipes (name TEXT)");
            },
            "database",
            "problem",
            "a database of some other program (it has a table `recipes`)",
            "lumina config print",
        ),
        (
            |path| {
                write(
                    path,
                    "INSERT INTO workflow_migration VALUES ('lumina', 99, '0099_future', 'x', 0)",
                );
            },
            "database",
            "problem",
            "changed by a newer version of this program (`lumina/0099_future`)",
            "lumina --version",
        ),
        (
            |path| {
                write(
                    path,
                    "DELETE FROM workflow_migration WHERE owner = 'lumina' AND place > 1",
                );
            },
            "schema",
            "warning",
            "lumina/0005_leaving",
            "lumina migrate",
        ),
        (
            |path| write(path, "UPDATE stamp SET value = 'real'"),
            "database",
            "problem",
            "holds real people, and the configured provider knows sandbox ones",
            "lumina config print",
        ),
        (
            |path| {
                // Behind the first pages, which say what is in the file.
                let mut bytes = std::fs::read(path).unwrap();
                let half = bytes.len() / 2;
                bytes[half..].fill(0xa5);
                std::fs::write(path, bytes).unwrap();
            },
            "integrity",
            "problem",
            "",
            "sqlite3 ./lumina.db .recover",
        ),
    ];
    for (spoil, name, state, told, next) in rows {
        let place = Place::for_provider(([127, 0, 0, 1], 9).into());
        place.write_people("people.csv", 0..300);
        place.run(&["import", "people.csv", "--no-enrich"]).ok();
        spoil(&place.path("lumina.db"));
        let before = files(&place);
        doctor(&place).assert(name, state, told, next);
        assert_eq!(files(&place), before, "{name}: {told}");
    }
}

/// What the pipeline leaves to people, as rows.
#[test]
fn what_needs_a_person_is_told_with_what_to_type() {
    let world = World::start(FAST);
    world.place.write_people("people.csv", 0..1);
    world.place.run(&["import", "people.csv", "--no-enrich"]).ok();
    let job = |status: &str| {
        format!(
            "INSERT INTO enrichment_job (id, subscriber, dedupe_key, status, priority, created_at)
             SELECT randomblob(16), id, hex(randomblob(8)), '{status}', 0, 1 FROM subscriber LIMIT 1"
        )
    };
    let pause = |reason: &str| {
        format!("INSERT INTO pause (reason, message, since, looked_at) VALUES ('{reason}', 'told so', 1, 1)")
    };
    let answer = "INSERT INTO enrichment_answer (id, enrichment, body_hash, is_final, source, body, received_at)
                  VALUES (randomblob(16), 'somebody-elses', 'x', 1, 'callback', x'', 1)";
    let event = "INSERT INTO workflow_unrouted (seq, id, scope, scope_key, name, payload, received_at, expires_at)
                 VALUES (1, 'e', x'00', '', 'hello', 'null', 1, 1)";
    let waiting = "INSERT INTO batch (run, state, priority) VALUES (x'01900000000070008000000000000001', 'waiting', 0)";
    let doubtful = "INSERT INTO enrichment_post (run, attempt, state, posted_at, jobs, day, reserved)
                    VALUES (x'01900000000070008000000000000002', 1, 'unknown', 4102444800000000, x'', '2099-12-31', 0)";
    let refused = "INSERT INTO rejected_delivery (route, code, bytes, received_at)
                   VALUES ('enrichment', 'INVALID_SIGNATURE', 1, 4102444800000000)";
    let rows = [
        (
            job("stale"),
            "lookups",
            "warning",
            "stale 1, failed 0",
            "lumina jobs list --status stale",
        ),
        (
            job("failed"),
            "lookups",
            "warning",
            "stale 0, failed 1",
            "lumina jobs list --status failed",
        ),
        (job("pending"), "pending", "ok", "1 lookup waits", ""),
        (
            pause("credits"),
            "paused",
            "problem",
            "credits: told so (since 1970-01-01 00:00:00 UTC",
            "lumina enrich --dry-run",
        ),
        (
            pause("refused"),
            "paused",
            "problem",
            "refused: told so",
            "lumina serve",
        ),
        (
            pause("budget"),
            "paused",
            "warning",
            "budget: told so",
            "lumina credits",
        ),
        (
            answer.to_owned(),
            "answers",
            "warning",
            "nobody claims: 1",
            "lumina answers list --unclaimed",
        ),
        (
            event.to_owned(),
            "events",
            "warning",
            "no run has claimed: 1",
            "lumina workflows unrouted",
        ),
        (
            waiting.to_owned(),
            "waiting",
            "warning",
            "wait for their turn: 1, the oldest since 2024-06-10",
            "lumina workflows show 01900000-0000-7000-8000-000000000001",
        ),
        (
            doubtful.to_owned(),
            "out",
            "warning",
            "1 of unknown outcome",
            "lumina credits show 01900000-0000-7000-8000-000000000002",
        ),
        (
            refused.to_owned(),
            "callbacks",
            "warning",
            "INVALID_SIGNATURE 1",
            "lumina config print",
        ),
    ];
    let tables = [
        "enrichment_job",
        "pause",
        "enrichment_answer",
        "workflow_unrouted",
        "batch",
        "enrichment_post",
        "rejected_delivery",
    ];
    for (sql, name, state, told, next) in rows {
        let database = world.place.database().open_to_write();
        database.execute_batch(&sql).unwrap();
        doctor(&world.place).assert(name, state, told, next);
        for table in tables {
            database.execute(&format!("DELETE FROM {table}"), []).unwrap();
        }
    }
}

/// A budget that is used up, and an account that is too small for what waits.
#[test]
fn what_may_not_be_enough_is_told() {
    let mut world = World::start(&format!("credits = 5\n{FAST}"));
    world.place.set("enrichment.budget.per_day", "0");
    world.place.write_people("people.csv", 0..7);
    world.place.run(&["import", "people.csv", "--yes"]).ok();
    let seen = doctor(&world.place);
    seen.assert(
        "budget",
        "warning",
        "today 0 of 0 credits used; 0 left",
        "lumina credits",
    );
    seen.assert(
        "pending",
        "warning",
        "7 lookups wait, for which 5 credits may not be enough",
        "lumina enrich --dry-run",
    );
    seen.assert(
        "configuration",
        "warning",
        "a budget of 0 credits",
        "lumina config check",
    );
}

/// A mistake in the configuration is a finding as well, in both forms.
#[test]
fn a_configuration_that_cannot_be_read_is_told() {
    let place = Place::for_provider(([127, 0, 0, 1], 9).into());
    let wrong = ["doctor", "--json", "--set", "enrichment.dedline=3h"];
    let seen = Seen::of(&place.run(&wrong));
    seen.assert(
        "configuration",
        "problem",
        "the nearest one is enrichment.deadline",
        "lumina config check",
    );
    assert_eq!(seen.checks.len(), 1);
    let table = place.run(&wrong[..1].iter().chain(&wrong[2..]).copied().collect::<Vec<_>>());
    assert_eq!(table.code, Some(1));
    assert!(
        table.out.contains("problem") && table.out.contains("Next: lumina config check"),
        "{table:?}"
    );
}

/// A signature that no key has made is noted, and seen by the operator.
#[test]
fn callbacks_that_were_refused_are_told() {
    let world = World::start(FAST);
    let server = world.place.serve();
    let forged = post("/api/webhooks/enrichment")
        .header("x-signature-sha1", &"0".repeat(40))
        .body("{}");
    assert_eq!(server.call_openly(&forged).status, 401);
    let database = world.place.database();
    until_true("the refusal to be on record", || {
        database.count("rejected_delivery") == 1
    });
    doctor(&world.place).assert("callbacks", "warning", "INVALID_SIGNATURE 1", "lumina config print");
}
