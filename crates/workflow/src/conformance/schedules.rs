//! Schedules: rows whose revision decides which of several decisions counts.

use super::endings::completing;
use super::samples::{HOUR, SECOND, ToMember, WORKFLOW, declare, every, json, moment};
use super::stage::{holds, same};
use super::{Act, Stage};
use crate::error::StepError;
use crate::id::RunId;
use crate::schedule::{tick_key, trigger_key};
use crate::store::{
    Declaration, NewRun, Outcome, Purge, Refusal, ScheduleChange, ScheduleQuery, ScheduleRow, Tick, Wish,
};

const BELL: &str = "bell";

fn effective(effective: bool) -> Result<Outcome, Refusal> {
    Ok(Outcome::Scheduled { effective })
}

fn bell(stage: &Stage<'_>) -> ScheduleRow {
    let rows = stage.schedules().into_iter().find(|row| row.name == BELL);
    rows.expect("a schedule that was declared is shown")
}

fn declared(stage: &Stage<'_>) -> ScheduleRow {
    let declaration = ScheduleChange::Declare(declare(BELL, moment(60)));
    same(
        "a new schedule is written down",
        stage.apply(declaration),
        effective(true),
    );
    bell(stage)
}

fn run_at(stage: &Stage<'_>, seconds: i64) -> (jiff::Timestamp, NewRun) {
    let start_key = Some(tick_key(BELL, moment(seconds)));
    (
        moment(seconds),
        NewRun {
            start_key,
            ..stage.new_run()
        },
    )
}

fn tick(row: &ScheduleRow, starts: Vec<(jiff::Timestamp, NewRun)>) -> Tick {
    Tick {
        name: row.name.clone(),
        revision: row.revision,
        starts,
        skipped: 0,
        missed: 0,
        next_at: Some(moment(120)),
    }
}

fn pause() -> ScheduleChange {
    let (name, by) = (BELL.to_owned(), "ada".to_owned());
    ScheduleChange::Pause { name, by }
}

fn resume(revision: u64) -> ScheduleChange {
    ScheduleChange::Resume {
        name: BELL.to_owned(),
        by: "bob".to_owned(),
        revision,
        next_at: Some(moment(600)),
    }
}

fn trigger(run: NewRun) -> ScheduleChange {
    let (name, by) = (BELL.to_owned(), "eve".to_owned());
    ScheduleChange::Trigger { name, by, run }
}

fn by_hand(stage: &Stage<'_>) -> NewRun {
    let run = stage.new_run();
    NewRun {
        start_key: Some(trigger_key(BELL, run.id)),
        ..run
    }
}

fn remove() -> ScheduleChange {
    ScheduleChange::Remove { name: BELL.to_owned() }
}

/// A declared schedule is shown as it was given, with its next time and without a history.
pub fn a_declared_schedule_is_shown(stage: &Stage<'_>) {
    let row = declared(stage);
    let now = stage.now();
    let shown = ScheduleRow {
        name: BELL.to_owned(),
        workflow: WORKFLOW.to_owned(),
        spec: every(60 * SECOND),
        input: json(7),
        revision: 1,
        next_at: Some(moment(60)),
        paused: None,
        resumed: None,
        triggered: None,
        removed_at: None,
        running: false,
        last_tick: None,
        last_run: None,
        started: 0,
        skipped: 0,
        missed: 0,
        triggers: 0,
        created_at: now,
        updated_at: now,
    };
    same("it is shown", row, shown);
}

/// The same declaration again keeps the next time; another spec or workflow sets it. Pause and
/// counters stay in either case. Another input alone is taken over, and is no change.
pub fn only_another_spec_moves_the_next_time(stage: &Stage<'_>) {
    let row = declared(stage);
    same(
        "a tick is applied",
        stage.apply(ScheduleChange::Tick(tick(&row, vec![run_at(stage, 60)]))),
        effective(true),
    );
    stage.apply(pause()).expect("it is held");
    let before = bell(stage);
    let again = ScheduleChange::Declare(declare(BELL, moment(9_999)));
    same("the same is not written again", stage.apply(again), effective(false));
    same("its row is left alone", bell(stage), before.clone());
    let other_input = Declaration {
        input: json(8),
        ..declare(BELL, moment(9_999))
    };
    same(
        "an input is no spec",
        stage.apply(ScheduleChange::Declare(other_input)),
        effective(false),
    );
    same(
        "the new input is there, and nothing else",
        bell(stage),
        ScheduleRow {
            input: json(8),
            ..before.clone()
        },
    );
    let rows = [
        Declaration {
            spec: every(HOUR),
            ..declare(BELL, moment(3_600))
        },
        Declaration {
            workflow: "mail".to_owned(),
            spec: every(HOUR),
            ..declare(BELL, moment(7_200))
        },
    ];
    for other in rows {
        same(
            "another one is written",
            stage.apply(ScheduleChange::Declare(other.clone())),
            effective(true),
        );
        let row = bell(stage);
        same("with its next time", row.next_at, other.next_at);
        same("its spec", (row.workflow, row.spec), (other.workflow, other.spec));
        same("still held", row.paused, before.paused.clone());
        same("still counted", row.started, 1);
    }
}

