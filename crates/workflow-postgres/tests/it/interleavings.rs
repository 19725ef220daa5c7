//! Two changes that meet, the one held at each of its moments while the other goes on: whatever the interleaving, an
//! event is found.

use lumina_workflow::RunId;
use lumina_workflow::store::{Advance, Change, Lease, MemberResult, Next, RunStatus};
use lumina_workflow_postgres::PostgresStore;

use crate::gate::Gate;
use crate::opened::*;

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
        let reached = gate.is_reached().await;
        let second = tokio::spawn({
            let plain = plain.clone();
            async move { apply(&plain, second).await }
        });
        as_far_as_it_goes(&second).await;
        gate.open();
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        check(&plain, facts, first, second, place).await;
        claimed(&plain).await;
        if !reached {
            assert!(place > 4, "only {place} moments");
            return;
        }
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
