//! Answers that come while their run ends, or beside another one.

use std::time::Duration;

use lumina::workflows::LateAnswer;
use lumina_workflow::store::RunStatus;
use lumina_workflow::{Runtime, Workflow};
use serde_json::{Value, json};

use super::provider::person;
use super::{Fate, MINUTE, Town};
use crate::pipeline::world::{On, on_each_database};

const HOUR: Duration = Duration::from_secs(3_600);

fn one_of(body: &Value, index: usize) -> Value {
    let mut body = body.clone();
    body["status"] = json!("IN_PROGRESS");
    body["data"] = json!([body["data"][index]]);
    body
}

/// An answer is stored, and before its run has looked at it somebody cancels the run.
fn an_answer_that_a_cancel_overtakes_is_applied(on: On) {
    let town = Town::start(on);
    town.send(0..3);
    let run = town.open_run();
    town.tell(async |engine| engine.pause(run, "the test").await);
    let post = town.provider.accepted()[0].clone();
    assert_eq!(town.call_back(&post.finished()), "routed");
    town.tell(async |engine| engine.cancel(run, "the test").await);
    town.pass(MINUTE);
    town.expect_jobs(&[("enriched", 3)]);
    assert_eq!(town.leads(), 3);
}

/// The time of the answer is over, the last question is being asked in vain, and then the callback comes.
fn an_answer_that_comes_beside_the_last_question_is_applied(on: On) {
    let town = Town::with(on, |settings| {
        settings.poll_every = 100 * HOUR;
        settings.sweep_every = 10 * MINUTE;
    });
    town.send(0..3);
    town.hush();
    let post = town.provider.accepted()[0].clone();
    town.pass(HOUR);
    town.provider.set_reads(false);
    let asked = town.provider.gets();
    let over = post.at + 24 * HOUR;
    town.pass(Duration::try_from(over.duration_since(town.world.runtime.now())).unwrap() - MINUTE);
    while town.provider.gets() == asked {
        town.pass(Duration::from_secs(1));
    }
    assert_eq!(town.call_back(&post.finished()), "routed");
    town.pass(10 * MINUTE);
    town.expect_jobs(&[("enriched", 3)]);
}

/// The same jobs are out twice, and both answers are there before the run has looked at one.
fn of_two_answers_at_once_none_is_lost(on: On) {
    for first in [0, 1] {
        let town = Town::start(on);
        town.provider.next([Fate::AcceptedUnheard]);
        town.send(0..3);
        town.pass(2 * HOUR + 3 * MINUTE);
        let posts = town.provider.accepted();
        assert_eq!(posts.len(), 2);
        let run = town.open_run();
        town.tell(async |engine| engine.pause(run, "the test").await);
        let part = posts[first].body("CREDITS_INSUFFICIENT", |email| {
            email.starts_with("person0").then(|| person(email))
        });
        town.call_back(&part);
        town.call_back(&posts[1 - first].finished());
        town.tell(async |engine| engine.resume(run, "the test").await);
        town.pass(20 * MINUTE);
        town.expect_jobs(&[("enriched", 3)]);
        assert_eq!(town.provider.posts().len(), 2, "nobody is bought again");
        assert_eq!(town.failed_runs(), 0);
    }
}

/// The same jobs are out twice. One answer says that nobody looked at the rest, the other one leaves the rest out, and
/// may have charged for it: that is not bought again.
fn whom_one_answer_leaves_out_the_other_one_does_not_free(on: On) {
    for first in [0, 1] {
        let town = Town::start(on);
        town.provider.next([Fate::AcceptedUnheard]);
        town.send(0..3);
        town.pass(2 * HOUR + 3 * MINUTE);
        let posts = town.provider.accepted();
        assert_eq!(posts.len(), 2);
        let bodies = [(0, "CANCELED"), (1, "FINISHED")].map(|(post, status)| {
            posts[post].body(status, |email| email.starts_with("person0").then(|| person(email)))
        });
        town.call_back(&bodies[first]);
        town.call_back(&bodies[1 - first]);
        town.pass(HOUR);
        town.expect_jobs(&[("enriched", 1), ("stale", 2)]);
        assert_eq!(town.provider.posts().len(), 2);
    }
}