/// A due tick starts its runs and advances the schedule, in one change.
pub fn a_tick_starts_its_runs(stage: &Stage<'_>) {
    let row = declared(stage);
    let starts = vec![run_at(stage, 60), run_at(stage, 61)];
    let runs: Vec<RunId> = starts.iter().map(|(_, run)| run.id).collect();
    let due = Tick {
        skipped: 3,
        missed: 4,
        ..tick(&row, starts)
    };
    stage.pass(SECOND);
    same("it is applied", stage.apply(ScheduleChange::Tick(due)), effective(true));
    let after = bell(stage);
    let expected = ScheduleRow {
        revision: 2,
        next_at: Some(moment(120)),
        running: true,
        last_tick: Some(moment(61)),
        last_run: Some(runs[1]),
        started: 2,
        skipped: 3,
        missed: 4,
        updated_at: stage.now(),
        ..row
    };
    same("the row says so", after, expected);
    holds("the runs are there", runs.iter().all(|run| stage.find(*run).is_some()));
}

/// Of several who decide about a tick one has it: the others are refused and start nothing.
/// The same change again is one of the others.
pub fn a_tick_is_taken_once(stage: &Stage<'_>) {
    let row = declared(stage);
    let first = ScheduleChange::Tick(tick(&row, vec![run_at(stage, 60)]));
    let second = ScheduleChange::Tick(tick(&row, vec![run_at(stage, 60)]));
    let refused = || Err(Refusal::ScheduleChanged(BELL.to_owned()));
    let answers = stage.group([first.clone().member(), second.member()]);
    same("the first has it", answers, vec![effective(true), refused()]);
    same("again it is refused", stage.apply(first), refused());
    same("one run was started", stage.all_runs(Default::default(), 10).len(), 1);
    same("and counted", bell(stage).started, 1);
}

