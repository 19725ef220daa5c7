//! Attachments: the application's writes in the same transaction as a change.

use super::samples::{HOUR, ToMember, bare, cancel, claim, computed, event, json, key, nothing, park};
use super::stage::{holds, ids, same};
use super::{Act, Stage};
use crate::error::StepError;
use crate::payload::{PAYLOAD_HARD_LIMIT, Payload};
use crate::store::{Advance, Member, NewRun, Next, Outcome, Refusal, RunStatus};
use std::time::Duration;

/// Each kind of change, on runs that are there for it.
fn every_change(stage: &Stage<'_>) -> Vec<Member> {
    let (lease, parked) = (stage.running(), stage.parked());
    vec![
        nothing(1).member(),
        stage.new_run().member(),
        Advance {
            records: vec![computed(lease, 1)],
            ..bare(lease, 0)
        }
        .member(),
        event("e", key("k")).member(),
        cancel(parked.run).member(),
    ]
}

/// The application's writes are committed with the change, whatever its kind.
pub fn writes_are_committed_with_their_change(stage: &Stage<'_>) {
    for (number, member) in every_change(stage).into_iter().enumerate() {
        let value = json(number as u64);
        holds(
            "the change is applied",
            stage
                .apply_with(member, stage.attach([Act::Put("cell", value.clone())]))
                .is_ok(),
        );
        same("its writes are committed", stage.cell("cell"), Some(value));
    }
}

/// An attachment that refuses takes its change with it, whatever its kind, and the error is the
/// answer as it was made.
pub fn a_refusing_attachment_takes_its_change_along(stage: &Stage<'_>) {
    let errors = [
        StepError::fail("no").with_code(409),
        StepError::retry("later").not_before(Duration::from_secs(3)),
        StepError::unknown("who knows"),
        StepError::defer(Duration::from_secs(5), "not now"),
    ];
    for member in every_change(stage) {
        let before = stage.snapshot();
        for error in &errors {
            let fail = stage.attach([Act::Put("cell", json(1)), Act::Fail(error.clone())]);
            let answer = stage.apply_with(member.clone(), fail);
            same(
                "the attachment's error is the answer",
                answer,
                Err(Refusal::Attachment(error.clone())),
            );
        }
        same("the change was not applied", stage.snapshot(), before);
        same("the writes were not kept", stage.cell("cell"), None);
    }
}

/// A run can be started inside the transaction, and is like any other.
pub fn an_attachment_starts_a_run(stage: &Stage<'_>) {
    let new = NewRun {
        start_key: Some("k".to_owned()),
        priority: 2,
        ..stage.new_run()
    };
    stage.emit(event("e", new.id));
    let starting = || stage.attach([Act::Start(new.clone())]);
    same(
        "a start returns nothing",
        stage.apply_with(nothing(1), starting()),
        Ok(Outcome::Done {
            payload: Some(Payload::null()),
        }),
    );
    let row = stage.row(new.id);
    same(
        "the run is pending",
        (row.status, row.priority, row.inbox),
        (RunStatus::Pending, 2, 1),
    );
    same("with the events that waited", stage.inbox_ids(new.id), ids(["e"]));
    holds(
        "a second start inside a transaction finds it",
        stage.apply_with(nothing(2), starting()).is_ok(),
    );
    same(
        "and outside",
        stage.apply(new.clone()),
        Ok(Outcome::Existing {
            run: new.id,
            same_input: true,
        }),
    );
    stage.take(new.id);
}

/// An event can be emitted inside the transaction: to a waiting run, by a key, before its run,
/// and once per id.
pub fn an_attachment_emits_events(stage: &Stage<'_>) {
    let (parked, lease) = (stage.parked(), stage.running());
    stage.advanced(Advance {
        keys: vec![key("k")],
        ..bare(lease, 0)
    });
    let future = stage.run_id();
    let acts = vec![
        Act::Emit(event("a", parked.run)),
        Act::Emit(event("a", parked.run)),
        Act::Emit(event("b", key("k"))),
        Act::Emit(event("c", future)),
    ];
    holds(
        "the change is applied",
        stage.apply_with(nothing(1), stage.attach(acts)).is_ok(),
    );
    same("a run gets its event once", stage.inbox_ids(parked.run), ids(["a"]));
    same("a key's holder gets its event", stage.inbox_ids(lease.run), ids(["b"]));
    same("an event for nobody waits", stage.unrouted_ids(), ids(["c"]));
    same("the waiting run is ready", stage.claim_ids(claim()), vec![parked.run]);
}

/// What was started, emitted and hastened inside a transaction that is refused has not happened.
pub fn a_refused_attachment_has_started_nothing(stage: &Stage<'_>) {
    let (parked, sleeping) = (stage.parked(), stage.running());
    let wake_at = Some(stage.now() + HOUR);
    stage.advanced(Advance {
        next: Next::Park { wake_at },
        ..bare(sleeping, 0)
    });
    let delayed = stage.start(NewRun {
        delay: HOUR,
        ..stage.new_run()
    });
    let new = stage.new_run();
    let before = stage.snapshot();
    let acts = vec![
        Act::Start(new.clone()),
        Act::Emit(event("a", parked.run)),
        Act::Emit(event("a", new.id)),
        Act::MakeDue(sleeping.run),
        Act::MakeDue(delayed),
        Act::Fail(StepError::fail("no")),
    ];
    holds(
        "the change is refused",
        stage.apply_with(nothing(1), stage.attach(acts)).is_err(),
    );
    same("nothing has happened", stage.snapshot(), before);
    same("nothing is ready", stage.claim_ids(claim()), vec![]);
    same(
        "what did not happen is not known",
        stage.apply(new),
        Ok(Outcome::Started),
    );
    holds(
        "nor the event",
        stage.emit(event("a", parked.run)) != crate::store::Delivery::Duplicate,
    );
}

