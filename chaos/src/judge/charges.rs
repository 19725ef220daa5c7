//! Nobody is paid for twice, unless nothing else was to be done.

use std::collections::BTreeMap;

use super::repeats::excuse;
use super::{Invariant, Verdict};
use crate::world::{Batch, World};

/// Every address that was charged more than once.
pub(super) fn check(world: &World, verdict: &mut Verdict) {
    let mut charges: BTreeMap<String, Vec<&Batch>> = BTreeMap::new();
    for batch in &world.ledger.batches {
        for item in &batch.jobs {
            let email = item.email();
            // A charge of two credits is two charges.
            (0..item.credits).for_each(|_| charges.entry(email.clone()).or_default().push(batch));
        }
    }
    for (email, batches) in &charges {
        for pair in batches.windows(2) {
            match excuse(world, pair[0], pair[1]) {
                Ok(()) => verdict.count("people charged twice after an unknown outcome", 1),
                Err(wrong) => verdict.violate(
                    Invariant::ChargedOnce,
                    format!(
                        "{email} was charged in {} and in {}: {wrong}",
                        pair[0].enrichment_id, pair[1].enrichment_id
                    ),
                ),
            }
        }
        verdict.count("credits charged", batches.len());
    }
}
