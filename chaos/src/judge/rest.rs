//! Everything comes to rest, and nothing broke on the way.

use super::{Invariant, Verdict};
use crate::world::World;

/// Runs, the time it took to settle, and the processes.
pub(super) fn check(world: &World, verdict: &mut Verdict) {
    for run in world.records.runs.iter().filter(|run| run.is_stuck()) {
        let what = format!("run {} of {} is {}", run.id, run.workflow, run.status);
        verdict.violate(Invariant::Unstuck, what);
    }
    verdict.count("runs", world.records.runs.iter().filter(|run| !run.scheduled).count());
    let play = &world.play;
    if play.settled_in.is_none() {
        verdict.violate(Invariant::Settled, "the time was over before everything was at rest");
    }
    for what in &play.unsettled {
        verdict.violate(Invariant::Settled, what);
    }
    for what in play.ended.iter().chain(&play.panics) {
        verdict.violate(Invariant::Processes, what);
    }
}
