//! Moods of a batch: when and how it calls back, and how it ends.

use lumina_fullenrich_sandbox::{BatchStatus, Mood, Moods, Sent};

use super::{moody, settings, with};
use crate::world::{BATCH_URL, CONTACT_URL, World, crowd, refs, secs};

fn ten() -> Vec<String> {
    crowd("r", 10)
}

#[test]
fn a_silent_batch_never_calls_back() {
    for (mood, finals, events) in [(Mood::CallbackNever, 0, 10), (Mood::EventsNever, 1, 0)] {
        let mut world = moody([mood]);
        let id = world.start_for(&refs(&ten()));
        world.advance(secs(3600));
        let told = (world.arrivals(BATCH_URL).len(), world.arrivals(CONTACT_URL).len());
        assert_eq!(told, (finals, events), "{mood}");
        assert_eq!(world.read(&id).json["status"], "FINISHED");
        assert_eq!(world.occurred(mood), 1);
    }
}

#[test]
fn delivered_callbacks_come_again() {
    let mut world = with(Moods {
        callback_copies: 2,
        ..Moods::always([Mood::CallbackDoubled])
    });
    world.start_for(&["a@readers.example"]);
    world.advance(secs(3600));
    for url in [BATCH_URL, CONTACT_URL] {
        let arrived = world.arrivals(url);
        assert_eq!(arrived.len(), 3);
        assert!(arrived.iter().all(|arrival| arrival.body == arrived[0].body));
    }
    assert_eq!(world.totals().callbacks.delivered, 2);
    assert_eq!(world.sandbox().report().deliveries.len(), 6);
    assert_eq!(world.occurred(Mood::CallbackDoubled), 1);
}

#[test]
fn a_delayed_callback_is_let_go_with_the_rest() {
    let mut world = moody([Mood::CallbackDelayed]);
    world.start_for(&["a@readers.example"]);
    world.start_for(&["b@readers.example"]);
    world.advance(secs(10 + 59));
    assert_eq!(world.arrivals(BATCH_URL).len(), 0, "a tenth of ten minutes at least");
    world.advance(secs(600));
    assert_eq!(world.arrivals(BATCH_URL).len(), 2);
    world.start_for(&["c@readers.example"]);
    world.advance(secs(11));
    assert_eq!(world.arrivals(BATCH_URL).len(), 2);
    world.send(crate::world::with_key(
        "DELETE",
        "/sandbox/moods",
        axum::body::Body::empty(),
    ));
    world.advance(secs(1));
    assert_eq!(world.arrivals(BATCH_URL).len(), 3);
}

#[test]
fn events_can_come_after_the_final_callback() {
    let mut world = moody([Mood::CallbacksOutOfOrder]);
    world.answer_callbacks(|n| Some(if n < 3 { 503 } else { 200 }));
    world.start_for(&refs(&ten()));
    world.advance(secs(60));
    assert_eq!(
        world.arrivals(CONTACT_URL).len(),
        0,
        "the final one is not delivered yet"
    );
    world.advance(secs(3600));
    let last = world.arrivals(BATCH_URL).last().unwrap().at;
    let events = world.arrivals(CONTACT_URL);
    assert_eq!(events.len(), 10);
    assert!(events.iter().all(|event| event.at >= last));
    let kinds: Vec<Sent> = world
        .sandbox()
        .report()
        .deliveries
        .iter()
        .map(|line| line.kind)
        .collect();
    assert_eq!((kinds[0], kinds.len()), (Sent::Final, 11));
    assert_eq!(world.occurred(Mood::CallbacksOutOfOrder), 1);
}

