//! Each rule, broken once.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lumina_workflow::store::{
    Advance, Change, Claim, Claimed, Command, CommandKind, Delivery, Ending, Inbox, Lease, Member, NewRun, Next,
    Outcome, RunRow, RunStatus, StoredRecord,
};
use lumina_workflow::{
    DefinitionHash, Epoch, Failure, FailureKind, NewEvent, Payload, Phase, Record, RunId, Seq, StepError, StepKey,
    StepKind, StepRef, StoredEvent, TakenEvent, What, WorkerId,
};
use uuid::Uuid;

use super::{Execution, Inboxes, Waiting, Watch, Who};

mod repeats;
mod rewinds;

const SECOND: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_secs(15);
const P0: Who = Who { process: 0, life: 1 };
const P1: Who = Who { process: 1, life: 1 };

fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + seconds).unwrap()
}

fn id(number: u128) -> RunId {
    RunId(Uuid::from_u128(number))
}

fn number(value: u64) -> Payload {
    Payload::encode(&value).unwrap()
}

fn commit(watch: &Watch, who: Who, change: Change, outcome: Outcome) {
    watch.committed(who, &[Member::from(change)], &Inboxes::new(), &Ok(vec![Ok(outcome)]));
}

fn start(watch: &Watch, run: RunId) {
    let new = NewRun {
        id: run,
        workflow: "w".to_owned(),
        hash: DefinitionHash(1),
        start_key: None,
        input: Payload::null(),
        priority: 0,
        delay: Duration::ZERO,
        known_since: moment(0),
        parent: None,
        flow_key: None,
    };
    commit(watch, P0, Change::Start(new), Outcome::Started);
}

/// A claim at this second, under this epoch, that shows these records.
fn claim(watch: &Watch, who: Who, run: RunId, second: u64, epoch: u64, shown: &[Record]) {
    claim_shown(watch, who, run, second, epoch, shown, &vec![false; shown.len()]);
}

/// The same, and of each record whether it counts no more.
fn claim_shown(watch: &Watch, who: Who, run: RunId, second: u64, epoch: u64, shown: &[Record], gone: &[bool]) {
    let claim = Claim {
        worker: WorkerId(Uuid::from_u128(9)),
        lease: LEASE,
        limit: 1,
        definitions: Arc::new([]),
        known_since: moment(0),
        takeover: false,
        flows: Arc::new([]),
    };
    let lease = Lease {
        run,
        epoch: Epoch(epoch),
    };
    let records = shown.iter().cloned().zip(gone).zip(1..);
    let records = records.map(|((record, gone), seq)| StoredRecord {
        seq: Seq(seq),
        record,
        superseded: *gone,
    });
    let claimed = Claimed {
        lease,
        run: row(run, epoch, shown.len() as u64),
        records: records.collect(),
        events: Vec::new(),
        now: moment(i64::try_from(second).unwrap()),
    };
    watch.claimed(who, Duration::from_secs(second), &claim, &[claimed]);
}

fn row(id: RunId, epoch: u64, seq: u64) -> RunRow {
    RunRow {
        id,
        workflow: "w".to_owned(),
        hash: DefinitionHash(1),
        start_key: None,
        status: RunStatus::Running,
        phase: Phase::Main,
        input: Payload::null(),
        output: None,
        failure: None,
        failing_since: None,
        blocked: None,
        cancel_by: None,
        pause_by: None,
        paused_at: None,
        parent: None,
        flow_key: None,
        throttled: None,
        buffered: 0,
        begun_at: None,
        priority: 0,
        seq: Seq(seq),
        inbox: 0,
        epoch: Epoch(epoch),
        worker: None,
        due_at: None,
        created_at: moment(0),
        updated_at: moment(0),
        finished_at: None,
    }
}

