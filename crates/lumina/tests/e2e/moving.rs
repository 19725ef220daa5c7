//! An installation moves from a file to a server, with everything that is on its way.

use std::time::Duration;

use lumina_workflow_postgres::testing::Database;

use crate::support::{Process, World, until_true};

/// Lookups that take long enough to be in the middle of.
const UNHURRIED: &str = r#"
calls_per_minute = 100000
contacts_at_once = 100000
lookup_min = "3s"
lookup_max = "3s"
callback_retry_every = "300ms"
"#;

/// Batches are out, the command is killed again and again, and in the end everybody has the provider's answer, once.
#[test]
fn what_is_on_its_way_arrives() {
    let (mut world, database) = (World::start(UNHURRIED), Database::fresh());
    let url = database.url();
    // Callbacks that nobody took are not repeated for long.
    world.place.set("enrichment.poll.first", "1s");
    world.place.set("enrichment.poll.every", "1s");
    let move_up = ["migrate", "--to", &url];
    let server = world.place.serve();
    world.import(0..250);
    until_true("something to be out", || world.place.ledger_file().batch_count() > 0);
    world.place.run(&move_up).assert_failed("is in use by process");
    server.stop();
    for millis in [20, 60, 120, 250, 500] {
        let mut moving = world.place.spawn(&move_up);
        kill_after(&mut moving, Duration::from_millis(millis));
    }
    let moved = world.place.run(&move_up);
    assert!(moved.ok().contains("Next: "), "{moved:?}");
    assert!(world.place.run(&move_up).ok().contains("nothing is left to be done"));

    for command in [&["leads"][..], &["import", "people.csv"], &["serve"], &["migrate"]] {
        world.place.write_people("people.csv", 900..901);
        world.place.run(command).assert_failed("was moved to");
    }
    let doctor = world.place.run(&["doctor"]);
    assert!(
        doctor.code == Some(1) && doctor.out.contains("was moved to"),
        "{doctor:?}"
    );

    world.place.set_variable("DATABASE_URL", &url);
    let server = world.place.serve();
    let json = |command: &[&str]| world.place.run(&[command, &["--json"]].concat()).json();
    until_true("all lookups to end", || json(&["metrics"])["pendingCount"] == 0);
    let ledger = world.place.ledger_file();
    let jobs = json(&["jobs", "list", "--limit", "1000"]);
    let ended = jobs
        .as_array()
        .unwrap()
        .iter()
        .filter(|job| ["enriched", "not_found"].contains(&job["status"].as_str().unwrap()));
    assert_eq!(ended.count(), 250, "{jobs}");
    assert!(
        ledger.charges().values().all(|charges| *charges == 1),
        "nobody is charged twice"
    );
    assert_eq!(
        ledger.found().len(),
        json(&["leads", "--limit", "1000"]).as_array().unwrap().len()
    );

    let workers = json(&["workers", "list"]);
    let told = |key: &str| workers[0][key].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (told("command"), told("state")),
        ("serve".to_owned(), "working".to_owned()),
        "{workers}"
    );
    assert_eq!(workers[0]["pid"], server.process.id());
    server.stop();
    assert_eq!(
        json(&["workers", "list"]).as_array().unwrap().len(),
        0,
        "who ends in order is gone"
    );
}

/// It may have ended before.
#[expect(
    clippy::disallowed_methods,
    reason = "a process is killed at a moment, whatever it is doing"
)]
fn kill_after(process: &mut Process, span: Duration) {
    std::thread::sleep(span);
    if process.is_running() {
        process.kill();
    }
}
