//! A POST of which nobody knows whether it was accepted.

use std::time::Duration;

use super::provider::person;
use super::{Fate, MINUTE, Town};
use crate::pipeline::world::{On, on_each_database};

const WINDOW: Duration = Duration::from_secs(2 * 3_600);

/// The first contact's event proves that it was accepted and tells the id: nothing is sent again.
fn an_event_reveals_that_it_was_accepted(on: On) {
    let town = Town::start(on);
    town.provider.next([Fate::AcceptedUnheard]);
    town.send(0..3);
    town.expect_jobs(&[("submitted", 3)]);
    assert_eq!(town.outcomes(), ["unknown"]);
    let post = &town.provider.accepted()[0];
    let event = post.body("IN_PROGRESS", |email| {
        email.starts_with("person0").then(|| person(email))
    });
    assert_eq!(town.world.call_back("/contact", &event)["status"], "kept");
    town.pass(MINUTE);
    assert_eq!(town.outcomes(), ["running"]);
    assert_eq!(town.call_back(&post.finished()), "routed");
    town.expect_jobs(&[("enriched", 3)]);
    town.pass(2 * WINDOW);
    assert_eq!(town.provider.posts().len(), 1);
    assert_eq!(town.outcomes(), ["finished"]);
}

/// Its final callback alone does as well.
fn its_answer_reveals_that_it_was_accepted(on: On) {
    let town = Town::start(on);
    town.provider.next([Fate::AcceptedUnheard]);
    town.send(0..3);
    assert_eq!(town.call_back(&town.provider.accepted()[0].finished()), "routed");
    town.expect_jobs(&[("enriched", 3)]);
    assert_eq!(town.outcomes(), ["finished"]);
}

/// So does what names nobody, by the name that the batch was sent under.
fn what_names_only_the_batch_reveals_that_it_was_accepted(on: On) {
    for (status, is_over) in [("UNKNOWN", false), ("IN_PROGRESS", false), ("CANCELED", true)] {
        let town = Town::start(on);
        town.provider.next([Fate::AcceptedUnheard]);
        town.send(0..3);
        let post = town.provider.accepted()[0].clone();
        town.call_back(&post.body(status, |_| None));
        if is_over {
            town.expect_jobs(&[("pending", 3)]);
            continue;
        }
        town.pass(2 * WINDOW);
        assert_eq!(town.provider.posts().len(), 1, "{status}");
        town.call_back(&post.finished());
        town.expect_jobs(&[("enriched", 3)]);
    }
}

/// Without a sign it is sent once more when the window is over, and not before; with its own attempt in name, URL and
/// tags.
fn without_a_sign_it_is_sent_once_more_after_the_window(on: On) {
    let town = Town::start(on);
    town.provider.next([Fate::Lost]);
    town.send(0..3);
    town.pass(WINDOW - 2 * MINUTE);
    assert_eq!(town.provider.posts().len(), 1, "the window is not over");
    town.pass(4 * MINUTE);
    let posts = town.provider.posts();
    assert_eq!(posts.len(), 2);
    assert_eq!(posts[0].emails(), posts[1].emails());
    for (number, post) in ["1", "2"].into_iter().zip(&posts) {
        let request = &post.request;
        assert!(
            request["name"].as_str().unwrap().ends_with(&format!("({number})")),
            "{request}"
        );
        for url in [&request["webhook_url"], &request["webhook_events"]["contact_finished"]] {
            assert!(url.as_str().unwrap().ends_with(&format!("&attempt={number}")), "{url}");
        }
        assert_eq!(request["data"][0]["custom"]["lumina_attempt"], number);
    }
    assert_eq!(town.outcomes(), ["unknown", "running"]);
    town.call_back(&posts[1].finished());
    town.expect_jobs(&[("enriched", 3)]);
    assert_eq!(town.outcomes(), ["unknown", "finished"]);
    let spent: u64 = town
        .world
        .count("SELECT CAST(sum(coalesce(actual, estimated)) AS bigint) FROM lumina.credit_ledger");
    assert_eq!(spent, 6, "the first one may have been charged as well");
}

/// When the first one's answer comes while the second is out, both ids belong to the same jobs, and both costs are in
/// the ledger.
fn both_answers_are_taken_and_both_costs_counted(on: On) {
    for first_comes in [0, 1] {
        let town = Town::start(on);
        town.provider.next([Fate::AcceptedUnheard]);
        town.send(0..3);
        town.pass(WINDOW + 3 * MINUTE);
        let posts = town.provider.accepted();
        assert_eq!(posts.len(), 2);
        assert_eq!(town.call_back(&posts[first_comes].finished()), "routed");
        town.expect_jobs(&[("enriched", 3)]);
        assert_eq!(town.call_back(&posts[1 - first_comes].finished()), "late");
        assert_eq!(town.outcomes(), ["finished", "finished"]);
        let costs: u64 = town
            .world
            .count("SELECT CAST(sum(actual) AS bigint) FROM lumina.credit_ledger");
        assert_eq!(costs, 6, "the provider charged for both");
        assert_eq!(town.failed_runs(), 0);
    }
}