fn record(ordinal: u32, kind: StepKind, what: What) -> Record {
    Record {
        phase: Phase::Main,
        step: Some(StepRef {
            ordinal,
            name: format!("s{ordinal}"),
            key: StepKey::Occurrence(1),
            kind,
        }),
        what,
        started_at: moment(1),
        ended_at: moment(2),
        worker: WorkerId(Uuid::from_u128(9)),
        epoch: Epoch(1),
    }
}

fn done(ordinal: u32) -> Record {
    let payload = Some(number(1));
    record(ordinal, StepKind::Action, What::Completed { attempt: 1, payload })
}

fn failed(ordinal: u32, kind: StepKind, attempt: u32, next_at: Timestamp) -> Record {
    let what = What::AttemptFailed {
        attempt,
        error: StepError::retry("busy"),
        delay: SECOND,
        next_at,
        reason: String::new(),
    };
    record(ordinal, kind, what)
}

fn started(ordinal: u32, attempt: u32) -> Record {
    record(ordinal, StepKind::Effect, What::AttemptStarted { attempt })
}

fn received(ordinal: u32, event: &str, value: u64) -> Record {
    let (events, payload) = (vec![taken(event)], number(value));
    record(ordinal, StepKind::Wait, What::Received { events, payload })
}

fn taken(event: &str) -> TakenEvent {
    TakenEvent {
        id: event.to_owned(),
        by: None,
    }
}

fn failing() -> Record {
    let failure = Failure::new("x");
    Record {
        step: None,
        ..record(1, StepKind::Action, What::Failing { failure })
    }
}

fn advance(watch: &Watch, who: Who, epoch: u64, seq: u64, records: &[Record], next: Next) {
    let lease = Lease {
        run: id(1),
        epoch: Epoch(epoch),
    };
    advance_under(watch, who, lease, seq, records, next);
}

fn advance_under(watch: &Watch, who: Who, lease: Lease, seq: u64, records: &[Record], next: Next) {
    advance_seeing(watch, who, lease, seq, records, next, &Inboxes::new());
}

/// An advance in whose transaction this was in the inboxes.
fn advance_seeing(watch: &Watch, who: Who, lease: Lease, seq: u64, records: &[Record], next: Next, inboxes: &Inboxes) {
    let advance = Advance {
        lease,
        seq: Seq(seq),
        records: records.to_vec(),
        consumed: Vec::new(),
        keys: Vec::new(),
        starts: Vec::new(),
        emits: Vec::new(),
        guard: None,
        next,
    };
    let outcome = Outcome::Advanced {
        inbox: 0,
        payload: None,
        news: None,
    };
    let member = Member::from(Change::Advance(advance));
    watch.committed(who, &[member], inboxes, &Ok(vec![Ok(outcome)]));
}

/// An event named "a" that has come for run 1.
fn stored_event() -> StoredEvent {
    StoredEvent {
        seq: 1,
        id: "e".to_owned(),
        target: id(1).into(),
        name: "a".to_owned(),
        key: None,
        payload: number(1),
        received_at: moment(0),
        by: None,
    }
}

fn inbox_of(events: Vec<StoredEvent>) -> Inbox {
    Inbox {
        counter: events.len() as u64,
        cancel_by: None,
        pause_by: None,
        events,
    }
}

/// Run 1's first step waits for an event of this name.
fn wait_for(watch: &Watch, epoch: u64, event: &str) {
    let wait = Waiting {
        phase: Phase::Main,
        step: "s1".to_owned(),
        key: "#1".to_owned(),
    };
    let expected = super::overlooked::Expected {
        all: false,
        events: vec![(event.to_owned(), None)],
    };
    watch.expect_event(id(1), (Epoch(epoch), wait), expected);
}

fn write(watch: &Watch, seq: u64, records: &[Record]) {
    advance(watch, P0, 1, seq, records, Next::Running);
}

