//! What the provider refuses.

use std::time::Duration;

use lumina::records::Channel;
use lumina_enrichment::email::EmailAddress;
use lumina_enrichment::subscriber::NewSubscriber;
use serde_json::json;

use super::provider::Post;
use super::{Fate, MINUTE, Town};
use crate::pipeline::world::{On, on_each_database};

/// One bad address refuses its whole batch: it is isolated and fails with the provider's reason, the rest is sent.
fn one_bad_address_fails_alone(on: On) {
    let town = Town::start(on);
    town.provider.refuse("person37@gmail.com");
    town.send(0..100);
    town.pass(5 * MINUTE);
    for _ in 0..20 {
        for post in town.provider.accepted() {
            town.call_back(&post.finished());
        }
        town.pass(5 * MINUTE);
    }
    town.expect_jobs(&[("enriched", 99), ("failed", 1)]);
    let failed: String = town.world.value(
        "SELECT s.email || ': ' || j.reason FROM lumina.enrichment_job j JOIN lumina.subscriber s ON s.id = j.subscriber WHERE j.status = 'failed'",
    );
    assert!(
        failed.starts_with("person37@gmail.com: ") && failed.contains("One of the emails is not valid"),
        "{failed}"
    );
    let mut sent: Vec<String> = town.provider.accepted().iter().flat_map(Post::emails).collect();
    sent.sort();
    sent.dedup();
    assert_eq!(sent.len(), 99);
    assert_eq!(
        town.provider
            .accepted()
            .iter()
            .map(|post| post.emails().len())
            .sum::<usize>(),
        99,
        "nobody twice"
    );
    assert_eq!(town.failed_runs(), 0);
}

/// When the first time it was sent its outcome was unknown, the refusal of the second tells of the first as well.
fn a_bad_address_fails_alone_although_the_first_outcome_was_unknown(on: On) {
    let town = Town::start(on);
    town.provider.next([Fate::Lost]);
    town.send(0..5);
    town.provider.refuse("person3@gmail.com");
    town.pass(Duration::from_secs(2 * 3_600) + 5 * MINUTE);
    assert!(town.provider.posts().len() >= 2);
    for _ in 0..6 {
        for post in town.provider.accepted() {
            town.call_back(&post.finished());
        }
        town.pass(5 * MINUTE);
    }
    town.expect_jobs(&[("enriched", 4), ("failed", 1)]);
    assert_eq!(
        town.outcomes().iter().filter(|outcome| *outcome == "unknown").count(),
        0
    );
    assert_eq!(town.failed_runs(), 0);
}

/// What is refused and concerns no single address pauses, fails nothing, and goes on when it is put right.
fn a_bad_key_pauses_and_fails_nothing(on: On) {
    let town = Town::start(on);
    town.provider.set_key(false);
    town.send(0..3);
    town.expect_jobs(&[("pending", 3)]);
    assert!(
        town.pauses()[0].contains("The API key is not valid"),
        "{:?}",
        town.pauses()
    );
    town.pass(60 * MINUTE);
    town.expect_jobs(&[("pending", 3)]);
    assert_eq!((town.provider.posts().len(), town.failed_runs()), (0, 0));
    town.provider.set_key(true);
    town.pass(35 * MINUTE);
    town.call_back(&town.provider.accepted()[0].finished());
    town.expect_jobs(&[("enriched", 3)]);
    assert!(town.pauses().is_empty());
}

/// The POST itself is refused: for its URL, its name, or a key that was revoked a moment ago.
fn a_refused_post_pauses_and_fails_nothing(on: On) {
    let rows = [
        (400, "error.enrichment.webhook_url"),
        (400, "error.enrichment.name.empty"),
        (401, "error.api.key"),
        (403, "error.something"),
    ];
    for (status, code) in rows {
        let town = Town::start(on);
        town.provider
            .next([Fate::Answered(status, json!({"code": code, "message": "it is so"}))]);
        town.send(0..3);
        town.expect_jobs(&[("pending", 3)]);
        assert!(town.pauses()[0].contains(code), "{:?}", town.pauses());
        assert_eq!((town.outcomes(), town.failed_runs()), (vec!["refused".to_owned()], 0));
        town.pass(20 * MINUTE);
        town.call_back(&town.provider.accepted()[0].finished());
        town.expect_jobs(&[("enriched", 3)]);
    }
}

