//! Leases: fencing by epoch, renewal, and what a worker that gave its run back may not do.

use super::samples::{HASH, LEASE, SECOND, bare, block, claim, done, failure, json, park, record, step};
use super::stage::same;
use super::{Act, Stage};
use crate::history::What;
use crate::id::{Epoch, RunId};
use crate::store::{Advance, Ending, Lease, Member, Next, Outcome, Refusal};
use crate::store::{Change, MemberResult};

/// Every way in which a run can go on.
fn every_next(stage: &Stage<'_>) -> Vec<Next> {
    vec![
        Next::Running,
        Next::Park { wake_at: None },
        Next::Park {
            wake_at: Some(stage.now()),
        },
        Next::Release,
        Next::Failing { cause: failure("late") },
        Next::Finish(Ending::Completed(json(9))),
        Next::Finish(Ending::Failed(failure("late"))),
        Next::Finish(Ending::Cancelled(failure("late"))),
        Next::Block {
            reason: "late".to_owned(),
            hash: HASH,
        },
    ]
}

fn every_change(stage: &Stage<'_>, lease: Lease) -> Vec<Advance> {
    let with = |records: Vec<_>| {
        move |next| Advance {
            records: records.clone(),
            next,
            ..bare(lease, 0)
        }
    };
    let recorded = with(vec![done(lease, 1)]);
    let all = every_next(stage);
    all.clone()
        .into_iter()
        .map(with(Vec::new()))
        .chain(all.into_iter().map(recorded))
        .collect()
}

fn refused(stage: &Stage<'_>, lease: Lease) -> Vec<MemberResult> {
    let counting = || stage.attach([Act::Count("late")]);
    let members = every_change(stage, lease).into_iter();
    members
        .map(|advance| Member {
            change: Change::Advance(advance),
            attach: Some(counting()),
        })
        .map(|member| stage.apply(member))
        .collect()
}

/// A worker whose run was taken over can write nothing, with records or without, whatever it
/// says, and neither can one that claims a lease of the future.
pub fn a_lost_lease_writes_nothing(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.pass(LEASE);
    let current = stage.take(lease.run);
    let before = stage.snapshot();
    for epoch in [Epoch(0), lease.epoch, Epoch(current.epoch.0 + 1)] {
        for answer in refused(stage, Lease { epoch, ..lease }) {
            same(
                "a write under another epoch is refused",
                answer,
                Err(Refusal::LeaseLost(lease.run)),
            );
        }
    }
    same("a refused write leaves no trace", stage.snapshot(), before);
    same(
        "the attachment of a refused write does not run",
        stage.counted("late"),
        0,
    );
    stage.advanced(step(current, 0));
}

/// What was applied under a lease that is lost is not answered again: the epoch goes first.
pub fn a_lost_lease_goes_before_a_repetition(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.advanced(step(lease, 0));
    stage.pass(LEASE);
    stage.take(lease.run);
    same(
        "the epoch is the first guard",
        stage.apply(step(lease, 0)),
        Err(Refusal::LeaseLost(lease.run)),
    );
}

/// Fencing goes by epoch alone: a worker whose lease has expired may write until somebody has
/// taken the run over.
pub fn time_alone_loses_no_lease(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.pass(LEASE * 100);
    stage.advanced(step(lease, 0));
    same(
        "an expired lease that nobody took can be renewed",
        stage.renew(&[lease], LEASE),
        vec![],
    );
    same("a renewed lease is not claimed", stage.claim_ids(claim()), vec![]);
}

/// Who has parked, released, blocked or ended a run under a lease has given that lease back:
/// later writes under it are refused as lost, unless they repeat what was applied.
pub fn a_lease_that_was_given_back_writes_nothing(stage: &Stage<'_>) {
    let giving_back = |next: &Next| !matches!(next, Next::Running | Next::Failing { .. });
    for next in every_next(stage).into_iter().filter(giving_back) {
        let lease = stage.running();
        stage.advanced(Advance {
            next: next.clone(),
            ..step(lease, 0)
        });
        let before = stage.snapshot();
        for late in [Next::Running, Next::Release, Next::Finish(Ending::Completed(json(0)))] {
            let answer = stage.apply(Advance {
                next: late,
                ..step(lease, 1)
            });
            same(
                "a lease that was given back writes nothing",
                answer,
                Err(Refusal::LeaseLost(lease.run)),
            );
        }
        let answer = stage.apply(bare(lease, 1));
        same(
            "it changes nothing without records either",
            answer,
            Err(Refusal::LeaseLost(lease.run)),
        );
        same("what was refused leaves no trace", stage.snapshot(), before);
        stage.claim_as(claim());
    }
}