fn begin(watch: &Watch, who: Who, second: u64, step: u32, kind: StepKind, attempt: u32) {
    watch.begin(&Execution {
        who,
        at: Duration::from_secs(second),
        run: id(1),
        phase: Phase::Main,
        step: &format!("s{step}"),
        key: &StepKey::Occurrence(1),
        kind,
        attempt,
    });
}

fn emit(watch: &Watch, event: &str, target: RunId, delivery: Delivery) {
    let new = NewEvent::new(event, target, "a", number(1));
    commit(watch, P0, Change::Emit(new), Outcome::Emitted(delivery));
}

/// A run that p0 has claimed at second 0.
fn running() -> Watch {
    let watch = Watch::default();
    start(&watch, id(1));
    claim(&watch, P0, id(1), 0, 1, &[]);
    watch
}

type Case = (&'static str, fn(&Watch));

/// Each case tells the one thing that is wrong with it.
fn assert_found(cases: &[Case]) {
    for (told, play) in cases {
        let watch = running();
        play(&watch);
        let found = watch.violations();
        assert!(
            found.len() == 1 && found[0].contains(told),
            "expected only `{told}`, found {found:?}"
        );
    }
}

#[test]
fn what_is_allowed_is_not_blamed() {
    let watch = running();
    begin(&watch, P0, 1, 1, StepKind::Action, 1);
    write(&watch, 0, &[failed(1, StepKind::Action, 1, moment(1)), started(2, 1)]);
    begin(&watch, P0, 2, 2, StepKind::Effect, 1);
    write(&watch, 2, &[failed(2, StepKind::Effect, 1, moment(1))]);
    write(&watch, 2, &[failed(2, StepKind::Effect, 1, moment(1))]);
    write(&watch, 3, &[started(2, 2)]);
    begin(&watch, P0, 3, 2, StepKind::Effect, 2);
    begin(&watch, P0, 3, 1, StepKind::Action, 2);
    emit(&watch, "e", id(1), Delivery::Routed(id(1)));
    write(&watch, 4, &[received(3, "e", 1)]);
    advance(&watch, P0, 1, 5, &[], Next::Finish(Ending::Completed(number(1))));
    assert_eq!(watch.violations(), Vec::<String>::new());
    assert_eq!((watch.open_runs(), watch.records(id(1)).len()), (0, 5));
}

#[test]
fn an_execution_of_a_recorded_step_is_found() {
    assert_found(&[
        ("its end is on record", |watch| {
            write(watch, 0, &[done(1)]);
            begin(watch, P0, 1, 1, StepKind::Action, 1);
        }),
        ("its lease had run out", |watch| {
            begin(watch, P0, 16, 1, StepKind::Action, 1);
        }),
        ("never claimed the run", |watch| {
            begin(watch, P1, 1, 1, StepKind::Action, 1);
        }),
        ("that attempt was not next", |watch| {
            write(watch, 0, &[failed(1, StepKind::Action, 1, moment(1))]);
            begin(watch, P0, 1, 1, StepKind::Action, 1);
        }),
    ]);
}

#[test]
fn a_repeated_effect_is_found() {
    assert_found(&[
        ("nobody knows what the execution before came to", |watch| {
            write(watch, 0, &[started(1, 1)]);
            begin(watch, P0, 1, 1, StepKind::Effect, 1);
            begin(watch, P0, 1, 1, StepKind::Effect, 1);
        }),
        ("its start is not on record", |watch| {
            begin(watch, P0, 1, 1, StepKind::Effect, 1);
        }),
    ]);
}

#[test]
fn a_second_consumption_is_found() {
    assert_found(&[
        ("event e was consumed before", |watch| {
            emit(watch, "e", id(1), Delivery::Routed(id(1)));
            write(watch, 0, &[received(1, "e", 1)]);
            write(watch, 1, &[received(2, "e", 1)]);
        }),
        ("which nobody sent", |watch| write(watch, 0, &[received(1, "e", 1)])),
        ("is not what was sent", |watch| {
            emit(watch, "e", id(1), Delivery::Routed(id(1)));
            write(watch, 0, &[received(1, "e", 2)]);
        }),
        ("of another run", |watch| {
            emit(watch, "e", id(2), Delivery::Unrouted);
            write(watch, 0, &[received(1, "e", 1)]);
        }),
        ("was stored before: true", |watch| {
            emit(watch, "e", id(1), Delivery::Routed(id(1)));
            emit(watch, "e", id(1), Delivery::Routed(id(1)));
        }),
        ("went astray", |watch| emit(watch, "e", id(1), Delivery::Unrouted)),
        ("went astray", |watch| {
            advance(watch, P0, 1, 0, &[], Next::Finish(Ending::Completed(number(1))));
            emit(watch, "e", id(1), Delivery::Routed(id(1)));
        }),
        ("is lost", |watch| {
            emit(watch, "e", id(1), Delivery::Routed(id(1)));
            watch.blame_lost_events(&std::collections::BTreeSet::new());
        }),
    ]);
}

#[test]
fn a_write_of_a_stale_epoch_is_found() {
    assert_found(&[
        ("a write with epoch 1 was accepted, 2 is current", |watch| {
            claim(watch, P1, id(1), 20, 2, &[]);
            write(watch, 0, &[]);
        }),
        ("which is not its own", |watch| {
            advance(watch, P1, 1, 0, &[], Next::Running);
        }),
        ("epoch 1 was renewed, 2 is current", |watch| {
            claim(watch, P1, id(1), 20, 2, &[]);
            let lease = Lease {
                run: id(1),
                epoch: Epoch(1),
            };
            watch.renewed(SECOND, moment(1), &[lease], LEASE, &[]);
        }),
        ("records after 3 were accepted, the history had 0", |watch| {
            write(watch, 3, &[done(1)]);
        }),
    ]);
}

#[test]
fn a_wrong_claim_is_found() {
    assert_found(&[
        ("was claimed while its lease had not run out", |watch| {
            claim(watch, P1, id(1), 5, 2, &[]);
        }),
        ("epoch 3 was claimed after 1", |watch| {
            claim(watch, P1, id(1), 20, 3, &[]);
        }),
        ("another history than was committed", |watch| {
            claim(watch, P1, id(1), 20, 2, &[done(1)]);
        }),
        ("was claimed after its end", |watch| {
            advance(watch, P0, 1, 0, &[], Next::Finish(Ending::Completed(number(1))));
            claim(watch, P1, id(1), 20, 2, &[]);
        }),
    ]);
}

#[test]
fn a_history_that_cannot_be_is_found() {
    assert_found(&[
        ("epochs only grow", |watch| {
            claim(watch, P1, id(1), 20, 2, &[]);
            let later = Record {
                epoch: Epoch(2),
                ..done(1)
            };
            advance(watch, P1, 2, 0, &[later], Next::Running);
            let mut run = super::records::Steps::default();
            let newer = Record {
                epoch: Epoch(2),
                ..done(1)
            };
            run.add(&newer)
                .iter()
                .chain(&run.add(&done(2)))
                .for_each(|problem| watch.blame(problem));
        }),
        ("another epoch than its lease", |watch| {
            let other = Record {
                epoch: Epoch(2),
                ..done(1)
            };
            write(watch, 0, &[other]);
        }),
        ("goes on after its end", |watch| {
            write(watch, 0, &[done(1), record(1, StepKind::Action, What::Abandoned)]);
        }),
        ("is in the place of", |watch| {
            let other = record(1, StepKind::Action, What::Abandoned);
            write(watch, 0, &[failed(1, StepKind::Sleep, 1, moment(1)), other]);
        }),
        ("was attempted before its time", |watch| {
            let second = What::Completed {
                attempt: 2,
                payload: None,
            };
            let records = [
                failed(1, StepKind::Action, 1, moment(9)),
                record(1, StepKind::Action, second),
            ];
            write(watch, 0, &records);
        }),
        ("ended by itself before its time", |watch| {
            let deadline = moment(9);
            let opened = record(1, StepKind::Wait, What::Opened { deadline });
            write(watch, 0, &[opened, record(1, StepKind::Wait, What::TimedOut)]);
        }),
        ("attempt 3 of s1#1 was recorded, 2 was next", |watch| {
            let records = [
                failed(1, StepKind::Action, 1, moment(1)),
                failed(1, StepKind::Action, 3, moment(1)),
            ];
            write(watch, 0, &records);
        }),
        ("began out of turn", |watch| {
            write(watch, 0, &[started(1, 1), started(1, 1)]);
        }),
        ("has no start", |watch| {
            let what = What::Completed {
                attempt: 1,
                payload: None,
            };
            write(watch, 0, &[record(1, StepKind::Effect, what)]);
        }),
        ("was recorded in the wrong phase", |watch| {
            write(watch, 0, &[failing(), done(1)]);
        }),
        ("a run fails once", |watch| write(watch, 0, &[failing(), failing()])),
        ("records follow its end", |watch| {
            advance(watch, P0, 1, 0, &[], Next::Finish(Ending::Completed(number(1))));
            write(watch, 0, &[done(1)]);
        }),
    ]);
}

#[test]
fn a_wrong_end_is_found() {
    assert_found(&[
        ("no fault is the reason", |watch| {
            let (reason, hash) = ("place 1 is another step".to_owned(), DefinitionHash(1));
            advance(watch, P0, 1, 0, &[], Next::Block { reason, hash });
        }),
        ("nobody asked", |watch| {
            let mut failure = Failure::new("x");
            failure.kind = FailureKind::Cancelled;
            advance(watch, P0, 1, 0, &[], Next::Finish(Ending::Cancelled(failure)));
        }),
        ("r1 is stuck", Watch::blame_stuck),
    ]);
    let watch = running();
    let command = Command {
        run: id(1),
        what: CommandKind::Cancel,
        by: "ada".to_owned(),
    };
    let outcome = Outcome::Commanded { effective: true };
    commit(&watch, P0, Change::Command(command), outcome);
    assert_eq!(watch.cancelled_by(id(1)), Some("ada".to_owned()));
}

#[test]
fn what_was_overlooked_in_an_inbox_is_found() {
    let deadline = moment(0);
    let opened = record(1, StepKind::Wait, What::Opened { deadline });
    let timed_out = record(1, StepKind::Wait, What::TimedOut);
    let park = Next::Park { wake_at: None };
    let rows = [
        (
            "a",
            None,
            vec![opened.clone(), timed_out.clone()],
            Next::Running,
            "timed out although its event was there",
        ),
        ("b", None, vec![opened.clone(), timed_out], Next::Running, ""),
        (
            "a",
            None,
            vec![opened.clone()],
            park.clone(),
            "was parked although an event was there",
        ),
        ("b", None, vec![opened.clone()], park.clone(), ""),
        (
            "b",
            Some("ada".to_owned()),
            vec![opened],
            park,
            "was parked although somebody wants its end",
        ),
    ];
    for (expected, cancel_by, records, next, told) in rows {
        let watch = running();
        wait_for(&watch, 1, expected);
        let inbox = Inbox {
            cancel_by,
            ..inbox_of(vec![stored_event()])
        };
        let lease = Lease {
            run: id(1),
            epoch: Epoch(1),
        };
        let inboxes = Inboxes::from([(id(1), inbox)]);
        advance_seeing(&watch, P0, lease, 0, &records, next, &inboxes);
        let found = watch.violations();
        assert_eq!(found.len(), usize::from(!told.is_empty()), "{told}: {found:?}");
        assert!(found.iter().all(|found| found.contains(told)), "{told}: {found:?}");
    }
}
