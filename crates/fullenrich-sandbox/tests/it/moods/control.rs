//! The sandbox's own calls: moods and holds, and what they survive.

use axum::body::Body;
use lumina_fullenrich_sandbox::{Mood, Moods, PostAnswer, SandboxConfig};
use serde_json::{Value, json};

use super::{moody, settings, with};
use crate::world::{Answer, Arrival, BATCH_URL, BULK, CONTACT_URL, World, batch, crowd, refs, secs, with_key};

fn call(world: &mut World, method: &str, path: &str, body: &Value) -> Answer {
    world.send(with_key(method, path, Body::from(body.to_string())))
}

fn post_of(email: &str) -> http::Request<Body> {
    with_key("POST", BULK, Body::from(batch(&[email]).to_string()))
}

#[test]
fn moods_are_shown_changed_and_ended_without_a_key() {
    let mut world = with(Moods::default());
    let page = |world: &mut World, method: &str, body: &Value| {
        let request = http::Request::builder().method(method).uri("/sandbox/moods");
        world.send(request.body(Body::from(body.to_string())).unwrap())
    };
    let all = page(&mut world, "GET", &Value::Null).json;
    for mood in Mood::ALL {
        let off = if mood == Mood::InvalidAddresses {
            json!(false)
        } else {
            json!(0.0)
        };
        assert_eq!(
            (&all["settings"][mood.name()], &all["occurred"][mood.name()]),
            (&off, &json!(0))
        );
    }
    let changed = page(
        &mut world,
        "PUT",
        &json!({"error_after": 100, "callback_delay": "3s", "invalid_addresses": true}),
    );
    assert_eq!(changed.json["settings"]["error_after"], 100.0);
    let changed = page(&mut world, "PUT", &json!({"canceled": 0.5}));
    let settings = &changed.json["settings"];
    assert_eq!(
        (&settings["error_after"], &settings["canceled"]),
        (&json!(100.0), &json!(0.5))
    );
    assert_eq!(
        (&settings["callback_delay"], &settings["invalid_addresses"]),
        (&json!("3s"), &json!(true))
    );
    assert!(world.post(BULK, &batch(&["a@readers.example"])).status >= 500);
    for wrong in [
        json!({"error_afther": 1}),
        json!({"error_after": 101}),
        json!({"next": {"invalid_addresses": 1}}),
        json!([1]),
    ] {
        let refused = page(&mut world, "PUT", &wrong);
        assert_eq!(
            (refused.status, refused.json["code"].as_str()),
            (400, Some("error.request.body")),
            "{wrong}"
        );
    }
    let ended = page(&mut world, "DELETE", &Value::Null).json;
    assert_eq!(
        (&ended["settings"]["error_after"], &ended["settings"]["callback_delay"]),
        (&json!(0.0), &json!("3s"))
    );
    assert_eq!(
        (
            &ended["settings"]["invalid_addresses"],
            &ended["occurred"]["error_after"]
        ),
        (&json!(false), &json!(1))
    );
    world.start_for(&["invalid-1@readers.example"]);
}

#[test]
fn the_next_chance_is_taken_once() {
    let mut world = with(Moods::default());
    call(
        &mut world,
        "PUT",
        "/sandbox/moods",
        &json!({"next": {"reset_after": 1, "callback_never": 1}}),
    );
    assert!(world.post(BULK, &batch(&["a@readers.example"])).reset);
    world.start_for(&["b@readers.example"]);
    world.advance(secs(60));
    assert_eq!(world.arrivals(BATCH_URL).len(), 1);
}

#[test]
fn a_batch_under_way_is_finished_cleanly() {
    let mut world = moody(Mood::ALL.into_iter().filter(|mood| {
        ![
            Mood::RateLimitedBurst,
            Mood::ServerErrorBurst,
            Mood::RefusedBefore,
            Mood::ResetBefore,
        ]
        .contains(mood)
    }));
    world.post(BULK, &batch(&refs(&crowd("r", 10))));
    world.advance(secs(5));
    call(&mut world, "DELETE", "/sandbox/moods", &Value::Null);
    world.advance(secs(5));
    let arrived = world.arrivals(BATCH_URL);
    assert_eq!(
        arrived.len(),
        1,
        "though it was to be silent, stopped, doubled and forged"
    );
    assert_eq!(
        (
            &arrived[0].json()["status"],
            arrived[0].json()["data"].as_array().unwrap().len()
        ),
        (&json!("FINISHED"), 10)
    );
}

#[test]
fn a_post_is_held_before_or_after_acceptance() {
    for (at, accepted) in [("before", 0), ("accepted", 1)] {
        let mut world = with(Moods::always([Mood::ErrorAfter]));
        let nobody = call(&mut world, "GET", "/sandbox/holds?wait=2000", &Value::Null);
        assert_eq!(nobody.json, json!({"held": null}));
        assert_eq!(
            call(&mut world, "POST", "/sandbox/holds", &json!({"at": at})).status,
            204
        );
        let waiting = world.begin(with_key("GET", "/sandbox/holds?wait=60000", Body::empty()));
        world.advance(secs(1));
        let post = world.begin(post_of("a@readers.example"));
        assert_eq!(world.totals().batch_count, accepted);
        let held = waiting.answer().unwrap().json["held"].clone();
        assert_eq!(
            (held["name"].as_str(), held["enrichmentId"].is_string()),
            (Some("a batch"), accepted == 1)
        );
        world.advance(secs(3600));
        assert!(post.answer().is_none());
        assert_eq!(call(&mut world, "DELETE", "/sandbox/holds", &Value::Null).status, 204);
        let answer = post.answer().unwrap();
        assert_eq!(answer.status, 200, "a POST that was held has no mood of its own");
        assert_eq!(world.totals().batch_count, 1);
        let free = call(&mut world, "GET", "/sandbox/holds", &Value::Null);
        assert_eq!(free.json, json!({"held": null}));
        assert_ne!(
            world.post(BULK, &batch(&["b@readers.example"])).status,
            200,
            "one hold holds one POST"
        );
    }
}

