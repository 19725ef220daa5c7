//! What somebody does with a run beside cancelling it: holding it, letting it go on, sending it back.

use jiff::Timestamp;

use super::Stage;
use super::endings::completing;
use super::samples::{HASH, HOUR, LEASE, SECOND, bare, block, claim, event, failure, key, park, resume, step};
use super::stage::{ids, same};
use crate::history::What;
use crate::id::{RunId, Seq};
use crate::store::{
    Advance, Change, Command, CommandKind, Delivery, Lease, MemberResult, NewRun, Next, Outcome, Refusal, RunStatus,
};

const EFFECTIVE: MemberResult = Ok(Outcome::Commanded { effective: true });
const IN_VAIN: MemberResult = Ok(Outcome::Commanded { effective: false });

fn pause(run: RunId) -> Change {
    command(run, CommandKind::Pause)
}

fn rewind(run: RunId, step: u32, at: u64, seq: u64) -> Change {
    let (at, seq) = (Seq(at), Seq(seq));
    command(run, CommandKind::Rewind { step, at, seq })
}

fn command(run: RunId, what: CommandKind) -> Change {
    Change::Command(Command {
        run,
        what,
        by: "ada".to_owned(),
    })
}

fn parked_until(stage: &Stage<'_>, wake_at: Timestamp) -> Lease {
    let lease = stage.running();
    stage.advanced(Advance {
        next: Next::Park { wake_at: Some(wake_at) },
        ..bare(lease, 0)
    });
    lease
}

/// What a run's history tells, and what of it counts no more.
fn told(stage: &Stage<'_>, run: RunId) -> Vec<(What, bool)> {
    let history = stage.history(run).into_iter();
    history.map(|stored| (stored.record.what, stored.superseded)).collect()
}

fn by_ada() -> String {
    "ada".to_owned()
}

/// A waiting run that is paused is nobody's: its timer does not fire, and what comes in waits with it. Its history
/// tells who asked, under an epoch of its own. When it goes on, it is ready at once.
pub fn a_waiting_run_is_paused(stage: &Stage<'_>) {
    let lease = parked_until(stage, stage.now() + SECOND);
    same("it is paused", stage.apply(pause(lease.run)), EFFECTIVE);
    let row = stage.row(lease.run);
    same(
        "the row tells by whom and when",
        (row.status, row.pause_by, row.paused_at, row.due_at),
        (RunStatus::Paused, Some(by_ada()), Some(stage.now()), None),
    );
    same(
        "so does the history",
        told(stage, lease.run),
        vec![(What::Paused { by: by_ada() }, false)],
    );
    same("a second wish has no effect", stage.apply(pause(lease.run)), IN_VAIN);
    stage.emit(event("e", lease.run));
    stage.pass(HOUR);
    same("nothing of it is due", stage.claim_ids(claim()), vec![]);
    same("it goes on", stage.apply(resume(lease.run)), EFFECTIVE);
    let taken = stage.take(lease.run);
    same("each command raised the epoch", taken.epoch.0, lease.epoch.0 + 3);
    same("what came in is there", stage.inbox_ids(lease.run), ids(["e"]));
    let resumed = (What::Resumed { by: by_ada() }, false);
    same(
        "the history tells who let it go on",
        told(stage, lease.run).last(),
        Some(&resumed),
    );
    let row = stage.row(lease.run);
    same("nobody holds it any more", (row.pause_by, row.paused_at), (None, None));
}

/// A delayed start that is paused keeps its time; one whose time has passed meanwhile is due at once.
pub fn a_delayed_start_keeps_its_time(stage: &Stage<'_>) {
    let delayed = |delay| NewRun {
        delay,
        ..stage.new_run()
    };
    let (early, late) = (stage.start(delayed(SECOND)), stage.start(delayed(HOUR)));
    for run in [early, late] {
        same("it is paused", stage.apply(pause(run)), EFFECTIVE);
    }
    stage.pass(SECOND * 60);
    same("nothing begins", stage.claim_ids(claim()), vec![]);
    for run in [early, late] {
        same("it goes on", stage.apply(resume(run)), EFFECTIVE);
    }
    stage.take(early);
    same("the other one is not due yet", stage.claim_ids(claim()), vec![]);
    stage.pass(HOUR);
    let claimed = stage.claim_ids(claim());
    same("then it is", claimed.contains(&late), true);
}

