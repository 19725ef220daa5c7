//! Starting runs.

use super::samples::{HASH, HOUR, SECOND, ToMember, WORKFLOW, claim, json, moment};
use super::stage::{holds, same};
use super::{Act, Stage};
use crate::history::Phase;
use crate::id::{Epoch, Seq};
use crate::store::{Member, NewRun, Outcome, RunRow, RunStatus};

/// A started run is shown with all that it was given, pending and never executed.
pub fn a_started_run_is_shown_as_it_was_given(stage: &Stage<'_>) {
    let parent = stage.run_id();
    let new = NewRun {
        start_key: Some("order-7".to_owned()),
        priority: 3,
        parent: Some(parent),
        flow_key: Some("acme".to_owned()),
        ..stage.new_run()
    };
    let id = stage.start(new);
    let now = stage.now();
    let promised = RunRow {
        id,
        workflow: WORKFLOW.to_owned(),
        hash: HASH,
        start_key: Some("order-7".to_owned()),
        status: RunStatus::Pending,
        phase: Phase::Main,
        input: json(1),
        output: None,
        failure: None,
        failing_since: None,
        blocked: None,
        cancel_by: None,
        pause_by: None,
        paused_at: None,
        priority: 3,
        parent: Some(parent),
        flow_key: Some("acme".to_owned()),
        throttled: None,
        seq: Seq(0),
        inbox: 0,
        buffered: 0,
        epoch: Epoch(0),
        worker: None,
        due_at: None,
        created_at: now,
        begun_at: None,
        updated_at: now,
        finished_at: None,
    };
    same("a new run's row is what its start said", stage.row(id), promised);
    same("a new run has no history", stage.history(id), Vec::new());
}

/// The same id again finds the run, says whether the input is the same, and changes nothing.
pub fn the_same_id_starts_once(stage: &Stage<'_>) {
    let new = stage.new_run();
    let id = stage.start(new.clone());
    let before = stage.snapshot();
    stage.pass(SECOND);
    let again = stage.apply(new.clone());
    same(
        "a start that is repeated finds its run",
        again,
        Ok(Outcome::Existing {
            run: id,
            same_input: true,
        }),
    );
    let other = stage.apply(NewRun { input: json(2), ..new });
    let promised = Ok(Outcome::Existing {
        run: id,
        same_input: false,
    });
    same("another input is said, and does not replace the first", other, promised);
    same("a repeated start leaves no trace", stage.snapshot(), before);
}

/// A start key makes one run per workflow, whoever asks and with whatever input, also after
/// the run was executed and has ended.
pub fn a_start_key_starts_once(stage: &Stage<'_>) {
    let keyed = || NewRun {
        start_key: Some("k".to_owned()),
        ..stage.new_run()
    };
    let first = stage.start(keyed());
    let found = |same_input| Ok(Outcome::Existing { run: first, same_input });
    same(
        "the same start key finds the first run",
        stage.apply(keyed()),
        found(true),
    );
    let other = stage.apply(NewRun {
        input: json(2),
        ..keyed()
    });
    same(
        "the same start key with another input finds the first run and says so",
        other,
        found(false),
    );
    let lease = stage.take(first);
    same(
        "a start key is taken while its run is executed",
        stage.apply(keyed()),
        found(true),
    );
    stage.advanced(super::endings::completing(lease, 0));
    same(
        "a start key is taken when its run has ended",
        stage.apply(keyed()),
        found(true),
    );
    let elsewhere = stage.apply(NewRun {
        workflow: "mail".to_owned(),
        ..keyed()
    });
    same(
        "another workflow has start keys of its own",
        elsewhere,
        Ok(Outcome::Started),
    );
}

/// Two starts with one key in one group make one run: members are applied in order.
pub fn a_start_key_starts_once_within_a_group(stage: &Stage<'_>) {
    let keyed = || NewRun {
        start_key: Some("k".to_owned()),
        ..stage.new_run()
    };
    let (first, second) = (keyed(), keyed());
    let answers = stage.group([first.clone().member(), second.clone().member()]);
    let promised = vec![
        Ok(Outcome::Started),
        Ok(Outcome::Existing {
            run: first.id,
            same_input: true,
        }),
    ];
    same(
        "the first member makes the run and the second finds it",
        answers,
        promised,
    );
    holds(
        "the id of a start that found another run is not taken",
        stage.find(second.id).is_none(),
    );
}

/// An attachment belongs to the making of the run: a start that finds a run does not execute it.
pub fn an_existing_run_leaves_the_attachment_alone(stage: &Stage<'_>) {
    let new = NewRun {
        start_key: Some("k".to_owned()),
        ..stage.new_run()
    };
    let counting = || stage.attach([Act::Count("starts")]);
    same(
        "a start with an attachment makes a run",
        stage.apply_with(new.clone(), counting()),
        Ok(Outcome::Started),
    );
    let other = NewRun {
        id: stage.run_id(),
        ..new.clone()
    };
    let members = [new, other].map(|new| Member {
        attach: Some(counting()),
        ..new.member()
    });
    for member in members {
        holds(
            "a start that is repeated finds its run",
            matches!(stage.apply(member), Ok(Outcome::Existing { .. })),
        );
    }
    same("the attachment of a start runs once", stage.counted("starts"), 1);
}

/// A delayed run is pending, and claimed only when its time has come.
pub fn a_delayed_start_waits_for_its_time(stage: &Stage<'_>) {
    let id = stage.start(NewRun {
        delay: HOUR,
        ..stage.new_run()
    });
    let due = stage.now() + HOUR;
    let row = stage.row(id);
    same(
        "a delayed run is pending until its time",
        (row.status, row.due_at),
        (RunStatus::Pending, Some(due)),
    );
    same("what is due next is the delayed run", stage.next_due(), Some(due));
    stage.pass(HOUR - SECOND);
    same(
        "a delayed run is not claimed before its time",
        stage.claim_ids(claim()),
        Vec::new(),
    );
    stage.pass(SECOND);
    stage.take(id);
}

/// A start's times are the store's: they are kept in whole microseconds.
pub fn times_have_microseconds(stage: &Stage<'_>) {
    stage.pass(std::time::Duration::from_micros(1_234_567));
    let delay = std::time::Duration::from_nanos(1_500);
    let id = stage.start(NewRun {
        delay,
        known_since: moment(0),
        ..stage.new_run()
    });
    let row = stage.row(id);
    same(
        "now is the same in a call and in what it stores",
        row.created_at,
        stage.now(),
    );
    let due = row.due_at.map(|due| due.duration_since(row.created_at).as_nanos());
    same(
        "a time between two microseconds is cut to the earlier",
        due,
        Some(1_000),
    );
}
