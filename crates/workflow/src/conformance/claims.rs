//! Claims: who gets which run, in which order.

use std::time::Duration;

use super::samples::{
    HASH, HOUR, LEASE, OTHER_HASH, SECOND, WORKFLOW, bare, claim, claim_with, done, event, moment, park, worker,
};
use super::stage::{holds, same};
use super::{Act, Stage};
use crate::history::Record;
use crate::id::{Epoch, RunId};
use crate::store::{Advance, CLAIMED_EVENTS, CLAIMED_RECORDS, Claim, Lease, NewRun, Next, RunStatus};

/// A claim makes a run the worker's: running, one epoch higher, with a lease from now on; and
/// it brings the row as it is then.
pub fn a_claim_gives_a_lease(stage: &Stage<'_>) {
    let id = stage.start(stage.new_run());
    stage.pass(SECOND);
    let mut claimed = stage.claim_as(Claim {
        worker: worker(9),
        ..claim()
    });
    same("one ready run is one claim", claimed.len(), 1);
    let claimed = claimed.remove(0);
    let row = stage.row(id);
    same(
        "the first lease has epoch 1",
        claimed.lease,
        Lease {
            run: id,
            epoch: Epoch(1),
        },
    );
    same("a claim tells the store's time", claimed.now, stage.now());
    same(
        "a claimed run is running",
        (row.status, row.epoch),
        (RunStatus::Running, Epoch(1)),
    );
    same("a claimed run names its worker", row.worker, Some(worker(9)));
    same("a lease begins with the claim", row.due_at, Some(claimed.now + LEASE));
    same("a claim changes the run", row.updated_at, claimed.now);
    same("a claim brings the row as it is afterwards", claimed.run, row);
    same(
        "a run that is being executed is not claimed again",
        stage.claim_ids(claim()),
        Vec::new(),
    );
}

/// Higher priority first, then who became ready first: at its start, when something came in,
/// when its timer was due, when its lease expired. Runs that became ready at the same time
/// come in any order.
pub fn claims_are_in_order(stage: &Stage<'_>) {
    let timer = stage.running();
    let waiting = stage.parked();
    let lost = stage.running();
    let wake_at = Some(stage.now() + 3 * SECOND);
    stage.advanced(Advance {
        next: Next::Park { wake_at },
        ..bare(timer, 0)
    });
    let of = |priority| NewRun {
        priority,
        ..stage.new_run()
    };
    let plain = stage.start(of(0));
    let lowest = stage.start(of(-1));
    stage.pass(5 * SECOND);
    stage.emit(event("e", waiting.run));
    stage.pass(LEASE);
    let later = stage.start(of(i16::MAX));
    let next = stage.start(of(1));
    let promised = vec![timer.run, waiting.run, lost.run, later, next, plain, lowest];
    same(
        "claims go by priority, then by when a run became ready",
        stage.claim_ids(claim()),
        promised,
    );
}

/// At most `limit` runs, the first ones; the others stay.
pub fn a_claim_has_a_limit(stage: &Stage<'_>) {
    let runs: Vec<RunId> = (0..5)
        .map(|_| {
            stage.pass(SECOND);
            stage.start(stage.new_run())
        })
        .collect();
    let limited = |limit| stage.claim_ids(Claim { limit, ..claim() });
    same("a claim of nothing gets nothing", limited(0), Vec::new());
    same("a claim gets the first ones", limited(2), runs[..2].to_vec());
    same(
        "the next claim goes on where the last one ended",
        limited(2),
        runs[2..4].to_vec(),
    );
    same("a claim gets what there is", limited(2), runs[4..].to_vec());
}

/// Limit and priority hold over all that can be claimed: what is ready, timers that are due,
/// leases that have expired, blocked runs for other code.
pub fn a_limit_holds_over_all_kinds(stage: &Stage<'_>) {
    let with = |priority| {
        stage.start(NewRun {
            priority,
            ..stage.new_run()
        })
    };
    let runs: Vec<RunId> = (1..=8).map(with).collect();
    let mut claimed = stage.claim_as(claim());
    claimed.sort_by_key(|claimed| claimed.lease.run);
    let nexts = |now| {
        [
            Next::Park { wake_at: Some(now) },
            Next::Running,
            Next::Release,
            blocking(),
        ]
    };
    for (claimed, next) in claimed.iter().zip(nexts(stage.now()).into_iter().cycle()) {
        stage.advanced(Advance {
            next,
            ..bare(claimed.lease, 0)
        });
    }
    stage.pass(LEASE);
    let code = || claim_with(&[(WORKFLOW, HASH), (WORKFLOW, OTHER_HASH)], 0);
    for pair in runs.chunks(2).rev() {
        let found = stage.claim_ids(Claim { limit: 2, ..code() });
        same(
            "the limit and the order hold over all kinds",
            found,
            vec![pair[1], pair[0]],
        );
    }
    same("then nothing is left", stage.claim_ids(code()), vec![]);
}

