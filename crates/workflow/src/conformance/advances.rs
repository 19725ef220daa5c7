//! Steps forward: guards in their order, and what is written.

use super::samples::{bare, cancel, computed, done, event, failure, json, key, record, step};
use super::stage::{holds, same};
use super::{Act, Stage};
use crate::error::{Decision, StepError};
use crate::event::CorrelationKey;
use crate::history::{Phase, Record, TakenEvent, What};
use crate::id::{Epoch, Seq};
use crate::store::{Advance, Lease, Outcome, Refusal, RunStatus, StoredRecord};

/// Epoch, sequence, inbox counter, keys, attachment: each guard is looked at only when those
/// before it hold, and the attachment runs after all of them.
pub fn guards_are_checked_in_their_order(stage: &Stage<'_>) {
    let (holder, lease) = (stage.running(), stage.running());
    stage.advanced(Advance {
        keys: vec![key("taken")],
        ..bare(holder, 0)
    });
    stage.advanced(step(lease, 0));
    stage.emit(event("e", lease.run));
    let counted = || stage.attach([Act::Count("runs")]);
    let mut change = Advance {
        keys: vec![key("free"), key("taken")],
        guard: Some(0),
        ..step(
            Lease {
                epoch: Epoch(7),
                ..lease
            },
            5,
        )
    };
    let refused = |change: &Advance, refusal: Refusal| {
        same(
            "the first guard that fails is the answer",
            stage.apply_with(change.clone(), counted()),
            Err(refusal),
        );
    };
    refused(&change, Refusal::LeaseLost(lease.run));
    change.lease = lease;
    refused(
        &change,
        Refusal::OutOfSequence {
            run: lease.run,
            found: Seq(1),
        },
    );
    change.seq = Seq(1);
    refused(&change, Refusal::InboxChanged { inbox: 1 });
    change.guard = Some(1);
    refused(
        &change,
        Refusal::KeyTaken {
            key: key("taken"),
            by: holder.run,
        },
    );
    change.keys = vec![key("free")];
    same("no attachment runs before the guards hold", stage.counted("runs"), 0);
    let error = StepError::fail("no").with_code(409);
    let failing = stage.attach([Act::Count("runs"), Act::Fail(error.clone())]);
    same(
        "the attachment goes last",
        stage.apply_with(change.clone(), failing),
        Err(Refusal::Attachment(error)),
    );
    let applied = stage.apply_with(change, counted());
    same(
        "then the change is applied",
        applied,
        Ok(Outcome::Advanced {
            inbox: 1,
            payload: Some(json(1)),
            news: None,
        }),
    );
}

/// Another place than the history's end is refused, before it and after it, with records or without.
pub fn a_wrong_sequence_is_refused(stage: &Stage<'_>) {
    let lease = stage.running();
    for place in 0..3 {
        stage.advanced(step(lease, place));
    }
    let found = Refusal::OutOfSequence {
        run: lease.run,
        found: Seq(3),
    };
    for seq in [0, 1, 4, 100] {
        same(
            "records go to the end of the history only",
            stage.apply(step(lease, seq)),
            Err(found.clone()),
        );
        same(
            "without records the place counts too",
            stage.apply(bare(lease, seq)),
            Err(found.clone()),
        );
    }
    let other = Advance {
        records: vec![record(lease, 3, What::Abandoned)],
        ..bare(lease, 2)
    };
    same(
        "other records at a place that is taken are refused",
        stage.apply(other),
        Err(found),
    );
    same("the history has what was applied", stage.history(lease.run).len(), 3);
}

/// With a guard, nothing may have come in since it was read: no event and no command.
pub fn a_changed_inbox_is_refused(stage: &Stage<'_>) {
    let lease = stage.running();
    let guarded = |seen| Advance {
        guard: Some(seen),
        ..step(lease, 0)
    };
    stage.emit(event("e", lease.run));
    same(
        "an event changes the inbox",
        stage.apply(guarded(0)),
        Err(Refusal::InboxChanged { inbox: 1 }),
    );
    holds("a run can be cancelled", stage.apply(cancel(lease.run)).is_ok());
    same(
        "a command changes the inbox",
        stage.apply(guarded(1)),
        Err(Refusal::InboxChanged { inbox: 2 }),
    );
    same(
        "a counter that is ahead is wrong too",
        stage.apply(guarded(3)),
        Err(Refusal::InboxChanged { inbox: 2 }),
    );
    same(
        "with the counter as it is, the change is applied",
        stage.advanced(guarded(2)),
        2,
    );
    stage.emit(event("f", lease.run));
    same(
        "without a guard what came in does not matter",
        stage.advanced(step(lease, 1)),
        3,
    );
}

