//! What is learnt of a POST of unknown outcome after its window, while it cannot be sent again yet.

use std::time::Duration;

use lumina_workflow::RunId;

use super::provider::{Post, person};
use super::{Fate, MINUTE, Town};
use crate::pipeline::world::{On, on_each_database};

const HOUR: Duration = Duration::from_secs(3_600);
const WINDOW: Duration = Duration::from_secs(2 * 3_600);

/// Three people have been sent, nobody knows with what outcome, and cannot be sent again while the batch before them
/// is out.
fn held_back(on: On) -> (Town, Post, Post) {
    let town = Town::start(on);
    town.send(0..100);
    town.provider.next([Fate::AcceptedUnheard]);
    town.send(100..103);
    town.pass(WINDOW + 3 * MINUTE);
    let [before, unknown] = town.provider.accepted().try_into().unwrap();
    (town, before, unknown)
}

/// An event that comes after the window still proves that it was accepted: it is out, and not sent again.
fn an_event_after_the_window_is_a_sign_as_well(on: On) {
    let (town, before, unknown) = held_back(on);
    let event = unknown.body("IN_PROGRESS", |email| {
        email.starts_with("person100").then(|| person(email))
    });
    town.world.call_back("/contact", &event);
    town.call_back(&before.finished());
    town.pass(10 * MINUTE);
    assert_eq!(town.provider.posts().len(), 2, "it is being looked up");
    town.call_back(&unknown.finished());
    town.expect_jobs(&[("enriched", 103)]);
    assert_eq!(town.outcomes(), ["finished", "finished"]);
    assert_eq!(town.failed_runs(), 0);
}

/// So does its answer.
fn an_answer_after_the_window_is_taken_and_nothing_sent_again(on: On) {
    let (town, before, unknown) = held_back(on);
    town.call_back(&unknown.finished());
    town.call_back(&before.finished());
    town.pass(10 * MINUTE);
    assert_eq!(town.provider.posts().len(), 2);
    town.expect_jobs(&[("enriched", 103)]);
    assert_eq!(town.failed_runs(), 0);
}

/// The second POST is made ready and cannot leave yet: a sign that comes then is not too late.
fn a_sign_before_the_second_post_has_left_holds_it_back(on: On) {
    let town = Town::start(on);
    let busy = Fate::Answered(429, serde_json::json!({}));
    town.provider.next([Fate::AcceptedUnheard, busy]);
    town.send(0..3);
    let unknown = town.provider.accepted()[0].clone();
    while town.provider.posts().len() < 2 {
        town.pass(Duration::from_secs(1));
    }
    let event = unknown.body("IN_PROGRESS", |email| {
        email.starts_with("person0").then(|| person(email))
    });
    town.world.call_back("/contact", &event);
    town.pass(10 * MINUTE);
    assert_eq!(town.provider.posts().len(), 2, "only the one that was not accepted");
    town.call_back(&unknown.finished());
    town.expect_jobs(&[("enriched", 3)]);
    assert!(
        town.outcomes().contains(&"finished".to_owned()),
        "{:?}",
        town.outcomes()
    );
    assert_eq!(town.failed_runs(), 0);
}

/// A process that dies while the second POST is on its way has made both; the answer to either settles it.
fn a_crash_in_the_second_post_leaves_it_unknown_and_either_answer_is_taken(on: On) {
    for answered in [0, 1] {
        let mut town = Town::start(on);
        town.provider.next([Fate::AcceptedUnheard, Fate::AcceptedHeld]);
        town.send(0..3);
        while town.provider.posts().len() < 2 {
            town.pass(Duration::from_secs(1));
        }
        town.world.restart();
        town.pass(MINUTE);
        let posts = town.provider.accepted();
        town.call_back(&posts[answered].finished());
        town.pass(MINUTE);
        town.expect_jobs(&[("enriched", 3)]);
        assert_eq!(town.provider.posts().len(), 2);
    }
}

/// The second POST was not looked at, so that its people are free; before they are sent anew the first one turns out to
/// be out: they are left to it, until it says that it has not looked at them either.
fn a_sign_from_the_first_post_holds_back_whom_the_second_one_has_freed(on: On) {
    for status in ["FINISHED", "CANCELED"] {
        let town = Town::start(on);
        town.provider.next([Fate::AcceptedUnheard]);
        town.send(0..3);
        town.pass(WINDOW + 3 * MINUTE);
        let [first, second] = town.provider.accepted().try_into().unwrap();
        town.call_back(&second.body("CANCELED", |_| None));
        town.expect_jobs(&[("pending", 3)]);
        let event = first.body("IN_PROGRESS", |email| {
            email.starts_with("person0").then(|| person(email))
        });
        town.world.call_back("/contact", &event);
        town.pass(2 * WINDOW);
        town.expect_jobs(&[("enriched", 1), ("stale", 2)]);
        town.call_back(&first.body(status, |email| email.starts_with("person1").then(|| person(email))));
        town.pass(10 * MINUTE);
        assert_eq!(sent(&town, "person0@gmail.com"), 2, "{status}");
        assert_eq!(sent(&town, "person1@gmail.com"), 2, "{status}");
        let more = usize::from(status == "CANCELED");
        town.pass(HOUR);
        assert_eq!(sent(&town, "person2@gmail.com"), 2 + more, "{status}");
    }
}

