//! Two changes that meet, the one held at each of its moments while the other goes on: whatever the interleaving, an
//! event is found.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use lumina_workflow::RunId;
use lumina_workflow::store::{Advance, Change, Lease, Member, MemberResult, Next, RunStatus, Store};
use lumina_workflow_postgres::{At, Hook, PostgresStore, Verdict};
use tokio::sync::Notify;

use crate::opened::*;

/// Holds a connection at its n-th moment until it is told to go on.
#[derive(Clone, Default)]
struct Gate {
    passed: Arc<AtomicUsize>,
    /// Transactions that were begun.
    begun: Arc<AtomicUsize>,
    hold_at: Arc<Mutex<Option<usize>>>,
    reached: Arc<Notify>,
    open: Arc<Notify>,
}

impl Gate {
    fn hook(&self) -> Hook {
        let this = self.clone();
        Hook::new(move |at| {
            let begins = matches!(at, At::Statement(sql) if sql.starts_with("BEGIN"));
            this.begun.fetch_add(usize::from(begins), Ordering::SeqCst);
            let place = this.passed.fetch_add(1, Ordering::SeqCst);
            let held = this.hold_at.lock().unwrap().take_if(|at| *at == place).is_some();
            let this = this.clone();
            async move {
                if held {
                    this.reached.notify_one();
                    this.open.notified().await;
                }
                Verdict::Go
            }
            .boxed()
        })
    }

    fn arm(&self, place: usize) {
        self.passed.store(0, Ordering::SeqCst);
        *self.hold_at.lock().unwrap() = Some(place);
    }
}

