//! How a run goes on: parked, released, failing, ended.

use super::samples::{HOUR, LEASE, SECOND, bare, cancel, claim, done, event, failure, json, key, step};
use super::stage::{holds, ids, same};
use super::{Act, Stage};
use crate::history::Phase;
use crate::store::{Advance, Delivery, Ending, Lease, Next, Outcome, RunRow, RunStatus};

/// Ends a run well, without further records.
pub(super) fn completing(lease: Lease, seq: u64) -> Advance {
    Advance {
        next: Next::Finish(Ending::Completed(json(9))),
        ..bare(lease, seq)
    }
}

fn failing(lease: Lease, seq: u64) -> Advance {
    Advance {
        next: Next::Failing {
            cause: failure("first"),
        },
        ..bare(lease, seq)
    }
}

/// A parked run waits, shows when it goes on by itself, and keeps what it had.
pub fn a_parked_run_waits(stage: &Stage<'_>) {
    let lease = stage.running();
    let wake_at = Some(stage.now() + HOUR);
    stage.advanced(Advance {
        next: Next::Park { wake_at },
        ..step(lease, 0)
    });
    let row = stage.row(lease.run);
    same(
        "a parked run waits for its time",
        (row.status, row.due_at),
        (RunStatus::Waiting, wake_at),
    );
    same(
        "a parked run names who executed it last",
        row.worker,
        Some(super::samples::worker(1)),
    );
    same("its lease is over", stage.renew(&[lease], LEASE), vec![lease.run]);
    stage.pass(LEASE * 2);
    same(
        "what is parked is nobody's, and does not expire",
        stage.claim_ids(claim()),
        vec![],
    );
}

/// A run that is parked until a time that has passed already is due at once.
pub fn a_time_in_the_past_is_due_at_once(stage: &Stage<'_>) {
    stage.pass(HOUR);
    let lease = stage.running();
    let wake_at = Some(stage.now() - SECOND);
    stage.advanced(Advance {
        next: Next::Park { wake_at },
        ..bare(lease, 0)
    });
    stage.take(lease.run);
}

/// When its own change brings something in, by a key or by the attachment, a run that parks
/// is ready at once: nobody has looked at what came in. The answer has the new counter.
pub fn a_run_does_not_park_over_what_its_change_brings_in(stage: &Stage<'_>) {
    let by_key = stage.running();
    stage.emit(event("a", key("k")));
    let parks = |lease| Advance {
        guard: Some(0),
        ..super::samples::park(lease)
    };
    same(
        "the answer counts what the key brought in",
        stage.advanced(Advance {
            keys: vec![key("k")],
            ..parks(by_key)
        }),
        1,
    );
    stage.take(by_key.run);
    let by_attachment = stage.running();
    let emitting = stage.attach([Act::Emit(event("b", by_attachment.run))]);
    let answer = stage.apply_with(parks(by_attachment), emitting);
    holds(
        "the answer counts what the attachment brought in",
        matches!(answer, Ok(Outcome::Advanced { inbox: 1, .. })),
    );
    stage.take(by_attachment.run);
}

/// Of two requests to fail the first stays, with its time.
pub fn the_first_failure_stays(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.advanced(failing(lease, 0));
    let first = stage.row(lease.run);
    stage.pass(SECOND);
    stage.advanced(Advance {
        next: Next::Failing {
            cause: failure("second"),
        },
        ..step(lease, 0)
    });
    let then = stage.row(lease.run);
    same(
        "a failure that is there already stays",
        (then.failure, then.failing_since),
        (first.failure, first.failing_since),
    );
}

/// A released run is ready at once, for anybody, under the next epoch.
pub fn a_released_run_is_ready(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.advanced(Advance {
        next: Next::Release,
        ..step(lease, 0)
    });
    let row = stage.row(lease.run);
    same(
        "a released run waits for its turn",
        (row.status, row.due_at),
        (RunStatus::Waiting, None),
    );
    let again = stage.take(lease.run);
    same(
        "a released run goes on under the next epoch",
        again.epoch.0,
        lease.epoch.0 + 1,
    );
}

