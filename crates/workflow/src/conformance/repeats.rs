//! Applying again what may have been applied: after a commit whose outcome nobody knows.

use super::endings::completing;
use super::samples::{
    HASH, HOUR, OTHER_HASH, SECOND, ToMember, WORKFLOW, bare, block, cancel, claim, claim_with, computed, done, event,
    failure, json, key, nothing, park, step,
};
use super::stage::{holds, same};
use super::{Act, Stage};
use crate::error::StepError;
use crate::history::What;
use crate::id::Seq;
use crate::store::{Advance, Delivery, Ending, Lease, Member, MemberResult, NewRun, Next, Outcome, Refusal, RunStatus};

/// All ways to go on, each for a run of its own.
fn nexts(stage: &Stage<'_>) -> Vec<Next> {
    vec![
        Next::Running,
        Next::Park { wake_at: None },
        Next::Park {
            wake_at: Some(stage.now() + HOUR),
        },
        Next::Release,
        Next::Failing { cause: failure("f") },
        Next::Finish(Ending::Completed(json(9))),
        Next::Finish(Ending::Failed(failure("f"))),
        Next::Finish(Ending::Cancelled(failure("c"))),
        Next::Block {
            reason: "r".to_owned(),
            hash: HASH,
        },
    ]
}

/// A step forward with records is applied once, however it goes on: the second time gives the
/// answer of the first and changes nothing, though its guard would no longer hold.
pub fn a_step_forward_is_applied_once(stage: &Stage<'_>) {
    for (number, next) in nexts(stage).into_iter().enumerate() {
        let lease = stage.running();
        stage.emit(event("e", lease.run));
        let consumed = vec![stage.place(lease.run, "e")];
        let keys = vec![key(&format!("k{number}"))];
        let change = Advance {
            consumed,
            keys,
            guard: Some(1),
            next,
            ..step(lease, 0)
        };
        let first = stage.apply(change.clone());
        same(
            "the first time is applied",
            first.clone(),
            Ok(Outcome::Advanced {
                inbox: 1,
                payload: None,
                news: None,
            }),
        );
        stage.pass(SECOND);
        let before = stage.snapshot();
        same(
            "the second time gives the same answer",
            stage.apply(change.clone()),
            first.clone(),
        );
        same("the second time changes nothing", stage.snapshot(), before);
        stage.emit(event("later", lease.run));
        same(
            "the answer is still that of the first time when something came in",
            stage.apply(change),
            first,
        );
        stage.claim_as(claim());
    }
}

/// Without records, what gives a run back is applied once all the same: who repeats it gets the
/// answer of the first time, and the run is left as it is. A run is given back once per lease.
pub fn giving_back_without_records_is_applied_once(stage: &Stage<'_>) {
    for next in nexts(stage) {
        let lease = stage.running();
        let change = Advance { next, ..bare(lease, 0) };
        let first = stage.apply(change.clone());
        same(
            "the first time is applied",
            first.clone(),
            Ok(Outcome::Advanced {
                inbox: 0,
                payload: None,
                news: None,
            }),
        );
        let before = stage.row(lease.run);
        stage.pass(SECOND);
        same("the second time gives the same answer", stage.apply(change), first);
        let mut after = stage.row(lease.run);
        after.updated_at = before.updated_at;
        same("the second time changes nothing", after, before);
        stage.claim_as(claim());
    }
}

/// A repeated park does not put to sleep again what an event has made ready meanwhile.
pub fn a_repeated_park_loses_no_event(stage: &Stage<'_>) {
    for guard in [None, Some(0)] {
        let lease = stage.running();
        let change = Advance {
            guard,
            next: Next::Park {
                wake_at: Some(stage.now() + HOUR),
            },
            ..bare(lease, 0)
        };
        let first = stage.apply(change.clone());
        stage.emit(event("e", lease.run));
        same("the answer is the one of the first time", stage.apply(change), first);
        stage.take(lease.run);
    }
}