fn blocking() -> Next {
    Next::Block {
        reason: "other code".to_owned(),
        hash: HASH,
    }
}

/// A parked run is claimed when its timer is due, not before, and without a timer not at all.
pub fn a_timer_is_due_at_its_time(stage: &Stage<'_>) {
    let (lease, quiet) = (stage.running(), stage.running());
    let due = stage.now() + HOUR;
    stage.advanced(Advance {
        next: Next::Park { wake_at: Some(due) },
        ..bare(lease, 0)
    });
    stage.advanced(park(quiet));
    same("a parked run shows its timer", stage.row(lease.run).due_at, Some(due));
    stage.pass(HOUR - Duration::from_micros(1));
    same(
        "a timer that is not due wakes nobody",
        stage.claim_ids(claim()),
        Vec::new(),
    );
    stage.pass(Duration::from_micros(1));
    same("a timer is due at its very time", stage.take(lease.run).epoch, Epoch(2));
    stage.pass(HOUR);
    same(
        "without a timer time alone wakes nobody but expired leases",
        stage.take(lease.run).epoch,
        Epoch(3),
    );
}

/// A run whose lease has expired is taken over under a higher epoch, not before.
pub fn an_expired_lease_is_taken_over(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.advanced(Advance {
        records: vec![done(lease, 1)],
        ..bare(lease, 0)
    });
    stage.pass(LEASE - Duration::from_micros(1));
    same(
        "a lease that has not expired is respected",
        stage.claim_ids(claim()),
        Vec::new(),
    );
    stage.pass(Duration::from_micros(1));
    same(
        "an expired lease is taken over with the next epoch",
        stage.take(lease.run).epoch,
        Epoch(2),
    );
    same("what was recorded remains", stage.history(lease.run).len(), 1);
}

/// A takeover claims every run that another worker executes, and beyond that what any claim does:
/// a timer that is not due is left alone.
pub fn a_takeover_ends_every_lease(stage: &Stage<'_>) {
    let (lease, sleeping, parked) = (stage.running(), stage.running(), stage.parked());
    let wake_at = Some(stage.now() + HOUR);
    stage.advanced(Advance {
        next: Next::Park { wake_at },
        ..bare(sleeping, 0)
    });
    let delayed = stage.start(NewRun {
        delay: SECOND,
        ..stage.new_run()
    });
    let ready = stage.start(stage.new_run());
    let takeover = Claim {
        worker: worker(2),
        takeover: true,
        ..claim()
    };
    let mut claimed = stage.claim_ids(takeover.clone());
    claimed.sort();
    same(
        "a takeover gets what is executed and what is ready",
        claimed,
        vec![lease.run, ready],
    );
    same("a takeover has a higher epoch", stage.row(lease.run).epoch, Epoch(2));
    for (run, status) in [
        (sleeping.run, RunStatus::Waiting),
        (parked.run, RunStatus::Waiting),
        (delayed, RunStatus::Pending),
    ] {
        same("a takeover leaves alone what waits", stage.row(run).status, status);
    }
    same(
        "a takeover leaves alone what it has got",
        stage.claim_ids(takeover),
        vec![],
    );
}

/// A claim brings the beginning of the history and of the inbox, at most so much.
pub fn a_claim_brings_history_and_inbox(stage: &Stage<'_>) {
    let lease = stage.running();
    let records: Vec<Record> = (1..=CLAIMED_RECORDS as u64 + 5)
        .map(|place| done(lease, place))
        .collect();
    let count = records.len() as u64;
    stage.advanced(Advance {
        records,
        ..bare(lease, 0)
    });
    for number in 0..CLAIMED_EVENTS + 5 {
        stage.emit(event(&format!("e{number}"), lease.run));
    }
    stage.advanced(Advance {
        next: Next::Release,
        ..bare(lease, count)
    });
    let claimed = stage.claim_as(claim()).remove(0);
    same(
        "a claim brings the first records",
        claimed.records,
        stage.history(lease.run)[..CLAIMED_RECORDS].to_vec(),
    );
    let inbox = stage.inbox(Some(lease.run)).events;
    same(
        "a claim brings the first events",
        claimed.events,
        inbox[..CLAIMED_EVENTS].to_vec(),
    );
}