/// A failing run keeps the first cause and the time, stays under its lease, and keeps both
/// while it is parked and claimed again.
pub fn a_failing_run_keeps_cause_and_time(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.pass(SECOND);
    let since = stage.now();
    stage.advanced(failing(lease, 0));
    let kept = |row: RunRow| (row.phase, row.failure, row.failing_since);
    let promised = (Phase::OnFailure, Some(failure("first")), Some(since));
    same(
        "a failing run shows why and since when",
        kept(stage.row(lease.run)),
        promised.clone(),
    );
    same(
        "its handler runs under the same lease",
        stage.row(lease.run).status,
        RunStatus::Running,
    );
    stage.pass(SECOND);
    stage.advanced(Advance {
        next: Next::Release,
        ..step(lease, 0)
    });
    let claimed = stage.claim_as(claim()).remove(0);
    same(
        "a claim brings the cause and the time along",
        kept(claimed.run),
        promised,
    );
    stage.advanced(Advance {
        next: Next::Finish(Ending::Failed(failure("last"))),
        ..step(claimed.lease, 1)
    });
    let row = stage.row(lease.run);
    same(
        "the end says what it failed with",
        (row.status, row.failure),
        (RunStatus::Failed, Some(failure("last"))),
    );
    same("the time when it began to fail remains", row.failing_since, Some(since));
}

/// Each of the three endings shows its result and its time, and holds neither a lease nor a timer.
pub fn a_run_ends_in_three_ways(stage: &Stage<'_>) {
    let endings = [
        (Ending::Completed(json(9)), RunStatus::Completed, Some(json(9)), None),
        (
            Ending::Failed(failure("f")),
            RunStatus::Failed,
            None,
            Some(failure("f")),
        ),
        (
            Ending::Cancelled(failure("c")),
            RunStatus::Cancelled,
            None,
            Some(failure("c")),
        ),
    ];
    for (ending, status, output, reason) in endings {
        let lease = stage.running();
        stage.pass(SECOND);
        stage.advanced(Advance {
            records: vec![done(lease, 1)],
            next: Next::Finish(ending),
            ..bare(lease, 0)
        });
        let row = stage.row(lease.run);
        same("an end has its status", row.status, status);
        same("an end has its result", (row.output, row.failure), (output, reason));
        same(
            "an end has its time",
            (row.finished_at, row.due_at),
            (Some(stage.now()), None),
        );
        same("the last records are kept", stage.history(lease.run).len(), 1);
        stage.pass(LEASE * 2);
        same("an ended run is never claimed", stage.claim_ids(claim()), vec![]);
        same("an ended run is never due", stage.next_due(), None);
    }
}

/// What an ended run has left in its inbox is unrouted again; its keys are free. What it has
/// consumed is not seen again.
pub fn an_end_gives_back_keys_and_events(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.advanced(Advance {
        keys: vec![key("k"), key("l")],
        ..bare(lease, 0)
    });
    for (id, to_key) in [("a", true), ("b", false), ("c", true)] {
        match to_key {
            true => stage.emit(event(id, key("k"))),
            false => stage.emit(event(id, lease.run)),
        };
    }
    let consumed = vec![stage.place(lease.run, "a")];
    stage.advanced(Advance {
        consumed,
        ..completing(lease, 0)
    });
    same(
        "an ended run's inbox is empty",
        stage.inbox_ids(lease.run),
        Vec::<String>::new(),
    );
    same(
        "what was left is unrouted, in its order",
        stage.unrouted_ids(),
        ids(["b", "c"]),
    );
    same(
        "the keys of an ended run are free",
        stage.emit(event("d", key("l"))),
        Delivery::Unrouted,
    );
    let heir = stage.running();
    stage.advanced(Advance {
        keys: vec![key("k"), key("l")],
        ..bare(heir, 0)
    });
    same(
        "another run can hold them, and gets what was left for them",
        stage.inbox_ids(heir.run),
        ids(["c", "d"]),
    );
    same(
        "what was for the ended run itself stays unrouted",
        stage.unrouted_ids(),
        ids(["b"]),
    );
}

/// An end is final: events are unrouted, commands refused, and its row never changes again.
pub fn an_ended_run_never_changes(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.advanced(completing(lease, 0));
    let row = stage.row(lease.run);
    stage.pass(SECOND);
    same(
        "an event for an ended run is unrouted",
        stage.emit(event("a", lease.run)),
        Delivery::Unrouted,
    );
    holds(
        "an ended run cannot be cancelled",
        stage.apply(cancel(lease.run)).is_err(),
    );
    holds(
        "an ended run cannot be retried",
        stage.apply(super::samples::resume(lease.run)).is_err(),
    );
    let hasten = stage.attach([Act::MakeDue(lease.run)]);
    holds(
        "hastening an ended run is harmless",
        stage.apply_with(super::samples::nothing(1), hasten).is_ok(),
    );
    stage.renew(&[lease], LEASE);
    stage.claim_as(crate::store::Claim {
        worker: super::samples::worker(2),
        takeover: true,
        ..claim()
    });
    same("an ended run never changes", stage.row(lease.run), row);
}