/// Every change of the row makes a decision about it too late: a pause, a trigger, another spec.
pub fn a_decision_about_an_older_row_is_refused(stage: &Stage<'_>) {
    let changes: [fn(&Stage<'_>) -> ScheduleChange; 4] = [
        |_| pause(),
        |stage| resume(bell(stage).revision),
        |stage| trigger(by_hand(stage)),
        |_| {
            ScheduleChange::Declare(Declaration {
                spec: every(HOUR),
                ..declare(BELL, moment(3_600))
            })
        },
    ];
    declared(stage);
    for (place, change) in changes.iter().enumerate() {
        let row = bell(stage);
        same("it is changed", stage.apply(change(stage)), effective(true));
        let late = ScheduleChange::Tick(tick(&row, vec![run_at(stage, 60)]));
        let refused = Err(Refusal::ScheduleChanged(BELL.to_owned()));
        same(
            &format!("after change {place} a tick is too late"),
            stage.apply(late),
            refused,
        );
    }
}

/// A tick whose run exists by its start key makes no second one, and is not counted.
pub fn a_known_tick_starts_nothing(stage: &Stage<'_>) {
    let row = declared(stage);
    let (at, run) = run_at(stage, 60);
    let first = run.id;
    stage
        .apply(ScheduleChange::Tick(tick(&row, vec![(at, run)])))
        .expect("it is applied");
    let row = bell(stage);
    let again = ScheduleChange::Tick(tick(&row, vec![run_at(stage, 60)]));
    same(
        "the clock went back: it is applied",
        stage.apply(again),
        effective(true),
    );
    let after = bell(stage);
    same(
        "nothing more was started",
        (after.started, after.last_run),
        (1, Some(first)),
    );
    same("there is one run", stage.all_runs(Default::default(), 10).len(), 1);
}

/// A held schedule's ticks are refused, until it goes on with the time that it is given.
pub fn a_paused_schedule_does_not_tick(stage: &Stage<'_>) {
    declared(stage);
    same("it is held", stage.apply(pause()), effective(true));
    let held = bell(stage);
    let wish = |by: &str| {
        Some(Wish {
            by: by.to_owned(),
            at: stage.now(),
        })
    };
    same("who holds it is shown", held.paused.clone(), wish("ada"));
    same("its next time stays", held.next_at, Some(moment(60)));
    same(
        "to hold it again changes nothing",
        stage.apply(pause()),
        effective(false),
    );
    let refused = || Err(Refusal::ScheduleChanged(BELL.to_owned()));
    let due = ScheduleChange::Tick(tick(&held, vec![run_at(stage, 60)]));
    same("it does not tick", stage.apply(due), refused());
    same(
        "a decision about an older row is late",
        stage.apply(resume(held.revision - 1)),
        refused(),
    );
    same("it goes on", stage.apply(resume(held.revision)), effective(true));
    let row = bell(stage);
    same(
        "with its new time",
        (row.paused.clone(), row.next_at),
        (None, Some(moment(600))),
    );
    same("who let it go on is shown", row.resumed.clone(), wish("bob"));
    same(
        "to let it go on again changes nothing",
        stage.apply(resume(0)),
        effective(false),
    );
}

/// A run by hand is started once, recorded with who asked, and moves nothing; also while the
/// schedule is held.
pub fn a_trigger_starts_one_run(stage: &Stage<'_>) {
    declared(stage);
    stage.apply(pause()).expect("it is held");
    let run = by_hand(stage);
    let id = run.id;
    same("it is started", stage.apply(trigger(run.clone())), effective(true));
    let row = bell(stage);
    same("its next time stays", row.next_at, Some(moment(60)));
    same(
        "it is counted apart",
        (row.started, row.triggers, row.last_run),
        (0, 1, Some(id)),
    );
    same(
        "who asked is shown",
        row.triggered.clone().map(|wish| wish.by),
        Some("eve".to_owned()),
    );
    same("the run is there", stage.row(id).workflow, WORKFLOW.to_owned());
    same("again it answers as before", stage.apply(trigger(run)), effective(true));
    same("and changes nothing", bell(stage), row);
    let other = NewRun {
        workflow: "mail".to_owned(),
        ..by_hand(stage)
    };
    let refused = Err(Refusal::ScheduleChanged(BELL.to_owned()));
    same(
        "a run of another workflow is refused",
        stage.apply(trigger(other)),
        refused,
    );
}

/// A schedule that is no longer declared has no next time, and nothing can be done with it until
/// it is declared again.
pub fn a_removed_schedule_rests(stage: &Stage<'_>) {
    let unknown = || Err(Refusal::UnknownSchedule(BELL.to_owned()));
    same(
        "nothing is removed that is not there",
        stage.apply(remove()),
        effective(false),
    );
    for change in [pause(), resume(1), trigger(by_hand(stage))] {
        same("nor changed", stage.apply(change), unknown());
    }
    declared(stage);
    same("it is removed", stage.apply(remove()), effective(true));
    let row = bell(stage);
    same(
        "it has no next time",
        (row.next_at, row.removed_at),
        (None, Some(stage.now())),
    );
    same("it is removed once", stage.apply(remove()), effective(false));
    for change in [pause(), resume(row.revision), trigger(by_hand(stage))] {
        same("it is as if it were not there", stage.apply(change), unknown());
    }
    let due = ScheduleChange::Tick(tick(&row, vec![run_at(stage, 60)]));
    same(
        "it does not tick",
        stage.apply(due),
        Err(Refusal::ScheduleChanged(BELL.to_owned())),
    );
    let again = ScheduleChange::Declare(declare(BELL, moment(300)));
    same("declared again it is back", stage.apply(again), effective(true));
    same("with the time that it is given", bell(stage).next_at, Some(moment(300)));
}

/// Whether a run of a schedule has not ended is shown, whoever started it and however it goes on.
pub fn a_schedules_open_run_is_shown(stage: &Stage<'_>) {
    let row = declared(stage);
    stage
        .apply(ScheduleChange::Declare(declare("bell2", moment(60))))
        .expect("it is declared");
    let (at, run) = run_at(stage, 60);
    let id = run.id;
    holds("nothing runs yet", !bell(stage).running);
    stage
        .apply(ScheduleChange::Tick(tick(&row, vec![(at, run)])))
        .expect("it is applied");
    holds("a pending run is shown", bell(stage).running);
    let lease = stage.take(id);
    holds("a running one is", bell(stage).running);
    holds(
        "another schedule has none",
        stage.schedules().iter().all(|row| row.name == BELL || !row.running),
    );
    stage.advanced(completing(lease, 0));
    holds("an ended one is not", !bell(stage).running);
    stage.apply(trigger(by_hand(stage))).expect("it is started");
    holds("one that was started by hand is", bell(stage).running);
}

/// Schedules are shown by name, page by page, or one alone.
pub fn schedules_are_paged_by_name(stage: &Stage<'_>) {
    for name in ["c", "a", "d", "b"] {
        stage
            .apply(ScheduleChange::Declare(declare(name, moment(60))))
            .expect("it is declared");
    }
    let names = |query: ScheduleQuery| {
        let rows = stage.schedules_as(query).into_iter().map(|row| row.name);
        rows.collect::<Vec<_>>().join(" ")
    };
    let (all, page) = (
        ScheduleQuery {
            limit: 100,
            ..Default::default()
        },
        ScheduleQuery {
            limit: 3,
            ..Default::default()
        },
    );
    same("all of them", names(all.clone()), "a b c d".to_owned());
    same("the first page", names(page.clone()), "a b c".to_owned());
    let rest = ScheduleQuery {
        after: Some("c".to_owned()),
        ..page
    };
    same("the next page", names(rest), "d".to_owned());
    let one = |name: &str| ScheduleQuery {
        name: Some(name.to_owned()),
        ..all.clone()
    };
    same("one", names(one("b")), "b".to_owned());
    same("none", names(one("e")), String::new());
}

/// The application's writes are committed with a tick, or refuse it.
pub fn writes_are_committed_with_a_tick(stage: &Stage<'_>) {
    let row = declared(stage);
    let due = |stage: &Stage<'_>| ScheduleChange::Tick(tick(&row, vec![run_at(stage, 60)]));
    let refusal = StepError::fail("not now");
    let refusing = stage.attach([Act::Count("cell"), Act::Fail(refusal.clone())]);
    same(
        "it is refused",
        stage.apply_with(due(stage), refusing),
        Err(Refusal::Attachment(refusal)),
    );
    same(
        "nothing is left of it",
        (bell(stage), stage.counted("cell")),
        (row.clone(), 0),
    );
    same(
        "it is applied",
        stage.apply_with(due(stage), stage.attach([Act::Count("cell")])),
        effective(true),
    );
    same("with its writes", stage.counted("cell"), 1);
    let late = stage.apply_with(due(stage), stage.attach([Act::Count("cell")]));
    same(
        "one that is too late writes nothing",
        (late.is_err(), stage.counted("cell")),
        (true, 1),
    );
}

/// Schedules that were removed before a time are forgotten, those that are declared never. A
/// purge of one workflow's runs leaves schedules, and other workflows' runs, alone.
pub fn removed_schedules_are_forgotten(stage: &Stage<'_>) {
    declared(stage);
    stage
        .apply(ScheduleChange::Declare(declare("gone", moment(60))))
        .expect("it is declared");
    stage
        .apply(ScheduleChange::Remove {
            name: "gone".to_owned(),
        })
        .expect("it is removed");
    let of = |workflow: &str| {
        let run = NewRun {
            workflow: workflow.to_owned(),
            priority: i16::MAX,
            ..stage.new_run()
        };
        let id = stage.start(run);
        let claim = super::samples::claim_with(&[(workflow, super::samples::HASH)], 0);
        let lease = stage.claim_as(claim).remove(0).lease;
        stage.advanced(completing(lease, 0));
        id
    };
    let (sweep, order) = (of("sweep"), of(WORKFLOW));
    same("not before its time", stage.purge(stage.now(), 10), 0);
    stage.pass(SECOND);
    let only = Purge {
        before: stage.now(),
        workflow: Some("sweep".to_owned()),
        limit: 10,
    };
    same("one workflow's runs alone", stage.purge_as(only), 1);
    holds(
        "they are gone",
        stage.find(sweep).is_none() && stage.find(order).is_some(),
    );
    same("schedules are still there", stage.schedules().len(), 2);
    same("the other run, and the schedule", stage.purge(stage.now(), 10), 2);
    let names: Vec<_> = stage.schedules().into_iter().map(|row| row.name).collect();
    same("what is declared stays", names, vec![BELL.to_owned()]);
}