/// The attachment of what was applied is not run again; the answer carries the stored payload.
pub fn an_attachment_is_not_run_again(stage: &Stage<'_>) {
    let lease = stage.running();
    let counting = || stage.attach([Act::Count("cell")]);
    let change = Advance {
        records: vec![done(lease, 1), computed(lease, 2)],
        ..bare(lease, 0)
    };
    let first = stage.apply_with(change.clone(), counting());
    same(
        "the first time computes",
        first.clone(),
        Ok(Outcome::Advanced {
            inbox: 0,
            payload: Some(json(1)),
            news: None,
        }),
    );
    let history = stage.history(lease.run);
    for _ in 0..3 {
        same(
            "the stored payload is the answer",
            stage.apply_with(change.clone(), counting()),
            first.clone(),
        );
    }
    same("the attachment has run once", stage.counted("cell"), 1);
    same("the history is as it was", stage.history(lease.run), history);
}

/// Only what is equal is a repetition: other records at the same places are out of sequence,
/// and so is what was applied before the last change.
pub fn only_equal_records_are_a_repetition(stage: &Stage<'_>) {
    let lease = stage.running();
    let change = Advance {
        records: vec![done(lease, 1), done(lease, 2)],
        ..bare(lease, 0)
    };
    stage.advanced(change.clone());
    let found = Refusal::OutOfSequence {
        run: lease.run,
        found: Seq(2),
    };
    let mut others = vec![change.clone(); 4];
    others[0].records[1] = done(lease, 9);
    others[1].records.swap(0, 1);
    others[2].records.pop();
    others[3].records[0] = computed(lease, 1);
    for other in others {
        same(
            "other records are not the same change",
            stage.apply(other),
            Err(found.clone()),
        );
    }
    let shifted = Advance {
        seq: Seq(1),
        records: vec![change.records[1].clone()],
        ..change.clone()
    };
    holds(
        "a record at its own place is the same one",
        stage.apply(shifted).is_ok(),
    );
    stage.advanced(step(lease, 2));
    let answer = stage.apply(change);
    same(
        "an older change is not repeated",
        answer,
        Err(Refusal::OutOfSequence {
            run: lease.run,
            found: Seq(3),
        }),
    );
}

/// Of a record whose payload the attachment computed, all but that payload must be equal; of
/// the others, the payload too.
pub fn only_the_computed_payload_is_left_out(stage: &Stage<'_>) {
    let lease = stage.running();
    let counting = || stage.attach([Act::Count("cell")]);
    let change = Advance {
        records: vec![done(lease, 1), computed(lease, 2)],
        ..bare(lease, 0)
    };
    holds(
        "the first time is applied",
        stage.apply_with(change.clone(), counting()).is_ok(),
    );
    let mut others = vec![change.clone(); 4];
    others[0].records[1].what = What::Completed {
        attempt: 2,
        payload: None,
    };
    others[1].records[1].ended_at = super::samples::moment(77);
    others[2].records[1] = done(lease, 2);
    others[3].records[0].what = What::Completed {
        attempt: 1,
        payload: Some(json(77)),
    };
    for other in others {
        let answer = stage.apply_with(other, counting());
        let found = Refusal::OutOfSequence {
            run: lease.run,
            found: Seq(2),
        };
        same("other records are not the same change", answer, Err(found));
    }
    same("their attachments have not run", stage.counted("cell"), 1);
}

/// A change without a subject is applied once per id, and its stored result is the answer for
/// a day at least, whatever attachment comes with it.
pub fn nothing_is_applied_once_per_id(stage: &Stage<'_>) {
    let counting = || stage.attach([Act::Count("cell")]);
    let done = |payload| Ok(Outcome::Done { payload });
    same(
        "the result is the attachment's",
        stage.apply_with(nothing(1), counting()),
        done(Some(json(1))),
    );
    same(
        "without an attachment there is none",
        stage.apply(nothing(2)),
        done(None),
    );
    stage.pass(super::samples::DAY - SECOND);
    stage.purge(stage.now(), 1_000);
    same(
        "the same id gives the first result",
        stage.apply_with(nothing(1), counting()),
        done(Some(json(1))),
    );
    same(
        "also when the first time had none",
        stage.apply_with(nothing(2), counting()),
        done(None),
    );
    same("the attachment has run once", stage.counted("cell"), 1);
    same(
        "another id is another change",
        stage.apply_with(nothing(3), counting()),
        done(Some(json(2))),
    );
}

