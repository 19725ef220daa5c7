//! Events: stored first, matched later, consumed once.

use super::samples::{SECOND, bare, block, claim, done, event, json, key, step};
use super::stage::{holds, ids, same};
use super::{Act, Stage};
use crate::event::{NewEvent, StoredEvent, Target};
use crate::store::{Advance, Delivery, InboxQuery, NewRun, RunStatus};

/// An event in an inbox, or unrouted, is shown with all that it came with.
pub fn an_event_is_shown_as_it_came(stage: &Stage<'_>) {
    let run = stage.start(stage.new_run());
    let sent = |target: Target| NewEvent {
        payload: json(7),
        ..event("e", target).with_key("line-1").sent_by("ada")
    };
    for target in [Target::Run(run), Target::Key(key("k"))] {
        stage.emit(sent(target.clone()));
        let owner = (target == Target::Run(run)).then_some(run);
        let found = stage.inbox(owner).events.remove(0);
        let promised = StoredEvent {
            seq: found.seq,
            id: "e".to_owned(),
            target,
            name: "paid".to_owned(),
            key: Some("line-1".to_owned()),
            payload: json(7),
            received_at: stage.now(),
            by: Some("ada".to_owned()),
        };
        same("an event is shown as it came", found, promised);
    }
}

/// An event that comes before its run waits, and is in the inbox when the run is started.
pub fn an_event_may_come_before_its_run(stage: &Stage<'_>) {
    let new = stage.new_run();
    for id in ["a", "b"] {
        same(
            "an event for no run is unrouted",
            stage.emit(event(id, new.id)),
            Delivery::Unrouted,
        );
    }
    same(
        "what waits is listed in its order",
        stage.unrouted_ids(),
        ids(["a", "b"]),
    );
    let run = stage.start(new);
    same(
        "the run finds its events in their order",
        stage.inbox_ids(run),
        ids(["a", "b"]),
    );
    same("each counts", stage.row(run).inbox, 2);
    same("nobody else finds them", stage.unrouted_ids(), Vec::<String>::new());
    let claimed = stage.claim_as(claim()).remove(0);
    same("a claim brings them along", claimed.events.len(), 2);
}

/// An event that comes while its run waits makes it ready, counts, and removes its timer.
pub fn an_event_wakes_a_waiting_run(stage: &Stage<'_>) {
    let lease = stage.running();
    let wake_at = Some(stage.now() + super::samples::HOUR);
    stage.advanced(Advance {
        next: crate::store::Next::Park { wake_at },
        ..bare(lease, 0)
    });
    same(
        "an event for a waiting run is routed",
        stage.emit(event("e", lease.run)),
        Delivery::Routed(lease.run),
    );
    let row = stage.row(lease.run);
    same(
        "a woken run is ready",
        (row.inbox, row.status, row.due_at),
        (1, RunStatus::Waiting, None),
    );
    stage.take(lease.run);
}

/// An event that comes while its run is executed is in its inbox and counts; the lease stays.
pub fn an_event_comes_to_a_running_run(stage: &Stage<'_>) {
    let lease = stage.running();
    let before = stage.row(lease.run);
    same(
        "an event for a running run is routed",
        stage.emit(event("e", lease.run)),
        Delivery::Routed(lease.run),
    );
    let after = stage.row(lease.run);
    same(
        "it counts, and nothing else changes",
        after,
        crate::store::RunRow {
            inbox: 1,
            buffered: 1,
            ..before
        },
    );
    same("it is in the inbox", stage.inbox(Some(lease.run)).counter, 1);
}

/// An event for a run that has not begun, or is blocked, is in its inbox and does not make it ready.
pub fn an_event_does_not_hurry_what_does_not_wait(stage: &Stage<'_>) {
    let delayed = stage.start(NewRun {
        delay: super::samples::HOUR,
        ..stage.new_run()
    });
    let blocked = stage.running();
    stage.advanced(block(blocked, 0, super::samples::HASH));
    for run in [delayed, blocked.run] {
        let before = stage.row(run);
        same(
            "the event is routed",
            stage.emit(event("e", run)),
            Delivery::Routed(run),
        );
        let after = stage.row(run);
        let shown = |row: &crate::store::RunRow| (row.status, row.due_at);
        same("the run goes on as it was", shown(&after), shown(&before));
        same(
            "the event is kept and counted",
            (stage.inbox_ids(run).len(), after.inbox),
            (1, 1),
        );
    }
    same("neither is claimed", stage.claim_ids(claim()), vec![]);
}

