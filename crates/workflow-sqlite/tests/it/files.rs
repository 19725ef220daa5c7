//! Opening and closing files: who may, and what is found again.

use std::time::Duration;

use lumina_workflow::store::{
    Advance, Change, Claim, Command, CommandKind, Ending, Next, RunRow, RunStatus, Store, StoreError,
};
use lumina_workflow::{CorrelationKey, Payload, RunId, Seq, WorkerId};
use lumina_workflow_sqlite::{Mode, OpenError, Options, Role, SqliteStore};
use uuid::Uuid;

use crate::opened::*;

#[tokio::test]
async fn a_second_executor_is_refused_by_name() {
    let folder = Folder::new();
    let first = folder.executor(Mode::Threads);
    let error = SqliteStore::open(folder.options()).unwrap_err();
    assert!(matches!(&error, OpenError::InUse { .. }), "{error}");
    let sentence = format!("lumina.db is in use by process {}, ", std::process::id());
    assert!(error.to_string().contains(&sentence), "{error}");
    // It has not disturbed the first one, and a client is welcome beside it.
    start(&first, 1).await;
    assert_eq!(runs(&folder.client()).await.len(), 1);
    drop(first);
    folder.executor(Mode::Inline);
}

#[tokio::test]
async fn a_client_executes_nothing() {
    let folder = Folder::new();
    let client = folder.client();
    let run = start(&client, 1).await;
    let refusals = [
        client.claim(claim()).await.map(|_| ()),
        client.renew(vec![], Duration::ZERO).await.map(|_| ()),
    ];
    for refusal in refusals {
        let Err(StoreError::Broken(problem)) = refusal else {
            panic!("{refusal:?}")
        };
        assert!(problem.contains("opened as a client"), "{problem}");
    }
    assert_eq!(running_after(&folder.executor(Mode::Inline)).await, [run]);
}

async fn running_after(store: &SqliteStore) -> Vec<RunId> {
    claimed(store)
        .await
        .into_iter()
        .map(|claimed| claimed.lease.run)
        .collect()
}

#[tokio::test]
async fn a_reopened_file_has_everything() {
    let folder = Folder::new();
    let key = CorrelationKey::new("orders", "7");
    let before = {
        let store = folder.executor(Mode::Threads);
        let parked = running(&store, 1).await;
        let wake_at = store.now().await.unwrap() + Duration::from_secs(3_600);
        let park = Advance {
            keys: vec![key.clone()],
            ..step(parked, 0, Next::Park { wake_at: Some(wake_at) })
        };
        apply(&store, Change::Advance(park)).await.unwrap();
        let blocked = running(&store, 2).await;
        let next = Next::Block {
            reason: "changed".to_owned(),
            hash: HASH,
        };
        apply(&store, Change::Advance(step(blocked, 0, next))).await.unwrap();
        let finished = running(&store, 3).await;
        apply(
            &store,
            Change::Advance(step(finished, 0, Next::Finish(Ending::Completed(Payload::null())))),
        )
        .await
        .unwrap();
        apply(&store, Change::Emit(event("early", CorrelationKey::new("orders", "8"))))
            .await
            .unwrap();
        running(&store, 4).await;
        start(&store, 5).await;
        contents(&store).await
    };
    let store = folder.executor(Mode::Inline);
    assert_eq!(contents(&store).await, before);
    assert_eq!(
        before.0.iter().map(|run| run.status).collect::<Vec<_>>(),
        [
            RunStatus::Pending,
            RunStatus::Running,
            RunStatus::Completed,
            RunStatus::Blocked,
            RunStatus::Waiting
        ]
    );

    // The key is held, the blocked run has had its turn, and the lease is taken over at once.
    apply(&store, Change::Emit(event("paid", key))).await.unwrap();
    let claimed = store
        .claim(Claim {
            worker: WorkerId(Uuid::from_u128(2)),
            takeover: true,
            ..claim()
        })
        .await
        .unwrap();
    let mut ids: Vec<_> = claimed.iter().map(|claimed| claimed.lease.run).collect();
    ids.sort_unstable();
    assert_eq!(ids, [run_id(1), run_id(4), run_id(5)]);
    let resumed = claimed.iter().find(|claimed| claimed.lease.run == run_id(1)).unwrap();
    assert_eq!(
        (resumed.records.len(), resumed.events.len(), resumed.lease.epoch.0),
        (1, 1, 2)
    );
    let retry = Command {
        run: run_id(2),
        what: CommandKind::Retry,
        by: "me".to_owned(),
    };
    apply(&store, Change::Command(retry)).await.unwrap();
    assert_eq!(running_after(&store).await, [run_id(2)]);
}

async fn contents(store: &SqliteStore) -> (Vec<RunRow>, Vec<String>, usize) {
    let mut records = 0;
    for run in runs(store).await {
        records += store.history(run.id, Seq(0), 100).await.unwrap().len();
    }
    (runs(store).await, inbox_ids(store, None).await, records)
}

#[tokio::test]
async fn a_closed_store_says_so_and_leaves_no_log() {
    for mode in MODES {
        let folder = Folder::new();
        let store = folder.executor(mode);
        start(&store, 1).await;
        store.close().await.unwrap();
        let answer = store.next_due().await;
        assert!(
            matches!(&answer, Err(StoreError::Unavailable(problem)) if problem.ends_with("was closed")),
            "{answer:?}"
        );
        drop(store);
        assert!(folder.path("lumina.db").exists());
        assert!(
            !folder.path("lumina.db-wal").exists(),
            "{mode:?} wrote the log back and removed it"
        );
    }
}

#[test]
fn what_cannot_be_opened_is_named() {
    let folder = Folder::new();
    std::fs::write(folder.path("notes.txt"), "dear diary ".repeat(1_000)).unwrap();
    let cases = [
        ("notes.txt", "not a database"),
        ("missing/lumina.db", "unable to open"),
        (".", "unable to open"),
    ];
    for (name, problem) in cases {
        let path = folder.path(name);
        let error = SqliteStore::open(Options::new(&path).role(Role::Client))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&path.display().to_string()) && error.contains(problem),
            "{error}"
        );
    }
    let error = SqliteStore::open(Options::new(folder.path("missing/lumina.db"))).unwrap_err();
    assert!(matches!(&error, OpenError::Lock { .. }), "{error}");
}

/// Several commands that are started at the same moment make one database between them.
#[test]
fn a_new_file_may_be_opened_by_many_at_once() {
    let folder = Folder::new();
    let open = || SqliteStore::open(folder.options().mode(Mode::Inline).role(Role::Client)).map(|_| ());
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        for one in all {
            one.join().unwrap().unwrap();
        }
    });
}