/// Hastening changes only what waits for a time or an event: a run that is executed, ready,
/// blocked, ended or unknown is left alone.
pub fn hastening_leaves_others_alone(stage: &Stage<'_>) {
    let (running, blocked, ended) = (stage.running(), stage.running(), stage.running());
    stage.advanced(super::samples::block(blocked, 0, super::samples::HASH));
    stage.advanced(super::endings::completing(ended, 0));
    let ready = stage.start(stage.new_run());
    let before = stage.snapshot();
    let runs = [running.run, blocked.run, ended.run, ready, stage.run_id()];
    stage.pass(super::samples::SECOND);
    for (run, id) in runs.into_iter().zip(1..) {
        holds(
            "hastening is no error",
            stage.apply_with(nothing(id), stage.attach([Act::MakeDue(run)])).is_ok(),
        );
    }
    same("nothing has changed", stage.snapshot(), before);
}

/// An attachment sees what its own transaction has written, and what earlier members have.
pub fn attachments_see_what_was_written(stage: &Stage<'_>) {
    let counting = || Some(stage.attach([Act::Count("cell"), Act::Count("cell")]));
    let members: Vec<Member> = (1..=3)
        .map(|id| Member {
            attach: counting(),
            ..nothing(id).member()
        })
        .collect();
    let done = |number| {
        Ok(Outcome::Done {
            payload: Some(json(number)),
        })
    };
    same("each counts on", stage.group(members), vec![done(2), done(4), done(6)]);
}

/// An attachment's event for its own run is in the inbox when the change is applied, and counts
/// in its answer; the change's guard is looked at before.
pub fn an_attachment_emits_to_its_own_run(stage: &Stage<'_>) {
    let lease = stage.running();
    let emitting = stage.attach([Act::Emit(event("e", lease.run))]);
    let change = Advance {
        guard: Some(0),
        records: vec![computed(lease, 1)],
        ..bare(lease, 0)
    };
    let answer = stage.apply_with(change, emitting);
    same(
        "the answer counts it",
        answer,
        Ok(Outcome::Advanced {
            inbox: 1,
            payload: Some(Payload::null()),
            news: None,
        }),
    );
    same("it is there", stage.inbox_ids(lease.run), ids(["e"]));
    let parks = Advance {
        guard: Some(0),
        seq: crate::Seq(1),
        ..park(lease)
    };
    same(
        "the next decision must know of it",
        stage.apply(parks),
        Err(Refusal::InboxChanged { inbox: 1 }),
    );
}

/// A result of any size that is allowed comes back as it was.
pub fn a_large_result_comes_back(stage: &Stage<'_>) {
    let lease = stage.running();
    let text = format!("\"{}\"", "ä€😀x".repeat(90_000));
    let value = Payload::from_json_text(text).expect("below the hard limit");
    let change = || Advance {
        records: vec![computed(lease, 1)],
        ..bare(lease, 0)
    };
    let attach = || stage.attach([Act::Put("cell", value.clone())]);
    let promised = Ok(Outcome::Advanced {
        inbox: 0,
        payload: Some(value.clone()),
        news: None,
    });
    holds(
        "a large result is stored",
        stage.apply_with(change(), attach()) == promised,
    );
    holds("and answered again", stage.apply_with(change(), attach()) == promised);
    holds("and found in the application", stage.cell("cell") == Some(value));
}

/// The limit of payloads holds for what an attachment returns, starts and emits, whoever made
/// the payload: the attachment is refused with a sentence, and nothing of it remains.
pub fn what_is_too_large_refuses_its_attachment(stage: &Stage<'_>) {
    let of = |bytes: usize| Payload::from_stored("7".repeat(bytes));
    let acts = |bytes: usize| {
        let new = NewRun {
            input: of(bytes),
            ..stage.new_run()
        };
        let emitted = crate::NewEvent {
            payload: of(bytes),
            ..event("e", key("k"))
        };
        [
            ("an attachment's result", Act::Put("cell", of(bytes))),
            ("a run's input", Act::Start(new)),
            ("an event's payload", Act::Emit(emitted)),
        ]
    };
    let before = stage.snapshot();
    for (number, (what, act)) in (1..).zip(acts(PAYLOAD_HARD_LIMIT + 1)) {
        let answer = stage.apply_with(nothing(number), stage.attach([Act::Count("count"), act]));
        let expected = format!("{what} is 1048577 bytes, above the limit of 1048576: ");
        let Err(Refusal::Attachment(error)) = answer else {
            panic!("{what} of any size is taken")
        };
        holds(&error.message, error.message.starts_with(&expected));
        same("it will not fit later", error.decision, crate::Decision::Fail);
        same("nothing was written", stage.cell("count"), None);
    }
    same("nothing was stored", stage.snapshot(), before);
    for (number, (what, act)) in (1..).zip(acts(PAYLOAD_HARD_LIMIT)) {
        holds(what, stage.apply_with(nothing(number), stage.attach([act])).is_ok());
    }
}
