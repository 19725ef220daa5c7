//! Answers that are partial, bad, early, doubled or strange.

use serde_json::{Value, json};

use super::provider::person;
use super::{Fate, MINUTE, Town};
use crate::pipeline::world::{On, on_each_database};

fn only<'a>(names: &'a [&str]) -> impl Fn(&str) -> Option<Value> + 'a {
    move |email| names.iter().any(|name| email.starts_with(name)).then(|| person(email))
}

/// Absent, null and empty profiles are all nobody; a record that is missing is no answer.
fn nobody_and_no_record_are_different(on: On) {
    let town = Town::start(on);
    town.send(0..5);
    let mut body = town.provider.accepted()[0].body("FINISHED", |email| match &email[..7] {
        "person0" => Some(person(email)),
        "person1" => Some(Value::Null),
        "person2" => Some(json!({})),
        "person3" => Some(json!("absent")),
        _ => None,
    });
    let data = body["data"].as_array_mut().unwrap();
    for record in data.iter_mut().filter(|record| record["profile"] == "absent") {
        record.as_object_mut().unwrap().remove("profile");
    }
    town.call_back(&body);
    town.expect_jobs(&[("enriched", 1), ("not_found", 3), ("stale", 1)]);
    let reason: String = town
        .world
        .value("SELECT reason FROM lumina.enrichment_job WHERE status = 'stale'");
    assert_eq!(reason, "the provider's final answer does not name it");
    town.pass(30 * MINUTE);
    assert_eq!(
        town.provider.posts().len(),
        1,
        "what was not answered is not bought again by itself"
    );
}

/// The order of records, unknown ones among them, doubled ones, and ones that lost their tags.
fn records_are_matched_by_tag_and_then_by_address(on: On) {
    let town = Town::start(on);
    town.send(0..4);
    let mut body = town.provider.accepted()[0].finished();
    let stranger = json!({"input": {"email": "stranger@gmail.com"}, "profile": person("stranger@gmail.com")});
    let data = body["data"].as_array_mut().unwrap();
    data.reverse();
    for (record, email) in data.iter_mut().zip(["PERSON3@Gmail.com", "", "", ""]) {
        if !email.is_empty() {
            *record = json!({"input": {"email": email}, "profile": person("person3@gmail.com")});
        }
    }
    let mut nobody = data[1].clone();
    nobody["profile"] = Value::Null;
    data.extend([stranger, nobody, json!(null), json!(7), json!({"profile": {}})]);
    town.call_back(&body);
    town.expect_jobs(&[("enriched", 4)]);
    let names: String = town.world.value(
        "SELECT string_agg(full_name, ',') FROM (SELECT l.full_name FROM lumina.lead l JOIN lumina.subscriber s ON s.id = l.subscriber
         WHERE s.email = l.full_name || '@gmail.com' ORDER BY 1) AS found",
    );
    assert_eq!(names, "person0,person1,person2,person3");
}

/// Found ones are applied, whoever was not looked at is sent again when credits are there, and is not charged twice.
fn short_of_credits_the_rest_is_looked_up_later(on: On) {
    for (status, by_get) in [
        ("CREDITS_INSUFFICIENT", false),
        ("CREDITS_INSUFFICIENT", true),
        ("CANCELED", false),
    ] {
        let town = Town::start(on);
        town.send(0..4);
        let post = town.provider.accepted()[0].clone();
        let body = post.body(status, only(&["person0", "person1"]));
        if by_get {
            town.provider.set_result(post.id(), 402, body);
            town.pass(10 * MINUTE);
        } else {
            town.call_back(&body);
        }
        town.expect_jobs(&[("enriched", 2), ("pending", 2)]);
        assert_eq!(town.pauses().len(), 1, "{status}");
        town.pass(14 * MINUTE);
        assert_eq!(
            town.provider.posts().len(),
            1,
            "nothing is bought while it is not known that it can be paid"
        );
        town.pass(6 * MINUTE);
        let posts = town.provider.accepted();
        assert_eq!(
            posts[1].emails(),
            ["person2@gmail.com", "person3@gmail.com"],
            "{status}"
        );
        town.call_back(&posts[1].finished());
        town.expect_jobs(&[("enriched", 4)]);
        assert!(town.pauses().is_empty());
    }
}

