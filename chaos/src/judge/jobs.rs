//! Lookups and their ends.

use std::collections::BTreeSet;

use super::{Invariant, Verdict};
use crate::people::is_refused;
use crate::world::{Item, Job, World};

/// Every lookup has ended, each as it must.
pub(super) fn check(world: &World, verdict: &mut Verdict) {
    let accepted = accepted(world);
    for job in &world.records.jobs {
        let is_refused = is_refused(&job.email) && !accepted.contains(&job.email);
        if let Some(wrong) = find_wrong_end(job, is_refused) {
            let reason = job.reason.as_deref().unwrap_or("no reason is given");
            verdict.violate(Invariant::Ended, format!("{} {wrong} ({reason})", job.email));
        }
        verdict.count(name_of(&job.status), 1);
    }
}

/// `failed` is where the provider refused that very address, and nowhere else.
fn find_wrong_end(job: &Job, is_refused: bool) -> Option<String> {
    match (job.status.as_str(), is_refused) {
        ("failed", true) | ("enriched" | "not_found" | "stale", false) => None,
        ("pending" | "submitted", _) => Some(format!("is still {}", job.status)),
        ("failed", false) => Some("has failed, and the provider does not refuse it".to_owned()),
        (_, true) => Some(format!("is {}, and the provider refuses it", job.status)),
        (other, false) => Some(format!("is {other:?}, which is no status")),
    }
}

/// The addresses in all batches that the provider has accepted. When the faults end it may accept for a moment what it
/// refuses before and after.
fn accepted(world: &World) -> BTreeSet<String> {
    let items = world.ledger.batches.iter().flat_map(|batch| &batch.jobs);
    items.map(Item::email).collect()
}

fn name_of(status: &str) -> &'static str {
    match status {
        "enriched" => "lookups enriched",
        "not_found" => "lookups not found",
        "failed" => "lookups failed",
        "stale" => "lookups stale",
        _ => "lookups open",
    }
}
