//! The ledger, by day and batch by batch.

use jiff::civil::{Date, date};
use lumina::records::{BudgetUse, Budgets, LedgerDay};

use super::rows::{Answer, Lookup, Post, finished, id, job};
use crate::support::TestApp;

const FIRST: Date = date(2026, 7, 30);
const SECOND: Date = date(2026, 7, 31);
const TODAY: Date = date(2026, 8, 1);

/// Two people found and one not; one sent twice, of whom the first time nobody knows anything; some that were not sent.
async fn fill(test: &TestApp) {
    for (number, status) in [
        (1, "enriched"),
        (2, "enriched"),
        (3, "not_found"),
        (4, "enriched"),
        (5, "stale"),
        (6, "pending"),
    ] {
        test.put_lookup(Lookup::new(number, status)).await;
    }
    let first = "2026-07-30";
    test.put_post(Post::accepted(100, first, 10, &[1, 2, 3], finished(2)))
        .await;
    let unknown = Post {
        state: "unknown",
        ..Post::accepted(101, first, 20, &[4, 5], None)
    };
    test.put_post(unknown).await;
    let again = Post {
        attempt: 2,
        ..Post::accepted(101, "2026-07-31", 30, &[4, 5], finished(1))
    };
    test.put_post(again).await;
    for (run, state, day) in [
        (102, "open", Some("2026-08-01")),
        (103, "refused", None),
        (104, "closed", None),
    ] {
        let unsent = Post {
            state,
            day,
            posted_at: None,
            ..Post::accepted(run, first, 0, &[6], None)
        };
        test.put_post(unsent).await;
    }
}

fn day(day: Date, sums: [u64; 7]) -> LedgerDay {
    let [batches, addresses, estimated, actual, unanswered, found, leads] = sums;
    LedgerDay {
        day,
        batches,
        addresses,
        estimated,
        actual,
        unanswered,
        found,
        leads,
    }
}

#[tokio::test]
async fn a_day_is_what_was_sent_on_it_and_who_was_found_by_it() {
    let test = TestApp::new().await;
    fill(&test).await;
    let all = [day(FIRST, [2, 5, 5, 2, 2, 2, 2]), day(SECOND, [1, 2, 2, 1, 0, 1, 1])];
    let rows = [
        (FIRST, TODAY, &all[..]),
        (FIRST, SECOND, &all[..]),
        // Who was asked for again later was not found by the first batch, however short the look.
        (FIRST, FIRST, &all[..1]),
        (SECOND, SECOND, &all[1..]),
        (TODAY, TODAY, &[]),
    ];
    for (from, to, expected) in rows {
        assert_eq!(
            test.app.records.credits_by_day(from, to).await.unwrap(),
            expected,
            "{from} to {to}"
        );
    }
    test.execute("DELETE FROM lead WHERE full_name = 'Person 2'".to_owned())
        .await;
    let days = test.app.records.credits_by_day(FIRST, FIRST).await.unwrap();
    assert_eq!(
        (days[0].found, days[0].leads),
        (2, 1),
        "a lead that was deleted is none"
    );
}

/// A person who is looked up again after a while is found twice, and is one lead.
#[tokio::test]
async fn a_lead_counts_once() {
    let test = TestApp::new().await;
    test.put_lookup(Lookup::new(1, "enriched")).await;
    test.put_lookup(Lookup {
        of: Some(1),
        ..Lookup::new(2, "enriched")
    })
    .await;
    test.put_post(Post::accepted(100, "2026-07-31", 1, &[1], finished(1)))
        .await;
    test.put_post(Post::accepted(101, "2026-07-31", 2, &[2], finished(1)))
        .await;
    let days = test.app.records.credits_by_day(FIRST, TODAY).await.unwrap();
    assert_eq!(days, [day(SECOND, [2, 2, 2, 2, 0, 2, 1])]);
}