/// The same answer in other bytes, told again after the rest was sent anew, frees nothing that is out.
fn an_old_answer_told_again_frees_nothing_that_is_out(on: On) {
    let town = Town::start(on);
    town.send(0..4);
    let mut body = town.provider.accepted()[0].body("CREDITS_INSUFFICIENT", only(&["person0"]));
    town.call_back(&body);
    town.pass(20 * MINUTE);
    assert_eq!(town.provider.accepted().len(), 2);
    town.expect_jobs(&[("enriched", 1), ("submitted", 3)]);
    body["name"] = json!("told again");
    assert_eq!(town.call_back(&body), "late");
    town.expect_jobs(&[("enriched", 1), ("submitted", 3)]);
    town.pass(20 * MINUTE);
    assert_eq!(town.provider.posts().len(), 2);
}

/// A status that is no end, or none at all, is kept; the answer is waited for.
fn a_status_that_nobody_knows_is_no_end(on: On) {
    for status in [
        json!("UNKNOWN"),
        json!("RATE_LIMIT"),
        json!("SOMETHING_NEW"),
        json!(null),
        json!(7),
    ] {
        let town = Town::start(on);
        town.send(0..3);
        let post = town.provider.accepted()[0].clone();
        let mut body = post.body("FINISHED", only(&["person0"]));
        body["status"] = status.clone();
        assert_eq!(town.call_back(&body), "kept", "{status}");
        town.expect_jobs(&[("submitted", 3)]);
        assert_eq!(town.call_back(&post.finished()), "routed");
        town.expect_jobs(&[("enriched", 3)]);
    }
}

/// A callback that is there before the POST's own answer, told twice, with events after it.
fn early_doubled_and_out_of_order_callbacks_are_taken_once(on: On) {
    let town = Town::start(on);
    town.provider.next([Fate::AcceptedUnheard]);
    town.send(0..3);
    let post = town.provider.accepted()[0].clone();
    assert_eq!(town.call_back(&post.finished()), "routed");
    assert_eq!(town.call_back(&post.finished()), "duplicate");
    let event = post.body("IN_PROGRESS", only(&["person1"]));
    assert_eq!(town.world.call_back("/contact", &event)["status"], "kept");
    town.expect_jobs(&[("enriched", 3)]);
    assert_eq!(town.leads(), 3);
    let runs: u64 = town
        .world
        .count("SELECT count(*) FROM lumina.workflow_run WHERE workflow = 'late-answer'");
    assert_eq!(runs, 0, "nothing was applied twice");
}

/// Of two answers to one lookup the poorer takes nothing from the richer, in either order.
fn two_answers_fill_each_others_gaps(on: On) {
    let rich = json!({"full_name": "Sarah Dev", "first_name": "Sarah", "last_name": "Dev",
        "employment": {"current": {"title": "VP Engineering", "is_current": true, "company": {"name": "Acme"}}}});
    let poor = json!({"last_name": "Dev",
        "social_profiles": {"professional_network": {"url": "https://www.linkedin.com/in/sarah"}}});
    for answers in [[&rich, &poor], [&poor, &rich]] {
        let town = Town::start(on);
        town.send(0..1);
        let post = town.provider.accepted()[0].clone();
        for profile in answers {
            town.call_back(&post.body("FINISHED", |_| Some(profile.clone())));
        }
        let lead: String = town.world.value(
            "SELECT full_name || ', ' || title || ', ' || company_name || ', ' || linkedin_url FROM lumina.lead WHERE icp_score > 0",
        );
        assert_eq!(
            lead,
            "Sarah Dev, VP Engineering, Acme, https://www.linkedin.com/in/sarah"
        );
    }
}

