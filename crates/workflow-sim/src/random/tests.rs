//! The judge, with histories that a program cannot have.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use jiff::Timestamp;
use lumina_workflow::{Epoch, Failure, Payload, Phase, Record, RunId, Seq, StepKey, StepKind, StepRef, What, WorkerId};
use uuid::Uuid;

use super::judge::{Judged, check_execution, check_in_its_era};
use super::model::{self, Recorded};
use super::program::{Node, Outcome, Policy, Program, mix};
use super::sight::{Answer, Execution, Sight};
use crate::watch::eras;

fn act() -> Node {
    Node::Act(Policy::Once, vec![Outcome::Good])
}

fn answer(ordinal: u32, value: u64, epoch: u64) -> Recorded {
    Recorded {
        ordinal,
        answer: Answer::Value(value),
        epoch: Epoch(epoch),
    }
}

fn execution(epoch: u64, fell: bool, seen: &[Sight]) -> Execution {
    Execution {
        run: RunId(Uuid::from_u128(1)),
        phase: Phase::Main,
        epochs: vec![Epoch(epoch)],
        seen: Mutex::new(seen.to_vec()),
        fell: AtomicBool::new(fell),
    }
}

fn reached(key: &str) -> Sight {
    Sight::Reached("once".to_owned(), key.to_owned())
}

fn answered(ordinal: u32, value: u64) -> Sight {
    Sight::Answered(ordinal, Answer::Value(value))
}

#[test]
fn a_race_is_won_by_the_answer_that_was_recorded_first() {
    let program = Node::Race(vec![act(), Node::Seq(vec![act(), act()])]);
    let slow = model::execute(&program, "m", &[answer(2, 20, 1), answer(3, 30, 1), answer(1, 10, 1)]);
    assert_eq!(slow.end, Some(Ok(mix(1, mix(mix(0, 20), 30)))));
    let quick = model::execute(&program, "m", &[answer(2, 20, 1), answer(1, 10, 1), answer(3, 30, 1)]);
    assert_eq!(quick.end, Some(Ok(mix(0, 10))));
    let reached: Vec<_> = quick.reached().map(|(_, key)| key.to_owned()).collect();
    assert_eq!(reached, ["m.0", "m.1.0", "m.1.1"]);
}

#[test]
fn a_failure_is_caught_where_the_program_says_so() {
    let failing = Node::Seq(vec![act(), Node::Fail, act()]);
    let caught = Node::Catch(Box::new(failing.clone()), Box::new(act()));
    let end = |program: &Node, answers: &[Recorded]| model::execute(program, "m", answers).end;
    let failure = Failure::new("the program fails at m.1");
    assert_eq!(end(&failing, &[answer(1, 1, 1)]), Some(Err(failure)));
    assert_eq!(end(&caught, &[answer(1, 1, 1)]), None);
    assert_eq!(end(&caught, &[answer(1, 1, 1), answer(2, 7, 1)]), Some(Ok(mix(3, 7))));
}

#[test]
fn a_step_that_is_never_reached_is_a_stranger() {
    let modelled = model::execute(&act(), "m", &[answer(1, 1, 1), answer(2, 1, 1)]);
    assert_eq!(modelled.strangers, [2]);
}

#[test]
fn a_replay_that_differs_is_found() {
    let program = Node::Join(vec![act(), act()]);
    let recorded = [answer(2, 20, 1), answer(1, 10, 2)];
    let modelled = model::execute(&program, "m", &recorded);
    let both = || vec![reached("m.0"), reached("m.1")];
    let with = |more: &[Sight]| [both(), more.to_vec()].concat();
    let rows = [
        (1, false, with(&[answered(2, 20), answered(1, 10)]), true),
        (1, false, with(&[answered(2, 20)]), true),
        (1, false, vec![reached("m.0")], true),
        // What was never durable may come otherwise the next time, under a later epoch.
        (1, false, with(&[answered(2, 20), answered(1, 11)]), true),
        (2, false, with(&[answered(2, 20), answered(1, 11)]), false),
        (2, false, with(&[answered(1, 10), answered(2, 20)]), false),
        (1, false, with(&[answered(1, 11), answered(2, 20)]), false),
        (1, true, with(&[answered(1, 11)]), true),
        (2, true, with(&[answered(1, 11)]), false),
        (1, false, vec![reached("m.1"), reached("m.0")], false),
        (1, false, with(&[reached("m.2")]), false),
        (1, false, vec![reached("m.0"), answered(2, 20)], false),
    ];
    for (epoch, fell, seen, fits) in rows {
        let found = check_execution(&execution(epoch, fell, &seen), Some(Epoch(epoch)), &modelled);
        assert_eq!(found.is_none(), fits, "epoch {epoch}, fell {fell}, {seen:?}: {found:?}");
    }
}

fn record(epoch: u64, ordinal: Option<u32>, what: What) -> Record {
    Record {
        phase: Phase::Main,
        step: ordinal.map(|ordinal| StepRef {
            ordinal,
            name: "once".to_owned(),
            key: StepKey::Given(format!("m.{}", ordinal - 1)),
            kind: StepKind::Action,
        }),
        what,
        started_at: Timestamp::UNIX_EPOCH,
        ended_at: Timestamp::UNIX_EPOCH,
        worker: WorkerId(Uuid::nil()),
        epoch: Epoch(epoch),
    }
}

fn done(epoch: u64, ordinal: u32, value: u64) -> Record {
    let payload = Some(Payload::encode(&value).unwrap());
    record(epoch, Some(ordinal), What::Completed { attempt: 1, payload })
}

/// A run that was sent back to its second step: whoever executed it before saw what counted then, whoever did after
/// that sees what is left.
#[test]
fn an_execution_is_compared_with_what_counted_then() {
    let program = Program {
        index: 0,
        main: Node::Seq(vec![act(), act()]),
        cleanup: Node::Seq(Vec::new()),
    };
    let (by, step, at) = ("ada".to_owned(), 2, Seq(2));
    let rewound = record(2, None, What::Rewound { by, step, at });
    let history = [done(1, 1, 10), done(1, 2, 20), rewound, done(3, 2, 21)];
    let eras: Vec<_> = eras(&history)
        .into_iter()
        .map(|era| Judged::new(&program, era))
        .collect();
    let saw = |second| vec![reached("m.0"), answered(1, 10), reached("m.1"), answered(2, second)];
    let rows = [(1, 20, true), (1, 21, false), (3, 21, true), (3, 20, false)];
    for (epoch, second, fits) in rows {
        let found = check_in_its_era(&execution(epoch, false, &saw(second)), &eras);
        assert_eq!(found.is_none(), fits, "{second} under epoch {epoch}: {found:?}");
    }
    // A life that may be executing it under either epoch is right under one of them.
    let mut either = execution(3, false, &saw(20));
    either.epochs.push(Epoch(1));
    assert_eq!(check_in_its_era(&either, &eras), None);
    *crate::trace::lock(&either.seen) = saw(22);
    assert!(check_in_its_era(&either, &eras).is_some());
}