/// Two batches leave, one after the other. Whoever sends the first dies before it is answered, and nobody takes its run
/// up; of the second the outcome is not known.
fn beside_a_silent_one(on: On) -> (Town, RunId, Post) {
    let mut town = Town::start(on);
    town.provider.next([Fate::AcceptedHeld, Fate::AcceptedUnheard]);
    town.world
        .import((0..100).map(|number| format!("person{number}@gmail.com")));
    while town.provider.posts().is_empty() {
        town.pass(Duration::from_secs(1));
    }
    let run = town.open_run();
    town.tell(async |engine| engine.pause(run, "the test").await);
    town.world.restart();
    town.send(100..103);
    let [silent, _unknown] = town.provider.accepted().try_into().unwrap();
    (town, run, silent)
}

/// A callback reveals the first one when the second is in doubt already: it left before it all the same.
fn what_is_revealed_later_is_waited_for_if_it_left_before(on: On) {
    let (town, run, silent) = beside_a_silent_one(on);
    let event = silent.body("IN_PROGRESS", |email| {
        email.starts_with("person0@").then(|| person(email))
    });
    town.world.call_back("/contact", &event);
    town.tell(async |engine| engine.resume(run, "the test").await);
    town.pass(3 * WINDOW);
    assert_eq!(town.provider.posts().len(), 2, "the one before it is being looked up");
    town.call_back(&silent.finished());
    town.pass(10 * MINUTE);
    assert_eq!(town.provider.posts().len(), 3);
}

/// Whoever takes the first one up knows no more: it is in doubt from then on, and was before the second one.
fn what_is_in_doubt_later_is_waited_for_if_it_left_before(on: On) {
    let (town, run, _) = beside_a_silent_one(on);
    town.pass(WINDOW - 10 * MINUTE);
    town.tell(async |engine| engine.resume(run, "the test").await);
    town.pass(WINDOW - 10 * MINUTE);
    assert_eq!(town.provider.posts().len(), 2, "there may be a sign of the first one");
    town.pass(20 * MINUTE);
    assert_eq!(town.provider.posts().len(), 4);
}

/// Nobody takes it up: it is not waited for longer than its sign would take.
fn what_stands_still_is_waited_for_until_its_sign_had_come(on: On) {
    let (town, ..) = beside_a_silent_one(on);
    town.pass(2 * WINDOW - 10 * MINUTE);
    assert_eq!(town.provider.posts().len(), 2);
    town.pass(20 * MINUTE);
    assert_eq!(town.provider.posts().len(), 3);
}

/// How often this person was sent.
fn sent(town: &Town, email: &str) -> usize {
    let posts = town.provider.accepted();
    posts
        .iter()
        .filter(|post| post.emails().contains(&email.to_owned()))
        .count()
}

/// Whoever waits in line does not overtake a batch that is to be sent once more.
fn a_second_post_is_not_overtaken(on: On) {
    let town = Town::with(on, |settings| settings.max_in_flight = 2);
    town.send(0..100);
    town.provider.next([Fate::AcceptedUnheard]);
    town.send(100..103);
    town.world
        .import((200..2_200).map(|number| format!("person{number}@gmail.com")));
    town.pass(WINDOW + 30 * MINUTE);
    town.call_back(&town.provider.accepted()[0].finished());
    let mut answered = 2;
    for _ in 0..3 {
        town.pass(5 * MINUTE + Duration::from_secs(17));
        for post in &town.provider.accepted()[answered..] {
            town.call_back(&post.finished());
            answered += 1;
        }
    }
    assert_eq!(sent(&town, "person100@gmail.com"), 2);
    assert_eq!(town.failed_runs(), 0);
}

/// Nor does it take the budget of each day before it.
fn a_second_post_is_not_short_of_budget_for_good(on: On) {
    let town = Town::with(on, |settings| {
        settings.budgets.per_day = Some(10);
        settings.sweep_every = 10 * MINUTE;
        settings.poll_every = 100 * WINDOW;
    });
    town.hush();
    town.provider.next([Fate::Lost]);
    town.send(0..10);
    town.world
        .import((100..200).map(|number| format!("person{number}@gmail.com")));
    for day in 0..2 {
        for _ in 0..12 {
            town.pass(WINDOW);
            for post in town.provider.accepted() {
                town.call_back(&post.finished());
            }
        }
        assert_eq!(town.provider.accepted().len(), day + 1);
    }
    assert_eq!(sent(&town, "person0@gmail.com"), 1, "the first time it was lost");
}

on_each_database![
    an_event_after_the_window_is_a_sign_as_well,
    an_answer_after_the_window_is_taken_and_nothing_sent_again,
    a_sign_before_the_second_post_has_left_holds_it_back,
    a_crash_in_the_second_post_leaves_it_unknown_and_either_answer_is_taken,
    a_sign_from_the_first_post_holds_back_whom_the_second_one_has_freed,
    what_is_revealed_later_is_waited_for_if_it_left_before,
    what_is_in_doubt_later_is_waited_for_if_it_left_before,
    what_stands_still_is_waited_for_until_its_sign_had_come,
    a_second_post_is_not_overtaken,
    a_second_post_is_not_short_of_budget_for_good,
];