/// The same, while nobody knows what became of the second POST: it may have been accepted, and is when it says so.
fn whom_one_answer_leaves_out_is_not_bought_again_while_the_other_post_is_in_doubt(on: On) {
    let town = Town::start(on);
    town.provider.next([Fate::AcceptedUnheard, Fate::AcceptedUnheard]);
    town.send(0..3);
    town.pass(2 * HOUR + 3 * MINUTE);
    let posts = town.provider.accepted();
    assert_eq!(posts.len(), 2);
    let part = posts[0].body("CREDITS_INSUFFICIENT", |email| {
        email.starts_with("person0").then(|| person(email))
    });
    town.call_back(&part);
    town.pass(HOUR);
    assert_eq!(town.provider.posts().len(), 2);
    town.call_back(&posts[1].finished());
    town.expect_jobs(&[("enriched", 3)]);
}

/// An event has told a person whom the final answer leaves out; the event may come before it or after it.
fn whom_only_an_event_names_is_a_lead(on: On) {
    for (status, before) in [
        ("FINISHED", true),
        ("FINISHED", false),
        ("CANCELED", true),
        ("CANCELED", false),
    ] {
        let town = Town::start(on);
        town.send(0..3);
        let post = town.provider.accepted()[0].clone();
        let event = one_of(&post.finished(), 1);
        let part = post.body(status, |email| (!email.starts_with("person1")).then(|| person(email)));
        if before {
            town.world.call_back("/contact", &event);
        }
        assert_eq!(town.call_back(&part), "routed");
        if !before {
            town.world.call_back("/contact", &event);
        }
        town.pass(MINUTE);
        town.expect_jobs(&[("enriched", 3)]);
        assert_eq!(town.leads(), 3);
        town.pass(HOUR);
        assert_eq!(town.provider.posts().len(), 1, "{status} {before}");
    }
}

/// Whoever an event names after the batch was given up was paid for as well, even if the end is never told.
fn whom_an_event_names_after_the_batch_was_given_up_is_a_lead(on: On) {
    let town = Town::start(on);
    town.send(0..3);
    let run = town.open_run();
    town.tell(async |engine| engine.cancel(run, "the test").await);
    town.pass(MINUTE);
    town.expect_jobs(&[("stale", 3)]);
    let post = town.provider.accepted()[0].clone();
    town.world.call_back("/contact", &one_of(&post.finished(), 1));
    town.provider.set_result(
        post.id(),
        404,
        json!({"code": "error.reverse.email.not_found", "message": "no such batch"}),
    );
    town.pass(2 * HOUR);
    town.expect_jobs(&[("enriched", 1), ("stale", 2)]);
}

/// The run of its own that applies a late answer is cancelled before it has.
fn a_late_answer_whose_own_run_was_cancelled_is_applied(on: On) {
    let town = Town::start(on);
    town.send(0..3);
    let run = town.open_run();
    town.tell(async |engine| engine.cancel(run, "the test").await);
    town.pass(MINUTE);
    town.tell(async |engine| engine.pause_workflow(LateAnswer::NAME, "the test").await);
    assert_eq!(town.call_back(&town.provider.accepted()[0].finished()), "late");
    let late = town.world.runs(RunStatus::Pending)[0].id;
    town.tell(async |engine| engine.cancel(late, "the test").await);
    town.tell(async |engine| engine.resume_workflow(LateAnswer::NAME, "the test").await);
    town.pass(MINUTE);
    town.expect_jobs(&[("stale", 3)]);
    let asked = town.provider.gets();
    town.pass(2 * HOUR);
    town.expect_jobs(&[("enriched", 3)]);
    assert_eq!(town.provider.gets(), asked, "there was nothing to ask for");
}

on_each_database![
    an_answer_that_a_cancel_overtakes_is_applied,
    an_answer_that_comes_beside_the_last_question_is_applied,
    of_two_answers_at_once_none_is_lost,
    whom_one_answer_leaves_out_the_other_one_does_not_free,
    whom_one_answer_leaves_out_is_not_bought_again_while_the_other_post_is_in_doubt,
    whom_only_an_event_names_is_a_lead,
    whom_an_event_names_after_the_batch_was_given_up_is_a_lead,
    a_late_answer_whose_own_run_was_cancelled_is_applied,
];
