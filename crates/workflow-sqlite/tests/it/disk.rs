//! A full disk, and a log that does not grow without end.

use std::time::Duration;

use lumina_workflow::store::{Change, Member, Outcome, RunQuery, Store, StoreError};
use lumina_workflow_sqlite::Mode;

use crate::opened::*;

/// The file may grow no further: SQLite answers as it does on a full disk.
const FULL: &str = "PRAGMA max_page_count = 1";
const ROOM: &str = "PRAGMA max_page_count = 1000000";

#[tokio::test]
async fn a_full_disk_fails_the_group_whole_and_passes() {
    for mode in MODES {
        let folder = Folder::new();
        let store = folder.executor(mode);
        apply(&store, with(nothing(1), executing(FULL))).await.unwrap();

        let members: Vec<Member> = vec![
            Change::Start(new_run(1)).into(),
            Change::Start(bulky(2, 500_000)).into(),
        ];
        let error = store.commit(members.clone().into()).await.unwrap_err();
        let StoreError::Unavailable(problem) = &error else {
            panic!("{error:?}")
        };
        assert!(
            problem.contains("lumina.db") && problem.contains("no room left"),
            "{problem}"
        );
        assert!(
            runs(&store).await.is_empty(),
            "not even the member that fitted was applied"
        );

        apply(&store, with(nothing(2), executing(ROOM))).await.unwrap();
        assert_eq!(
            store.commit(members.into()).await.unwrap(),
            [Ok(Outcome::Started), Ok(Outcome::Started)]
        );
        assert_eq!(runs(&store).await.len(), 2);
    }
}

/// Also when it is an attachment that finds it full.
#[tokio::test]
async fn a_disk_that_an_attachment_finds_full_fails_the_group() {
    let folder = Folder::new();
    let store = folder.executor(Mode::Threads);
    apply(
        &store,
        with(nothing(1), executing("CREATE TABLE blob (data BLOB) STRICT")),
    )
    .await
    .unwrap();
    apply(&store, with(nothing(2), executing(FULL))).await.unwrap();
    let filling = executing("INSERT INTO blob VALUES (zeroblob(500000))");
    let members: Vec<Member> = vec![Change::Start(new_run(1)).into(), with(nothing(3), filling)];
    let error = store.commit(members.clone().into()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    apply(&store, with(nothing(4), executing(ROOM))).await.unwrap();
    assert!(store.commit(members.into()).await.unwrap().iter().all(Result::is_ok));
}

/// 96 MiB go through a log that is written back whenever it has 32 MiB.
#[tokio::test]
async fn the_log_is_written_back() {
    let folder = Folder::new();
    let store = folder.executor(Mode::Inline);
    for number in 0..96 {
        apply(&store, Change::Start(bulky(number, 1_000_000))).await.unwrap();
    }
    let log = folder.path("lumina.db-wal").metadata().unwrap().len();
    assert!(log < 40 * 1024 * 1024, "the log has {log} bytes");
    assert_eq!(store.overload(), None);
    let first = store
        .runs(RunQuery {
            id: Some(run_id(0)),
            limit: 1,
            ..RunQuery::default()
        })
        .await
        .unwrap();
    assert_eq!(first.items[0].input.len(), 1_000_002);
}

/// Under constant writing too the log begins anew, although no checkpoint ever ends where the log ends.
#[tokio::test]
async fn the_log_begins_anew_while_everybody_writes() {
    let folder = Folder::new();
    let store = folder.executor(Mode::Threads);
    for number in 0..192 {
        apply(&store, Change::Start(bulky(number, 1_000_000))).await.unwrap();
    }
    let log = folder.path("lumina.db-wal").metadata().unwrap().len();
    assert!(log < 96 * 1024 * 1024, "the log has {log} bytes");
}

/// The log's file is longer than the log, so that commits write over what is there; whoever finds the files after a
/// crash finds all that was committed, and nothing else.
#[tokio::test]
async fn room_in_the_log_is_no_part_of_it() {
    let folder = Folder::new();
    let store = folder.executor(Mode::Threads);
    let log = || folder.path("lumina.db-wal").metadata().unwrap().len();
    apply(&store, Change::Start(bulky(0, 100_000))).await.unwrap();
    store.renew(Vec::new(), Duration::from_secs(1)).await.unwrap();
    assert!(log() < 1_000_000, "a small log is left as it is: {}", log());
    for number in 1..10 {
        apply(&store, Change::Start(bulky(number, 200_000))).await.unwrap();
    }
    // Room is made behind a call, before the next one.
    store.renew(Vec::new(), Duration::from_secs(1)).await.unwrap();
    let made = log();
    assert!(made > 3_500_000, "{made}");
    apply(&store, Change::Start(bulky(10, 100_000))).await.unwrap();
    assert_eq!(log(), made, "the commit has found room");

    let crashed = Folder::new();
    for file in ["lumina.db", "lumina.db-wal"] {
        std::fs::copy(folder.path(file), crashed.path(file)).unwrap();
    }
    let found = runs(&crashed.executor(Mode::Threads)).await;
    assert_eq!(found, runs(&store).await);
    assert_eq!(found.len(), 11);
}
