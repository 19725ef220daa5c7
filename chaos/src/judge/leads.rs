//! What was paid for is there, as it was told.

use std::collections::{BTreeMap, BTreeSet};

use super::{Invariant, Verdict};
use crate::world::{Batch, Item, Lead, Told, World};

/// Every charged person is a lead with what the provider said; and nobody is who was not found.
pub(super) fn check(world: &World, verdict: &mut Verdict) {
    let ends: BTreeMap<&str, &str> = world
        .records
        .jobs
        .iter()
        .map(|job| (job.email.as_str(), job.status.as_str()))
        .collect();
    for (email, sales) in charged(world) {
        match world.records.leads.get(&email) {
            Some(lead) => check_words(&email, lead, &sales, verdict),
            None => check_absence(&email, ends.get(email.as_str()).copied(), &sales, verdict),
        }
        verdict.count("people charged", 1);
    }
    let found = found(world);
    for email in world.records.leads.keys().filter(|email| !found.contains(*email)) {
        verdict.violate(
            Invariant::Leads,
            format!("{email} is a lead, and the provider found nobody"),
        );
    }
}

type Sale<'w> = (&'w Batch, &'w Item);

/// Each address that was charged, with all that was sold of it: what is free as well, since it is told again.
fn charged(world: &World) -> BTreeMap<String, Vec<Sale<'_>>> {
    let mut sold: BTreeMap<String, Vec<Sale<'_>>> = BTreeMap::new();
    for batch in &world.ledger.batches {
        for item in batch.jobs.iter().filter(|item| item.found) {
            sold.entry(item.email()).or_default().push((batch, item));
        }
    }
    sold.retain(|_, sales| sales.iter().any(|(_, item)| item.credits > 0));
    sold
}

fn found(world: &World) -> BTreeSet<String> {
    let items = world.ledger.batches.iter().flat_map(|batch| &batch.jobs);
    items.filter(|item| item.found).map(Item::email).collect()
}

/// A field has to be what one of the answers said. Where none said anything there is nothing to hold it against.
fn check_words(email: &str, lead: &Lead, sales: &[Sale<'_>], verdict: &mut Verdict) {
    let told: Vec<&Told> = sales.iter().filter_map(|(_, item)| item.told.as_ref()).collect();
    let fields: [(&str, &Option<String>, Vec<&str>); 2] = [
        ("name", &lead.full_name, said(&told, |told| told.full_name.as_deref())),
        (
            "page",
            &lead.linkedin_url,
            said(&told, |told| told.linkedin_url.as_deref()),
        ),
    ];
    for (field, has, said) in fields {
        let fits = said.is_empty() || has.as_deref().is_some_and(|has| said.contains(&has));
        if !fits {
            let what = format!("the lead {email} has the {field} {has:?}, and the provider said {said:?}");
            verdict.violate(Invariant::Leads, what);
        }
    }
}

fn said<'t>(told: &[&'t Told], field: fn(&'t Told) -> Option<&'t str>) -> Vec<&'t str> {
    told.iter().filter_map(|told| field(told)).collect()
}

/// Without a lead: either nothing that names the batch has ever reached Lumina, or no answer told the person. Both
/// leave the lookup stale, and nothing else does.
fn check_absence(email: &str, end: Option<&str>, sales: &[Sale<'_>], verdict: &mut Verdict) {
    let end = end.unwrap_or("nowhere");
    let was_reached = sales.iter().any(|(batch, _)| batch.reached);
    let was_told = sales.iter().any(|(batch, item)| batch.reached && item.told.is_some());
    if end == "stale" && !was_told {
        let excuse = if was_reached {
            "people charged and never told"
        } else {
            "people charged whom nothing told Lumina of"
        };
        return verdict.count(excuse, 1);
    }
    let ids: Vec<&str> = sales.iter().map(|(batch, _)| batch.enrichment_id.as_str()).collect();
    let what = format!("{email} was charged for and is no lead: the lookup is {end}, the batches are {ids:?}");
    verdict.violate(Invariant::Leads, what);
}
