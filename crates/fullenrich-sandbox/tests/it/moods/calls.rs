//! Moods of any call, and of a GET.

use std::collections::BTreeSet;

use lumina_fullenrich_sandbox::{Mood, SandboxConfig};

use super::moody;
use crate::world::{BULK, World, batch, config, secs};

#[test]
fn bursts_refuse_any_call_and_do_nothing() {
    for (mood, statuses) in [
        (Mood::RateLimitedBurst, &[429][..]),
        (Mood::ServerErrorBurst, &[500, 502, 503, 504][..]),
    ] {
        let mut world = moody([mood]);
        let mut told = Vec::new();
        for call in 0..30 {
            let answer = match call % 3 {
                0 => world.post(BULK, &batch(&["a@readers.example"])),
                1 => world.get("/api/v2/account/credits"),
                _ => world.get("/api/v2/account/keys/verify"),
            };
            assert!(statuses.contains(&answer.status), "{answer:?}");
            told.push(answer.retry_after);
        }
        assert_eq!(world.totals().batch_count, 0);
        let bursts = world.occurred(mood);
        assert!((6..30).contains(&bursts), "{bursts} bursts of one to five calls each");
        let waits = told.iter().flatten().filter(|wait| *wait == "1").count();
        let limited = mood == Mood::RateLimitedBurst;
        assert_eq!(
            (5..25).contains(&waits),
            limited,
            "about half of them say how long to wait: {waits}"
        );
        assert_eq!(world.totals().calls.rate_limited, if limited { 30 } else { 0 });
    }
}

#[test]
fn a_get_may_fail_or_be_refused_while_the_batch_runs() {
    let mut world = moody([Mood::ReadError]);
    let id = world.start_for(&["a@readers.example"]);
    let answers: Vec<_> = (0..20).map(|_| world.read(&id)).collect();
    assert!(answers.iter().all(|answer| answer.status >= 500));
    let resets = answers.iter().filter(|answer| answer.reset).count();
    assert!((1..20).contains(&resets), "some are reset: {resets}");
    assert_eq!(world.occurred(Mood::ReadError), 20);
    assert!(!world.batch_line(0).reached_by.contains(&"read"));

    let mut world = moody([Mood::InProgressError]);
    let id = world.start_for(&["a@readers.example"]);
    let answer = world.read(&id);
    assert_eq!(
        (answer.status, answer.json["code"].as_str()),
        (400, Some("error.enrichment.in_progress"))
    );
    world.advance(secs(10));
    assert_eq!(world.read(&id).json["status"], "FINISHED");
    assert_eq!(world.occurred(Mood::InProgressError), 1);
    assert!(world.batch_line(0).reached_by.contains(&"read"));
}

#[test]
fn gets_and_answers_take_their_time() {
    let mut world = World::new(SandboxConfig {
        answer_min: secs(2),
        answer_max: secs(62),
        read_min: secs(1),
        read_max: secs(1),
        ..config()
    });
    let mut spans = BTreeSet::new();
    for n in 0..20 {
        let before = world.clock_second();
        world.start_for(&[&format!("r{n}@readers.example")]);
        spans.insert(world.clock_second() - before);
    }
    assert!(
        spans.len() > 8 && spans.first() >= Some(&2) && spans.last() <= Some(&62),
        "{spans:?}"
    );
    let id = world.batch_line(0).enrichment_id;
    for path in [
        "/api/v2/account/credits",
        "/api/v2/account/keys/verify",
        &format!("{BULK}/{id}"),
    ] {
        let before = world.clock_second();
        assert_eq!(world.get(path).status, 200);
        assert_eq!(world.clock_second() - before, 1, "{path}");
    }
}
