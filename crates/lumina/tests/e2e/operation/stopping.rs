//! Ends in order and otherwise.

use std::time::Duration;

use crate::support::{Call, FAST, Fault, Signal, World, email, subscription, time, until_true};

const THREE_SECONDS: &str = "calls_per_minute = 100000\ncontacts_at_once = 1000\nlookup_min = \"3s\"\nlookup_max = \"3s\"\n\
    callback_retry_every = \"200ms\"\n";

#[test]
fn a_signal_ends_it_in_order_and_the_next_start_goes_on() {
    for signal in [Signal::Interrupt, Signal::Terminate] {
        let world = World::start(THREE_SECONDS);
        let mut server = world.place.serve();
        world.import(0..120);
        let database = world.place.database();
        until_true("a batch to be out", || world.sandbox.ledger().number("batchCount") > 0);
        server.process.send(signal);
        let (status, took) = time(|| server.process.wait());
        assert_eq!(status.code(), Some(0), "{signal:?}: {:?}", server.process.lines());
        assert!(took < Duration::from_secs(10), "{took:?}");
        assert!(
            !world.place.path("lumina.db-wal").exists(),
            "the database was closed in order"
        );
        assert!(database.open_jobs() > 0, "it did not wait for the provider");

        let server = world.place.serve();
        world.wait_until_settled();
        server.stop();
        world.assert_truth(120);
    }
}

/// What was begun may end; a second signal does not wait for it.
#[test]
fn a_second_signal_ends_it_at_once() {
    let mut world = World::start(FAST);
    world.place.set("enrichment.reconcile_window", "2s");
    world.gateway.fail_next(Call::Submit, [Fault::Swallow]);
    let mut server = world.place.serve();
    server.subscribe("sarah.dev@gmail.com");
    until_true("the batch to be on its way", || world.gateway.count(Call::Submit) == 1);
    server.process.send(Signal::Interrupt);
    server.process.wait_for_line("shutting down");
    assert!(server.process.is_running(), "it waits for the answer");
    server.process.send(Signal::Interrupt);
    let (status, took) = time(|| server.process.wait());
    assert_eq!(status.code(), Some(130));
    assert!(took < Duration::from_secs(2), "{took:?}");

    let _server = world.place.serve();
    world.wait_until_settled();
    world.assert_truth(1);
}

/// An attempt that ends within the grace period is on record: nothing is in doubt afterwards.
#[test]
fn a_stop_waits_for_the_answer_of_a_submission() {
    let mut world = World::start(&format!("{FAST}answer_min = \"1500ms\"\nanswer_max = \"1500ms\"\n"));
    world.place.set("enrichment.poll.first", "500ms");
    let server = world.place.serve();
    server.subscribe("sarah.dev@gmail.com");
    until_true("the batch to be accepted", || {
        world.sandbox.ledger().number("batchCount") == 1
    });
    server.stop();
    let database = world.place.database();
    assert_eq!(
        database.records("submit-to-fullenrich", "completed"),
        1,
        "its answer is on record"
    );
    let _server = world.place.serve();
    world.wait_until_settled();
    assert_eq!(world.gateway.count(Call::Submit), 1);
    world.assert_truth(1);
}

/// While it stops nobody is promised anything: what was answered is stored.
#[test]
fn what_was_answered_is_stored_however_it_ends() {
    for is_killed in [false, true] {
        let world = World::start(THREE_SECONDS);
        let mut server = world.place.serve();
        let address = server.address;
        let sender = std::thread::spawn(move || {
            // Until nobody answers any more.
            let send = |number: &u32| subscription(&email(*number)).send(address);
            (0..)
                .take_while(|number| send(number).is_ok_and(|answer| answer.status == 200))
                .count()
        });
        until_true("some subscribers to come", || {
            world.place.database().count("subscriber") >= 20
        });
        match is_killed {
            true => server.process.kill(),
            false => server.process.send(Signal::Terminate),
        }
        let answered = sender.join().unwrap() as u64;
        server.process.wait();
        let stored = world.place.database().count("subscriber");
        assert!(
            answered >= 20 && (answered..=answered + 1).contains(&stored),
            "{answered} answered, {stored} stored"
        );
        assert_eq!(world.place.database().count("enrichment_job"), stored);
    }
}
