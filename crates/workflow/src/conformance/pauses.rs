//! Pauses of whole workflows.

use super::Stage;
use super::flows::runs;
use super::samples::{
    HASH, LEASE, OTHER_HASH, SECOND, WORKFLOW, bare, block, cancel, claim_under, claim_with, event, steer,
};
use super::stage::{holds, same};
use crate::flow::Flow;
use crate::store::{Advance, Claim, FlowCommandKind, Limit, Next, Outcome, RunStatus, Stamp};

/// Nothing of a paused workflow is claimed: new runs, waiting ones that something came in for,
/// due timers, expired leases, blocked runs for other code; not even by claimers with limits.
/// All of it is when the workflow is resumed, and a run that was asked to end at once.
pub fn a_paused_workflow_is_not_claimed(stage: &Stage<'_>) {
    let (waiting, timer, blocked, lost) = (stage.parked(), stage.running(), stage.running(), stage.running());
    let wake_at = Some(stage.now() + SECOND);
    stage.advanced(Advance {
        next: Next::Park { wake_at },
        ..bare(timer, 0)
    });
    stage.advanced(block(blocked, 0, HASH));
    let new = stage.start_many(2, Some("a"));
    same(
        "it is paused",
        stage.apply(steer(FlowCommandKind::Pause, "ada")),
        Ok(Outcome::Commanded { effective: true }),
    );
    stage.emit(event("e", waiting.run));
    stage.pass(LEASE);
    let hashes = [(WORKFLOW, HASH), (WORKFLOW, OTHER_HASH)];
    let flows = claim_under(Flow::none().in_flight(99)).flows;
    let claims = || {
        [
            claim_with(&hashes, 0),
            Claim {
                flows: flows.clone(),
                ..claim_with(&hashes, 0)
            },
        ]
    };
    for claim in claims() {
        same("nothing is claimed", stage.claim_ids(claim), vec![]);
    }
    for run in [waiting.run, timer.run, lost.run, new[0], new[1]] {
        same("it says why", stage.throttled_by(run), Some(Limit::WorkflowPaused));
    }
    same("nothing is due", stage.next_due(), None);
    same("a lease is taken away", stage.row(lost.run).status, RunStatus::Waiting);
    holds("its holder has lost it", stage.apply(bare(lost, 0)).is_err());
    holds("one is cancelled", stage.apply(cancel(new[1])).is_ok());
    same("it is claimed", stage.claim_ids(claim_with(&hashes, 0)), vec![new[1]]);
    same(
        "it goes on",
        stage.apply(steer(FlowCommandKind::Resume, "bob")),
        Ok(Outcome::Commanded { effective: true }),
    );
    holds(
        "which is worth a look",
        stage.next_due().is_some_and(|due| due <= stage.now()),
    );
    let mut claimed = stage.claim_ids(claim_with(&hashes, 0));
    claimed.sort();
    same(
        "all of it",
        claimed,
        vec![waiting.run, timer.run, blocked.run, lost.run, new[0]],
    );
}

/// Who has paused a workflow, and who resumed it, is shown with the time; a second request has no effect.
pub fn a_pause_names_who_and_when(stage: &Stage<'_>) {
    let steered = |what, by| stage.apply(steer(what, by)) == Ok(Outcome::Commanded { effective: true });
    holds(
        "what is not paused is not resumed",
        !steered(FlowCommandKind::Resume, "eve"),
    );
    same("nothing is shown of that", stage.flows(None), vec![]);
    let at = stage.now();
    holds("ada pauses", steered(FlowCommandKind::Pause, "ada"));
    stage.pass(SECOND);
    holds("bob is too late", !steered(FlowCommandKind::Pause, "bob"));
    let stamp = |by: &str, at| Some(Stamp { by: by.to_owned(), at });
    same(
        "ada is named",
        (stage.whole().paused, stage.whole().resumed),
        (stamp("ada", at), None),
    );
    holds("bob resumes", steered(FlowCommandKind::Resume, "bob"));
    let row = stage.whole();
    same(
        "bob is named",
        (row.paused, row.resumed),
        (None, stamp("bob", at + SECOND)),
    );
    holds("once", !steered(FlowCommandKind::Resume, "ada"));
}

/// After a pause the limits count as before, and what is in flight does not wait behind them.
pub fn a_pause_leaves_limits_alone(stage: &Stage<'_>) {
    let all = stage.start_many(3, None);
    let limited = || claim_under(Flow::none().in_flight(1));
    let lease = stage.claim_as(limited()).remove(0).lease;
    stage.advanced(Advance {
        next: Next::Park { wake_at: None },
        ..bare(lease, 0)
    });
    stage.apply(steer(FlowCommandKind::Pause, "ada")).expect("it is paused");
    let later = stage.start_many(2, None);
    same("nothing is claimed", stage.claim_ids(limited()), vec![]);
    stage.emit(event("e", lease.run));
    same("nothing is claimed", stage.claim_ids(limited()), vec![]);
    stage
        .apply(steer(FlowCommandKind::Resume, "ada"))
        .expect("it is resumed");
    let claimed = stage.claim_as(limited());
    same("what is in flight goes on", runs(&claimed), vec![all[0]]);
    same("the others wait", stage.throttled_by(later[1]), Some(Limit::InFlight));
    stage.finish(claimed[0].lease);
    same("for their turn", stage.claim_ids(limited()), vec![all[1]]);
}
