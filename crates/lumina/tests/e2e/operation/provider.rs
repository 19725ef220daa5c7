//! A provider that is down or refuses.

use crate::support::{
    Call, FAST, Fault, Gateway, Place, SANDBOX_KEY, Serve, World, free_address, get, post, until_true,
};

/// Intake goes on, and lookups begin when the provider comes up.
#[test]
fn a_provider_that_is_down_at_the_start_stops_nobody_from_signing_up() {
    let provider = free_address();
    let place = Place::for_provider(provider);
    let server = Serve::start(&place);
    server.process.wait_for_line("FullEnrich does not answer");
    assert_eq!(server.subscribe("sarah.dev@gmail.com")["status"], "created");
    place.write_people("people.csv", 0..20);
    place.run(&["import", "people.csv"]).ok();
    let database = place.database();
    until_true("the runs to be at work", || {
        database.records("take-slot", "completed") >= 2
    });
    assert_eq!(database.jobs(), [("pending".to_owned(), 21)].into(), "nothing fails");
    assert_eq!(server.call_openly(&get("/readyz")).status, 200);

    let gateway = Gateway::start(provider);
    let sandbox = place.sandbox(provider, FAST);
    let world = World {
        gateway,
        sandbox,
        place,
    };
    world.wait_until_settled();
    world.assert_truth(21);
    assert!(!database.runs().contains(&"failed".to_owned()));
}

/// A key that the provider refuses fails nothing: the pipeline waits until somebody puts it right.
#[test]
fn a_wrong_key_pauses_and_fails_nothing() {
    let mut world = World::start(FAST);
    world.place.set_variable("FULLENRICH_API_KEY", "a-key-of-somebody-else");
    let server = world.place.serve();
    let told = server.process.wait_for_line("Check fullenrich.api_key");
    assert!(told.contains("error.api.key") || told.contains("API key"), "{told}");
    server.subscribe("sarah.dev@gmail.com");
    world.import(0..5);
    let database = world.place.database();
    assert_eq!(database.count("pause WHERE reason = 'refused'"), 1);
    let paused = server.call(post("/api/enrichment/batches")).ok();
    assert!(paused["paused"].as_str().unwrap().contains("key"), "{paused}");
    assert_eq!(database.jobs(), [("pending".to_owned(), 6)].into());
    assert_eq!(world.gateway.count(Call::Submit), 0);
    server.stop();

    world.place.set_variable("FULLENRICH_API_KEY", SANDBOX_KEY);
    let _server = world.place.serve();
    world.wait_until_settled();
    world.assert_truth(6);
}

/// The same when it is refused later on, in the middle of the work.
#[test]
fn a_key_that_stops_working_pauses_and_fails_nothing() {
    let world = World::start(FAST);
    let server = world.place.serve();
    for call in [Call::Submit, Call::Credits] {
        world.gateway.fail_always(call, Some(Fault::Refuse(401)));
    }
    world.import(0..5);
    let database = world.place.database();
    until_true("the pipeline to pause", || {
        database.count("pause WHERE reason = 'refused'") == 1
    });
    assert_eq!(database.jobs(), [("pending".to_owned(), 5)].into(), "nothing fails");
    server.stop();
    for call in [Call::Submit, Call::Credits] {
        world.gateway.fail_always(call, None);
    }
    let _server = world.place.serve();
    world.wait_until_settled();
    world.assert_truth(5);
}
