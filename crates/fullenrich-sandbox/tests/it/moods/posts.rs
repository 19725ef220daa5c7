//! Moods of the answer to a POST.

use axum::body::Body;
use lumina_fullenrich_sandbox::{Mood, Moods, PostAnswer, SandboxConfig};
use serde_json::Value;

use super::{moody, settings, with};
use crate::world::{BATCH_URL, BULK, CONTACT_URL, World, batch, config, secs, with_key};

const ONE: &[&str] = &["a@readers.example"];

#[test]
fn refused_and_reset_before_nothing_is_accepted() {
    for mood in [Mood::RefusedBefore, Mood::ResetBefore] {
        let mut world = moody([mood]);
        for _ in 0..5 {
            let answer = world.post(BULK, &batch(ONE));
            assert_eq!(answer.reset, mood == Mood::ResetBefore, "{answer:?}");
            assert!((500..=504).contains(&answer.status), "{answer:?}");
        }
        world.advance(secs(60));
        assert_eq!(world.totals().batch_count, 0);
        assert_eq!(world.occurred(mood), 5);
    }
}

#[test]
fn after_acceptance_the_answer_may_be_anything_and_the_batch_goes_on() {
    let rows = [
        (Mood::ErrorAfter, PostAnswer::Error),
        (Mood::ResetAfter, PostAnswer::Reset),
        (Mood::UnreadableAnswer, PostAnswer::Unreadable),
        (Mood::AnswerTrickled, PostAnswer::Ok),
    ];
    for (mood, told) in rows {
        let mut world = moody([mood]);
        let answer = world.post(BULK, &batch(ONE));
        match mood {
            Mood::ErrorAfter => assert!([500, 502, 504].contains(&answer.status) && !answer.reset, "{answer:?}"),
            Mood::ResetAfter => assert!(answer.reset),
            Mood::UnreadableAnswer => {
                assert_eq!((answer.status, answer.json["enrichment_id"].as_str()), (200, None));
            }
            _ => assert!(answer.json["enrichment_id"].is_string(), "{answer:?}"),
        }
        world.advance(secs(60));
        let line = world.batch_line(0);
        assert_eq!((line.answered, line.credits, line.called_back), (told, 1, true));
        assert_eq!(world.occurred(mood), 1);
        assert_eq!(line.reached_by.contains(&"answer"), told == PostAnswer::Ok);
    }
}

#[test]
fn a_trickled_answer_takes_its_time() {
    let mut world = moody([Mood::AnswerTrickled]);
    let before = world.now();
    world.start_for(ONE);
    let took = world.now().duration_since(before);
    assert_eq!(took.as_millis(), 800, "eight pieces with a pause before each");
}

#[test]
fn a_lost_answer_comes_only_when_all_is_let_go() {
    let mut world = moody([Mood::AnswerLost]);
    let lost = world.begin(with_key("POST", BULK, Body::from(batch(ONE).to_string())));
    world.advance(secs(24 * 60 * 60));
    assert!(lost.answer().is_none(), "it hangs");
    let line = world.batch_line(0);
    assert_eq!((line.answered, line.called_back), (PostAnswer::Lost, true));
    assert_eq!(line.reached_by, ["contact", "final"]);
    assert_eq!(
        world.send(with_key("DELETE", "/sandbox/moods", Body::empty())).status,
        200
    );
    let answer = lost.answer().unwrap();
    assert_eq!(answer.json["enrichment_id"], line.enrichment_id.to_string());
    assert_eq!(world.batch_line(0).answered, PostAnswer::Ok);
    world.start_for(ONE);
}

#[test]
fn a_client_that_vanishes_before_the_answer_has_bought_all_the_same() {
    let mut world = World::new(config().with_lookup_delay(secs(10)).with_answer_delay(secs(25)));
    let body = batch(ONE).to_string();
    world.call_and_vanish(with_key("POST", BULK, Body::from(body)));
    assert_eq!(world.totals().batch_count, 1);
    world.advance(secs(10));
    assert_eq!(world.account("a@readers.example"), (1, 1));
    let id = world.arrivals(CONTACT_URL)[0].json()["id"].as_str().unwrap().to_owned();
    assert_eq!(
        world.read(&id).json["status"],
        "FINISHED",
        "the callback alone tells the id"
    );
    assert_eq!(world.batch_line(0).answered, PostAnswer::Lost);
}

#[test]
fn a_post_is_accepted_before_its_delayed_answer() {
    let mut world = World::new(config().with_lookup_delay(secs(10)).with_answer_delay(secs(25)));
    let before = world.clock_second();
    world.start_for(ONE);
    assert_eq!(world.clock_second() - before, 25);
    assert_eq!(
        world.arrivals(BATCH_URL).len(),
        1,
        "its callback came before its answer"
    );
}

#[test]
fn the_next_so_many_posts_fail_after_they_were_accepted() {
    let mut world = with(Moods {
        next: [(Mood::ErrorAfter, 2)].into(),
        ..Moods::default()
    });
    let failed: Vec<bool> = ["a@readers.example", "b@readers.example", "c@readers.example"]
        .map(|email| world.post(BULK, &batch(&[email])).status != 200)
        .to_vec();
    assert_eq!(failed, [true, true, false]);
    world.advance(secs(10));
    assert_eq!(world.totals().charges, 3);
    assert_eq!(world.arrivals(BATCH_URL).len(), 3);
}

#[test]
fn the_final_callback_can_come_before_the_answer() {
    let mut world = World::new(SandboxConfig {
        moods: Moods::always([Mood::CallbackBeforeAnswer]),
        ..config()
    });
    let post = world.begin(with_key("POST", BULK, Body::from(batch(ONE).to_string())));
    let answer = post.answer().unwrap();
    let told = world.arrivals(BATCH_URL);
    assert_eq!(
        (told.len(), told[0].json()["id"].clone()),
        (1, answer.json["enrichment_id"].clone())
    );
    assert_eq!(told[0].json()["status"], "FINISHED");
    assert_eq!(world.occurred(Mood::CallbackBeforeAnswer), 1);
}

#[test]
fn a_callback_that_hangs_keeps_the_answer_back_only_so_long() {
    let mut world = moody([Mood::CallbackBeforeAnswer]);
    world.hang_callbacks();
    let post = world.begin(with_key("POST", BULK, Body::from(batch(ONE).to_string())));
    assert!(post.answer().is_none());
    world.advance(secs(10));
    assert_eq!(post.answer().unwrap().status, 200);
}

#[test]
fn an_address_can_be_made_unwelcome() {
    let mut world = with(Moods {
        refused_addresses: ["bad@readers.example".to_owned()].into(),
        invalid_addresses: true,
        ..Moods::default()
    });
    for bad in [
        "Bad@readers.example",
        "invalid-7@readers.example",
        "INVALID-@readers.example",
    ] {
        let answer = world.post(BULK, &batch(&["good@readers.example", bad]));
        assert_eq!(
            (answer.status, answer.json["code"].as_str()),
            (400, Some("error.reverse.email.invalid"))
        );
    }
    world.start_for(&["good@readers.example"]);
    world.start_for(&["in@readers.example"]);
    assert_eq!(world.occurred(Mood::InvalidAddresses), 3);
    let mut indifferent = World::new(settings(Moods::default()));
    indifferent.start_for(&["invalid-7@readers.example"]);
    assert_eq!(indifferent.post(BULK, &Value::Null).status, 400);
}
