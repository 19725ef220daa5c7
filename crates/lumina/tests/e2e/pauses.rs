//! A pause: in the logs once when it begins and once when it ends, and in the numbers as long as it lasts.

use crate::support::{FAST, Serve, World, get, until_true};

fn count_lines(server: &Serve, part: &str) -> usize {
    server.process.lines().iter().filter(|line| line.contains(part)).count()
}

const BEGINS: &str = "lookups are paused: nothing is bought until this has gone";
const ENDS: &str = "a pause of lookups is over";

#[test]
fn a_pause_is_told_once_when_it_begins_and_once_when_it_ends() {
    let mut world = World::start(&format!("not_found_percent = 0\n{FAST}"));
    world.place.set("enrichment.budget.per_day", "5");
    world.place.set("enrichment.sweep", "100ms");
    let server = world.place.serve();
    world.import(0..10);
    let database = world.place.database();
    until_true("the budget to be used up", || {
        database.count("pause WHERE reason = 'budget'") == 1 && database.count("lead") == 5
    });
    let sweeps = || database.value::<u64>("SELECT started FROM workflow_schedule WHERE name = 'sweep'");
    let before = sweeps();
    until_true("some sweeps to look at it", || sweeps() > before + 5);
    server.subscribe("sarah.dev@gmail.com");
    until_true("one more to find it", || {
        database.count("enrichment_job WHERE run IS NULL AND status = 'pending'") >= 5
    });
    assert_eq!(
        (count_lines(&server, BEGINS), count_lines(&server, ENDS)),
        (1, 0),
        "{:?}",
        server.process.lines()
    );
    let line = server.process.wait_for_line(BEGINS);
    assert!(
        line.contains("WARN") && line.contains("reason=\"budget\"") && line.contains("per_day"),
        "{line}"
    );

    let numbers = world.place.run(&["metrics", "--json"]).json();
    assert_eq!(
        (&numbers["pauses"][0]["reason"], &numbers["budget"]["day"]["left"]),
        (&"budget".into(), &0.into())
    );
    assert_eq!(server.show("/api/dashboard/metrics")["pauses"][0]["reason"], "budget");
    assert_eq!(
        server.call_openly(&get("/readyz")).status,
        200,
        "who signs up is taken in"
    );
    let told = world.place.run(&["metrics"]);
    for part in [
        "paused",
        "budget: waits for the next day's budget",
        "5 of 5 credits used; 0 left",
        "Next: lumina credits",
    ] {
        assert!(told.ok().contains(part), "{part}: {}", told.out);
    }
    server.stop();

    let server = world.place.serve();
    server.process.wait_for_line("Lookups are paused since");
    server.stop();
    world.place.set("enrichment.budget.per_day", "100");
    let server = world.place.serve();
    world.wait_until_settled();
    assert_eq!(
        (count_lines(&server, BEGINS), count_lines(&server, ENDS)),
        (0, 1),
        "{:?}",
        server.process.lines()
    );
    let told = world.place.run(&["metrics"]);
    assert!(
        told.ok()
            .lines()
            .any(|line| line.starts_with("paused") && line.ends_with("no")),
        "{}",
        told.out
    );
    server.stop();
    world.assert_truth(11);
}
