//! What starts by itself, seen and steered from outside.

use crate::support::{FAST, World, get, post, until, until_true};

fn told(world: &World, command: &[&str]) -> String {
    world.place.run(command).ok().to_owned()
}

#[test]
fn schedules_are_listed_held_and_triggered() {
    let mut world = World::start(FAST);
    world.place.set("enrichment.sweep", "200ms");
    let none = told(&world, &["schedules", "list"]);
    assert!(none.contains("No schedules"), "{none}");
    let server = world.place.serve();
    let list = || world.place.run(&["schedules", "list", "--json"]).json();
    let sweep = || {
        list()
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["name"] == "sweep")
            .cloned()
    };
    until_true("the sweep to tick", || {
        sweep().is_some_and(|row| row["started"].as_u64() >= Some(2) && row["triggers"] == 1)
    });
    let table = told(&world, &["schedules", "list"]);
    for word in [
        "sweep",
        "scheduled-batch",
        "probe",
        "retention",
        "every 200ms",
        "every 15m",
    ] {
        assert!(table.contains(word), "{word} in {table}");
    }

    // Held from here, the server starts nothing any more.
    let held = told(&world, &["schedules", "pause", "sweep"]);
    assert_eq!(held.trim(), "The schedule is held.");
    let again = world.place.run(&["schedules", "pause", "sweep", "--json"]).json();
    assert_eq!(again, serde_json::json!({"name": "sweep", "effective": false}));
    let before = sweep().unwrap();
    assert!(before["paused"]["by"].as_str().unwrap().starts_with("cli:"), "{before}");

    // By hand it starts all the same.
    let run = world.place.run(&["schedules", "trigger", "sweep", "--json"]).json();
    let id = run["workflowId"].as_str().unwrap();
    server.workflow_when(id, "completed");
    let after = sweep().unwrap();
    assert_eq!((&after["started"], &after["triggers"]), (&before["started"], &2.into()));
    let listed = told(&world, &["workflows", "list"]);
    assert!(listed.contains("No runs."), "housekeeping is left out: {listed}");
    let all = told(&world, &["workflows", "list", "--all"]);
    assert!(all.contains("pending-job-sweep") && all.contains(id), "{all}");

    let on = server.call(post("/api/schedules/sweep/resume")).ok();
    assert_eq!(on["effective"], true);
    until("the sweep to tick again", || {
        let rows = server.show("/api/schedules")["schedules"].as_array().unwrap().clone();
        let row = rows.into_iter().find(|row| row["name"] == "sweep").unwrap();
        (row["started"].as_u64() > after["started"].as_u64()).then_some(())
    });
    let unknown = world.place.run(&["schedules", "trigger", "no-such"]);
    unknown.assert_failed("there is no schedule no-such");
    assert_eq!(
        get("/api/schedules").send(server.address).unwrap().status,
        401,
        "not without the token"
    );
    server.stop();
}
