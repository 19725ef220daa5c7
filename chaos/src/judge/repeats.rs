//! Sending again: once, and only what nobody knows the outcome of, after a full window, when all that was out has ended.

use std::collections::BTreeMap;

use super::{Invariant, Verdict};
use crate::world::{Answered, Batch, World};

/// The most often that a batch may be sent.
const MOST: usize = 2;

/// Every batch that was accepted more than once.
pub(super) fn check(world: &World, verdict: &mut Verdict) {
    let mut by_run: BTreeMap<&str, Vec<&Batch>> = BTreeMap::new();
    for batch in &world.ledger.batches {
        match batch.sender() {
            Some((run, _)) => by_run.entry(run).or_default().push(batch),
            None => verdict.violate(
                Invariant::SentOnce,
                format!("{} does not say which run sent it", batch.enrichment_id),
            ),
        }
    }
    for (run, batches) in &by_run {
        if batches.len() > MOST {
            let what = format!("run {run} had {} batches accepted", batches.len());
            verdict.violate(Invariant::SentOnce, what);
        }
        for pair in batches.windows(2) {
            check_pair(world, pair[0], pair[1], verdict);
        }
    }
    verdict.count("batches accepted", world.ledger.batches.len());
}

fn check_pair(world: &World, first: &Batch, second: &Batch, verdict: &mut Verdict) {
    verdict.count("batches sent again", 1);
    if let Err(wrong) = excuse(world, first, second) {
        let (first, second) = (&first.enrichment_id, &second.enrichment_id);
        verdict.violate(
            Invariant::SentOnce,
            format!("{first} was sent again as {second}: {wrong}"),
        );
    }
}

/// Why a batch may have been accepted a second time; an error says why it may not.
pub(super) fn excuse(world: &World, first: &Batch, second: &Batch) -> Result<(), String> {
    let (Some((run, attempt)), Some((again, next))) = (first.sender(), second.sender()) else {
        return Err("one of them does not say who sent it".to_owned());
    };
    if run != again {
        return Err(format!("two runs sent it, {run} and {again}"));
    }
    if next != attempt + 1 {
        return Err(format!("it was attempt {attempt}, and attempt {next} after that"));
    }
    if !was_unknown(world, first) {
        return Err("its outcome was known".to_owned());
    }
    let between = second.accepted_at.duration_since(first.accepted_at);
    if between < world.rules.window {
        return Err(format!("after {between:#}, and the window is {:#}", world.rules.window));
    }
    if let Some(out) = find_out(world, first, second) {
        return Err(format!("{} was sent before it and was still out", out.enrichment_id));
    }
    check_record(world, run, attempt)
}

/// A batch that was out when the first was sent and had not ended when the second was: while the provider may still
/// look it up, it may not have come to the first one either. One that nobody knew of counts as ended after its window.
fn find_out<'w>(world: &'w World, first: &Batch, second: &Batch) -> Option<&'w Batch> {
    let ends = world.records.ends();
    let has_ended = |batch: &Batch| {
        let id = batch.enrichment_id.as_str();
        let window_ends = batch.accepted_at + world.rules.window;
        let was_known = world.records.known_since(id).is_some_and(|since| since <= window_ends);
        let is_answered = ends.get(id).is_some_and(|end| *end <= second.accepted_at);
        is_answered || (!was_known && window_ends <= second.accepted_at)
    };
    let mut batches = world.ledger.batches.iter();
    batches.find(|batch| batch.accepted_at < first.accepted_at && !has_ended(batch))
}

/// Whether Lumina could not know the outcome: its answer was none, or the process was killed around it.
fn was_unknown(world: &World, batch: &Batch) -> bool {
    batch.answered != Answered::Ok || world.was_killed_around(batch)
}

/// Lumina's own record says the same.
fn check_record(world: &World, run: &str, attempt: u32) -> Result<(), String> {
    let posts = [attempt, attempt + 1].map(|attempt| world.records.post(run, attempt));
    let [Some(first), Some(second)] = posts else {
        return Err("Lumina has no record of both".to_owned());
    };
    match (first.posted_at, second.posted_at) {
        (Some(first), Some(second)) if second.duration_since(first) >= world.rules.window => Ok(()),
        (first, second) => Err(format!("Lumina's own record says {first:?} and {second:?}")),
    }
}
