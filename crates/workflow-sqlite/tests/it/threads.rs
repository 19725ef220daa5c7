//! Who waits for whom.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use lumina_workflow::Payload;
use lumina_workflow::store::{Attachment, Change, Purge, Store, StoreError};
use lumina_workflow_sqlite::{Mode, attach};

use crate::opened::*;

#[test]
fn inline_calls_are_complete_when_first_polled() {
    let folder = Folder::new();
    let store = folder.executor(Mode::Inline);
    start(&store, 1).now_or_never().expect("a commit is complete");
    let lease = claimed(&store)
        .now_or_never()
        .expect("a claim is complete")
        .remove(0)
        .lease;
    let lost = store
        .renew(vec![lease], Duration::from_secs(1))
        .now_or_never()
        .expect("a renewal is complete");
    assert_eq!(lost, Ok(vec![]));
    assert_eq!(runs(&store).now_or_never().expect("a list is complete").len(), 1);
    assert!(
        store
            .next_due()
            .now_or_never()
            .expect("the next timer is complete")
            .unwrap()
            .is_some()
    );
    store.read(|_| ()).now_or_never().expect("a read is complete").unwrap();
    store
        .purge(Purge {
            before: moment(),
            workflow: None,
            limit: 10,
        })
        .now_or_never()
        .expect("a purge is complete")
        .unwrap();
}

/// An attachment that holds the writer up: it says when it is reached, and goes on when it is told to.
fn gate() -> (Attachment, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (entered, is_in) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let gate = Mutex::new(may_go_on);
    let holding = attach(move |_| {
        entered.send(()).unwrap();
        gate.lock().unwrap().recv().unwrap();
        Ok(Payload::null())
    });
    (holding, is_in, go_on)
}

/// A renewal that comes last is done before the commits that were queued ahead of it.
#[tokio::test]
async fn a_renewal_goes_ahead_of_the_queue() {
    let folder = Folder::new();
    let store = folder.executor(Mode::Threads);
    let lease = running(&store, 1).await;
    let (holding, is_in, go_on) = gate();
    let looking = attach(move |tx| {
        let sql = "SELECT lease_until FROM workflow_run WHERE id = ?1";
        let until: i64 = tx.connection().query_row(sql, [lease.run.0], |row| row.get(0))?;
        Ok(Payload::from_stored(until.to_string()))
    });
    let before = runs(&store).await[0].due_at.unwrap();

    let mut held = std::pin::pin!(apply(&store, with(nothing(1), holding)));
    assert!(held.as_mut().now_or_never().is_none(), "it waits at the gate");
    is_in.recv().unwrap();
    let mut look = std::pin::pin!(apply(&store, with(nothing(2), looking)));
    assert!(look.as_mut().now_or_never().is_none(), "it is queued");
    let mut renew = store.renew(vec![lease], Duration::from_secs(7_200));
    assert!(renew.as_mut().now_or_never().is_none(), "it is queued as well");
    go_on.send(()).unwrap();
    assert_eq!(renew.await, Ok(vec![]));
    held.await.unwrap();
    let Ok(lumina_workflow::store::Outcome::Done { payload: Some(seen) }) = look.await else {
        panic!("no answer")
    };
    assert!(
        seen.decode::<i64>().unwrap() > before.as_microsecond() + 3_600_000_000,
        "the renewal came first"
    );
}

/// A claim and a group that wait behind each other share a transaction, in which the claim comes first: what the group
/// starts is the next claim's. One that is wrong is not the other's fault.
#[tokio::test]
async fn a_claim_and_a_group_are_done_together() {
    for wrong in [false, true] {
        let folder = Folder::new();
        let store = folder.executor(Mode::Threads);
        start(&store, 1).await;
        let (holding, is_in, go_on) = gate();
        let mut held = std::pin::pin!(apply(&store, with(nothing(1), holding)));
        assert!(held.as_mut().now_or_never().is_none(), "it waits at the gate");
        is_in.recv().unwrap();
        let second = if wrong { new_run(2) } else { new_run(3) };
        let group: Arc<[_]> = Arc::new([Change::Start(new_run(2)).into(), Change::Start(second).into()]);
        let mut commit = store.commit(group);
        assert!(commit.as_mut().now_or_never().is_none(), "it is queued");
        let mut claim = std::pin::pin!(claimed(&store));
        assert!(claim.as_mut().now_or_never().is_none(), "it is queued as well");
        go_on.send(()).unwrap();
        held.await.unwrap();
        let ids: Vec<_> = claim.await.into_iter().map(|claimed| claimed.run.id).collect();
        assert_eq!(ids, [new_run(1).id]);
        let answers = commit.await;
        assert_eq!(answers.is_err(), wrong, "{answers:?}");
        assert_eq!(runs(&store).await.len(), if wrong { 1 } else { 3 });
    }
}

/// A call whose future is dropped takes effect all the same once it was sent.
#[tokio::test]
async fn a_dropped_call_disturbs_nobody() {
    let folder = Folder::new();
    let store = folder.executor(Mode::Threads);
    let (holding, is_in, go_on) = gate();
    let mut held = std::pin::pin!(apply(&store, with(nothing(1), holding)));
    assert!(held.as_mut().now_or_never().is_none(), "it waits at the gate");
    is_in.recv().unwrap();
    let members: Arc<[_]> = Arc::new([Change::Start(new_run(1)).into()]);
    assert!(store.commit(members).now_or_never().is_none(), "it is queued");
    go_on.send(()).unwrap();
    held.await.unwrap();
    start(&store, 2).await;
    assert_eq!(runs(&store).await.len(), 2);
}

#[tokio::test]
async fn reading_cannot_write_and_survives_a_panic() {
    let folder = Folder::new();
    let store = folder.executor(Mode::Threads);
    let refused = store
        .read(|conn| conn.execute("DELETE FROM workflow_run", []))
        .await
        .unwrap()
        .unwrap_err();
    assert!(refused.to_string().contains("readonly"), "{refused}");
    for _ in 0..10 {
        let panicked = store.read(|_| panic!("on purpose")).await;
        assert!(matches!(
            panicked,
            Err(StoreError::OutcomeUnknown(_) | StoreError::Broken(_))
        ));
    }
    assert_eq!(
        store
            .read(|conn| conn.query_row("SELECT 7", [], |row| row.get::<_, i64>(0)))
            .await,
        Ok(Ok(7))
    );
}

/// However many long reads the application does, the engine's own get through.
#[tokio::test]
async fn the_engine_reads_beside_long_reads() {
    let folder = Folder::new();
    let store = folder.executor(Mode::Threads);
    let (go_on, gate) = mpsc::channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let long_reads: Vec<_> = (0..8)
        .map(|_| {
            let (store, gate) = (store.clone(), gate.clone());
            tokio::spawn(async move { store.read(move |_| gate.lock().unwrap().recv().is_err()).await })
        })
        .collect();
    tokio::task::yield_now().await;
    start(&store, 1).await;
    assert_eq!(runs(&store).await.len(), 1);
    drop(go_on);
    for read in long_reads {
        assert_eq!(read.await.unwrap(), Ok(true));
    }
}
