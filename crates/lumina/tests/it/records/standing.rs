//! What is known of a POST while its answer comes in, on PostgreSQL, where each statement sees what was committed when it
//! began.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use lumina::records::{Records, Standing};
use lumina_workflow::StoreClock;
use lumina_workflow_postgres::{Hook, Options, PostgresStore, Verdict};
use tokio::sync::Notify;

use super::made::{HOUR, now};
use super::together::{Fleet, unlimited};
use crate::support::TestRuntime;

/// Holds a connection before one of its statements.
#[derive(Default)]
struct Gate {
    /// Statements until that one.
    left: AtomicUsize,
    reached: Notify,
    opened: Notify,
}

fn hook(gate: Arc<Gate>) -> Hook {
    Hook::new(move |_| {
        let held = gate.left.fetch_sub(1, Ordering::SeqCst) == 1;
        let gate = gate.clone();
        async move {
            if held {
                gate.reached.notify_one();
                gate.opened.notified().await;
            }
            Verdict::Go
        }
        .boxed()
    })
}

async fn held_records(fleet: &Fleet, gate: Arc<Gate>) -> Records {
    let clock = StoreClock::of(Arc::new(TestRuntime::new()));
    let options = Options::new(&fleet.database.address()).unwrap();
    let store = PostgresStore::open(options.clock(clock).hook(hook(gate)))
        .await
        .unwrap();
    Records::new(Arc::new(store))
}

/// Whichever of its questions is put last, it sees what was accepted before that: who is told that a POST is open makes
/// it, and pays again.
#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_becomes_accepted_is_never_called_open() {
    let (fleet, gate) = (Fleet::new().await, Arc::new(Gate::default()));
    let records = held_records(&fleet, gate.clone()).await;
    for (held, run) in (1..).zip(fleet.start_batches(8).await) {
        fleet.write(Records::take_batch(run, unlimited())).await;
        assert_eq!(fleet.records.standing(run, 1).await.unwrap(), Standing::Open);
        gate.left.store(held, Ordering::SeqCst);
        let mut asking = tokio::spawn({
            let records = records.clone();
            async move { records.standing(run, 1).await.unwrap() }
        });
        tokio::select! {
            () = gate.reached.notified() => {}
            standing = &mut asking => {
                assert_eq!(standing.unwrap(), Standing::Open);
                assert!(held > 1, "nothing was asked");
                return;
            }
        }
        fleet
            .write(Records::accept(run, 1, format!("of {run}"), now(), HOUR))
            .await;
        gate.opened.notify_one();
        let standing = asking.await.unwrap();
        assert!(
            matches!(standing, Standing::Accepted(_)),
            "held at statement {held}: {standing:?}"
        );
    }
    panic!("more is asked than there are batches");
}
