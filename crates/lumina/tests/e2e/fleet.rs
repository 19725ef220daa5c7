//! Lumina on a PostgreSQL server: the same commands, as many processes as wanted.

mod failover;
mod takeover;
// Elsewhere a program that was changed would have to be signed anew.
#[cfg(target_os = "linux")]
mod versions;

use std::collections::{BTreeMap, BTreeSet};

use lumina_workflow_postgres::testing::Database;
use serde_json::Value;

use crate::support::{FAST, LedgerFile, Place, Serve, Signal, World, email, until_true};

/// Lookups that take long enough to be in the middle of.
const UNHURRIED: &str = r#"
calls_per_minute = 100000
contacts_at_once = 100000
lookup_min = "2s"
lookup_max = "2s"
callback_retry_every = "200ms"
"#;

/// A place with a sandbox, whose database is on a server; on that of the tests, unless it is another.
struct Fleet<D = Database> {
    world: World,
    database: D,
}

impl Fleet {
    fn start(sandbox: &str) -> Self {
        let database = Database::fresh();
        Self::on(&database.url(), database, sandbox)
    }
}

impl<D> Fleet<D> {
    fn on(url: &str, database: D, sandbox: &str) -> Self {
        let mut world = World::start(sandbox);
        world.place.set_variable("DATABASE_URL", url);
        Self { world, database }
    }

    fn json(&self, command: &[&str]) -> Value {
        self.world.place.run(&[command, &["--json"]].concat()).json()
    }

    #[track_caller]
    fn wait_until_settled(&self) {
        until_true("all lookups to end", || self.json(&["metrics"])["pendingCount"] == 0);
    }

    /// Every lookup has ended with what the provider says of its address, every person found is a lead, and nobody
    /// was paid for twice.
    #[track_caller]
    fn assert_truth(&self, lookups: usize) {
        let ledger = self.world.place.ledger_file();
        let answers = ledger.answers();
        let said = answers
            .iter()
            .map(|(email, found)| (email.clone(), if *found { "enriched" } else { "not_found" }.to_owned()));
        let jobs = self.json(&["jobs", "list", "--limit", "10000"]);
        let jobs = jobs.as_array().unwrap();
        let text = |job: &Value, key: &str| job[key].as_str().unwrap().to_owned();
        let known: BTreeMap<String, String> = jobs
            .iter()
            .map(|job| (text(job, "email"), text(job, "status")))
            .collect();
        assert_eq!(known, said.collect(), "every job has the provider's answer");
        assert_eq!(
            (jobs.len(), answers.len()),
            (lookups, lookups),
            "one job for each address"
        );
        let leads = self.json(&["leads", "--limit", "10000"]);
        let leads: BTreeSet<String> = leads
            .as_array()
            .unwrap()
            .iter()
            .map(|lead| text(lead, "email"))
            .collect();
        assert_eq!(leads, ledger.found(), "every person found is a lead");
        assert!(
            ledger.charges().values().all(|charges| *charges == 1),
            "nobody is charged twice"
        );
    }
}

/// Others have used up the calls that the provider allows, for an hour: whoever starts does not wait for that.
#[test]
fn whoever_starts_does_not_wait_until_the_provider_may_be_called() {
    let fleet = Fleet::start(FAST);
    let place = &fleet.world.place;
    place.run(&["migrate"]);
    fleet.database.execute(
        "INSERT INTO lumina.provider_calls (name, minute, used, held_until) \
         VALUES ('calls', 0, 0, lumina.now_micros() + 3600000000 - 60000000)",
    );
    let _server = place.serve();
    let worker = place.spawn(&["worker"]);
    worker.wait_for_line("FullEnrich is not asked for its balance now: this minute's calls are used up.");
    fleet.world.import(0..3);
    assert_eq!(fleet.json(&["metrics"])["pendingCount"], 3);
}

/// One of two workers is killed in the middle of its work. What it held is taken over when its lease is over.
#[test]
fn serve_and_two_workers_share_the_work() {
    let fleet = Fleet::start(UNHURRIED);
    let place = &fleet.world.place;
    let server = place.serve();
    let mut workers = [place.spawn(&["worker"]), place.spawn(&["worker"])];
    workers
        .iter()
        .for_each(|worker| drop(worker.wait_for_line("credits are left")));

    // Every command works beside them.
    fleet.world.import(0..800);
    until_true("something to be out", || {
        let out = fleet.json(&["jobs", "list", "--status", "submitted", "--limit", "1"]);
        out.as_array().is_some_and(|out| !out.is_empty())
    });
    workers[0].kill();
    fleet.wait_until_settled();
    fleet.assert_truth(800);

    let doctor = place.run(&["doctor"]).out;
    assert!(doctor.contains("1 `lumina serve` and 1 `lumina worker`"), "{doctor}");
    for told in [
        "PostgreSQL",
        "workflow/",
        "lumina/0005_leaving",
        "none is open for long",
    ] {
        assert!(doctor.contains(told), "{doctor}");
    }
    workers[1].send(Signal::Terminate);
    assert_eq!(workers[1].wait().code(), Some(0));
    server.stop();
}

