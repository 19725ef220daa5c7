//! Rules about runs that are sent back, each broken once.

use super::*;

/// A command on the run is effective, and this is in its history at this epoch.
fn obey(watch: &Watch, run: RunId, what: CommandKind, written: What, epoch: u64) {
    obey_saying(watch, run, what, written, epoch, true);
}

/// The same, and this is said of its effect.
fn obey_saying(watch: &Watch, run: RunId, what: CommandKind, written: What, epoch: u64, effective: bool) {
    let (by, outcome) = ("ada".to_owned(), Outcome::Commanded { effective });
    commit(watch, P0, Change::Command(Command { run, what, by }), outcome);
    let record = Record {
        step: None,
        epoch: Epoch(epoch),
        ..record(1, StepKind::Action, written)
    };
    let seq = Seq(watch.records(run).len() as u64 + 1);
    let stored = StoredRecord {
        seq,
        record,
        superseded: false,
    };
    watch.commanded(run, vec![stored]);
}

/// Ada sends the parked or ended first run back; the next lease is of the epoch after.
fn send_back(watch: &Watch, step: u32, at: u64, epoch: u64) {
    let (at, seq) = (Seq(at), Seq(watch.records(id(1)).len() as u64));
    let by = "ada".to_owned();
    let written = What::Rewound { by, step, at };
    obey(watch, id(1), CommandKind::Rewind { step, at, seq }, written, epoch);
}

/// p0 claims it at this second, under this epoch; so many first records count no more.
fn claim_again(watch: &Watch, second: u64, epoch: u64) {
    let records = watch.records(id(1));
    let gone = watch.superseded(id(1));
    claim_shown(watch, P0, id(1), second, epoch, &records, &gone);
}

fn under(epoch: u64, record: Record) -> Record {
    Record {
        epoch: Epoch(epoch),
        ..record
    }
}

fn park(watch: &Watch, seq: u64, records: &[Record]) {
    advance(watch, P0, 1, seq, records, Next::Park { wake_at: None });
}

fn failed_for_good(ordinal: u32, kind: StepKind, failure: FailureKind) -> Record {
    let failure = Failure {
        kind: failure,
        attempts: 1,
        ..Failure::new("no")
    };
    let reason = String::new();
    record(ordinal, kind, What::Failed { failure, reason })
}

/// An effect that has acted, and its record.
fn acted(watch: &Watch, seq: u64, ordinal: u32) {
    write(watch, seq, &[started(ordinal, 1)]);
    begin(watch, P0, 1, ordinal, StepKind::Effect, 1);
    let payload = Some(number(1));
    let done = record(ordinal, StepKind::Effect, What::Completed { attempt: 1, payload });
    park(watch, seq + 1, &[done]);
}

#[test]
fn a_run_that_is_sent_back_is_done_again() {
    let watch = running();
    write(&watch, 0, &[done(1)]);
    watch.allow_repeats(id(1), "ada");
    acted(&watch, 1, 2);
    claim_again(&watch, 20, 2);
    advance(&watch, P0, 2, 3, &[], Next::Finish(Ending::Completed(number(1))));
    assert_eq!(watch.open_runs(), 0);
    send_back(&watch, 2, 2, 3);
    assert_eq!((watch.open_runs(), watch.ending(id(1))), (1, None));
    assert_eq!(watch.superseded(id(1)), [false, true, true, false]);
    emit(&watch, "e", id(1), Delivery::Routed(id(1)));
    claim_again(&watch, 21, 4);
    advance(&watch, P0, 4, 4, &[under(4, started(2, 1))], Next::Running);
    begin(&watch, P0, 22, 2, StepKind::Effect, 1);
    let finish = Next::Finish(Ending::Completed(number(1)));
    advance(&watch, P0, 4, 5, &[], finish);
    assert_eq!(watch.violations(), Vec::<String>::new());
    assert_eq!(watch.open_runs(), 0);
}

/// A rewind that is made again, because its answer was lost, says that it has changed nothing: whoever hears only that
/// takes the run for ended.
#[test]
fn a_rewind_is_told_by_its_first_answer() {
    for first_is_heard in [true, false] {
        let watch = running();
        write(&watch, 0, &[done(1)]);
        advance(&watch, P0, 1, 1, &[], Next::Finish(Ending::Completed(number(1))));
        let (by, step, at) = ("ada".to_owned(), 1, Seq(1));
        let what = CommandKind::Rewind { step, at, seq: Seq(1) };
        obey_saying(&watch, id(1), what, What::Rewound { by, step, at }, 2, first_is_heard);
        claim_again(&watch, 2, 3);
        let claimed_after_its_end = watch
            .violations()
            .iter()
            .any(|what| what.contains("was claimed after its end"));
        assert_eq!(claimed_after_its_end, !first_is_heard, "{:?}", watch.violations());
    }
}