/// What one answer has not looked at is not free while the same jobs are out a second time.
fn an_answer_frees_nothing_that_is_out_a_second_time(on: On) {
    let town = Town::start(on);
    town.provider.next([Fate::AcceptedUnheard]);
    town.send(0..3);
    town.pass(WINDOW + 3 * MINUTE);
    let posts = town.provider.accepted();
    let part = posts[0].body("CREDITS_INSUFFICIENT", |email| {
        email.starts_with("person0").then(|| person(email))
    });
    assert_eq!(town.call_back(&part), "routed");
    town.expect_jobs(&[("enriched", 1), ("submitted", 2)]);
    assert_eq!(town.call_back(&posts[1].finished()), "routed");
    town.expect_jobs(&[("enriched", 3)]);
    assert_eq!(town.failed_runs(), 0);
}

/// Twice unknown is the end of it: nobody is sent a third time, and a late answer is still taken.
fn it_is_sent_twice_at_most(on: On) {
    let town = Town::with(on, |settings| settings.sweep_every = 10 * MINUTE);
    town.hush();
    town.provider.next([Fate::Lost, Fate::AcceptedUnheard]);
    town.send(0..3);
    town.pass(3 * WINDOW);
    town.expect_jobs(&[("stale", 3)]);
    assert_eq!(town.outcomes(), ["unknown", "unknown"]);
    town.pass(24 * WINDOW);
    assert_eq!(town.provider.posts().len(), 2);
    assert_eq!(town.call_back(&town.provider.accepted()[0].finished()), "late");
    town.expect_jobs(&[("enriched", 3)]);
}

/// While a batch that was sent before it may still be looked up, its repeat might be charged: it waits, also when
/// that batch's own run has given it up.
fn it_is_not_sent_again_before_what_was_sent_earlier_has_ended(on: On) {
    let town = Town::with(on, |settings| settings.deadline = 4 * WINDOW);
    town.send(0..100);
    town.provider.next([Fate::Lost]);
    town.send(100..103);
    assert_eq!(town.provider.posts().len(), 2);
    town.pass(2 * WINDOW);
    assert_eq!(town.provider.posts().len(), 2, "the first batch is out");
    town.pass(3 * WINDOW);
    assert_eq!(town.jobs()["stale"], 100, "its run has given up");
    assert_eq!(
        town.provider.posts().len(),
        2,
        "and it is still being looked up for all that anybody knows"
    );
    assert_eq!(town.call_back(&town.provider.accepted()[0].finished()), "late");
    town.pass(2 * MINUTE);
    assert_eq!(town.provider.posts().len(), 3);
    town.call_back(&town.provider.accepted()[1].finished());
    town.expect_jobs(&[("enriched", 103)]);
}

/// A crash while the POST is on its way leaves it unknown.
fn a_crash_in_the_middle_leaves_it_unknown(on: On) {
    let mut town = Town::start(on);
    town.provider.next([Fate::AcceptedUnheard]);
    town.send(0..3);
    town.world.restart();
    town.pass(WINDOW / 2);
    assert_eq!(town.provider.posts().len(), 1);
    assert_eq!(town.call_back(&town.provider.accepted()[0].finished()), "routed");
    town.expect_jobs(&[("enriched", 3)]);
}

/// A place is taken anew for the second POST, and only when one is free.
fn the_second_post_waits_for_a_place(on: On) {
    let town = Town::with(on, |settings| settings.max_in_flight = 1);
    town.provider.next([Fate::Lost]);
    town.send(0..3);
    town.send(3..103);
    assert_eq!(town.provider.posts().len(), 1, "the unknown one takes the only place");
    town.pass(WINDOW + 3 * MINUTE);
    let posts = town.provider.accepted();
    assert_eq!(posts.len(), 1, "whoever comes first, there is one place");
    town.call_back(&posts[0].finished());
    town.pass(3 * MINUTE);
    let posts = town.provider.accepted();
    assert_eq!(posts.len(), 2);
    town.call_back(&posts[1].finished());
    town.expect_jobs(&[("enriched", 103)]);
}

on_each_database![
    an_event_reveals_that_it_was_accepted,
    its_answer_reveals_that_it_was_accepted,
    what_names_only_the_batch_reveals_that_it_was_accepted,
    without_a_sign_it_is_sent_once_more_after_the_window,
    both_answers_are_taken_and_both_costs_counted,
    an_answer_frees_nothing_that_is_out_a_second_time,
    it_is_sent_twice_at_most,
    it_is_not_sent_again_before_what_was_sent_earlier_has_ended,
    a_crash_in_the_middle_leaves_it_unknown,
    the_second_post_waits_for_a_place,
];