/// Whatever is under way is cut off from the database, again and again.
#[test]
fn connections_that_are_cut_lose_nothing() {
    const CUTS: u32 = 15;
    const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let fleet = Fleet::start(FAST);
    let (place, mut cuts) = (&fleet.world.place, 0);
    let server = place.serve();
    let mut worker = place.spawn(&["worker"]);
    worker.wait_for_line("credits are left");
    fleet.world.import(0..400);
    until_true("all lookups to end", || {
        if cuts < CUTS {
            fleet.database.execute(CUT);
            cuts += 1;
        }
        fleet.json(&["metrics"])["pendingCount"] == 0
    });
    fleet.assert_truth(400);
    worker.send(Signal::Terminate);
    assert_eq!(worker.wait().code(), Some(0));
    server.stop();
}

/// What comes in at one is looked up by whoever is there, and its answer may come to another.
#[test]
fn two_serve_one_database() {
    let fleet = Fleet::start(FAST);
    let place = &fleet.world.place;
    let first = place.serve();
    place
        .run(&["serve"])
        .assert_failed("choose another address (server.address, PORT)");
    let second = Serve::of(place, place.spawn(&["serve", "--address", "127.0.0.1:0"]));
    for number in 0..20 {
        let server = if number % 2 == 0 { &first } else { &second };
        server.subscribe(&email(number));
    }
    fleet.wait_until_settled();
    fleet.assert_truth(20);
    let doctor = place.run(&["doctor"]).out;
    assert!(doctor.contains("2 `lumina serve` on it"), "{doctor}");
    first.stop();
    second.stop();
}

#[test]
fn every_command_works_on_a_server() {
    let mut fleet = Fleet::start(FAST);
    // Nobody serves.
    fleet.world.place.unset_variable("FULLENRICH_WEBHOOK_URL");
    fleet.world.place.set("enrichment.poll.without_webhook", "300ms");
    let place = &fleet.world.place;
    place
        .run(&["enrich", "--dry-run"])
        .assert_failed("`lumina migrate` makes them");
    place.write_people("people.csv", 0..3);
    place.run(&["import", "people.csv", "--no-enrich"]).ok();
    let plan = fleet.json(&["enrich", "--dry-run"]);
    assert_eq!(plan["wouldCreate"], 3, "{plan}");
    let worker = place.spawn(&["worker"]);
    worker.wait_for_line("credits are left");
    let created = fleet.json(&["enrich", "--yes", "--wait"]);
    assert_eq!(created["lookupsCreated"], 3, "{created}");
    fleet.assert_truth(3);
    for command in [
        &["answers", "list"][..],
        &["credits"],
        &["workflows", "list"],
        &["workflows", "definitions"],
        &["schedules", "list"],
        &["config", "print"],
    ] {
        let shown = place.run(&[command, &["--json"]].concat());
        assert!(!shown.ok().contains("password="), "{command:?}: {shown:?}");
    }
    let exported = place.run(&["export"]);
    assert_eq!(exported.ok().lines().count(), 1 + place.ledger_file().found().len());
}

#[test]
fn the_demo_works_on_a_server() {
    let (place, database) = (Place::bare(), Database::fresh());
    let url = database.url();
    let demo = [
        "demo",
        "--once",
        "--json",
        "--sandbox-delay=100ms",
        "--database-url",
        &url,
    ];
    let outcome = place.run(&demo).json();
    let number = |key: &str| outcome[key].as_u64().unwrap();
    assert!(number("personal") > 100, "{outcome}");
    assert_eq!(number("personal"), number("enriched") + number("notFound"), "{outcome}");
    assert_eq!(
        number("creditsUsed"),
        number("enriched"),
        "a credit for each person found"
    );
    let ledger = || LedgerFile::read(&place.path("lumina.sandbox.jsonl"));
    let bought = ledger().batch_count();
    assert_eq!(ledger().found().len() as u64, number("enriched"));

    let on_a_file = Place::bare().run(&demo[..4]).json();
    assert_eq!(outcome, on_a_file, "the same people, whichever database");
    assert_eq!(place.run(&demo).json(), outcome);
    assert_eq!(ledger().batch_count(), bought, "nobody was looked up again");
}

/// A process that is older than the tables hands over what it does, and says why it ends.
#[test]
fn a_process_ends_when_a_newer_version_has_changed_the_tables() {
    let fleet = Fleet::start(FAST);
    let place = &fleet.world.place;
    let mut server = place.serve();
    fleet
        .database
        .execute("INSERT INTO lumina.workflow_migration VALUES ('lumina', 9, '0009_of_tomorrow', '', 0)");
    assert_eq!(server.process.wait().code(), Some(1));
    let lines = server.process.lines();
    let told = "was changed by a newer version of this program (`lumina/0009_of_tomorrow`); use that version";
    assert!(lines.last().unwrap().contains(told), "{lines:?}");
    place.run(&["worker"]).assert_failed(told);
    place.run(&["leads"]).assert_failed(told);
    let doctor = place.run(&["doctor"]);
    assert_eq!(doctor.code, Some(1));
    assert!(doctor.out.contains(told), "{doctor:?}");
}
