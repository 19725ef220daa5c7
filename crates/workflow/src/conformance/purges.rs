//! Forgetting what is over, and nothing else.

use super::endings::completing;
use super::samples::{DAY, HOUR, SECOND, bare, claim, event, json, key, nothing, step};
use super::stage::{holds, ids, same};
use super::{Act, Stage};
use crate::event::NewEvent;
use crate::id::RunId;
use crate::store::{Advance, Delivery, NewRun, Outcome};

/// Runs that ended before a time are deleted with all that belongs to them: history, start
/// key, the ids of consumed events. A run counts as one row. Runs that ended then or later, or
/// have not ended, stay.
pub fn old_runs_are_forgotten(stage: &Stage<'_>) {
    let keyed = || NewRun {
        start_key: Some("k".to_owned()),
        ..stage.new_run()
    };
    let old = stage.start(keyed());
    let lease = stage.take(old);
    stage.emit(event("e", old));
    let consumed = vec![stage.place(old, "e")];
    stage.advanced(Advance {
        consumed,
        next: completing(lease, 0).next,
        ..step(lease, 0)
    });
    stage.pass(HOUR);
    let (live, younger) = (stage.parked(), stage.running());
    let waiting = stage.start(stage.new_run());
    let ended_at = stage.now();
    stage.advanced(completing(younger, 0));
    stage.pass(HOUR);
    same("one run ended before that time", stage.purge(ended_at, 100), 1);
    let left: Vec<RunId> = stage
        .all_runs(Default::default(), 10)
        .into_iter()
        .map(|row| row.id)
        .collect();
    same("the others stay", left, vec![waiting, younger.run, live.run]);
    same("its history is forgotten", stage.history(old), vec![]);
    same("its start key is free", stage.apply(keyed()), Ok(Outcome::Started));
    same(
        "the ids it consumed are forgotten",
        stage.emit(event("e", old)),
        Delivery::Unrouted,
    );
    same("the next call finds nothing", stage.purge(ended_at, 100), 0);
}

/// At most `limit` of each kind, the oldest runs first.
pub fn a_purge_has_a_limit(stage: &Stage<'_>) {
    let mut ended = Vec::new();
    for _ in 0..5 {
        let lease = stage.running();
        stage.advanced(completing(lease, 0));
        ended.push(lease.run);
        stage.pass(SECOND);
    }
    let brief = |number: usize| NewEvent {
        kept_for: SECOND,
        ..event(&format!("e{number}"), key("k"))
    };
    for number in 0..3 {
        stage.emit(brief(number));
    }
    stage.pass(HOUR);
    same("a purge of nothing deletes nothing", stage.purge(stage.now(), 0), 0);
    same("two of each", stage.purge(stage.now(), 2), 4);
    holds(
        "the oldest go first",
        ended[..2].iter().all(|run| stage.find(*run).is_none()),
    );
    holds(
        "the younger stay",
        ended[2..].iter().all(|run| stage.find(*run).is_some()),
    );
    same("two more runs and the last event", stage.purge(stage.now(), 2), 3);
    same("the last run", stage.purge(stage.now(), 2), 1);
    same("nothing is left", stage.purge(stage.now(), 2), 0);
}

/// An unrouted event is kept for its time, counted from when it was stored, and then forgotten
/// with its id.
pub fn unrouted_events_expire(stage: &Stage<'_>) {
    let kept = |id: &str, kept_for| NewEvent {
        kept_for,
        ..event(id, key("k"))
    };
    stage.emit(kept("short", HOUR));
    stage.emit(kept("long", DAY));
    stage.pass(HOUR - SECOND);
    same("before its time it is kept", stage.purge(stage.now(), 100), 0);
    same("and still known", stage.emit(kept("short", HOUR)), Delivery::Duplicate);
    stage.pass(SECOND * 2);
    same("after its time it is deleted", stage.purge(stage.now(), 100), 1);
    same("the other stays", stage.unrouted_ids(), ids(["long"]));
    same(
        "its id is forgotten",
        stage.emit(kept("short", HOUR)),
        Delivery::Unrouted,
    );
}

/// An event that is in a live run's inbox never expires; what an ended run has left does, when
/// the time is over for which it is kept from when it was stored.
pub fn claimed_events_do_not_expire(stage: &Stage<'_>) {
    let lease = stage.running();
    let early = NewEvent {
        kept_for: HOUR,
        ..event("early", key("k"))
    };
    stage.emit(early);
    stage.advanced(Advance {
        keys: vec![key("k")],
        ..bare(lease, 0)
    });
    stage.emit(NewEvent {
        kept_for: HOUR,
        ..event("late", lease.run)
    });
    stage.pass(DAY);
    same("what is in an inbox is kept", stage.purge(stage.now(), 100), 0);
    same("and found", stage.inbox_ids(lease.run), ids(["early", "late"]));
    stage.advanced(completing(lease, 0));
    same("what the run has left is over", stage.purge(stage.now(), 100), 2);
    same("and gone", stage.unrouted_ids(), Vec::<String>::new());
}

/// What an ended run has left outlives the run: it belongs to nobody, and goes by its own time.
pub fn left_events_outlive_their_run(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.emit(event("e", lease.run));
    stage.advanced(completing(lease, 0));
    stage.pass(HOUR);
    same("the run is forgotten", stage.purge(stage.now(), 100), 1);
    same("the event is not", stage.unrouted_ids(), ids(["e"]));
}

/// The answer of a change without a subject is forgotten some time after a day, and then only.
pub fn answers_are_forgotten_after_a_day(stage: &Stage<'_>) {
    let apply = || stage.apply_with(nothing(1), stage.attach([Act::Count("cell")]));
    let answered = |number| {
        Ok(Outcome::Done {
            payload: Some(json(number)),
        })
    };
    same("the first time is applied", apply(), answered(1));
    stage.pass(DAY - SECOND);
    same("within a day nothing is over", stage.purge(stage.now(), 100), 0);
    same("and the answer is known", apply(), answered(1));
    stage.pass(DAY * 400);
    same("long after, its time is over", stage.purge(stage.now(), 100), 1);
    same("and the id is new", apply(), answered(2));
}

/// A purge leaves alone what lives: timers, leases, inboxes, keys.
pub fn a_purge_leaves_the_living_alone(stage: &Stage<'_>) {
    let (lease, parked) = (stage.running(), stage.parked());
    stage.advanced(Advance {
        keys: vec![key("k")],
        ..step(lease, 0)
    });
    stage.emit(event("e", key("k")));
    stage.start(NewRun {
        delay: HOUR,
        ..stage.new_run()
    });
    stage.emit(event("f", parked.run));
    let before = stage.snapshot();
    same("nothing of it is over", stage.purge(stage.now() + DAY, 100), 0);
    same("all is as it was", stage.snapshot(), before);
    same("and goes on", stage.claim_ids(claim()), vec![parked.run]);
}
