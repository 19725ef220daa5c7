//! Ways to work without a callback.

use crate::support::{Call, FAST, Signal, World};

/// Without a public URL nothing is called back: the results are asked for.
#[test]
fn without_a_callback_url_results_are_polled() {
    let mut world = World::start(FAST);
    world.place.unset_variable("FULLENRICH_WEBHOOK_URL");
    world.place.set("enrichment.poll.without_webhook", "300ms");
    let server = world.place.serve();
    server.process.wait_for_line("No public callback URL is set");
    world.import(0..120);
    world.wait_until_settled();
    world.assert_truth(120);
    let database = world.place.database();
    assert_eq!(
        database.column::<String>("SELECT DISTINCT source FROM enrichment_answer"),
        ["poll"]
    );
    assert_eq!(world.sandbox.ledger().number("callbacks.delivered"), 0);
}

/// The engine without HTTP does the same, and no two processes execute one file.
#[test]
fn a_worker_polls_and_is_refused_beside_a_server() {
    let mut world = World::start(FAST);
    world.place.set("enrichment.poll.without_webhook", "300ms");
    let server = world.place.serve();
    let refused = world.place.run(&["worker"]);
    refused.assert_failed(&format!("lumina.db is in use by process {}", server.process.id()));
    let second = world.place.run(&["serve", "--address", "127.0.0.1:0"]);
    second.assert_failed(&format!("lumina.db is in use by process {}", server.process.id()));
    server.stop();

    let mut worker = world.place.spawn(&["worker"]);
    worker.wait_for_line("the key is valid");
    world.import(0..20);
    world.wait_until_settled();
    world.assert_truth(20);
    assert!(world.gateway.count(Call::Read) > 0);
    assert!(
        std::net::TcpStream::connect(world.place.address()).is_err(),
        "it serves nothing"
    );
    worker.send(Signal::Terminate);
    assert_eq!(worker.wait().code(), Some(0));
}
