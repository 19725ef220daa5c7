//! What a person decides about lookups.

use std::time::Duration;

use lumina::records::{Decided, JobId, Records, RetriedPage, Retrying};
use lumina_workflow::store::Attachment;
use serde::de::DeserializeOwned;

use super::rows::{Lookup, Post, id, job};
use crate::support::TestApp;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// The wall clock's time, in microseconds.
const NOW: i64 = 1_785_585_600_000_000;

const DAY_MICROS: i64 = 24 * 3_600 * 1_000_000;

fn retrying(may_pay_twice: bool) -> Retrying {
    Retrying {
        may_pay_twice,
        refresh_after: 90 * DAY,
    }
}

async fn decide<T: DeserializeOwned>(test: &TestApp, change: Attachment) -> T {
    let id = test.app.context.runtime.new_id();
    test.app.engine.transact(id, change).await.unwrap().decode().unwrap()
}

async fn retry(test: &TestApp, number: u128, may_pay_twice: bool) -> Decided {
    decide(test, Records::retry_jobs(vec![job(number)], retrying(may_pay_twice))).await
}

async fn fail(test: &TestApp, number: u128) -> Decided {
    decide(
        test,
        Records::fail_jobs(vec![job(number)], "given up by cli:ada: a slip".to_owned()),
    )
    .await
}

/// The one that stays as it is says this.
#[track_caller]
fn assert_kept(decided: &Decided, status: Option<&str>, why: &str) {
    assert_eq!(decided.changed, [], "{decided:?}");
    let [kept] = decided.kept.as_slice() else {
        panic!("{decided:?}")
    };
    assert_eq!(kept.status.as_deref(), status, "{kept:?}");
    assert!(kept.why.contains(why), "{:?} does not say {why:?}", kept.why);
}

async fn status(test: &TestApp, number: u128) -> (String, Option<String>) {
    let jobs = test.app.records.jobs_of(vec![job(number)]).await.unwrap();
    (jobs[0].status.clone(), jobs[0].reason.clone())
}

#[tokio::test]
async fn each_lookup_that_is_not_retried_says_why() {
    let test = TestApp::new().await;
    let rows = [
        ("pending", "it is pending already"),
        ("submitted", "it is out at the provider now"),
        ("enriched", "somebody was found"),
        ("not_found", "nobody was found"),
        ("stale", "may have been charged: --may-pay-twice"),
    ];
    for (number, (status, why)) in (1..).zip(rows) {
        test.put_lookup(Lookup::new(number, status)).await;
        assert_kept(&retry(&test, number, false).await, Some(status), why);
    }
    assert_kept(&retry(&test, 99, true).await, None, "there is no such lookup");
    let stale = rows.len() as u128;
    assert_eq!(retry(&test, stale, true).await.changed, [job(stale)]);
    assert_eq!(status(&test, stale).await, ("pending".to_owned(), None));
}

/// An address is bought once, whichever way it comes.
#[tokio::test]
async fn a_lookup_is_not_retried_beside_another_of_its_address() {
    let test = TestApp::new().await;
    test.put_lookup(Lookup::new(1, "failed")).await;
    test.put_lookup(Lookup {
        of: Some(1),
        ..Lookup::new(2, "pending")
    })
    .await;
    let open = format!("another lookup of its address is open: {}", id(2));
    assert_kept(&retry(&test, 1, false).await, Some("failed"), &open);

    for (number, days, is_retried) in [(10, 89, false), (20, 91, true)] {
        test.put_lookup(Lookup::new(number, "failed")).await;
        test.put_lookup(Lookup {
            of: Some(number),
            finished_at: Some(NOW - days * DAY_MICROS),
            ..Lookup::new(number + 1, "not_found")
        })
        .await;
        let decided = retry(&test, number, false).await;
        match is_retried {
            true => assert_eq!(decided.changed, [job(number)]),
            false => assert_kept(
                &decided,
                Some("failed"),
                "was looked up on 2026-05-04, and is not bought again",
            ),
        }
    }
    // Whoever says so may pay twice.
    assert_eq!(retry(&test, 10, true).await.changed, [job(10)]);
}

