//! Commands: cancel and resume.

use super::endings::completing;
use super::samples::{HASH, HOUR, SECOND, bare, block, cancel, claim, failure, park, resume, step};
use super::stage::{holds, same};
use super::{Act, Stage};
use crate::id::RunId;
use crate::store::{
    Advance, Change, Command, CommandKind, Ending, Lease, MemberResult, NewRun, Next, Outcome, Refusal, RunStatus,
};

const EFFECTIVE: MemberResult = Ok(Outcome::Commanded { effective: true });
const IN_VAIN: MemberResult = Ok(Outcome::Commanded { effective: false });

fn cancelled(stage: &Stage<'_>, run: RunId) -> (Option<String>, u64) {
    same("a live run can be cancelled", stage.apply(cancel(run)), EFFECTIVE);
    let row = stage.row(run);
    let inbox = stage.inbox(Some(run));
    same(
        "the inbox tells who asked, as the row does",
        inbox.cancel_by.clone(),
        row.cancel_by.clone(),
    );
    same("the inbox tells the counter, as the row does", inbox.counter, row.inbox);
    (row.cancel_by, row.inbox)
}

fn asked(counter: u64) -> (Option<String>, u64) {
    (Some("ada".to_owned()), counter)
}

/// A pending run keeps the wish for whoever executes it. One whose start is delayed is made
/// ready by it: there is nothing left to wait for.
pub fn a_pending_run_is_cancelled(stage: &Stage<'_>) {
    let (ready, delayed) = (
        stage.new_run(),
        NewRun {
            delay: HOUR,
            ..stage.new_run()
        },
    );
    let (ready, delayed) = (stage.start(ready), stage.start(delayed));
    for run in [ready, delayed] {
        same("the wish is kept, and counts", cancelled(stage, run), asked(1));
        same(
            "a run that has not begun is still pending",
            stage.row(run).status,
            RunStatus::Pending,
        );
    }
    let claimed = stage.claim_as(claim());
    let brought: Vec<_> = claimed
        .iter()
        .map(|claimed| (claimed.lease.run, claimed.run.cancel_by.clone()))
        .collect();
    same(
        "a claim brings the wish along",
        brought,
        vec![(ready, Some("ada".to_owned())), (delayed, Some("ada".to_owned()))],
    );
}

/// A waiting run is ready at once, whatever its timer.
pub fn a_waiting_run_is_cancelled(stage: &Stage<'_>) {
    let (quiet, timed) = (stage.parked(), stage.running());
    let wake_at = Some(stage.now() + HOUR);
    stage.advanced(Advance {
        next: Next::Park { wake_at },
        ..bare(timed, 0)
    });
    for lease in [quiet, timed] {
        same("the wish is kept, and counts", cancelled(stage, lease.run), asked(1));
        stage.take(lease.run);
        same(
            "the wish is still there for its worker",
            stage.row(lease.run).cancel_by,
            asked(1).0,
        );
    }
}

/// A running run keeps its lease; the wish counts, so that what was decided before it is refused.
pub fn a_running_run_is_cancelled(stage: &Stage<'_>) {
    let lease = stage.running();
    same("the wish is kept, and counts", cancelled(stage, lease.run), asked(1));
    same("the run goes on", stage.row(lease.run).status, RunStatus::Running);
    let parks = Advance {
        guard: Some(0),
        ..park(lease)
    };
    same(
        "it does not park over the wish",
        stage.apply(parks),
        Err(Refusal::InboxChanged { inbox: 1 }),
    );
    stage.advanced(step(lease, 0));
    same(
        "the wish stays until the run acts on it",
        stage.row(lease.run).cancel_by,
        asked(1).0,
    );
}

/// A blocked run is ready for any code of its workflow, and no longer blocked.
pub fn a_blocked_run_is_cancelled(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.advanced(block(lease, 0, HASH));
    same("the wish is kept, and counts", cancelled(stage, lease.run), asked(1));
    let row = stage.row(lease.run);
    same(
        "it is blocked no longer",
        (row.status, row.blocked),
        (RunStatus::Waiting, None),
    );
    stage.take(lease.run);
}

/// The first wish counts: a second one has no effect, and the first name is kept.
pub fn a_second_cancel_has_no_effect(stage: &Stage<'_>) {
    let lease = stage.parked();
    cancelled(stage, lease.run);
    let before = stage.snapshot();
    stage.pass(SECOND);
    let again = Change::Command(Command {
        run: lease.run,
        what: CommandKind::Cancel,
        by: "bob".to_owned(),
    });
    same(
        "it is told that it had no effect",
        stage.apply_with(again, stage.attach([Act::Count("cell")])),
        IN_VAIN,
    );
    same("nothing has changed", stage.snapshot(), before);
    same("an attachment without effect does not run", stage.counted("cell"), 0);
}

