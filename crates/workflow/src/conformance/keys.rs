//! Correlation keys: names of runs in somebody else's world.

use super::Stage;
use super::endings::completing;
use super::samples::{bare, block, claim, event, key, park, step};
use super::stage::{holds, ids, same};
use crate::event::CorrelationKey;
use crate::store::{Advance, Delivery, Lease, Next, Refusal, RunQuery};

fn holding(lease: Lease, seq: u64, keys: &[&str]) -> Advance {
    Advance {
        keys: keys.iter().map(|text| key(text)).collect(),
        ..bare(lease, seq)
    }
}

/// An event for a key goes to the run that holds it, while it is executed, parked or blocked.
pub fn a_key_leads_to_its_run(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.advanced(holding(lease, 0, &["k", "l"]));
    same(
        "a key routes to a running run",
        stage.emit(event("a", key("k"))),
        Delivery::Routed(lease.run),
    );
    same(
        "each of its keys does",
        stage.emit(event("b", key("l"))),
        Delivery::Routed(lease.run),
    );
    stage.advanced(park(lease));
    same(
        "a key routes to a waiting run",
        stage.emit(event("c", key("k"))),
        Delivery::Routed(lease.run),
    );
    let again = stage.take(lease.run);
    stage.advanced(block(again, 0, super::samples::HASH));
    same(
        "a key routes to a blocked run",
        stage.emit(event("d", key("k"))),
        Delivery::Routed(lease.run),
    );
    same(
        "all are in one inbox, in their order",
        stage.inbox_ids(lease.run),
        ids(["a", "b", "c", "d"]),
    );
    same("each counts", stage.row(lease.run).inbox, 4);
}

/// Events that waited for a key move into the inbox of the run that registers it, in their
/// order, and each counts. Their sequence is that of their storing: one that was stored before
/// another comes before it.
pub fn waiting_events_move_to_the_key(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.emit(event("1", key("k")));
    stage.emit(event("2", lease.run));
    stage.emit(event("3", key("l")));
    stage.emit(event("4", key("k")));
    stage.emit(event("5", key("other")));
    same(
        "the answer counts what moved",
        stage.advanced(holding(lease, 0, &["l", "k"])),
        4,
    );
    same(
        "they are in the order in which they were stored",
        stage.inbox_ids(lease.run),
        ids(["1", "2", "3", "4"]),
    );
    same("other keys' events still wait", stage.unrouted_ids(), ids(["5"]));
    same(
        "they are known as before",
        stage.emit(event("1", key("k"))),
        Delivery::Duplicate,
    );
}

/// A key of a live run is refused to others, whatever that run is doing, and free at its end.
pub fn a_key_belongs_to_one_live_run(stage: &Stage<'_>) {
    let (holder, other) = (stage.running(), stage.running());
    stage.advanced(holding(holder, 0, &["k"]));
    let taken = Refusal::KeyTaken {
        key: key("k"),
        by: holder.run,
    };
    let tries = || stage.apply(holding(other, 0, &["free", "k"]));
    same("a running run keeps its key", tries(), Err(taken.clone()));
    same(
        "what came with a taken key is not registered",
        stage.emit(event("e", key("free"))),
        Delivery::Unrouted,
    );
    stage.advanced(park(holder));
    same("a waiting run keeps its key", tries(), Err(taken));
    stage.emit(event("wake", holder.run));
    let again = stage.take(holder.run);
    stage.advanced(completing(again, 0));
    same(
        "an ended run's key is free",
        stage.advanced(holding(other, 0, &["free", "k"])),
        1,
    );
    same(
        "the new holder gets the events",
        stage.emit(event("f", key("k"))),
        Delivery::Routed(other.run),
    );
}

/// A run may register its own key again, twice in one change too.
pub fn a_key_may_be_registered_again_by_its_run(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.advanced(holding(lease, 0, &["k", "k"]));
    stage.advanced(Advance {
        keys: vec![key("k")],
        ..step(lease, 0)
    });
    same(
        "the key is still its own",
        stage.emit(event("e", key("k"))),
        Delivery::Routed(lease.run),
    );
    same("and the event is there once", stage.inbox_ids(lease.run), ids(["e"]));
}

/// Namespaces keep keys apart, and so do texts that look alike.
pub fn keys_are_told_apart(stage: &Stage<'_>) {
    let (lease, other) = (stage.running(), stage.running());
    stage.advanced(Advance {
        keys: vec![CorrelationKey::new("a", "b/c")],
        ..bare(lease, 0)
    });
    stage.advanced(Advance {
        keys: vec![CorrelationKey::new("a/b", "c")],
        ..bare(other, 0)
    });
    for (namespace, text, run) in [
        ("a", "b/c", Some(lease.run)),
        ("a/b", "c", Some(other.run)),
        ("a", "B/C", None),
        ("", "a/b/c", None),
    ] {
        let promised = run.map_or(Delivery::Unrouted, Delivery::Routed);
        same(
            "a key is a namespace and a text",
            stage.emit(event("e", CorrelationKey::new(namespace, text))),
            promised,
        );
    }
}

/// A run is found by a key while it holds it.
pub fn a_run_is_found_by_its_key(stage: &Stage<'_>) {
    let lease = stage.running();
    let found = || {
        let query = RunQuery {
            key: Some(key("k")),
            ..RunQuery::default()
        };
        stage
            .all_runs(query, 10)
            .into_iter()
            .map(|row| row.id)
            .collect::<Vec<_>>()
    };
    same("nobody holds the key", found(), vec![]);
    stage.advanced(holding(lease, 0, &["j", "k"]));
    same("its holder is found", found(), vec![lease.run]);
    stage.advanced(completing(lease, 0));
    same("an ended run holds no key", found(), vec![]);
}

/// A key that is registered by the change that ends the run is free again at once, and what
/// waited for it still waits.
pub fn a_key_of_an_ending_change_is_free(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.emit(event("e", key("k")));
    stage.advanced(Advance {
        next: completing(lease, 0).next,
        ..holding(lease, 0, &["k"])
    });
    same("the event waits for the next holder", stage.unrouted_ids(), ids(["e"]));
    let next = stage.running();
    same("which gets it", stage.advanced(holding(next, 0, &["k"])), 1);
}

/// A key survives that its run is taken over by another worker.
pub fn a_key_stays_when_the_lease_is_lost(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.advanced(holding(lease, 0, &["k"]));
    stage.advanced(Advance {
        next: Next::Release,
        ..bare(lease, 0)
    });
    holds("it is claimed again", stage.claim_ids(claim()) == vec![lease.run]);
    same(
        "the key is still the run's",
        stage.emit(event("e", key("k"))),
        Delivery::Routed(lease.run),
    );
}