/// What was refused is not remembered: applied again, it is tried again.
pub fn what_was_refused_is_tried_again(stage: &Stage<'_>) {
    let lease = stage.running();
    let no = StepError::retry("not yet");
    let failing = || stage.attach([Act::Count("cell"), Act::Fail(no.clone())]);
    let change = Advance {
        records: vec![computed(lease, 1)],
        ..bare(lease, 0)
    };
    let members: [Member; 4] = [
        nothing(1),
        change.member().change,
        stage.new_run().member().change,
        event("e", lease.run).member().change,
    ]
    .map(Member::from);
    for member in members {
        let refused = stage.apply_with(member.clone(), failing());
        same(
            "an attachment can refuse",
            refused,
            Err(Refusal::Attachment(no.clone())),
        );
        let applied = stage.apply_with(member, stage.attach([Act::Count("cell")]));
        holds("the second time is a first time", applied.is_ok());
    }
    same("only what was applied has left its writes", stage.counted("cell"), 4);
}

/// A group that was applied gives the same answers again, member by member, where the contract
/// says so: a start finds its run, an event is a duplicate, a cancel has no effect.
pub fn a_mixed_group_is_applied_once(stage: &Stage<'_>) {
    let (stepping, parking, asked) = (stage.running(), stage.running(), stage.parked());
    let new = NewRun {
        start_key: Some("k".to_owned()),
        ..stage.new_run()
    };
    let counting = |member: Member| Member {
        attach: Some(stage.attach([Act::Count("cell")])),
        ..member
    };
    let members: Vec<Member> = vec![
        counting(nothing(1).member()),
        counting(new.clone().member()),
        counting(
            Advance {
                records: vec![computed(stepping, 1)],
                keys: vec![key("k")],
                ..bare(stepping, 0)
            }
            .member(),
        ),
        Advance {
            next: Next::Park { wake_at: None },
            ..step(parking, 0)
        }
        .member(),
        counting(event("e", key("k")).member()),
        counting(cancel(asked.run).member()),
    ];
    let first = stage.group(members.clone());
    let promised: Vec<MemberResult> = vec![
        Ok(Outcome::Done { payload: Some(json(1)) }),
        Ok(Outcome::Started),
        Ok(Outcome::Advanced {
            inbox: 0,
            payload: Some(json(3)),
            news: None,
        }),
        Ok(Outcome::Advanced {
            inbox: 0,
            payload: None,
            news: None,
        }),
        Ok(Outcome::Emitted(Delivery::Routed(stepping.run))),
        Ok(Outcome::Commanded { effective: true }),
    ];
    same("members are applied in order", first.clone(), promised.clone());
    let before = stage.snapshot();
    stage.pass(SECOND);
    let mut again = promised;
    again[1] = Ok(Outcome::Existing {
        run: new.id,
        same_input: true,
    });
    again[4] = Ok(Outcome::Emitted(Delivery::Duplicate));
    again[5] = Ok(Outcome::Commanded { effective: false });
    same(
        "members that were applied are not applied again",
        stage.group(members),
        again,
    );
    same("the second time changes nothing", stage.snapshot(), before);
    same("no attachment runs again", stage.counted("cell"), 5);
}

/// A run that was blocked, and is executed again by other code, does not hear of the block again.
pub fn a_block_is_repeated_only_under_its_lease(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.advanced(block(lease, 0, HASH));
    let claimed = stage.claim_ids(claim_with(&[(WORKFLOW, OTHER_HASH)], 0));
    same("other code gets the blocked run", claimed, vec![lease.run]);
    same(
        "the block is over",
        stage.apply(block(lease, 0, HASH)),
        Err(Refusal::LeaseLost(lease.run)),
    );
    same("the run goes on", stage.row(lease.run).status, RunStatus::Running);
}

/// An end is not a repetition of a park: what was parked cannot be ended under the same lease.
pub fn another_way_to_go_on_is_no_repetition(stage: &Stage<'_>) {
    let (parked, ended): (Lease, Lease) = (stage.running(), stage.running());
    stage.advanced(park(parked));
    stage.advanced(completing(ended, 0));
    let changes = [
        (completing(parked, 0), parked),
        (bare(parked, 0), parked),
        (park(ended), ended),
        (
            Advance {
                next: Next::Finish(Ending::Failed(failure("f"))),
                ..bare(ended, 0)
            },
            ended,
        ),
    ];
    for (change, lease) in changes {
        same(
            "another change is refused",
            stage.apply(change),
            Err(Refusal::LeaseLost(lease.run)),
        );
    }
}
