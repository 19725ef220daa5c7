//! Lookups and their ends.

use std::collections::BTreeSet;

use super::{Invariant, Verdict};
use crate::people::is_refused;
use crate::world::{Item, World};

/// Every lookup has ended, each as it must.
pub(super) fn check(world: &World, verdict: &mut Verdict) {
    let accepted = accepted(world);
    let doubtful = doubtful(world);
    for job in &world.records.jobs {
        let end = End {
            status: &job.status,
            is_refused: is_refused(&job.email) && !accepted.contains(&job.email),
            is_doubtful: doubtful.contains(job.id.as_str()),
        };
        if let Some(wrong) = end.find_wrong() {
            let reason = job.reason.as_deref().unwrap_or("no reason is given");
            verdict.violate(Invariant::Ended, format!("{} {wrong} ({reason})", job.email));
        }
        verdict.count(name_of(&job.status), 1);
    }
}

/// How a lookup has ended, and what speaks for it.
struct End<'w> {
    status: &'w str,
    /// The provider refuses the address, and has never accepted it.
    is_refused: bool,
    /// Nobody knows what became of a POST that it was in.
    is_doubtful: bool,
}

impl End<'_> {
    /// `failed` is where the provider refused that very address and nowhere else; what may have been accepted is stale.
    fn find_wrong(&self) -> Option<String> {
        match (self.status, self.is_refused) {
            ("pending" | "submitted", _) => Some(format!("is still {}", self.status)),
            ("failed", true) | ("enriched" | "not_found" | "stale", false) => None,
            ("stale", true) if self.is_doubtful => None,
            ("failed", false) => Some("has failed, and the provider does not refuse it".to_owned()),
            (_, true) => Some(format!("is {}, and the provider refuses it", self.status)),
            (other, false) => Some(format!("is {other:?}, which is no status")),
        }
    }
}

/// The lookups in all POSTs of which nobody knows what became.
fn doubtful(world: &World) -> BTreeSet<&str> {
    let posts = world.records.posts.iter().filter(|post| post.state == "unknown");
    posts.flat_map(|post| post.jobs.iter().map(String::as_str)).collect()
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