#[tokio::test]
async fn batches_are_listed_with_what_became_of_them() {
    let test = TestApp::new().await;
    fill(&test).await;
    let answers = [
        (Some("CREDITS_INSUFFICIENT"), 105),
        (Some("CANCELED"), 106),
        (Some("GONE"), 107),
        (None, 108),
    ];
    for (status, run) in answers {
        let answer = Some(Answer { status, cost: None });
        test.put_post(Post::accepted(run, "2026-08-01", run as i64, &[3], answer))
            .await;
    }
    test.put_post(Post::accepted(109, "2026-08-01", 200, &[3], None)).await;
    let told = |batches: Vec<lumina::records::LedgerBatch>| -> Vec<(u128, u32, String)> {
        let number = |run: uuid::Uuid| run.as_u128() - id(0).as_u128();
        batches
            .into_iter()
            .map(|batch| (number(batch.workflow_id), batch.attempt, batch.outcome))
            .collect()
    };
    let row = |run, attempt, outcome: &str| (run, attempt, outcome.to_owned());
    let all = [
        row(104, 1, "not_sent"),
        row(103, 1, "refused"),
        row(102, 1, "open"),
        row(109, 1, "running"),
        row(108, 1, "ended"),
        row(107, 1, "gone"),
        row(106, 1, "canceled"),
        row(105, 1, "credits_insufficient"),
        row(101, 2, "finished"),
        row(101, 1, "unknown"),
        row(100, 1, "finished"),
    ];
    let records = &test.app.records;
    assert_eq!(told(records.ledger(None, 100).await.unwrap()), all);
    assert_eq!(told(records.ledger(None, 4).await.unwrap()), all[..4]);
    assert_eq!(told(records.ledger(Some(FIRST), 100).await.unwrap()), all[9..]);
    assert_eq!(told(records.ledger(Some(date(2020, 1, 1)), 100).await.unwrap()), []);
}

#[tokio::test]
async fn a_batch_has_its_addresses_and_each_time_it_was_sent() {
    let test = TestApp::new().await;
    fill(&test).await;
    let batch = test.app.records.batch(id(101)).await.unwrap().unwrap();
    let posts: Vec<_> = batch
        .posts
        .iter()
        .map(|post| (post.attempt, post.estimated, post.actual))
        .collect();
    assert_eq!(posts, [(1, 2, None), (2, 2, Some(1))]);
    assert_eq!(batch.posts[1].enrichment_id.as_deref(), Some("enrichment-101-2"));
    let addresses: Vec<_> = batch
        .addresses
        .iter()
        .map(|address| {
            (
                address.job,
                address.status.as_str(),
                address.full_name.as_deref(),
                address.attempts.clone(),
            )
        })
        .collect();
    let both = vec![1, 2];
    assert_eq!(
        addresses,
        [
            (job(4), "enriched", Some("Person 4"), both.clone()),
            (job(5), "stale", None, both)
        ]
    );
    assert_eq!(batch.addresses[0].email, "person4@gmail.com");
    assert_eq!(test.app.records.batch(id(999)).await.unwrap(), None);
}

/// What is unanswered counts in full, what was charged as it was, what was not taken not at all.
#[tokio::test]
async fn what_is_used_of_a_budget_is_counted_by_day_and_month() {
    let test = TestApp::new().await;
    fill(&test).await;
    let spent = |now: &str, budgets: Budgets| {
        let (records, now) = (test.app.records.clone(), now.parse().unwrap());
        async move { records.spending(budgets, now).await.unwrap() }
    };
    let budgets = Budgets {
        per_day: Some(4),
        per_month: Some(100),
    };
    let rows = [
        ("2026-07-30T00:00:00Z", (4, 2, Some(0)), (5, 2, Some(95))),
        ("2026-07-31T23:59:59Z", (1, 0, Some(3)), (5, 2, Some(95))),
        ("2026-08-01T12:00:00Z", (1, 1, Some(3)), (1, 1, Some(99))),
        ("2026-08-02T00:00:00Z", (0, 0, Some(4)), (1, 1, Some(99))),
        ("2026-06-30T00:00:00Z", (0, 0, Some(4)), (0, 0, Some(100))),
    ];
    let told = |budget: BudgetUse| (budget.used, budget.reserved, budget.left);
    for (now, of_day, of_month) in rows {
        let spending = spent(now, budgets).await;
        assert_eq!((told(spending.day), told(spending.month)), (of_day, of_month), "{now}");
    }
    let unlimited = spent("2026-07-30T00:00:00Z", Budgets::default()).await;
    assert_eq!((unlimited.day.limit, told(unlimited.day)), (None, (4, 2, None)));
    let small = Budgets {
        per_day: Some(3),
        per_month: None,
    };
    assert_eq!(
        spent("2026-07-30T00:00:00Z", small).await.day.left,
        Some(0),
        "never less than nothing"
    );
}