#[test]
fn a_caller_that_goes_away_ends_its_hold() {
    for (at, accepted) in [("before", 0), ("accepted", 1)] {
        let mut world = with(Moods::default());
        call(&mut world, "POST", "/sandbox/holds", &json!({"at": at}));
        world.call_and_vanish(post_of("a@readers.example"));
        let held = call(&mut world, "GET", "/sandbox/holds", &Value::Null);
        assert_eq!(held.json, json!({"held": null}));
        world.advance(secs(60));
        assert_eq!(world.totals().batch_count, accepted);
        if accepted == 1 {
            let line = world.batch_line(0);
            assert_eq!(
                (line.answered, line.reached_by),
                (PostAnswer::Lost, vec!["contact", "final"])
            );
        }
        world.start_for(&["b@readers.example"]);
    }
}

#[test]
fn a_hold_that_says_not_where_is_none() {
    let mut world = with(Moods::default());
    for wrong in [json!({"at": "after"}), json!({})] {
        assert_eq!(call(&mut world, "POST", "/sandbox/holds", &wrong).status, 400);
    }
    call(&mut world, "POST", "/sandbox/holds", &json!({"at": "before"}));
    call(&mut world, "DELETE", "/sandbox/holds", &Value::Null);
    world.start_for(&["a@readers.example"]);
}

#[test]
fn moods_and_their_counts_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let moods = [
        Mood::CallbackDelayed,
        Mood::CallbackForged,
        Mood::CallbacksOutOfOrder,
        Mood::FieldsNull,
        Mood::ErrorAfter,
    ];
    let mut world = World::on(settings(Moods::always(moods)), Some(folder.path().join("ledger")));
    world.post(BULK, &batch(&refs(&crowd("r", 5))));
    world.advance(secs(12));
    let (counts, line) = (
        world.get("/sandbox/moods").json["occurred"].clone(),
        world.batch_line(0),
    );
    assert_eq!(
        (counts["fields_null"].as_u64(), counts["callback_forged"].as_u64()),
        (Some(5), Some(1))
    );
    world.kill_and_open(|config| config.moods = Moods::default());
    assert_eq!(world.get("/sandbox/moods").json["occurred"], counts);
    assert_eq!(json!(world.batch_line(0)), json!(line));
    world.advance(secs(600));
    let genuine: Vec<_> = world
        .arrivals_of_any_kind(BATCH_URL)
        .into_iter()
        .filter(Arrival::is_genuine)
        .collect();
    assert_eq!(genuine.len(), 1, "it was still to come, after its delay");
    assert!(
        world
            .arrivals(CONTACT_URL)
            .iter()
            .all(|event| event.at >= genuine[0].at)
    );
    assert_eq!(world.arrivals(CONTACT_URL).len(), 5);
    let forged = world.arrivals_of_any_kind(BATCH_URL).len() - genuine.len();
    assert_eq!(
        (forged, world.occurred(Mood::CallbackForged)),
        (1, 1),
        "it had come already"
    );
}

#[test]
fn the_same_seed_and_calls_give_the_same_moods() {
    let run = |seed: u64| {
        let moods = Mood::ALL.into_iter().filter(|mood| *mood != Mood::AnswerLost);
        let mut settings = SandboxConfig {
            seed,
            ..settings(Moods::default())
        };
        for mood in moods {
            settings.moods = settings.moods.with(mood, 20.0.try_into().unwrap());
        }
        let mut world = World::new(settings);
        let mut told = Vec::new();
        for n in 0..60 {
            let answer = world.post(BULK, &batch(&refs(&crowd(&format!("r{n}x"), 5))));
            told.push((answer.status, answer.reset, answer.bytes));
            world.advance(secs(30));
            let batches = world.sandbox().report().batches;
            if let Some(line) = batches.last() {
                let answer = world.read(&line.enrichment_id.to_string());
                told.push((answer.status, answer.reset, answer.bytes));
            }
        }
        (
            told,
            world
                .sandbox()
                .report()
                .batches
                .iter()
                .map(|line| json!(line))
                .collect::<Vec<_>>(),
        )
    };
    assert!(run(7) == run(7));
    assert!(run(7) != run(8));
}

#[test]
fn chances_go_on_where_the_last_one_was_taken() {
    let folder = tempfile::tempdir().unwrap();
    let some = |percent: f64| Moods::default().with(Mood::RefusedBefore, percent.try_into().unwrap());
    let statuses = |world: &mut World, calls: u64| {
        let told = (0..calls).map(|n| world.post(BULK, &batch(&[&format!("r{n}@readers.example")])).status == 200);
        told.collect::<Vec<bool>>()
    };
    let whole = statuses(&mut with(some(30.0)), 40);
    let taken = whole.iter().position(|accepted| !accepted).unwrap() as u64 + 1;
    let mut world = World::on(settings(some(30.0)), Some(folder.path().join("ledger")));
    let mut told = statuses(&mut world, taken);
    world.kill_and_open(|_| ());
    told.extend(statuses(&mut world, 40 - taken));
    assert_eq!(told, whole, "as if nothing had happened in between");
}
