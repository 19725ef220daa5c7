//! Never more batches are out than may be.
//!
//! A place is taken from the batch's acceptance on, and is free again when its end is stored, at its deadline, or,
//! while nobody knows that it was accepted, a window after it was sent. It is not taken again when that becomes known
//! later.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Invariant, Verdict};
use crate::world::{Batch, Post, World};

/// Counts what is out at every moment at which that grows.
pub(super) fn check(world: &World, verdict: &mut Verdict) {
    let answered = world.records.ends();
    let mut places: Vec<Place> = world
        .ledger
        .batches
        .iter()
        .map(|batch| of_batch(world, batch, &answered))
        .collect();
    places.extend(world.records.posts.iter().filter_map(|post| of_lost(world, post)));
    let out_at = |at: Timestamp| places.iter().filter(move |place| place.from <= at && at < place.until);
    let most = places
        .iter()
        .map(|place| place.from)
        .max_by_key(|at| out_at(*at).count());
    let Some(at) = most else { return };
    let names: Vec<&str> = out_at(at).map(|place| place.name.as_str()).collect();
    verdict.count("batches out at most", names.len());
    let allowed = world.rules.max_in_flight;
    if names.len() > allowed {
        let what = format!("{} batches were out at {at}, of {allowed}: {names:?}", names.len());
        verdict.violate(Invariant::InFlight, what);
    }
}

struct Place {
    name: String,
    from: Timestamp,
    until: Timestamp,
}

fn of_batch(world: &World, batch: &Batch, answered: &BTreeMap<&str, Timestamp>) -> Place {
    let (rules, records, id) = (&world.rules, &world.records, batch.enrichment_id.as_str());
    let post = batch.sender().and_then(|(run, attempt)| records.post(run, attempt));
    let posted = post.and_then(|post| post.posted_at).unwrap_or(batch.accepted_at);
    // What Lumina learns late it may have noted with a later time than it was.
    let posted = posted.min(batch.accepted_at);
    let window_ends = posted + rules.window;
    let is_known_in_time = records.known_since(id).is_some_and(|since| since <= window_ends);
    let by_time = if is_known_in_time {
        posted + rules.deadline
    } else {
        window_ends
    };
    let by_answer = answered.get(id).copied().unwrap_or(Timestamp::MAX);
    Place {
        name: id.to_owned(),
        from: batch.accepted_at,
        until: by_time.min(by_answer),
    }
}

/// One that the provider has never accepted, and nobody knows.
fn of_lost(world: &World, post: &Post) -> Option<Place> {
    let sent = (post.run.as_str(), post.attempt);
    let is_accepted = world.ledger.batches.iter().any(|batch| batch.sender() == Some(sent));
    let posted = post.posted_at.filter(|_| post.state == "unknown" && !is_accepted)?;
    Some(Place {
        name: format!("attempt {} of run {}", post.attempt, post.run),
        from: posted,
        until: posted + world.rules.window,
    })
}