/// Plays the pair at each moment of the first: it is held there, the second goes as far as it can, and both go on.
async fn interleave<P, Q>(prepare: impl AsyncFn(&PostgresStore, u128) -> (Change, Change, P), check: Q)
where
    Q: AsyncFn(&PostgresStore, P, MemberResult, MemberResult, usize),
{
    let gate = Gate::default();
    let (_database, plain, held) = two(gate.hook()).await;
    for place in 0.. {
        let (first, second, facts) = prepare(&plain, place as u128 * 10 + 1).await;
        gate.arm(place);
        let first = tokio::spawn({
            let held = held.clone();
            async move { apply(&held, first).await }
        });
        let reached = tokio::time::timeout(Duration::from_secs(2), gate.reached.notified())
            .await
            .is_ok();
        let second = tokio::spawn({
            let plain = plain.clone();
            async move { apply(&plain, second).await }
        });
        // It ends, or waits for a lock of the first.
        let _ = tokio::time::timeout(Duration::from_millis(60), async {
            while !second.is_finished() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        gate.open.notify_one();
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        check(&plain, facts, first, second, place).await;
        claimed(&plain).await;
        if !reached {
            assert!(place > 4, "only {place} moments");
            return;
        }
        // A permit that nobody has taken would open the next gate.
        let _ = gate.open.notified().now_or_never();
    }
}

async fn found_once(store: &PostgresStore, run: RunId, place: usize) {
    assert_eq!(inbox_ids(store, Some(run)).await, ["e"], "moment {place}");
    assert_eq!(row(store, run).await.inbox, 1, "moment {place}");
    assert!(inbox_ids(store, None).await.is_empty(), "moment {place}");
}

fn parking(lease: Lease, text: Option<&str>) -> Change {
    Change::Advance(Advance {
        keys: text.map(key).into_iter().collect(),
        guard: Some(0),
        ..bare(lease, 0, Next::Park { wake_at: None })
    })
}

fn registering(lease: Lease, text: &str) -> Change {
    Change::Advance(Advance {
        keys: vec![key(text)],
        ..bare(lease, 0, Next::Running)
    })
}

async fn never_sleeps_over_it(store: &PostgresStore, run: RunId, place: usize) {
    found_once(store, run, place).await;
    let found = row(store, run).await;
    let asleep = found.status == RunStatus::Waiting && !claimed(store).await.iter().any(|one| one.lease.run == run);
    assert!(!asleep, "moment {place}: the run sleeps over its event");
}

#[tokio::test]
async fn park_held_while_an_event_comes() {
    let prepare = async |store: &PostgresStore, number| {
        let lease = running(store, number).await;
        (parking(lease, None), Change::Emit(event("e", lease.run)), lease.run)
    };
    interleave(prepare, async |store, run, _, _, place| {
        never_sleeps_over_it(store, run, place).await;
    })
    .await;
}

#[tokio::test]
async fn an_event_held_while_its_run_parks() {
    let prepare = async |store: &PostgresStore, number| {
        let lease = running(store, number).await;
        (Change::Emit(event("e", lease.run)), parking(lease, None), lease.run)
    };
    interleave(prepare, async |store, run, _, _, place| {
        never_sleeps_over_it(store, run, place).await;
    })
    .await;
}

#[tokio::test]
async fn registering_held_while_an_event_comes() {
    let prepare = async |store: &PostgresStore, number| {
        let lease = running(store, number).await;
        let text = number.to_string();
        (
            registering(lease, &text),
            Change::Emit(event("e", key(&text))),
            lease.run,
        )
    };
    interleave(prepare, async |store, run, _, _, place| {
        found_once(store, run, place).await;
    })
    .await;
}

#[tokio::test]
async fn an_event_held_while_its_key_is_registered() {
    let prepare = async |store: &PostgresStore, number| {
        let lease = running(store, number).await;
        let text = number.to_string();
        (
            Change::Emit(event("e", key(&text))),
            registering(lease, &text),
            lease.run,
        )
    };
    interleave(prepare, async |store, run, _, _, place| {
        found_once(store, run, place).await;
    })
    .await;
}

#[tokio::test]
async fn registering_and_parking_held_while_an_event_comes() {
    let prepare = async |store: &PostgresStore, number| {
        let lease = running(store, number).await;
        let text = number.to_string();
        (
            parking(lease, Some(&text)),
            Change::Emit(event("e", key(&text))),
            lease.run,
        )
    };
    interleave(prepare, async |store, run, _, _, place| {
        never_sleeps_over_it(store, run, place).await;
    })
    .await;
}

#[tokio::test]
async fn an_event_held_while_its_run_starts() {
    let prepare = async |_: &PostgresStore, number| {
        let run = run_id(number);
        (Change::Emit(event("e", run)), Change::Start(new_run(number)), run)
    };
    interleave(prepare, async |store, run, _, _, place| {
        found_once(store, run, place).await;
    })
    .await;
}

#[tokio::test]
async fn a_start_held_while_an_event_comes() {
    let prepare = async |_: &PostgresStore, number| {
        let run = run_id(number);
        (Change::Start(new_run(number)), Change::Emit(event("e", run)), run)
    };
    interleave(prepare, async |store, run, _, _, place| {
        found_once(store, run, place).await;
    })
    .await;
}

#[tokio::test]
async fn two_that_register_one_key() {
    let prepare = async |store: &PostgresStore, number| {
        let (one, other) = (running(store, number).await, running(store, number + 1).await);
        let text = number.to_string();
        (registering(one, &text), registering(other, &text), ())
    };
    let check = async |_: &PostgresStore, (), one: MemberResult, other: MemberResult, place: usize| {
        assert!(one.is_ok() != other.is_ok(), "moment {place}: {one:?}, {other:?}");
    };
    interleave(prepare, check).await;
}

/// One process sends to keys, the last of them first, while another registers them: each of the two transactions is
/// begun once, so none was ended because they waited for each other in a circle.
#[tokio::test]
async fn events_held_while_their_keys_are_registered() {
    play_keys(true).await;
}

#[tokio::test]
async fn registrations_held_while_events_for_their_keys_come() {
    play_keys(false).await;
}

async fn play_keys(hold_events: bool) {
    let (gate, free) = (Gate::default(), Gate::default());
    let (database, plain, held) = two(gate.hook()).await;
    let other = open(database.options().hook(free.hook())).await;
    for place in 0.. {
        let base = place as u128 * 10 + 1;
        let leases = [running(&plain, base).await, running(&plain, base + 1).await];
        let names = [format!("a-{place}"), format!("b-{place}")];
        let events = [1, 0].map(|nth: usize| Change::Emit(event("e", key(&names[nth]))).into());
        let steps = [0, 1].map(|nth: usize| registering(leases[nth], &names[nth]).into());
        let (first, second) = if hold_events { (events, steps) } else { (steps, events) };
        for gate in [&gate, &free] {
            gate.begun.store(0, Ordering::SeqCst);
        }
        gate.arm(place);
        let first = commit(&held, first);
        let reached = tokio::time::timeout(Duration::from_secs(2), gate.reached.notified())
            .await
            .is_ok();
        let second = commit(&other, second);
        let _ = tokio::time::timeout(Duration::from_millis(60), async {
            while !second.is_finished() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        gate.open.notify_one();
        for answers in [first.await.unwrap(), second.await.unwrap()] {
            assert!(answers.iter().all(Result::is_ok), "moment {place}: {answers:?}");
        }
        for gate in [&gate, &free] {
            assert_eq!(gate.begun.load(Ordering::SeqCst), 1, "moment {place}");
        }
        for lease in leases {
            assert_eq!(inbox_ids(&plain, Some(lease.run)).await, ["e"], "moment {place}");
        }
        if !reached {
            assert!(place > 8, "only {place} moments");
            return;
        }
        let _ = gate.open.notified().now_or_never();
    }
}

fn commit(store: &PostgresStore, members: [Member; 2]) -> tokio::task::JoinHandle<Vec<MemberResult>> {
    let store = store.clone();
    tokio::spawn(async move { store.commit(members.into()).await.unwrap() })
}
