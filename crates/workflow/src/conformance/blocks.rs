//! Blocked runs: kept for code that fits.

use super::Stage;
use super::samples::{HASH, HOUR, LEASE, OTHER_HASH, WORKFLOW, bare, block, claim, claim_with, event, resume, worker};
use super::stage::{holds, ids, same};
use crate::id::DefinitionHash;
use crate::store::{Advance, Claim, Lease, Next, RunStatus};

const THIRD_HASH: DefinitionHash = DefinitionHash(0x0ccc);

fn code(hash: DefinitionHash) -> Claim {
    claim_with(&[(WORKFLOW, hash)], 0)
}

fn blocked(stage: &Stage<'_>) -> Lease {
    let lease = stage.running();
    stage.advanced(block(lease, 0, HASH));
    lease
}

/// A blocked run says why, holds no lease and no timer, and keeps all that it has.
pub fn a_blocked_run_says_why(stage: &Stage<'_>) {
    let lease = blocked(stage);
    let row = stage.row(lease.run);
    same("it is blocked", (row.status, row.due_at), (RunStatus::Blocked, None));
    same("it says why", row.blocked.as_deref(), Some("place 1 is another step"));
    same("its lease is over", stage.renew(&[lease], LEASE), vec![lease.run]);
    stage.pass(HOUR);
    same("time does not help", stage.claim_ids(claim()), vec![]);
    stage.emit(event("e", lease.run));
    same("an event does not help", stage.claim_ids(claim()), vec![]);
    same(
        "a takeover does not help",
        stage.claim_ids(Claim {
            worker: worker(2),
            takeover: true,
            ..claim()
        }),
        vec![],
    );
    same("events are kept", stage.inbox_ids(lease.run), ids(["e"]));
}

/// A blocked run is claimed by a worker with another hash of its workflow, older code
/// included, and is then blocked no longer; a worker without the workflow does not get it,
/// however new it is.
pub fn other_code_gets_a_blocked_run(stage: &Stage<'_>) {
    let lease = blocked(stage);
    same(
        "a worker without the workflow does not get it",
        stage.claim_ids(claim_with(&[("mail", OTHER_HASH)], 99)),
        vec![],
    );
    let claimed = stage.claim_as(claim_with(&[(WORKFLOW, OTHER_HASH)], -99));
    same("other code gets it", claimed.len(), 1);
    let row = &claimed[0].run;
    same(
        "it is executed",
        (row.status, row.blocked.clone(), row.hash),
        (RunStatus::Running, None, OTHER_HASH),
    );
    stage.advanced(Advance {
        next: Next::Release,
        ..bare(claimed[0].lease, 0)
    });
    let older = claim_with(&[(WORKFLOW, HASH)], -99);
    same("the code that fitted keeps it", stage.claim_ids(older), vec![]);
    same("and gets it again", stage.claim_ids(code(OTHER_HASH)), vec![lease.run]);
}

/// Code that did not fit, then code that did, then the first kind again in a newer worker: that one
/// gets the run, and gets it again after each parking. Else nobody would until something newer starts.
pub fn newer_code_keeps_a_run_that_it_blocked_before(stage: &Stage<'_>) {
    let run = blocked(stage).run;
    let newest = claim_with(&[(WORKFLOW, HASH)], 1);
    for claim in [code(OTHER_HASH), newest.clone(), newest] {
        let hash = claim.definitions[0].1;
        let claimed = stage.claim_as(claim);
        same("it gets the run", claimed.len(), 1);
        same("and executes it as its own", stage.row(run).hash, hash);
        stage.advanced(Advance {
            next: Next::Release,
            ..bare(claimed[0].lease, 0)
        });
    }
}

/// Each hash gets a blocked run once: code that did not fit does not get it again when other
/// code did not fit either. A resume lets each try once more.
pub fn each_hash_gets_a_blocked_run_once(stage: &Stage<'_>) {
    let lease = blocked(stage);
    for hash in [OTHER_HASH, THIRD_HASH] {
        let claimed = stage.claim_as(code(hash));
        same("a hash that has not tried gets the run", claimed.len(), 1);
        stage.advanced(block(claimed[0].lease, 0, hash));
        for tried in [HASH, hash] {
            same("a hash that has tried does not", stage.claim_ids(code(tried)), vec![]);
        }
    }
    holds("a blocked run can be retried", stage.apply(resume(lease.run)).is_ok());
    let claimed = stage.claim_as(code(HASH));
    same("after a resume each may try again", claimed.len(), 1);
    stage.advanced(block(claimed[0].lease, 1, HASH));
    same("once", stage.claim_ids(code(HASH)), vec![]);
    same(
        "and so may the others",
        stage.claim_ids(code(OTHER_HASH)),
        vec![lease.run],
    );
}

/// A run that newer code did not know at all is blocked for hash 0, and any code that knows the
/// workflow gets it.
pub fn a_run_that_was_unknown_finds_its_code(stage: &Stage<'_>) {
    let run = stage.start(stage.new_run());
    let claimed = stage.claim_as(claim_with(&[("mail", HASH)], 1));
    same("newer code gets what it does not know", claimed.len(), 1);
    stage.advanced(block(claimed[0].lease, 0, DefinitionHash(0)));
    same(
        "its hash is still the one it was started with",
        stage.row(run).hash,
        HASH,
    );
    same(
        "not again by the same code",
        stage.claim_ids(claim_with(&[("mail", HASH)], 1)),
        vec![],
    );
    same(
        "code that knows the workflow gets it",
        stage.claim_ids(code(HASH)),
        vec![run],
    );
}

/// A retried run is ready whatever its hash: any worker that has its workflow gets it. That
/// holds for the next claim; then its code is that of who claimed it.
pub fn a_retried_run_is_for_any_hash(stage: &Stage<'_>) {
    for (hash, built) in [(HASH, 0), (OTHER_HASH, -99), (THIRD_HASH, 0)] {
        let run = blocked(stage).run;
        holds("a blocked run can be retried", stage.apply(resume(run)).is_ok());
        let claimed = stage.claim_as(claim_with(&[(WORKFLOW, hash)], built));
        let runs: Vec<_> = claimed.iter().map(|claimed| claimed.lease.run).collect();
        same("any hash will do", runs, vec![run]);
        stage.advanced(Advance {
            next: Next::Release,
            ..bare(claimed[0].lease, 1)
        });
        let others = claim_with(&[(WORKFLOW, DefinitionHash(0x0ddd))], built);
        same("afterwards hashes count again", stage.claim_ids(others), vec![]);
        same(
            "and its code gets it",
            stage.claim_ids(claim_with(&[(WORKFLOW, hash)], built)),
            vec![run],
        );
    }
}

/// A retried run that older code has taken is that code's: newer code gets it as it would any other of that code's
/// runs, else nobody would when the older code is gone.
pub fn a_retried_run_outlives_older_code(stage: &Stage<'_>) {
    let run = blocked(stage).run;
    holds("a blocked run can be retried", stage.apply(resume(run)).is_ok());
    let claimed = stage.claim_as(claim_with(&[(WORKFLOW, OTHER_HASH)], -99)).remove(0);
    stage.advanced(Advance {
        next: Next::Release,
        ..bare(claimed.lease, 1)
    });
    let built = |built| claim_with(&[(WORKFLOW, THIRD_HASH)], built);
    same(
        "code of the same time does not get it",
        stage.claim_ids(built(-99)),
        vec![],
    );
    same("newer code does", stage.claim_ids(built(-98)), vec![run]);
}
