//! Database files that are none of ours.

use rusqlite::Connection;

use crate::support::{Database, FAST, Place, World};

const COMMANDS: [&[&str]; 4] = [&["serve"], &["worker"], &["leads"], &["import", "people.csv", "--yes"]];

fn start() -> Place {
    let place = Place::for_provider(([127, 0, 0, 1], 9).into());
    place.write_people("people.csv", 0..3);
    place
}

/// Every command refuses, and the file is as it was.
#[track_caller]
fn assert_untouched(place: &Place, told: &str) {
    let path = place.path("lumina.db");
    let before = std::fs::read(&path).ok();
    for command in COMMANDS {
        place.run(command).assert_failed(told);
        assert_eq!(std::fs::read(&path).ok(), before, "{command:?} changed nothing");
    }
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let place = start();
    place.write("lumina.db", "Dear diary, ".repeat(1_000));
    assert_untouched(&place, "lumina.db");
}

#[test]
fn a_damaged_database_is_refused() {
    let place = start();
    place.run(&["import", "people.csv", "--no-enrich"]).ok();
    let mut bytes = std::fs::read(place.path("lumina.db")).unwrap();
    bytes[100..4_096].fill(0xa5);
    place.write("lumina.db", &bytes);
    assert_untouched(&place, "lumina.db");
}

#[test]
fn a_database_of_another_program_is_refused() {
    let place = start();
    let other = Connection::open(place.path("lumina.db")).unwrap();
    other
        .execute_batch("CREATE TABLE recipes (name TEXT); INSERT INTO recipes VALUES ('soup');")
        .unwrap();
    drop(other);
    assert_untouched(
        &place,
        "is a database of some other program (it has a table `recipes`); name another file",
    );
}

#[test]
fn a_folder_and_a_place_that_is_not_there_are_refused() {
    let place = start();
    std::fs::create_dir(place.path("lumina.db")).unwrap();
    assert_untouched(&place, "lumina.db");
    for (url, told) in [
        ("sqlite:./missing/folder/lumina.db", "missing/folder"),
        ("sqlite::memory:", "would lose what was paid for"),
        ("mysql://localhost/lumina", "sqlite:PATH"),
    ] {
        place.run(&["leads", "--database-url", url]).assert_failed(told);
    }
}

/// Invented people never meet real addresses, whoever comes first. Looking is free.
#[test]
fn a_database_of_the_sandbox_is_not_used_with_the_real_provider() {
    let mut world = World::start(FAST);
    let server = world.place.serve();
    world.import(0..3);
    world.wait_until_settled();
    server.stop();
    world.place.unset_variable("FULLENRICH_BASE_URL");
    world.place.unset_variable("FULLENRICH_WEBHOOK_URL");
    for command in [
        &["worker"][..],
        &["import", "people.csv", "--yes"],
        &["enrich", "--yes"],
    ] {
        world
            .place
            .run(command)
            .assert_failed("this database holds sandbox people");
    }
    for command in [
        &["leads", "--json"][..],
        &["metrics", "--json"],
        &["jobs", "list", "--json"],
        &["export"],
    ] {
        assert!(!world.place.run(command).ok().is_empty(), "{command:?}");
    }
    world.assert_truth(3);
}

#[test]
fn a_database_of_real_people_is_not_used_with_a_sandbox() {
    let place = Place::bare();
    place.write_people("people.csv", 0..3);
    // Nobody is taken in by looking: the database is still anybody's.
    place.run(&["metrics"]).ok();
    place.run(&["import", "people.csv", "--no-enrich"]).ok();
    let path = place.path("lumina.db");
    let before = std::fs::read(&path).unwrap();
    let demo = ["demo", "--once", "--database-url", "sqlite:./lumina.db"];
    place.run(&demo).assert_failed("this database holds real people");
    let sandbox = [
        "import",
        "people.csv",
        "--set",
        "fullenrich.base_url=http://127.0.0.1:9/api/v2",
        "--yes",
    ];
    place.run(&sandbox).assert_failed("this database holds real people");
    assert_eq!(std::fs::read(&path).unwrap(), before, "nothing was changed");
    assert_eq!(Database(path).count("enrichment_job"), 0);
}

/// Damage that came later is found at the next start, and is no reason to make a new file.
#[test]
fn a_database_that_was_cut_off_is_refused() {
    let place = start();
    place.run(&["import", "people.csv", "--no-enrich"]).ok();
    let bytes = std::fs::read(place.path("lumina.db")).unwrap();
    place.write("lumina.db", &bytes[..bytes.len() / 2]);
    for command in [&["serve"][..], &["import", "people.csv", "--yes"][..]] {
        place.run(command).assert_failed("lumina.db");
    }
}