/// A worker without a run's (workflow, hash) gets it only when it is newer code than the run
/// has seen; one that has it gets it however old it is.
pub fn a_claim_goes_by_definition(stage: &Stage<'_>) {
    let run = stage.start(NewRun {
        known_since: moment(10),
        ..stage.new_run()
    });
    let other = [(WORKFLOW, OTHER_HASH)];
    let elsewhere = [("mail", HASH)];
    let refused = [
        claim_with(&other, 9),
        claim_with(&other, 10),
        claim_with(&elsewhere, 10),
        claim_with(&[], 10),
    ];
    for claim in refused {
        same(
            "older or equally old code that lacks the definition gets nothing",
            stage.claim_ids(claim),
            Vec::new(),
        );
    }
    let own = stage.claim_ids(claim_with(&[("mail", OTHER_HASH), (WORKFLOW, HASH)], 0));
    same("a worker that has the definition gets the run", own, vec![run]);
    let unknown = stage.start(NewRun {
        workflow: "fax".to_owned(),
        known_since: moment(10),
        ..stage.new_run()
    });
    same(
        "newer code gets a workflow it does not know",
        stage.claim_ids(claim_with(&other, 11)),
        vec![unknown],
    );
    same(
        "the hash of a run remains when its claimer has none for it",
        stage.row(unknown).hash,
        HASH,
    );
}

/// A run is its last executor's: its hash is the one it is executed with. Who is newer is
/// measured against the newest code that executed it, so that an older worker with the same
/// definition does not open it to code in between.
pub fn a_run_follows_the_code_that_executes_it(stage: &Stage<'_>) {
    let run = stage.start(stage.new_run());
    let code = |hash, built| claim_with(&[(WORKFLOW, hash)], built);
    let refused = |built| {
        let promise = "code that is not newer than the last executor, and lacks its definition, gets nothing";
        same(promise, stage.claim_ids(code(HASH, built)), vec![]);
    };
    for (built, older) in [(10, 9), (3, 2)] {
        let claimed = stage.claim_as(code(OTHER_HASH, built)).remove(0);
        same(
            "a run's hash is the one it is executed with",
            claimed.run.hash,
            OTHER_HASH,
        );
        let release = Advance {
            next: Next::Release,
            ..bare(claimed.lease, 0)
        };
        stage.advanced(release);
        refused(older);
        refused(built);
    }
    refused(4);
    same("newer code gets it", stage.claim_ids(code(HASH, 11)), vec![run]);
}

/// A run that is ready already keeps its turn when more comes in; a timer that was due keeps
/// the turn of its time.
pub fn a_ready_run_keeps_its_turn(stage: &Stage<'_>) {
    let (first, second, timer) = (stage.parked(), stage.parked(), stage.running());
    let wake_at = Some(stage.now() + SECOND);
    stage.advanced(Advance {
        next: Next::Park { wake_at },
        ..bare(timer, 0)
    });
    stage.pass(2 * SECOND);
    stage.emit(event("a", first.run));
    stage.pass(SECOND);
    stage.emit(event("b", second.run));
    stage.pass(SECOND);
    stage.emit(event("c", first.run));
    stage.emit(event("d", timer.run));
    let promised = vec![timer.run, first.run, second.run];
    same(
        "a second event does not cost a run its turn",
        stage.claim_ids(claim()),
        promised,
    );
}

/// A run that was made due early is claimed at once: a delayed start and a parked timer.
pub fn a_hastened_run_is_ready(stage: &Stage<'_>) {
    let delayed = stage.start(NewRun {
        delay: HOUR,
        ..stage.new_run()
    });
    let sleeping = stage.running();
    let wake_at = Some(stage.now() + HOUR);
    stage.advanced(Advance {
        next: Next::Park { wake_at },
        ..bare(sleeping, 0)
    });
    for (number, run) in [(1, delayed), (2, sleeping.run)] {
        let hasten = stage.attach([Act::MakeDue(run)]);
        holds(
            "a run is hastened",
            stage.apply_with(super::samples::nothing(number), hasten).is_ok(),
        );
        let row = stage.row(run);
        same("hastening is no event", (row.inbox, row.due_at), (0, None));
        stage.take(run);
    }
}