/// A running run is told, keeps its lease, and pauses by its worker's own change; the wish can be taken back before.
pub fn a_running_run_is_told_to_pause(stage: &Stage<'_>) {
    let lease = stage.running();
    same("it is told", stage.apply(pause(lease.run)), EFFECTIVE);
    let inbox = stage.inbox(Some(lease.run));
    same(
        "the inbox tells who asked",
        (inbox.pause_by, inbox.counter),
        (Some(by_ada()), 1),
    );
    same("it goes on meanwhile", stage.row(lease.run).status, RunStatus::Running);
    let parks = Advance {
        guard: Some(0),
        ..park(lease)
    };
    same(
        "it does not park over the wish",
        stage.apply(parks),
        Err(Refusal::InboxChanged { inbox: 1 }),
    );
    same("the wish is taken back", stage.apply(resume(lease.run)), EFFECTIVE);
    same("nobody asks any more", stage.inbox(Some(lease.run)).pause_by, None);
    same("and asked again", stage.apply(pause(lease.run)), EFFECTIVE);
    stage.advanced(Advance {
        next: Next::Pause { by: by_ada() },
        ..step(lease, 0)
    });
    let row = stage.row(lease.run);
    same(
        "it has paused",
        (row.status, row.paused_at),
        (RunStatus::Paused, Some(stage.now())),
    );
    same("its lease is over", stage.renew(&[lease], LEASE), vec![lease.run]);
    stage.pass(LEASE * 2);
    same("nobody takes it over", stage.claim_ids(claim()), vec![]);
}

/// The time of an error handler stands still while its run is paused.
pub fn a_handlers_time_stands_still(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.advanced(Advance {
        next: Next::Failing { cause: failure("no") },
        ..bare(lease, 0)
    });
    let since = stage.row(lease.run).failing_since.expect("it is failing");
    stage.advanced(park(lease));
    same("it is paused", stage.apply(pause(lease.run)), EFFECTIVE);
    stage.pass(HOUR);
    same("it goes on", stage.apply(resume(lease.run)), EFFECTIVE);
    same(
        "an hour was not its own",
        stage.row(lease.run).failing_since,
        Some(since + HOUR),
    );
}

/// What nobody executes need not be paused, and what has ended cannot be.
pub fn some_runs_cannot_be_paused(stage: &Stage<'_>) {
    let (blocked, ended) = (stage.running(), stage.running());
    stage.advanced(block(blocked, 0, HASH));
    stage.advanced(completing(ended, 0));
    for (run, status) in [(blocked.run, RunStatus::Blocked), (ended.run, RunStatus::Completed)] {
        let answer = stage.apply(pause(run));
        let refused = matches!(answer, Err(Refusal::WrongStatus { status: found, .. }) if found == status);
        same(
            "it is refused, with the status",
            (refused, stage.row(run).status),
            (true, status),
        );
    }
}

/// An ended run goes back: what followed counts no more and is still shown, it holds its keys again, what waits for
/// it is in its inbox, and any worker that has its workflow gets it.
pub fn an_ended_run_goes_back(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.advanced(Advance {
        keys: vec![key("k")],
        ..step(lease, 0)
    });
    stage.advanced(step(lease, 1));
    stage.advanced(completing(lease, 2));
    same(
        "its key is free",
        stage.emit(event("late", key("k"))),
        Delivery::Unrouted,
    );
    same(
        "it goes back to its second step",
        stage.apply(rewind(lease.run, 2, 2, 2)),
        EFFECTIVE,
    );
    let superseded: Vec<bool> = told(stage, lease.run).into_iter().map(|(_, gone)| gone).collect();
    same("the second step counts no more", superseded, vec![false, true, false]);
    let row = stage.row(lease.run);
    same(
        "it has not ended",
        (row.status, row.output, row.finished_at),
        (RunStatus::Waiting, None, None),
    );
    same(
        "what waited for its key has come",
        stage.inbox_ids(lease.run),
        ids(["late"]),
    );
    same(
        "its key is its own again",
        stage.emit(event("next", key("k"))),
        Delivery::Routed(lease.run),
    );
    stage.take(lease.run);
}

/// A run that is executed, has not begun, or has gone on since does not go back; nor one whose key another run has.
pub fn some_runs_do_not_go_back(stage: &Stage<'_>) {
    let (pending, running, ended) = (stage.start(stage.new_run()), stage.running(), stage.running());
    stage.advanced(Advance {
        keys: vec![key("k")],
        ..step(ended, 0)
    });
    stage.advanced(completing(ended, 1));
    let before = stage.snapshot();
    let refused = |answer: MemberResult| match answer {
        Err(Refusal::WrongStatus { status, .. }) => status.to_string(),
        Err(Refusal::OutOfSequence { found, .. }) => format!("at {}", found.0),
        other => format!("{other:?}"),
    };
    let rows = [
        (rewind(pending, 1, 1, 0), "pending"),
        (rewind(running.run, 1, 1, 0), "running"),
        (rewind(ended.run, 1, 1, 0), "at 1"),
        (rewind(ended.run, 1, 1, 2), "at 1"),
    ];
    for (change, why) in rows {
        same(
            "it is refused, and says why",
            refused(stage.apply(change)),
            why.to_owned(),
        );
    }
    same("nothing has changed", stage.snapshot(), before);
    stage.advanced(Advance {
        keys: vec![key("k")],
        ..step(running, 0)
    });
    let taken = Refusal::KeyTaken {
        key: key("k"),
        by: running.run,
    };
    same(
        "its key is another's now",
        stage.apply(rewind(ended.run, 1, 1, 1)),
        Err(taken),
    );
}
