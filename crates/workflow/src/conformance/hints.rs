//! Hints: the quick way from a commit to whoever can go on because of it.
//!
//! Hints may be merged and may be wrong, so a case waits until the promised one comes, and
//! passes over others. That none comes ends the case after a minute.

use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use super::endings::completing;
use super::samples::{HASH, HOUR, ToMember, bare, block, cancel, claim, declare, event, key, nothing, park, resume};
use super::stage::holds;
use super::{Act, Stage, block_on};
use crate::schedule::trigger_key;
use crate::store::{Advance, Hint, Member, NewRun, Next, ScheduleChange};

fn listen(stage: &Stage<'_>) -> BoxStream<'static, Hint> {
    stage.store().hints()
}

/// Passes over other hints until this one comes.
fn heard(mut hints: BoxStream<'static, Hint>, promised: Hint) -> bool {
    block_on(async move {
        while let Some(hint) = hints.next().await {
            if hint == promised {
                return true;
            }
        }
        false
    })
}

fn speaks_up(stage: &Stage<'_>, what: &str, member: impl ToMember, promised: Hint) {
    let hints = listen(stage);
    holds(
        &format!("this is applied: {what}"),
        stage.apply(member.member()).is_ok(),
    );
    holds(&format!("{what} is hinted as {promised:?}"), heard(hints, promised));
    stage.claim_as(claim());
}

/// Whatever makes a run ready, or sets a timer, is hinted.
pub fn what_is_ready_is_hinted(stage: &Stage<'_>) {
    speaks_up(stage, "a start", stage.new_run(), Hint::Ready);
    speaks_up(
        stage,
        "a delayed start",
        NewRun {
            delay: HOUR,
            ..stage.new_run()
        },
        Hint::Ready,
    );
    speaks_up(
        stage,
        "an event for a waiting run",
        event("e", stage.parked().run),
        Hint::Ready,
    );
    speaks_up(
        stage,
        "a cancel of a waiting run",
        cancel(stage.parked().run),
        Hint::Ready,
    );
    let wake_at = Some(stage.now() + HOUR);
    speaks_up(
        stage,
        "a timer",
        Advance {
            next: Next::Park { wake_at },
            ..bare(stage.running(), 0)
        },
        Hint::Ready,
    );
    speaks_up(
        stage,
        "a release",
        Advance {
            next: Next::Release,
            ..bare(stage.running(), 0)
        },
        Hint::Ready,
    );
    let blocked = stage.running();
    stage.advanced(block(blocked, 0, HASH));
    speaks_up(stage, "a resume", resume(blocked.run), Hint::Ready);
}

/// What comes in for a run that is being executed is hinted with its id.
pub fn what_comes_in_for_a_running_run_is_hinted(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.advanced(Advance {
        keys: vec![key("k")],
        ..bare(lease, 0)
    });
    let inbox = Hint::Inbox(lease.run);
    speaks_up(stage, "an event", event("e", lease.run), inbox);
    speaks_up(stage, "an event for its key", event("e", key("k")), inbox);
    speaks_up(stage, "a cancel", cancel(lease.run), inbox);
}

/// What an attachment does is hinted after the commit as if it had been done alone.
pub fn what_attachments_do_is_hinted(stage: &Stage<'_>) {
    let (parked, running, sleeping) = (stage.parked(), stage.running(), stage.running());
    stage.advanced(park(sleeping));
    let acts = [
        ("a start", Act::Start(stage.new_run()), Hint::Ready),
        (
            "an event for a waiting run",
            Act::Emit(event("e", parked.run)),
            Hint::Ready,
        ),
        (
            "an event for a running run",
            Act::Emit(event("e", running.run)),
            Hint::Inbox(running.run),
        ),
        ("a hastened run", Act::MakeDue(sleeping.run), Hint::Ready),
    ];
    for ((what, act, promised), id) in acts.into_iter().zip(1..) {
        let member = Member {
            attach: Some(stage.attach([act])),
            ..nothing(id).member()
        };
        speaks_up(stage, &format!("{what} inside a transaction"), member, promised);
    }
}

/// Every listener hears, also one that was not asked since: hints wait.
pub fn every_listener_hears(stage: &Stage<'_>) {
    let listeners = [listen(stage), listen(stage), listen(stage)];
    drop(listen(stage));
    stage.start(stage.new_run());
    stage.start(stage.new_run());
    for hints in listeners {
        holds("each listener hears of it", heard(hints, Hint::Ready));
    }
}

/// What a scheduler may be waiting for is hinted: a row that changed, and the end of a run that a
/// schedule has started. A run of a schedule that became ready is hinted as such, too.
pub fn what_schedules_wait_for_is_hinted(stage: &Stage<'_>) {
    let declaration = declare("bell", stage.now() + HOUR);
    let declared = ScheduleChange::Declare(declaration);
    speaks_up(stage, "a declaration", declared, Hint::Schedule);
    let name = || "bell".to_owned();
    let trigger = || {
        let run = stage.new_run();
        let start_key = Some(trigger_key("bell", run.id));
        let run = NewRun { start_key, ..run };
        let (name, by) = (name(), "ada".to_owned());
        ScheduleChange::Trigger { name, by, run }
    };
    speaks_up(stage, "a run by hand", trigger(), Hint::Schedule);
    speaks_up(stage, "a run by hand", trigger(), Hint::Ready);
    stage.apply(trigger()).expect("it is started");
    let lease = stage.claim_as(claim()).remove(0).lease;
    speaks_up(stage, "its end", completing(lease, 0), Hint::Schedule);
    let (name, by) = (name(), "ada".to_owned());
    speaks_up(stage, "a pause", ScheduleChange::Pause { name, by }, Hint::Schedule);
}