#[test]
fn before_the_genuine_callback_come_others() {
    for (mood, sent) in [
        (Mood::CallbackUnsigned, Sent::Unsigned),
        (Mood::CallbackForged, Sent::Forged),
        (Mood::StatusUnknown, Sent::Interim),
    ] {
        let mut world = moody([mood]);
        let id = world.start_for(&["a@readers.example"]);
        world.advance(secs(10));
        let arrived = world.arrivals_of_any_kind(BATCH_URL);
        assert_eq!(arrived.len(), 2, "{mood}");
        assert_eq!(arrived[0].is_genuine(), sent == Sent::Interim);
        assert_eq!(arrived[0].signature.is_none(), sent == Sent::Unsigned);
        assert_eq!(arrived[0].json()["id"], id);
        let body = arrived[0].json();
        if sent == Sent::Interim {
            assert!(["UNKNOWN", "RATE_LIMIT"].contains(&body["status"].as_str().unwrap()));
        } else {
            assert_eq!(body["data"][0]["profile"]["full_name"], "Forged");
        }
        assert!(arrived[1].is_genuine());
        assert_eq!(arrived[1].body, world.read(&id).bytes);
        let kinds: Vec<Sent> = world
            .sandbox()
            .report()
            .deliveries
            .iter()
            .map(|line| line.kind)
            .collect();
        assert!(kinds.contains(&sent), "{kinds:?}");
        assert_eq!(world.occurred(mood), 1);
    }
}

#[test]
fn a_running_batch_may_have_a_status_of_no_known_meaning() {
    let mut world = moody([Mood::StatusUnknown]);
    let id = world.start_for(&["a@readers.example"]);
    let status = world.read(&id).json["status"].clone();
    assert!(status == "UNKNOWN" || status == "RATE_LIMIT", "{status}");
    world.advance(secs(10));
    assert_eq!(world.read(&id).json["status"], "FINISHED");
}

#[test]
fn a_stopped_batch_charges_for_what_was_looked_up() {
    for (mood, status) in [
        (Mood::InsufficientMidway, "CREDITS_INSUFFICIENT"),
        (Mood::Canceled, "CANCELED"),
    ] {
        let mut forms = Vec::new();
        for seed in 0..8 {
            let mut settings = settings(Moods::always([mood]));
            settings.seed = seed;
            let mut world = World::new(settings);
            let id = world.start_for(&refs(&ten()));
            world.advance(secs(60));
            let answer = world.read(&id);
            assert_eq!(answer.json["status"], status);
            let data = answer.json["data"].as_array().unwrap().clone();
            let found = data.iter().filter(|record| record["profile"].is_object()).count() as u64;
            assert!((1..10).contains(&found), "{found}");
            assert_eq!(answer.json["cost"]["credits"], found);
            assert_eq!((world.totals().charges, world.totals().lookups), (found, found));
            assert_eq!(world.arrivals(BATCH_URL)[0].body, answer.bytes);
            assert_eq!(world.occurred(mood), 1);
            forms.push((answer.status, data.len() == 10));
        }
        let has = |status| forms.iter().any(|(form, _)| *form == status);
        assert_eq!(
            (has(200), has(402)),
            (true, mood == Mood::InsufficientMidway),
            "{forms:?}"
        );
        assert!(forms.iter().any(|(_, blanks)| *blanks) && forms.iter().any(|(_, blanks)| !blanks));
    }
}

#[test]
fn what_a_stopped_batch_did_not_look_at_is_not_free_later() {
    let mut world = with(Moods {
        next: [(Mood::Canceled, 1)].into(),
        ..Moods::default()
    });
    world.start_for(&refs(&ten()));
    world.advance(secs(60));
    let first = world.totals().charges;
    world.start_for(&refs(&ten()));
    world.advance(secs(60));
    let totals = world.totals();
    assert_eq!((totals.charges, totals.free_repeats), (10, first));
    assert_eq!(world.batch_line(1).status, BatchStatus::Finished);
}

#[test]
fn bodies_may_come_in_pieces() {
    let mut world = moody([Mood::BodiesTrickled]);
    let id = world.start_for(&["a@readers.example"]);
    world.advance(secs(10));
    assert_eq!(world.arrivals(BATCH_URL)[0].trickle.unwrap().pieces, 8);
    assert_eq!(world.arrivals(CONTACT_URL)[0].trickle, None);
    let before = world.now();
    let answer = world.read(&id);
    assert_eq!(answer.bytes, world.arrivals(BATCH_URL)[0].body);
    assert_eq!(world.now().duration_since(before).as_millis(), 800);
    assert_eq!(world.occurred(Mood::BodiesTrickled), 1);
}
