//! Lookups and their ends.

use std::collections::{BTreeMap, BTreeSet};

use super::{Invariant, Verdict};
use crate::people::is_refused;
use crate::world::{Item, World};

/// Every lookup has ended, each as it must.
pub(super) fn check(world: &World, verdict: &mut Verdict) {
    let accepted = accepted(world);
    let last_posts = last_posts(world);
    for job in &world.records.jobs {
        let end = End {
            status: &job.status,
            is_refused: is_refused(&job.email) && !accepted.contains(&job.email),
            last_post: last_posts.get(job.id.as_str()).copied(),
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
    /// What became of the last POST that it was in.
    last_post: Option<&'w str>,
}

impl End<'_> {
    /// `failed` is where the provider refused that very address, and nowhere else; stale is what may have been accepted.
    fn find_wrong(&self) -> Option<String> {
        match (self.status, self.last_post, self.is_refused) {
            ("pending" | "submitted", ..) => Some(format!("is still {}", self.status)),
            ("stale", Some("unknown"), _) | ("stale", Some("accepted"), false) => None,
            ("stale", post, false) => Some(format!("is stale, and its last POST was {post:?}")),
            ("failed", _, true) | ("enriched" | "not_found", _, false) => None,
            ("failed", _, false) => Some("has failed, and the provider does not refuse it".to_owned()),
            (_, _, true) => Some(format!("is {}, and the provider refuses it", self.status)),
            (other, ..) => Some(format!("is {other:?}, which is no status")),
        }
    }
}

/// What became of the last POST that each lookup was in and that was made. Runs are numbered in the order in which they
/// were started.
fn last_posts(world: &World) -> BTreeMap<&str, &str> {
    let posts = world.records.posts.iter();
    let mut posts: Vec<_> = posts.filter(|post| post.state != "closed").collect();
    posts.sort_by_key(|post| (&post.run, post.attempt));
    let each = posts
        .iter()
        .flat_map(|post| post.jobs.iter().map(|job| (job.as_str(), post.state.as_str())));
    each.collect()
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