#[test]
fn what_is_known_not_to_have_happened_is_repeated_unasked() {
    let watch = running();
    write(&watch, 0, &[started(1, 1)]);
    begin(&watch, P0, 1, 1, StepKind::Effect, 1);
    park(&watch, 1, &[failed_for_good(1, StepKind::Effect, FailureKind::Failed)]);
    send_back(&watch, 1, 1, 2);
    claim_again(&watch, 2, 3);
    advance(&watch, P0, 3, 3, &[under(3, started(1, 1))], Next::Running);
    begin(&watch, P0, 3, 1, StepKind::Effect, 1);
    assert_eq!(watch.violations(), Vec::<String>::new());
}

#[test]
fn a_wrong_rewind_is_found() {
    assert_found(&[
        ("ada sent it back, and s1#1 has acted or may have", |watch| {
            acted(watch, 0, 1);
            send_back(watch, 1, 1, 2);
        }),
        ("ada sent it back, and s1#1 has acted or may have", |watch| {
            write(watch, 0, &[started(1, 1)]);
            begin(watch, P0, 1, 1, StepKind::Effect, 1);
            park(watch, 1, &[failed_for_good(1, StepKind::Effect, FailureKind::Unknown)]);
            send_back(watch, 1, 1, 2);
        }),
        ("its end is on record", |watch| {
            write(watch, 0, &[done(1)]);
            park(watch, 1, &[done(2)]);
            send_back(watch, 2, 2, 2);
            claim_again(watch, 2, 3);
            begin(watch, P0, 3, 2, StepKind::Action, 1);
            begin(watch, P0, 3, 1, StepKind::Action, 1);
        }),
        ("nobody knows what the execution before came to", |watch| {
            watch.allow_repeats(id(1), "ada");
            acted(watch, 0, 1);
            send_back(watch, 1, 1, 2);
            claim_again(watch, 2, 3);
            advance(watch, P0, 3, 3, &[under(3, started(1, 1))], Next::Running);
            begin(watch, P0, 3, 1, StepKind::Effect, 1);
            begin(watch, P0, 3, 1, StepKind::Effect, 1);
        }),
        ("was sent back while it was executed", |watch| {
            write(watch, 0, &[done(1)]);
            send_back(watch, 1, 1, 2);
        }),
        ("of another record that it counts no more", |watch| {
            park(watch, 0, &[done(1)]);
            send_back(watch, 1, 1, 2);
            let records = watch.records(id(1));
            claim_shown(watch, P0, id(1), 2, 3, &records, &[false, false]);
        }),
        ("event e was consumed before", |watch| {
            emit(watch, "e", id(1), Delivery::Routed(id(1)));
            park(watch, 0, &[received(1, "e", 1)]);
            send_back(watch, 1, 1, 2);
            claim_again(watch, 2, 3);
            advance(watch, P0, 3, 2, &[under(3, received(1, "e", 1))], Next::Running);
        }),
        ("is cancelled, and nobody asked", |watch| {
            park(watch, 0, &[done(1)]);
            let (run, what, by) = (id(1), CommandKind::Cancel, "ada".to_owned());
            let outcome = Outcome::Commanded { effective: true };
            commit(watch, P0, Change::Command(Command { run, what, by }), outcome);
            send_back(watch, 1, 1, 2);
            claim_again(watch, 2, 3);
            let failure = Failure {
                kind: FailureKind::Cancelled,
                ..Failure::new("x")
            };
            advance(watch, P0, 3, 2, &[], Next::Finish(Ending::Cancelled(failure)));
        }),
        ("a run fails once", |watch| {
            park(watch, 0, &[done(1), failing()]);
            send_back(watch, 1, 1, 2);
            claim_again(watch, 2, 3);
            let twice = [under(3, failing()), under(3, failing())];
            advance(watch, P0, 3, 3, &twice, Next::Running);
        }),
    ]);
}