/// An id is known once per target: in the inbox, unrouted, consumed and after the run's end.
/// The same id for another target is another event.
pub fn an_id_is_stored_once_per_target(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.advanced(Advance {
        keys: vec![key("k")],
        ..bare(lease, 0)
    });
    let targets = [Target::Run(lease.run), Target::Key(key("k")), Target::Key(key("free"))];
    let expect = |promise: &str| {
        for target in &targets {
            let again = NewEvent {
                payload: json(99),
                ..event("e", target.clone())
            };
            same(promise, stage.emit(again), Delivery::Duplicate);
        }
    };
    for target in &targets {
        holds(
            "a new id is stored",
            stage.emit(event("e", target.clone())) != Delivery::Duplicate,
        );
    }
    let before = stage.snapshot();
    expect("an id that waits is known");
    same("a duplicate leaves no trace", stage.snapshot(), before);
    let consumed = stage
        .inbox(Some(lease.run))
        .events
        .iter()
        .map(|event| event.seq)
        .collect();
    stage.advanced(Advance {
        consumed,
        ..step(lease, 0)
    });
    expect("an id that was consumed is known");
    stage.advanced(super::endings::completing(lease, 1));
    expect("an id is known after its run has ended");
    same(
        "another namespace is another key",
        stage.emit(event("e", crate::CorrelationKey::new("mail", "k"))),
        Delivery::Unrouted,
    );
}

/// The attachment of a duplicate does not run.
pub fn a_duplicate_leaves_the_attachment_alone(stage: &Stage<'_>) {
    let run = stage.start(stage.new_run());
    for _ in 0..3 {
        holds(
            "an event is applied",
            stage
                .apply_with(event("e", run), stage.attach([Act::Count("cell")]))
                .is_ok(),
        );
    }
    same("the attachment of an event runs once", stage.counted("cell"), 1);
}

/// What is consumed is never found again, neither by the inbox nor by a claim; the others stay
/// in their order, and the counter does not go back.
pub fn an_event_is_consumed_once(stage: &Stage<'_>) {
    let lease = stage.running();
    for id in ["a", "b", "c", "d"] {
        stage.emit(event(id, lease.run));
    }
    let places = ["c", "a"].map(|id| stage.place(lease.run, id));
    let change = Advance {
        consumed: places.to_vec(),
        records: vec![done(lease, 1)],
        ..bare(lease, 0)
    };
    same("consuming does not change the counter", stage.advanced(change), 4);
    same(
        "what is consumed is gone, in any order",
        stage.inbox_ids(lease.run),
        ids(["b", "d"]),
    );
    let inbox = stage.inbox(Some(lease.run));
    same("the counter counts what came in", inbox.counter, 4);
    stage.advanced(Advance {
        next: crate::store::Next::Release,
        ..bare(lease, 1)
    });
    let claimed = stage.claim_as(claim()).remove(0);
    same("a claim does not find it either", claimed.events, inbox.events);
}

/// A refused change consumes nothing.
pub fn a_refused_change_consumes_nothing(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.emit(event("a", lease.run));
    let consumed = vec![stage.place(lease.run, "a")];
    let change = Advance {
        consumed,
        guard: Some(0),
        ..step(lease, 0)
    };
    holds("the guard does not hold", stage.apply(change).is_err());
    same("the event is still there", stage.inbox_ids(lease.run), ids(["a"]));
}

/// The inbox is paged by sequence: at most `limit` events after a place, lowest first, for a
/// run and for what is unrouted.
pub fn an_inbox_is_paged(stage: &Stage<'_>) {
    let run = stage.start(stage.new_run());
    let ids: Vec<String> = (0..7).map(|number| format!("e{number}")).collect();
    for id in &ids {
        stage.emit(event(id, run));
        stage.emit(event(id, key(id)));
        stage.pass(SECOND);
    }
    for owner in [Some(run), None] {
        let counter = owner.map_or(0, |_| 7);
        let (mut found, mut after) = (Vec::new(), 0);
        loop {
            let page = super::block_on(stage.store().inbox(InboxQuery {
                run: owner,
                after,
                limit: 3,
            }))
            .expect("a page");
            same("a page has the counter", page.counter, counter);
            holds("a page has at most its limit", page.events.len() <= 3);
            holds(
                "sequences grow",
                page.events.iter().all(|event| event.seq > after) && page.events.is_sorted_by_key(|event| event.seq),
            );
            let Some(last) = page.events.last() else { break };
            after = last.seq;
            found.extend(page.events.into_iter().map(|event| event.id));
        }
        same("all pages together are the inbox", found, ids.clone());
    }
    let none = super::block_on(stage.store().inbox(InboxQuery {
        run: Some(run),
        after: 0,
        limit: 0,
    }))
    .expect("a page");
    same(
        "a page of nothing is empty, and has the counter",
        (none.events.len(), none.counter),
        (0, 7),
    );
}

/// A run that nobody knows has an empty inbox.
pub fn an_unknown_inbox_is_empty(stage: &Stage<'_>) {
    let inbox = stage.inbox(Some(stage.run_id()));
    same(
        "nothing came in for nobody",
        (inbox.counter, inbox.cancel_by, inbox.events),
        (0, None, vec![]),
    );
}
