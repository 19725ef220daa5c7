//! What was taken is kept, and what was not the provider's was not taken.

use std::collections::BTreeSet;

use super::{Invariant, Verdict};
use crate::people::FORGED_NAME;
use crate::world::World;

/// Every callback that was answered with 2xx.
pub(super) fn check(world: &World, verdict: &mut Verdict) {
    let answers = world.records.answers.iter();
    let stored: BTreeSet<(&str, &str)> = answers
        .map(|answer| (answer.enrichment.as_str(), answer.body_hash.as_str()))
        .collect();
    for delivery in &world.ledger.deliveries {
        let hash = delivery.sha256.as_deref().unwrap_or_default();
        let is_stored = stored.contains(&(delivery.enrichment_id.as_str(), hash));
        let (kind, id, at) = (delivery.kind, &delivery.enrichment_id, delivery.at);
        if !kind.is_genuine() {
            let what = format!("a {kind:?} callback for {id} was answered with 2xx at {at}");
            verdict.violate(Invariant::Callbacks, what);
        } else if !is_stored {
            let what = format!("the {kind:?} callback for {id} was answered with 2xx at {at} and is not stored");
            verdict.violate(Invariant::Callbacks, what);
        }
        verdict.count("callbacks taken", 1);
    }
    let named = |lead: &crate::world::Lead| lead.full_name.as_deref() == Some(FORGED_NAME);
    for (email, _) in world.records.leads.iter().filter(|(_, lead)| named(lead)) {
        verdict.violate(
            Invariant::Callbacks,
            format!("the lead {email} is out of a forged callback"),
        );
    }
}
