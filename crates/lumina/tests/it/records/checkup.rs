//! Where everything stands.

use std::time::Duration;

use jiff::Timestamp;
use lumina::records::sqlite::check_up;
use lumina::records::{AnswerState, Batches, Budgets, Checkup, Looks, PauseReason, View};

use super::rows::{Lookup, Post, finished, id};
use crate::support::TestApp;

const HOUR: i64 = 3_600 * 1_000_000;

/// The wall clock's time, in microseconds.
const NOW: i64 = 1_785_585_600_000_000;

async fn look(test: &TestApp) -> Checkup {
    let view = View {
        now: Timestamp::from_microsecond(NOW).unwrap(),
        budgets: Budgets::default(),
        looks: Looks {
            sweep_every: Duration::from_secs(60),
            probe_every: Duration::from_secs(900),
        },
    };
    let window = Duration::from_secs(7_200);
    let looked = test
        .app
        .database
        .file()
        .unwrap()
        .read(move |connection| check_up(connection, view, window));
    looked.await.unwrap().unwrap()
}

fn at(micros: i64) -> Option<Timestamp> {
    Some(Timestamp::from_microsecond(micros).unwrap())
}

#[tokio::test]
async fn of_nothing_there_is_nothing() {
    let test = TestApp::new().await;
    let seen = look(&test).await;
    assert_eq!(seen.people.as_deref(), Some("sandbox"));
    assert_eq!(
        (seen.unowned, seen.unclaimed, seen.unapplied, seen.given_up),
        (0, 0, 0, 0)
    );
    assert_eq!([&seen.waiting, &seen.out, &seen.in_doubt], [&Batches::default(); 3]);
    assert!(seen.pauses.is_empty() && seen.jobs.is_empty() && seen.refused.is_empty());
}

#[tokio::test]
async fn lookups_batches_and_pauses_are_counted() {
    let test = TestApp::new().await;
    for (number, status, run) in [
        (1, "pending", None),
        (2, "pending", None),
        (3, "pending", Some(9)),
        (4, "stale", None),
    ] {
        test.put_lookup(Lookup {
            run,
            ..Lookup::new(number, status)
        })
        .await;
    }
    let day = "2026-08-01";
    let posts = [
        Post::accepted(101, day, NOW - 5 * HOUR, &[4], None),
        Post::accepted(102, day, NOW - 4 * HOUR, &[4], finished(1)),
        Post {
            state: "unknown",
            ..Post::accepted(103, day, NOW - HOUR, &[4], None)
        },
        // Its window is over: it was sent again since, or given up.
        Post {
            state: "unknown",
            ..Post::accepted(104, day, NOW - 9 * HOUR, &[4], None)
        },
    ];
    for post in posts {
        test.put_post(post).await;
    }
    test.execute(format!(
        "INSERT INTO batch (run, state, priority) VALUES (x'{}', 'waiting', 0), (x'{}', 'waiting', 0), (x'{}', 'holding', 0);
         UPDATE enrichment SET ask_at = 7 WHERE run = x'{}';
         INSERT INTO pause (reason, message, since, looked_at) VALUES ('credits', 'used up', 5, 6)",
        id(7).simple(),
        id(8).simple(),
        id(6).simple(),
        id(101).simple()
    ))
    .await;
    let seen = look(&test).await;
    assert_eq!(seen.jobs, [("pending".to_owned(), 3), ("stale".to_owned(), 1)].into());
    assert_eq!((seen.unowned, seen.oldest_unowned, seen.given_up), (2, at(0), 1));
    assert_eq!((seen.waiting.count, seen.waiting.oldest), (2, Some(id(7))));
    let began = Timestamp::from_millisecond(0x0190_0000_0000).unwrap();
    assert_eq!(seen.waiting.since, Some(began), "the id of a run begins with its time");
    let batches = |count, run, since| Batches {
        count,
        oldest: Some(id(run)),
        since: at(since),
    };
    assert_eq!(seen.out, batches(2, 101, NOW - 5 * HOUR));
    assert_eq!(seen.in_doubt, batches(1, 103, NOW - HOUR));
    assert_eq!(
        (seen.pauses[0].reason, seen.pauses[0].since),
        (PauseReason::Credits, at(5).unwrap())
    );
}

#[tokio::test]
async fn answers_that_need_somebody_are_counted() {
    let test = TestApp::new().await;
    test.put_post(Post::accepted(101, "2026-08-01", 1, &[4], None)).await;
    test.put_post(Post::accepted(102, "2026-08-01", 1, &[4], None)).await;
    let of = |run| Post::accepted(run, "2026-08-01", 1, &[4], None).enrichment();
    let (known, twice) = (of(101), of(102));
    let answer = |number: u128, enrichment: &str, is_final: bool, received_at: i64, applied: bool| {
        format!(
            "INSERT INTO enrichment_answer (id, enrichment, body_hash, status, is_final, source, body, received_at, applied_at)
             VALUES (x'{}', '{enrichment}', '{number}', 'FINISHED', {is_final}, 'callback', x'', {received_at}, {});",
            id(number).simple(),
            if applied { "1" } else { "NULL" }
        )
    };
    let rows = [
        answer(1, "somebody-elses", true, 1, false),
        answer(2, "somebody-elses", false, 1, false),
        answer(3, &known, true, NOW - HOUR, false),
        answer(4, &known, true, NOW - 1, false),
        answer(5, &known, false, NOW - HOUR, false),
        // Another final one of its batch was applied.
        answer(6, &twice, true, NOW - HOUR, true),
        answer(7, &twice, true, NOW - HOUR, false),
    ];
    test.execute(rows.concat()).await;
    let states: Vec<_> = test
        .app
        .records
        .answers(false, 10)
        .await
        .unwrap()
        .iter()
        .map(|answer| answer.state)
        .rev()
        .collect();
    use AnswerState::{Applied, Kept, Superseded, Unclaimed, Waiting};
    assert_eq!(
        states,
        [Unclaimed, Unclaimed, Waiting, Waiting, Kept, Applied, Superseded]
    );
    let rejected = |route: &str, code: &str, at: i64| {
        format!(
            "INSERT INTO rejected_delivery (route, code, bytes, received_at) VALUES ('{route}', '{code}', 1, {at});"
        )
    };
    let rows = [
        rejected("enrichment", "INVALID_SIGNATURE", NOW - HOUR),
        rejected("enrichment/contact", "INVALID_SIGNATURE", NOW - HOUR),
        rejected("enrichment", "MISSING_SIGNATURE", NOW - HOUR),
        rejected("enrichment", "MISSING_SIGNATURE", NOW - 25 * HOUR),
        rejected("subscribe", "INVALID_SIGNATURE", NOW - HOUR),
    ];
    test.execute(rows.concat()).await;
    let seen = look(&test).await;
    assert_eq!((seen.unclaimed, seen.last_unclaimed.map(|id| id.0)), (2, Some(id(2))));
    assert_eq!(seen.unapplied, 1, "one that has just come is none yet");
    let refused = [("INVALID_SIGNATURE".to_owned(), 2), ("MISSING_SIGNATURE".to_owned(), 1)];
    assert_eq!(seen.refused, refused.into());
}
