//! Several processes' stores on one database.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use lumina_workflow::store::{Advance, Change, Claim, Hint, Inbox, InboxQuery, Member, Next, Store, StoreError};
use lumina_workflow::{FlowLimits, WorkerId};
use lumina_workflow_postgres::testing::Database;
use lumina_workflow_postgres::{At, Hook, PostgresStore, Verdict};
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

/// A process that is alone has several groups on their way at once, and in a fleet each has its share.
#[tokio::test(flavor = "multi_thread")]
async fn processes_share_how_many_groups_are_on_their_way() {
    async fn follows(store: &PostgresStore, count: usize) {
        let at_once = store.commits_at_once();
        let followed = async {
            while at_once.get().get() != count {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, followed).await;
        waited.unwrap_or_else(|_| panic!("{} and not {count}", at_once.get()));
    }
    let database = Database::empty("engine");
    let one = open(database.options()).await;
    follows(&one, 3).await;
    let other = open(database.options()).await;
    follows(&one, 1).await;
    follows(&other, 1).await;
    other.close().await;
    follows(&one, 3).await;
}

/// Many look into inboxes at once: one statement answers all of them, each with what it has asked for. One that cannot
/// be read costs the others nothing.
#[tokio::test]
async fn inboxes_that_are_looked_into_at_once_are_read_together() {
    const RUNS: u128 = 40;
    let heard = Arc::new(AtomicUsize::new(0));
    let hook = {
        let heard = heard.clone();
        Hook::new(move |at| {
            let looks = matches!(at, At::Statement(sql) if sql.contains("lumina.workflow_inbox"));
            heard.fetch_add(usize::from(looks), Ordering::SeqCst);
            Box::pin(async { Verdict::Go })
        })
    };
    let database = Database::empty("engine");
    let (plain, store) = (
        open(database.options()).await,
        open(database.options().hook(hook)).await,
    );
    for number in 0..RUNS {
        start(&plain, number).await;
        for part in ["a", "b"] {
            let event = event(&format!("{part}{number}"), run_id(number));
            apply(&plain, Change::Emit(event)).await.unwrap();
        }
    }
    let spoiled = run_id(7).0;
    database.execute(&format!(
        "UPDATE lumina.workflow_inbox SET received_at = 9223372036854775807 WHERE run = '{spoiled}'"
    ));
    let look = |number: u128, after, limit| {
        store.inbox(InboxQuery {
            run: Some(run_id(number)),
            after,
            limit,
        })
    };
    let all = (0..RUNS).map(|number| look(number, 0, 10));
    let found = join_all(all.chain([look(1, 0, 1), look(RUNS, 0, 10)])).await;
    assert_eq!(heard.load(Ordering::SeqCst), 1, "one statement for all");
    let told = |found: &Result<Inbox, StoreError>| match found {
        Ok(inbox) => inbox.events.iter().map(|event| event.id.clone()).collect(),
        Err(StoreError::Broken(_)) => vec!["broken".to_owned()],
        Err(error) => panic!("{error}"),
    };
    for (number, found) in found.iter().enumerate() {
        let expected = match number {
            7 => vec!["broken".to_owned()],
            40 => vec!["a1".to_owned()],
            41 => vec![],
            _ => vec![format!("a{number}"), format!("b{number}")],
        };
        assert_eq!(told(found), expected, "{number}");
    }
    let first = found[1].as_ref().unwrap().events[0].seq;
    assert_eq!(told(&look(1, first, 10).await), ["b1"]);
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
        Hook::new(move |at| {
            let held = at == At::BeforeCommit;
            let (passed, reached) = (passed.clone(), reached.clone());
            Box::pin(async move {
                if held {
                    reached.notify_one();
                    passed.notified().await;
                }
                Verdict::Go
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
