//! Events in somebody's hand, runs and events that a run sends, and how much an inbox holds.

use super::Stage;
use super::endings::completing;
use super::samples::{WORKFLOW, bare, event, key, park, step};
use super::stage::{holds, ids, same};
use crate::event::NewEvent;
use crate::id::RunId;
use crate::store::{
    Advance, Change, Delivery, EVENT_BUFFER_LIMIT, GROUP_MEMBERS, Member, MemberResult, NewRun, Outcome, Refusal,
    RunStatus, UnroutedCommand,
};

fn in_hand(seq: u64, to: Option<RunId>) -> Change {
    Change::Unrouted(UnroutedCommand {
        seq,
        to,
        by: "ada".to_owned(),
    })
}

/// The place of an event that nobody has claimed.
fn unrouted(stage: &Stage<'_>, id: &str) -> u64 {
    let found = stage.inbox(None).events.into_iter().find(|event| event.id == id);
    found.expect("what nobody has claimed is shown").seq
}

/// An unrouted event is given to a run, once: the run gets it as it came, with who gave it, and goes on.
pub fn an_event_is_given_by_hand(stage: &Stage<'_>) {
    let lease = stage.parked();
    same(
        "nobody claims it",
        stage.emit(event("e", key("typo"))),
        Delivery::Unrouted,
    );
    let seq = unrouted(stage, "e");
    same(
        "it is given",
        stage.apply(in_hand(seq, Some(lease.run))),
        Ok(Outcome::Handled),
    );
    let inbox = stage.inbox(Some(lease.run));
    let got: Vec<_> = inbox
        .events
        .into_iter()
        .map(|event| (event.id, event.target, event.by))
        .collect();
    let expected = ("e".to_owned(), key("typo").into(), Some("ada".to_owned()));
    same("it is in the inbox, with who gave it", got, vec![expected]);
    same("it waits for nobody any more", stage.unrouted_ids(), ids([]));
    same(
        "it cannot be given twice",
        stage.apply(in_hand(seq, Some(lease.run))),
        Err(Refusal::UnknownEvent(seq)),
    );
    same(
        "it is still known",
        stage.emit(event("e", key("typo"))),
        Delivery::Duplicate,
    );
    stage.take(lease.run);
}

/// A run that has ended, or that there is not, gets nothing, and the event stays.
pub fn an_event_is_given_to_somebody(stage: &Stage<'_>) {
    let ended = stage.running();
    stage.advanced(completing(ended, 0));
    stage.emit(event("e", key("typo")));
    let (seq, nobody) = (unrouted(stage, "e"), stage.new_run().id);
    let answer = stage.apply(in_hand(seq, Some(ended.run)));
    let is_over = matches!(
        answer,
        Err(Refusal::WrongStatus {
            status: RunStatus::Completed,
            ..
        })
    );
    holds("an ended run takes no event", is_over);
    same(
        "nor does one that there is not",
        stage.apply(in_hand(seq, Some(nobody))),
        Err(Refusal::UnknownRun(nobody)),
    );
    same("the event stays", stage.unrouted_ids(), ids(["e"]));
}

/// A deleted event is as if it had never come: its id can be sent again.
pub fn an_event_is_deleted_by_hand(stage: &Stage<'_>) {
    stage.emit(event("e", key("typo")));
    let seq = unrouted(stage, "e");
    same("it is deleted", stage.apply(in_hand(seq, None)), Ok(Outcome::Handled));
    same("it is gone", stage.unrouted_ids(), ids([]));
    same("once", stage.apply(in_hand(seq, None)), Err(Refusal::UnknownEvent(seq)));
    same(
        "it may come again",
        stage.emit(event("e", key("typo"))),
        Delivery::Unrouted,
    );
}

/// A change starts runs and sends events: with it, once, or not at all.
pub fn a_change_starts_and_sends(stage: &Stage<'_>) {
    let (parent, other) = (stage.running(), stage.parked());
    let child = NewRun {
        parent: Some(parent.run),
        ..stage.new_run()
    };
    let change = Advance {
        starts: vec![child.clone()],
        emits: vec![event("told", other.run)],
        ..step(parent, 0)
    };
    let refused = Advance {
        guard: Some(7),
        ..change.clone()
    };
    same(
        "a change that is refused does neither",
        stage.apply(refused),
        Err(Refusal::InboxChanged { inbox: 0 }),
    );
    holds("so there is no child", stage.find(child.id).is_none());
    same("and no event", stage.inbox_ids(other.run), ids([]));
    let first = stage.apply(change.clone());
    let row = stage.row(child.id);
    same(
        "the child is there, and knows its parent",
        (row.workflow.as_str(), row.status, row.parent),
        (WORKFLOW, RunStatus::Pending, Some(parent.run)),
    );
    same("the event is there", stage.inbox_ids(other.run), ids(["told"]));
    let before = stage.snapshot();
    same(
        "the same change again gives the same answer",
        stage.apply(change),
        first,
    );
    same("and nothing else", stage.snapshot(), before);
}

/// An event that a run sends to itself is in its inbox, and it does not park over it.
pub fn a_change_may_send_to_its_own_run(stage: &Stage<'_>) {
    let lease = stage.running();
    let inbox = stage.advanced(Advance {
        guard: Some(0),
        emits: vec![event("own", lease.run)],
        ..park(lease)
    });
    same("the answer counts it", inbox, 1);
    stage.take(lease.run);
}

fn fill(stage: &Stage<'_>, make: impl Fn(usize) -> NewEvent, count: usize) {
    let members: Vec<Member> = (0..count).map(|nth| Change::Emit(make(nth)).into()).collect();
    for group in members.chunks(GROUP_MEMBERS) {
        let answers = stage.group(group.to_vec());
        holds("there is room for each", answers.iter().all(Result::is_ok));
    }
}

/// A full inbox takes no more, and says whose it is; what a run sends in its own change is stored all the same, and
/// with a place that becomes free there is room again.
pub fn a_full_inbox_takes_no_more(stage: &Stage<'_>) {
    let (full, sender) = (stage.running(), stage.running());
    let limit = usize::try_from(EVENT_BUFFER_LIMIT).expect("it fits");
    fill(stage, |nth| event(&format!("e{nth}"), full.run), limit);
    let is_full = |answer: &MemberResult| matches!(answer, Err(Refusal::InboxFull { holder }) if holder.contains(&full.run.to_string()));
    let before = stage.row(full.run);
    holds(
        "one more is refused, with whose inbox it is",
        is_full(&stage.apply(event("more", full.run))),
    );
    same("nothing has changed", stage.row(full.run), before);
    same(
        "an id that is known is known, full or not",
        stage.emit(event("e7", full.run)),
        Delivery::Duplicate,
    );
    stage.advanced(Advance {
        emits: vec![event("sent", full.run)],
        ..bare(sender, 0)
    });
    same(
        "what a run sends is stored",
        stage.row(full.run).buffered,
        EVENT_BUFFER_LIMIT + 1,
    );
    let consumed = vec![stage.place(full.run, "e0"), stage.place(full.run, "e1")];
    stage.advanced(Advance {
        consumed,
        ..step(full, 0)
    });
    same(
        "there is room again",
        stage.emit(event("more", full.run)),
        Delivery::Routed(full.run),
    );
}