#[tokio::test]
async fn a_pending_lookup_is_given_up_with_who_and_why() {
    let test = TestApp::new().await;
    test.put_lookup(Lookup::new(1, "pending")).await;
    assert_eq!(fail(&test, 1).await.changed, [job(1)]);
    let told = Some("given up by cli:ada: a slip".to_owned());
    assert_eq!(status(&test, 1).await, ("failed".to_owned(), told));
    assert_kept(&fail(&test, 1).await, Some("failed"), "failed already");
    assert_eq!(
        retry(&test, 1, false).await.changed,
        [job(1)],
        "nothing was paid for it"
    );
    assert_eq!(status(&test, 1).await, ("pending".to_owned(), None));
}

/// What may be charged is not given up: a later retry would buy it again without a word.
#[tokio::test]
async fn what_may_be_charged_is_not_given_up() {
    let test = TestApp::new().await;
    let rows = [
        ("submitted", "out at the provider and may be charged"),
        ("stale", "it may have been charged"),
        ("enriched", "somebody was found"),
        ("not_found", "nobody was found"),
    ];
    for (number, (before, why)) in (1..).zip(rows) {
        test.put_lookup(Lookup::new(number, before)).await;
        assert_kept(&fail(&test, number).await, Some(before), why);
        assert_eq!(status(&test, number).await.0, before);
    }
    assert_kept(&fail(&test, 99).await, None, "there is no such lookup");
}

#[tokio::test]
async fn a_pending_lookup_that_is_being_sent_is_not_given_up() {
    let test = TestApp::new().await;
    let rows = [
        ("open", false),
        ("unknown", false),
        ("accepted", false),
        ("closed", true),
        ("refused", true),
    ];
    for (number, (state, may_fail)) in (1..).zip(rows) {
        test.put_lookup(Lookup {
            run: Some(100 + number),
            ..Lookup::new(number, "pending")
        })
        .await;
        let jobs: &'static [u128] = Box::leak(Box::new([50, number]));
        test.put_post(Post {
            state,
            ..Post::accepted(100 + number, "2026-08-01", 1, jobs, None)
        })
        .await;
        let decided = fail(&test, number).await;
        match may_fail {
            true => assert_eq!(decided.changed, [job(number)], "{state}"),
            false => assert_kept(&decided, Some("pending"), "it is being sent just now"),
        }
    }
    // A batch that another run sends, or that does not name it, is none of its business.
    for (number, run) in [(11, Some(101)), (12, None)] {
        test.put_lookup(Lookup {
            run,
            ..Lookup::new(number, "pending")
        })
        .await;
        assert_eq!(fail(&test, number).await.changed, [job(number)]);
    }
}

/// All that failed, some a transaction; stale ones with the leave to pay twice alone.
#[tokio::test]
async fn all_that_failed_are_retried_page_by_page() {
    let test = TestApp::new().await;
    test.execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
         INSERT INTO enrichment_job (id, subscriber, dedupe_key, status, priority, created_at, finished_at)
         SELECT unhex(printf('%032x', i)), unhex(printf('%032x', i)), 'key' || i, iif(i % 3 = 0, 'stale', 'failed'), 0, 0, 0 FROM n"
            .to_owned(),
    )
    .await;
    for (may_pay_twice, expected) in [(false, 1_000), (true, 500), (true, 0)] {
        let (mut retried, mut after): (u64, Option<JobId>) = (0, None);
        loop {
            let page: RetriedPage = decide(&test, Records::retry_all(after, retrying(may_pay_twice))).await;
            retried += page.retried;
            match page.last {
                Some(last) => after = Some(last),
                None => break,
            }
        }
        assert_eq!(retried, expected, "{may_pay_twice}");
    }
}
