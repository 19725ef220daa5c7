//! Callbacks that never come, or much later.

use std::time::Duration;

use serde_json::json;

use super::provider::person;
use super::{MINUTE, Town};
use crate::pipeline::world::{On, on_each_database};

const HOUR: Duration = Duration::from_secs(3_600);

/// Three people have been sent, and little happens beside.
fn slow_town(on: On) -> Town {
    slow_town_asking_after(on, HOUR)
}

fn slow_town_asking_after(on: On, late_poll: Duration) -> Town {
    let town = Town::with(on, |settings| {
        settings.late_poll = late_poll;
        settings.poll_every = 10_000 * HOUR;
        settings.sweep_every = 6 * HOUR;
    });
    town.send(0..3);
    town.hush();
    town
}

/// Without a callback the sparse poll finds the answer: first after ten minutes, then every fifteen.
fn a_poll_finds_what_no_callback_tells(on: On) {
    let town = Town::start(on);
    town.send(0..3);
    town.pass(8 * MINUTE);
    assert_eq!(town.provider.gets(), 0);
    town.pass(3 * MINUTE);
    assert_eq!(town.provider.gets(), 1);
    town.pass(15 * MINUTE);
    assert_eq!(town.provider.gets(), 2);
    let post = town.provider.accepted()[0].clone();
    town.provider.set_result(post.id(), 200, post.finished());
    town.pass(15 * MINUTE);
    town.expect_jobs(&[("enriched", 3)]);
}

/// At the deadline a last question decides: results, still running, or gone.
fn at_the_deadline_a_last_question_decides(on: On) {
    let rows = [
        (None, "was still running", "running", 24),
        (
            Some((
                404,
                json!({"code": "error.reverse.email.not_found", "message": "no such batch"}),
            )),
            "does not know it any more",
            "gone",
            0,
        ),
    ];
    // Once a day in the end. On a server each minute asks the database.
    let (days, daily) = match on {
        On::File => (20, 0),
        On::Server => (4, 16),
    };
    for (result, reason, outcome, asked_later) in rows {
        let town = slow_town(on);
        let post = town.provider.accepted()[0].clone();
        town.pass(HOUR);
        if let Some((status, body)) = result {
            town.provider.set_result(post.id(), status, body);
        }
        town.pass(24 * HOUR);
        town.expect_jobs(&[("stale", 3)]);
        let told: String = town.world.value("SELECT DISTINCT reason FROM lumina.enrichment_job");
        assert!(told.contains(reason), "{told}");
        assert_eq!(town.outcomes(), [outcome]);
        let asked = town.provider.gets();
        town.pass(days * 24 * HOUR);
        let later = town.provider.gets() - asked;
        let asked_later = usize::saturating_sub(asked_later, daily);
        assert!(later.abs_diff(asked_later) <= 2, "asked {later} times later");
        assert_eq!(town.provider.posts().len(), 1);
    }
    let town = slow_town(on);
    let post = town.provider.accepted()[0].clone();
    town.pass(HOUR);
    town.provider.set_result(post.id(), 200, post.finished());
    town.pass(24 * HOUR);
    town.expect_jobs(&[("enriched", 3)]);
    assert_eq!(town.failed_runs(), 0);
}

/// What was given up is asked about again, and applied when it is there.
fn what_was_given_up_is_picked_up_later(on: On) {
    let town = slow_town(on);
    town.pass(25 * HOUR);
    town.expect_jobs(&[("stale", 3)]);
    let post = town.provider.accepted()[0].clone();
    town.pass(30 * HOUR);
    town.provider.set_result(post.id(), 200, post.finished());
    town.pass(25 * HOUR);
    town.expect_jobs(&[("enriched", 3)]);
    assert_eq!(town.outcomes(), ["finished"]);
    let asked = town.provider.gets();
    town.pass(100 * HOUR);
    assert_eq!(town.provider.gets(), asked, "there is nothing more to ask for");
}

/// A callback that comes three months later is applied.
fn a_callback_is_applied_for_three_months(on: On) {
    let mut town = slow_town_asking_after(on, 100 * HOUR);
    town.world.pass_months(89 * 24 * HOUR);
    town.expect_jobs(&[("stale", 3)]);
    assert_eq!(town.call_back(&town.provider.accepted()[0].finished()), "late");
    town.expect_jobs(&[("enriched", 3)]);
}

/// An event tells whom the final answer leaves out: before it, or long after the run is over.
fn whom_the_final_answer_leaves_out_an_event_has_told(on: On) {
    for event_comes_first in [true, false] {
        let town = Town::start(on);
        town.send(0..3);
        let post = town.provider.accepted()[0].clone();
        let finished = post.body("FINISHED", |email| {
            (!email.starts_with("person1")).then(|| person(email))
        });
        let event = post.body("IN_PROGRESS", |email| {
            email.starts_with("person1").then(|| person(email))
        });
        if event_comes_first {
            assert_eq!(town.world.call_back("/contact", &event)["status"], "kept");
            town.call_back(&finished);
        } else {
            town.call_back(&finished);
            town.expect_jobs(&[("enriched", 2), ("stale", 1)]);
            assert_eq!(town.world.call_back("/contact", &event)["status"], "late");
            town.pass(MINUTE);
        }
        town.expect_jobs(&[("enriched", 3)]);
        assert_eq!(town.failed_runs(), 0);
    }
}

/// Whoever an event named was found and paid for, even if the end is never told.
fn what_events_told_is_applied_when_no_end_comes(on: On) {
    let town = slow_town(on);
    let post = town.provider.accepted()[0].clone();
    for name in ["person0", "person2"] {
        let event = post.body("IN_PROGRESS", |email| email.starts_with(name).then(|| person(email)));
        town.world.call_back("/contact", &event);
    }
    town.provider.set_result(
        post.id(),
        404,
        json!({"code": "error.reverse.email.not_found", "message": "no such batch"}),
    );
    town.pass(25 * HOUR);
    town.expect_jobs(&[("enriched", 2), ("stale", 1)]);
    assert_eq!(town.leads(), 2);
}

/// Of two final answers a run hears the first. What the other one says is not forgotten because a third comes, and is
/// applied, before anybody has looked for what is left.
fn what_a_second_final_answer_says_outlives_a_third(on: On) {
    let town = slow_town(on);
    let post = town.provider.accepted()[0].clone();
    let run = town.open_run();
    town.tell(async |engine| engine.pause(run, "the test").await);
    let mut nobody = post.finished();
    for record in nobody["data"].as_array_mut().unwrap() {
        record["profile"] = json!(null);
    }
    let mut nobody_again = nobody.clone();
    nobody_again["name"] = json!("the same, in other words");
    assert_eq!(town.call_back(&nobody), "routed");
    assert_eq!(town.call_back(&post.finished()), "routed");
    town.tell(async |engine| engine.resume(run, "the test").await);
    town.pass(Duration::from_secs(1));
    town.expect_jobs(&[("not_found", 3)]);
    assert_eq!(town.call_back(&nobody_again), "late");
    town.pass(2 * HOUR);
    town.expect_jobs(&[("enriched", 3)]);
    assert_eq!(town.leads(), 3);
}

on_each_database![
    a_poll_finds_what_no_callback_tells,
    at_the_deadline_a_last_question_decides,
    what_was_given_up_is_picked_up_later,
    a_callback_is_applied_for_three_months,
    whom_the_final_answer_leaves_out_an_event_has_told,
    what_events_told_is_applied_when_no_end_comes,
    what_a_second_final_answer_says_outlives_a_third,
];
