//! Whoever was accepted is there.

use std::collections::BTreeSet;

use super::{Invariant, Verdict};
use crate::world::World;

/// Every accepted subscriber is stored, once, and has a lookup if the address is personal.
pub(super) fn check(world: &World, verdict: &mut Verdict) {
    let stored: BTreeSet<&str> = world.records.subscribers.iter().map(String::as_str).collect();
    let looked_up: BTreeSet<&str> = world.records.jobs.iter().map(|job| job.email.as_str()).collect();
    for subscriber in &world.accepted {
        let email = subscriber.email.as_str();
        if !stored.contains(email) {
            verdict.violate(Invariant::Stored, format!("{email} was accepted and is not stored"));
        } else if subscriber.personal && !looked_up.contains(email) {
            verdict.violate(Invariant::Stored, format!("{email} was accepted and has no lookup"));
        }
    }
    verdict.count("subscribers accepted", world.accepted.len());
    verdict.count("subscribers stored", stored.len());
}