/// Every kind of record comes back as it was written, in order, each at its place.
pub fn records_come_back_as_they_were_written(stage: &Stage<'_>) {
    let lease = stage.running();
    let (start, end) = (super::samples::moment(1), super::samples::moment(9));
    let error = StepError {
        decision: Decision::Retry { after: None },
        code: Some(429),
        message: "slow ü".to_owned(),
    };
    let whats = vec![
        What::AttemptStarted { attempt: 1 },
        What::AttemptFailed {
            attempt: 1,
            error,
            delay: end.duration_since(start).unsigned_abs(),
            next_at: end,
            reason: "r".into(),
        },
        What::Completed {
            attempt: 2,
            payload: Some(json(5)),
        },
        What::Failed {
            failure: failure("gone"),
            reason: "attempts ran out".into(),
        },
        What::Opened { deadline: end },
        What::Received {
            events: vec![taken("a", None), taken("b", Some("ada"))],
            payload: json(6),
        },
        What::TimedOut,
        What::Abandoned,
        What::ChildStarted { run: lease.run },
        What::Patched { name: "new-way".into() },
        What::Paused { by: "ada".into() },
        What::Rewound {
            by: "ada".into(),
            step: 99,
            at: Seq(99),
        },
        What::CancelRequested { by: "ada".into() },
        What::Resumed { by: "bob".into() },
        What::Failing {
            failure: failure("main"),
        },
    ];
    let records: Vec<Record> = whats
        .into_iter()
        .zip(1..)
        .map(|(what, place)| record(lease, place, what))
        .collect();
    let last = records.len() as u64 + 1;
    let whole = Record {
        step: None,
        phase: Phase::OnFailure,
        ..done(lease, last)
    };
    let records: Vec<Record> = records.into_iter().chain([whole]).collect();
    stage.advanced(Advance {
        records: records[..5].to_vec(),
        ..bare(lease, 0)
    });
    stage.advanced(Advance {
        records: records[5..].to_vec(),
        ..bare(lease, 5)
    });
    let promised: Vec<StoredRecord> = records
        .into_iter()
        .zip(1..)
        .map(|(record, seq)| StoredRecord {
            seq: Seq(seq),
            record,
            superseded: false,
        })
        .collect();
    same("a history is what was written", stage.history(lease.run), promised);
    same("a run's row counts its records", stage.row(lease.run).seq, Seq(last));
}

/// A step forward without records changes what it says, and the history stays.
pub fn a_change_without_records_is_applied(stage: &Stage<'_>) {
    let lease = stage.running();
    let (plain, keyed) = (
        bare(lease, 0),
        Advance {
            keys: vec![key("k")],
            ..bare(lease, 0)
        },
    );
    same("it answers the inbox counter", stage.advanced(plain), 0);
    stage.advanced(keyed);
    let row = stage.row(lease.run);
    same(
        "it does not count as a record",
        (row.seq, row.status),
        (Seq(0), RunStatus::Running),
    );
    same(
        "its keys are held",
        stage.emit(event("e", key("k"))),
        crate::store::Delivery::Routed(lease.run),
    );
}

/// The attachment computes the payload of the record that has none; the answer carries it,
/// and the other records are left as they are.
pub fn an_attachment_computes_a_result(stage: &Stage<'_>) {
    let lease = stage.running();
    let records = vec![done(lease, 1), computed(lease, 2), record(lease, 3, What::Abandoned)];
    let change = Advance {
        records,
        ..bare(lease, 0)
    };
    let answer = stage.apply_with(change, stage.attach([Act::Put("cell", json(42))]));
    same(
        "the answer is what the attachment returned",
        answer,
        Ok(Outcome::Advanced {
            inbox: 0,
            payload: Some(json(42)),
            news: None,
        }),
    );
    let whats: Vec<What> = stage
        .history(lease.run)
        .into_iter()
        .map(|stored| stored.record.what)
        .collect();
    let filled = What::Completed {
        attempt: 1,
        payload: Some(json(42)),
    };
    let promised = vec![done(lease, 1).what, filled, What::Abandoned];
    same("the attachment's result is the step's recorded result", whats, promised);
    same(
        "its writes are committed with the record",
        stage.cell("cell"),
        Some(json(42)),
    );
}

/// A change is the run's: others do not move, and the time of the last change is told.
pub fn a_change_touches_one_run(stage: &Stage<'_>) {
    let (lease, other) = (stage.running(), stage.running());
    let before = stage.snapshot();
    stage.pass(super::samples::SECOND);
    stage.advanced(Advance {
        keys: vec![CorrelationKey::new("a", "b")],
        ..step(lease, 0)
    });
    let after = stage.snapshot();
    same("another run is as it was", after.run(other.run), before.run(other.run));
    same("a change is dated", stage.row(lease.run).updated_at, stage.now());
}

fn taken(id: &str, by: Option<&str>) -> TakenEvent {
    TakenEvent {
        id: id.to_owned(),
        by: by.map(str::to_owned),
    }
}