/// A failing run cannot be cancelled: its handler runs to its end. A wish that the run did not
/// act on before is no longer shown once it fails.
pub fn a_failing_run_is_not_cancelled(stage: &Stage<'_>) {
    let (plain, wished) = (stage.running(), stage.running());
    cancelled(stage, wished.run);
    for lease in [plain, wished] {
        stage.advanced(Advance {
            next: Next::Failing {
                cause: failure("first"),
            },
            ..bare(lease, 0)
        });
        let before = stage.snapshot();
        same(
            "a failing run cannot be cancelled",
            stage.apply(cancel(lease.run)),
            IN_VAIN,
        );
        same("nothing has changed", stage.snapshot(), before);
        same("no wish is open", stage.row(lease.run).cancel_by, None);
        stage.advanced(Advance {
            next: Next::Finish(Ending::Failed(failure("f"))),
            ..step(lease, 0)
        });
        same(
            "a failed run was not ended by a wish",
            stage.row(lease.run).cancel_by,
            None,
        );
    }
}

/// A run that has ended on request shows whose request it was; one that has ended otherwise does not.
pub fn an_end_on_request_names_who_asked(stage: &Stage<'_>) {
    let endings = [
        (Ending::Cancelled(failure("c")), Some("ada".to_owned())),
        (Ending::Failed(failure("f")), None),
        (Ending::Completed(super::samples::json(1)), None),
    ];
    for (ending, by) in endings {
        let lease = stage.running();
        cancelled(stage, lease.run);
        stage.advanced(Advance {
            next: Next::Finish(ending),
            ..bare(lease, 0)
        });
        same(
            "who asked is shown when the run has ended so",
            stage.row(lease.run).cancel_by,
            by,
        );
    }
    let lease = stage.running();
    cancelled(stage, lease.run);
    stage.advanced(Advance {
        next: Next::Failing { cause: failure("c") },
        ..bare(lease, 0)
    });
    stage.advanced(Advance {
        next: Next::Finish(Ending::Cancelled(failure("c"))),
        ..bare(lease, 0)
    });
    same(
        "also when its handler ran in between",
        stage.row(lease.run).cancel_by,
        Some("ada".to_owned()),
    );
}

/// Commands for a run that has ended, or does not exist, are refused with the reason.
pub fn commands_for_nobody_are_refused(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.advanced(completing(lease, 0));
    let unknown = stage.run_id();
    for command in [cancel, resume] {
        let answer = stage.apply(command(lease.run));
        holds(
            "an ended run refuses commands",
            wrong_status(&answer, lease.run, RunStatus::Completed),
        );
        same(
            "an unknown run is named",
            stage.apply(command(unknown)),
            Err(Refusal::UnknownRun(unknown)),
        );
    }
}

fn wrong_status(answer: &MemberResult, run: RunId, status: RunStatus) -> bool {
    matches!(answer, Err(Refusal::WrongStatus { run: r, status: s, .. }) if *r == run && *s == status)
}

/// A blocked run that is retried is ready for the same code, counts the command, and is blocked
/// no longer.
pub fn a_blocked_run_is_retried(stage: &Stage<'_>) {
    let lease = stage.running();
    stage.advanced(block(lease, 0, HASH));
    stage.pass(SECOND);
    same(
        "the code that did not fit does not get it",
        stage.claim_ids(claim()),
        vec![],
    );
    same(
        "a blocked run can be retried",
        stage.apply(resume(lease.run)),
        EFFECTIVE,
    );
    let row = stage.row(lease.run);
    same(
        "it waits for its turn",
        (row.status, row.blocked, row.inbox),
        (RunStatus::Waiting, None, 1),
    );
    same("a command changes the run", row.updated_at, stage.now());
    stage.take(lease.run);
}

/// Only a blocked run can be retried: all others say what they are.
pub fn only_a_blocked_run_is_retried(stage: &Stage<'_>) {
    let pending = stage.start(stage.new_run());
    let (running, parked) = (stage.running(), stage.parked());
    let failed = stage.running();
    stage.advanced(Advance {
        next: Next::Finish(Ending::Failed(failure("f"))),
        ..bare(failed, 0)
    });
    let of = |lease: Lease| lease.run;
    let runs = [
        (pending, RunStatus::Pending),
        (of(running), RunStatus::Running),
        (of(parked), RunStatus::Waiting),
        (of(failed), RunStatus::Failed),
    ];
    let before = stage.snapshot();
    for (run, status) in runs {
        let answer = stage.apply_with(resume(run), stage.attach([Act::Count("cell")]));
        holds(
            "a resume of what is not blocked says what it is",
            wrong_status(&answer, run, status),
        );
    }
    same("nothing has changed", stage.snapshot(), before);
    same("no attachment has run", stage.counted("cell"), 0);
}
