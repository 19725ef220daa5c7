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

/// The mood in which an answer leaves a record out.
const LEAVES_OUT: &str = "records_missing";

/// One person in one batch.
struct Sale<'w> {
    batch: &'w Batch,
    item: &'w Item,
    /// What was said of the person, if this batch was charged for them.
    said: Option<&'w Told>,
    /// Whether anything that names the batch came to Lumina.
    is_reached: bool,
}

impl<'w> Sale<'w> {
    fn new(world: &World, batch: &'w Batch, item: &'w Item) -> Self {
        Self {
            batch,
            item,
            said: batch.told(&item.email),
            is_reached: world.was_reached(batch),
        }
    }

    /// Whether Lumina was told of the person: by an answer, or, where that left the record out, by the event alone.
    fn is_told(&self) -> bool {
        self.is_reached && (!self.is_left_out() || self.item.event_delivered)
    }

    /// Of those that were free the ledger does not say whom an answer left out that left somebody out.
    fn is_left_out(&self) -> bool {
        let leaves_out = || self.batch.moods.iter().any(|mood| mood == LEAVES_OUT);
        self.said.map_or_else(leaves_out, |said| said.left_out)
    }
}

/// Each address that was charged, with all that was sold of it: what is free as well, since it is told again.
fn charged(world: &World) -> BTreeMap<String, Vec<Sale<'_>>> {
    let mut sold: BTreeMap<String, Vec<Sale<'_>>> = BTreeMap::new();
    for batch in &world.ledger.batches {
        for item in batch.jobs.iter().filter(|item| item.is_found()) {
            let sale = Sale::new(world, batch, item);
            sold.entry(item.email()).or_default().push(sale);
        }
    }
    sold.retain(|_, sales| sales.iter().any(|sale| sale.item.credits > 0));
    sold
}

fn found(world: &World) -> BTreeSet<String> {
    let items = world.ledger.batches.iter().flat_map(|batch| &batch.jobs);
    items.filter(|item| item.is_found()).map(Item::email).collect()
}

type Field = fn(&Told) -> Option<&str>;

fn check_words(email: &str, lead: &Lead, sales: &[Sale<'_>], verdict: &mut Verdict) {
    let fields: [(&str, &Option<String>, Field); 2] = [
        ("name", &lead.full_name, |told| told.full_name.as_deref()),
        ("page", &lead.linkedin_url, |told| told.linkedin_url.as_deref()),
    ];
    for (name, has, field) in fields {
        let told = said(sales.iter().filter(|sale| sale.is_told()), field);
        if !fits(has.as_deref(), &told, &said(sales.iter(), field)) {
            let what = format!("the lead {email} has the {name} {has:?}, and the provider said {told:?}");
            verdict.violate(Invariant::Leads, what);
        }
    }
}

fn said<'w>(sales: impl Iterator<Item = &'w Sale<'w>>, field: Field) -> Vec<&'w str> {
    sales.filter_map(|sale| field(sale.said?)).collect()
}

/// A field has to be what one of the answers said. Where none that came said anything, it may be what one said that did
/// not come, as a free repeat says it again, or a part of that: a name is made of its parts where it is not said as a
/// whole. And where none ever did, there is nothing to hold it against.
fn fits(has: Option<&str>, told: &[&str], anywhere: &[&str]) -> bool {
    match has {
        Some(has) if anywhere.is_empty() => !has.is_empty(),
        Some(has) if told.is_empty() => anywhere.iter().any(|said| said.contains(has)),
        Some(has) => told.contains(&has),
        None => told.is_empty(),
    }
}

/// Without a lead: either nothing that names the batch has ever reached Lumina, or nothing told the person. Both leave
/// the lookup stale, and nothing else does.
fn check_absence(email: &str, end: Option<&str>, sales: &[Sale<'_>], verdict: &mut Verdict) {
    let end = end.unwrap_or("nowhere");
    if end == "stale" && !sales.iter().any(Sale::is_told) {
        let excuse = match sales.iter().any(|sale| sale.is_reached) {
            true => "people charged and never told",
            false => "people charged whom nothing told Lumina of",
        };
        return verdict.count(excuse, 1);
    }
    let ids: Vec<&str> = sales.iter().map(|sale| sale.batch.enrichment_id.as_str()).collect();
    let what = format!("{email} was charged for and is no lead: the lookup is {end}, the batches are {ids:?}");
    verdict.violate(Invariant::Leads, what);
}
