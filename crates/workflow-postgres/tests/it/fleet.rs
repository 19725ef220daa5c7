//! Several processes' stores on one database.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use lumina_workflow::store::{Advance, Change, Claim, Hint, Member, Next, Store};
use lumina_workflow::{FlowLimits, WorkerId};
use lumina_workflow_postgres::testing::Database;
use uuid::Uuid;

use crate::opened::*;

/// Waits until this hint comes; others may come before.
async fn hear(mut hints: impl StreamExt<Item = Hint> + Unpin, hint: Hint) {
    let heard = async { while hints.next().await != Some(hint) {} };
    tokio::time::timeout(PATIENCE, heard)
        .await
        .unwrap_or_else(|_| panic!("{hint:?} did not come"));
}

/// What one process does, another hears of.
#[tokio::test(flavor = "multi_thread")]
async fn hints_cross_processes() {
    let database = Database::empty("engine");
    let (one, other) = (open(database.options()).await, open(database.options()).await);
    let heard = other.hints();
    start(&one, 1).await;
    hear(heard, Hint::Ready).await;
    let lease = claimed(&other).await[0].lease;
    let heard = other.hints();
    apply(&one, Change::Emit(event("e", lease.run))).await.unwrap();
    hear(heard, Hint::Inbox(lease.run)).await;
}

/// Many claim at once, groups of many are applied at once in any order: each run has one owner at a time, and each
/// step is taken once.
#[tokio::test(flavor = "multi_thread")]
async fn every_run_has_one_owner() {
    const RUNS: u128 = 400;
    let database = Database::empty("engine");
    let members: Vec<Member> = (0..RUNS).map(|number| Change::Start(new_run(number)).into()).collect();
    let first = open(database.options()).await;
    first.commit(members.into()).await.unwrap();
    let workers = (0..4_u128).map(|number| {
        let options = database.options();
        tokio::spawn(async move {
            let store = open(options).await;
            let mut taken = Vec::new();
            loop {
                let worker = WorkerId(Uuid::from_u128(number + 1));
                let found = store
                    .claim(Claim {
                        worker,
                        limit: 30,
                        ..claim()
                    })
                    .await
                    .unwrap();
                if found.is_empty() {
                    return taken;
                }
                let steps = found.iter().rev().map(|one| {
                    let end = Next::Finish(lumina_workflow::store::Ending::Completed(one.run.input.clone()));
                    Change::Advance(step(one.lease, 0, Some(one.run.input.clone()), end)).into()
                });
                let answers = store.commit(steps.collect::<Vec<Member>>().into()).await.unwrap();
                assert!(answers.iter().all(Result::is_ok), "{answers:?}");
                taken.extend(found.iter().map(|one| one.lease.run));
            }
        })
    });
    let mut all = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        all.extend(worker.await.unwrap());
    }
    assert_eq!(all.len() as u128, RUNS);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len() as u128, RUNS);
}

/// Limits are the fleet's: however many claim at once, no more are in flight than there may be, and all have their
/// turn.
#[tokio::test(flavor = "multi_thread")]
async fn limits_are_exact_across_processes() {
    const RUNS: u128 = 60;
    let database = Database::empty("engine");
    let first = open(database.options()).await;
    for number in 0..RUNS {
        let run = lumina_workflow::store::NewRun {
            flow_key: Some(format!("key-{}", number % 3)),
            ..new_run(number)
        };
        apply(&first, Change::Start(run)).await.unwrap();
    }
    let limits = FlowLimits {
        in_flight: Some(5),
        in_flight_per_key: Some(2),
        ..FlowLimits::default()
    };
    let flows: Arc<[_]> = Arc::new([(WORKFLOW.to_owned(), limits)]);
    let workers = (0..3_u128).map(|number| {
        let (options, flows) = (database.options(), flows.clone());
        tokio::spawn(async move {
            let store = open(options).await;
            let worker = WorkerId(Uuid::from_u128(number + 1));
            let mut done = 0;
            let mut vain = 0;
            while vain < 40 {
                let wanted = Claim {
                    worker,
                    flows: flows.clone(),
                    limit: 4,
                    ..claim()
                };
                let found = store.claim(wanted).await.unwrap();
                let rows = store.flows(lumina_workflow::store::FlowQuery {
                    workflow: Some(WORKFLOW.to_owned()),
                    after: None,
                    limit: 10,
                });
                for row in rows.await.unwrap() {
                    let most = if row.key.is_some() { 2 } else { 5 };
                    assert!(row.in_flight <= most, "{row:?}");
                }
                vain = if found.is_empty() { vain + 1 } else { 0 };
                for one in found {
                    let end = Next::Finish(lumina_workflow::store::Ending::Completed(one.run.input.clone()));
                    apply(&store, Change::Advance(bare(one.lease, 0, end))).await.unwrap();
                    done += 1;
                }
            }
            done
        })
    });
    let mut all = 0;
    for worker in workers.collect::<Vec<_>>() {
        all += worker.await.unwrap();
    }
    assert_eq!(all, RUNS);
}

/// A process that stops in the middle of a transaction keeps its runs from others only for seconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_left_alone_is_ended() {
    let (passed, reached) = (
        Arc::new(tokio::sync::Notify::new()),
        Arc::new(tokio::sync::Notify::new()),
    );
    let hook = {
        let (passed, reached) = (passed.clone(), reached.clone());
        lumina_workflow_postgres::Hook::new(move |at| {
            let held = at == lumina_workflow_postgres::At::BeforeCommit;
            let (passed, reached) = (passed.clone(), reached.clone());
            Box::pin(async move {
                if held {
                    reached.notify_one();
                    passed.notified().await;
                }
                lumina_workflow_postgres::Verdict::Go
            })
        })
    };
    let database = Database::empty("engine");
    let plain = open(database.options()).await;
    let lease = running(&plain, 1).await;
    let opened = tokio::spawn(open(database.options().hook(hook)));
    // Opening commits as well.
    reached.notified().await;
    passed.notify_one();
    let stopped = opened.await.unwrap();
    let writing = tokio::spawn(async move {
        let late = Advance {
            keys: vec![key("late")],
            ..bare(lease, 0, Next::Running)
        };
        stopped.commit([Change::Advance(late).into()].into()).await
    });
    reached.notified().await;
    // It holds the run's row. Whoever waits for it gets it.
    let waited = tokio::time::timeout(
        Duration::from_secs(25),
        apply(&plain, Change::Emit(event("e", lease.run))),
    )
    .await;
    waited.expect("the server has ended what was left alone").unwrap();
    passed.notify_one();
    assert!(
        writing.await.unwrap().is_err(),
        "what it believed to commit was not applied"
    );
    assert_eq!(row(&plain, lease.run).await.seq.0, 0);
}