/// A first run that has started a second one, and waits.
fn with_a_child(watch: &Watch) {
    start(watch, id(2));
    let child = What::ChildStarted { run: id(2) };
    park(watch, 0, &[record(1, StepKind::Child, child)]);
}

fn begin_in_child(watch: &Watch, epoch: u64) {
    claim(watch, P1, id(2), 1, epoch, &[]);
    let lease = Lease {
        run: id(2),
        epoch: Epoch(epoch),
    };
    let started = [started(1, 1)];
    advance_under(watch, P1, lease, 0, &started, Next::Running);
    watch.begin(&Execution {
        who: P1,
        at: SECOND,
        run: id(2),
        phase: Phase::Main,
        step: "s1",
        key: &StepKey::Occurrence(1),
        kind: StepKind::Effect,
        attempt: 1,
    });
}

#[test]
fn a_child_that_is_left_behind_wrongly_is_found() {
    assert_found(&[
        ("s1#1 of its child r2 has acted or may have", |watch| {
            with_a_child(watch);
            begin_in_child(watch, 1);
            send_back(watch, 1, 1, 2);
        }),
        ("what left it behind may repeat nothing", |watch| {
            with_a_child(watch);
            send_back(watch, 1, 1, 2);
            begin_in_child(watch, 1);
        }),
        ("goes on, and r2, which it has left behind, is not cancelled", |watch| {
            with_a_child(watch);
            send_back(watch, 1, 1, 2);
            claim_again(watch, 2, 3);
            advance(watch, P0, 3, 2, &[under(3, done(1))], Next::Running);
        }),
    ]);
    let watch = running();
    watch.allow_repeats(id(1), "ada");
    with_a_child(&watch);
    begin_in_child(&watch, 1);
    send_back(&watch, 1, 1, 2);
    let (run, what, by) = (id(2), CommandKind::Cancel, "run 1".to_owned());
    let outcome = Outcome::Commanded { effective: true };
    commit(&watch, P0, Change::Command(Command { run, what, by }), outcome);
    claim_again(&watch, 2, 3);
    advance(&watch, P0, 3, 2, &[under(3, done(1))], Next::Running);
    assert_eq!(watch.violations(), Vec::<String>::new());
}

/// What of each history counts after it was sent back once: the first step has ended, the second is chosen.
#[test]
fn what_counts_is_what_a_rewind_leaves() {
    let child = || record(3, StepKind::Child, What::ChildStarted { run: id(2) });
    let dropped = |ordinal, kind| record(ordinal, kind, What::Abandoned);
    let handler = Record {
        phase: Phase::OnFailure,
        ..done(1)
    };
    let failed = |ordinal| failed_for_good(ordinal, StepKind::Action, FailureKind::Failed);
    let unknown = failed_for_good(3, StepKind::Effect, FailureKind::Unknown);
    let retried = super::failed;
    let rows: [(&str, Vec<Record>, u64, &str); 7] = [
        ("what was reached later", vec![done(1), done(2), done(3)], 2, "+--"),
        (
            "what another branch came to stays",
            vec![done(1), done(3), done(2)],
            3,
            "++-",
        ),
        (
            "what was reached before goes on",
            vec![
                done(1),
                retried(3, StepKind::Action, 1, moment(1)),
                done(2),
                dropped(3, StepKind::Action),
            ],
            3,
            "++--",
        ),
        (
            "what has failed since begins anew",
            vec![done(1), retried(3, StepKind::Action, 1, moment(1)), done(2), failed(3)],
            3,
            "+---",
        ),
        (
            "what is unknown stays",
            vec![done(1), started(3, 1), done(2), unknown],
            3,
            "++-+",
        ),
        (
            "another child takes the place of a dropped one",
            vec![done(1), child(), done(2), dropped(3, StepKind::Child)],
            3,
            "+---",
        ),
        (
            "the handler is gone",
            vec![done(1), failed(2), failing(), handler],
            2,
            "+---",
        ),
    ];
    for (told, mut records, at, expected) in rows {
        let (by, at) = ("ada".to_owned(), Seq(at));
        let what = What::Rewound { by, step: 2, at };
        records.push(Record {
            step: None,
            ..record(1, StepKind::Action, what)
        });
        let counts = crate::watch::counting::counting(&records);
        let found: String = counts.iter().map(|counts| if *counts { '+' } else { '-' }).collect();
        assert_eq!(found, format!("{expected}+"), "{told}");
    }
}