/// A run that nobody has started is not known.
pub fn an_unknown_run_is_named(stage: &Stage<'_>) {
    let run = stage.run_id();
    for epoch in [Epoch(0), Epoch(1)] {
        let answer = stage.apply(step(Lease { run, epoch }, 0));
        same(
            "a write for a run that does not exist says so",
            answer,
            Err(Refusal::UnknownRun(run)),
        );
    }
}

/// A renewal extends each lease from now on, and names those that are lost: overtaken, parked,
/// ended, unknown.
pub fn a_renewal_extends_and_names_the_lost(stage: &Stage<'_>) {
    let (kept, overtaken, parked, ended) = (stage.running(), stage.running(), stage.running(), stage.running());
    let unknown = Lease {
        run: stage.run_id(),
        epoch: Epoch(1),
    };
    stage.advanced(park(parked));
    stage.advanced(super::endings::completing(ended, 0));
    stage.pass(SECOND);
    let stale = Lease {
        epoch: Epoch(0),
        ..overtaken
    };
    let lost = stage.renew(&[kept, stale, parked, ended, unknown], LEASE);
    same(
        "a renewal names the leases that are lost",
        sorted(lost),
        sorted(vec![stale.run, parked.run, ended.run, unknown.run]),
    );
    let due = stage.now() + LEASE;
    same(
        "a renewed lease lasts from now on",
        stage.row(kept.run).due_at,
        Some(due),
    );
    same(
        "a lost lease is not extended",
        stage.row(overtaken.run).due_at,
        Some(due - SECOND),
    );
    same(
        "a parked run gets no timer by a renewal",
        stage.row(parked.run).due_at,
        None,
    );
    same("a renewal of nothing loses nothing", stage.renew(&[], LEASE), vec![]);
    stage.pass(LEASE - SECOND);
    same(
        "only the lease that was not renewed is taken over",
        stage.claim_ids(claim()),
        vec![overtaken.run],
    );
}

/// A renewal may shorten a lease too: it counts from now on, whatever was before.
pub fn a_renewal_counts_from_now(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.renew(&[lease], LEASE * 10);
    stage.renew(&[lease], SECOND);
    same(
        "a lease lasts what its last renewal said",
        stage.row(lease.run).due_at,
        Some(stage.now() + SECOND),
    );
}

/// A step forward does not touch the lease.
pub fn a_write_does_not_extend_a_lease(stage: &Stage<'_>) {
    let lease = stage.running();
    let due = stage.row(lease.run).due_at;
    stage.pass(SECOND);
    stage.advanced(Advance {
        records: vec![record(lease, 1, What::AttemptStarted { attempt: 1 })],
        ..bare(lease, 0)
    });
    stage.advanced(Advance {
        next: Next::Failing { cause: failure("no") },
        ..bare(lease, 1)
    });
    same("only a renewal extends a lease", stage.row(lease.run).due_at, due);
}

/// Two workers never hold one run: of all leases given out, one can write.
pub fn one_lease_at_a_time_can_write(stage: &Stage<'_>) {
    let first = stage.running();
    let mut leases = vec![first];
    for _ in 0..4 {
        stage.pass(LEASE);
        leases.push(stage.take(first.run));
    }
    let last = leases.pop().expect("five leases were given out");
    for lease in leases {
        same(
            "an older lease is fenced off",
            stage.apply(block(lease, 0, HASH)),
            Err(Refusal::LeaseLost(lease.run)),
        );
    }
    let answer = stage.apply(step(last, 0));
    same(
        "the last lease can write",
        answer,
        Ok(Outcome::Advanced {
            inbox: 0,
            payload: None,
            news: None,
        }),
    );
}

fn sorted(mut runs: Vec<RunId>) -> Vec<RunId> {
    runs.sort();
    runs
}