/// A finding is never undone by a later answer that knows nobody.
fn nobody_never_overwrites_somebody(on: On) {
    let town = Town::start(on);
    town.send(0..1);
    let post = town.provider.accepted()[0].clone();
    town.call_back(&post.finished());
    let nobody = post.body("FINISHED", |_| Some(Value::Null));
    assert_eq!(town.call_back(&nobody), "late");
    town.expect_jobs(&[("enriched", 1)]);
    assert_eq!(town.leads(), 1);
}

/// A result that is read by its id need not repeat it.
fn a_result_need_not_repeat_what_was_asked_for(on: On) {
    let town = Town::start(on);
    town.send(0..3);
    let post = town.provider.accepted()[0].clone();
    let mut body = post.finished();
    body["id"] = Value::Null;
    town.provider.set_result(post.id(), 200, body);
    town.pass(15 * MINUTE);
    town.expect_jobs(&[("enriched", 3)]);
}

/// Nor need it name its status when it comes with 402.
fn what_comes_with_402_is_the_end_although_it_does_not_say_so(on: On) {
    let town = Town::start(on);
    town.send(0..3);
    let post = town.provider.accepted()[0].clone();
    let mut body = post.body("-", |email| email.starts_with("person0").then(|| person(email)));
    body["status"] = Value::Null;
    town.provider.set_result(post.id(), 402, body);
    town.pass(12 * MINUTE);
    town.expect_jobs(&[("enriched", 1), ("pending", 2)]);
    assert_eq!(town.outcomes(), ["credits_insufficient"]);
}

/// A batch of one: its event and its end may have the same bytes.
fn an_event_in_the_same_bytes_as_the_end_is_not_the_end(on: On) {
    let town = Town::start(on);
    town.send(0..1);
    let post = town.provider.accepted()[0].clone();
    let body = post.body("FINISHED", |_| Some(Value::Null));
    assert_eq!(town.world.call_back("/contact", &body)["status"], "kept");
    town.call_back(&body);
    town.expect_jobs(&[("not_found", 1)]);
}

/// A final answer that names nobody comes before anything has told whose it is.
fn an_answer_that_names_nobody_is_taken_when_it_is_known_whose_it_is(on: On) {
    let town = Town::start(on);
    town.provider.next([Fate::AcceptedUnheard]);
    town.send(0..3);
    let post = town.provider.accepted()[0].clone();
    let mut nameless = post.finished();
    nameless["name"] = Value::Null;
    for record in nameless["data"].as_array_mut().unwrap() {
        record.as_object_mut().unwrap().remove("custom");
    }
    let event = post.body("IN_PROGRESS", |email| {
        email.starts_with("person0").then(|| person(email))
    });
    assert_eq!(town.call_back(&nameless), "unrouted");
    town.world.call_back("/contact", &event);
    town.provider.set_result(post.id(), 200, nameless);
    town.pass(60 * MINUTE);
    town.expect_jobs(&[("enriched", 3)]);
    assert_eq!(town.outcomes(), ["finished"]);
}

on_each_database![
    nobody_and_no_record_are_different,
    records_are_matched_by_tag_and_then_by_address,
    short_of_credits_the_rest_is_looked_up_later,
    an_old_answer_told_again_frees_nothing_that_is_out,
    a_status_that_nobody_knows_is_no_end,
    early_doubled_and_out_of_order_callbacks_are_taken_once,
    two_answers_fill_each_others_gaps,
    nobody_never_overwrites_somebody,
    a_result_need_not_repeat_what_was_asked_for,
    what_comes_with_402_is_the_end_although_it_does_not_say_so,
    an_event_in_the_same_bytes_as_the_end_is_not_the_end,
    an_answer_that_names_nobody_is_taken_when_it_is_known_whose_it_is,
];