/// A key that is revoked while a batch is out: its results are waited for, also beyond the deadline.
fn a_bad_key_gives_up_nothing_that_is_out(on: On) {
    let town = Town::with(on, |settings| settings.sweep_every = 10 * MINUTE);
    town.send(0..3);
    town.provider.set_key(false);
    town.pass(Duration::from_secs(26 * 3_600));
    town.expect_jobs(&[("submitted", 3)]);
    assert_eq!((town.pauses().len(), town.failed_runs()), (1, 0));
    let post = town.provider.accepted()[0].clone();
    town.provider.set_key(true);
    town.provider.set_result(post.id(), 200, post.finished());
    town.pass(35 * MINUTE);
    town.expect_jobs(&[("enriched", 3)]);
    assert_eq!(town.failed_runs(), 0);
}

/// A key that is refused when a batch of unknown outcome is sent again: its jobs wait.
fn a_refused_second_post_gives_up_nothing(on: On) {
    let town = Town::start(on);
    let refused = Fate::Answered(401, json!({"code": "error.api.key", "message": "it is so"}));
    town.provider.next([Fate::Lost, refused]);
    town.send(0..3);
    town.pass(Duration::from_secs(2 * 3_600) + 3 * MINUTE);
    assert_eq!(town.provider.posts().len(), 2);
    town.expect_jobs(&[("submitted", 3)]);
    town.pass(35 * MINUTE);
    town.call_back(&town.provider.accepted()[0].finished());
    town.expect_jobs(&[("enriched", 3)]);
    assert_eq!(town.failed_runs(), 0);
}

/// However long the provider is down when a batch of unknown outcome is to be sent again, nobody is given up.
fn a_second_post_waits_until_the_provider_is_there(on: On) {
    let town = Town::start(on);
    let down = std::iter::repeat_n(Fate::Answered(503, json!({})), 50);
    town.provider.next(std::iter::once(Fate::Lost).chain(down));
    town.send(0..3);
    town.pass(Duration::from_secs(2 * 3_600) + 30 * MINUTE);
    town.expect_jobs(&[("submitted", 3)]);
    town.pass(30 * MINUTE);
    town.call_back(&town.provider.accepted()[0].finished());
    town.expect_jobs(&[("enriched", 3)]);
    assert_eq!(town.failed_runs(), 0);
}

/// 429 and 503 are known not to be accepted: sent again, by the same run, with nothing unknown about it.
fn what_is_known_not_to_be_accepted_is_sent_again(on: On) {
    let town = Town::start(on);
    let answers = [429, 503, 429, 503, 429].map(|status| Fate::Answered(status, json!({})));
    town.provider.next(answers);
    town.send(0..3);
    town.pass(10 * MINUTE);
    assert_eq!(town.provider.accepted().len(), 1);
    town.call_back(&town.provider.accepted()[0].finished());
    town.expect_jobs(&[("enriched", 3)]);
    assert_eq!(town.outcomes(), ["finished"]);
}

/// Who has just signed up goes before a file, also when their batch was refused for somebody else's address.
fn what_is_left_of_a_refused_batch_keeps_its_turn(on: On) {
    let town = Town::with(on, |settings| settings.max_in_flight = 1);
    town.provider.refuse("new1@gmail.com");
    town.world
        .import((0..500).map(|number| format!("person{number}@gmail.com")));
    town.pass(MINUTE);
    let app = town.world.app();
    for number in 0..4 {
        let email = EmailAddress::parse(&format!("new{number}@gmail.com")).unwrap();
        let row = NewSubscriber::new(email, "test", &app.classifier);
        let taken = lumina::ingest::ingest(app, vec![row], 1, Channel::Webhook, None);
        town.world.run(taken).unwrap();
    }
    town.pass(MINUTE);
    let mut answered = 0;
    let mut sent = Vec::new();
    for _ in 0..6 {
        let posts = town.provider.accepted();
        sent.extend(posts[answered..].iter().map(|post| post.emails()[0].clone()));
        posts[answered..]
            .iter()
            .for_each(|post| drop(town.call_back(&post.finished())));
        answered = posts.len();
        town.pass(2 * MINUTE);
    }
    let is_new = |email: &String| email.starts_with("new");
    assert!(sent.iter().skip(1).take(2).all(is_new), "{sent:?}");
}

on_each_database![
    one_bad_address_fails_alone,
    a_bad_address_fails_alone_although_the_first_outcome_was_unknown,
    a_bad_key_pauses_and_fails_nothing,
    a_refused_post_pauses_and_fails_nothing,
    a_bad_key_gives_up_nothing_that_is_out,
    a_refused_second_post_gives_up_nothing,
    a_second_post_waits_until_the_provider_is_there,
    what_is_known_not_to_be_accepted_is_sent_again,
    what_is_left_of_a_refused_batch_keeps_its_turn,
];
