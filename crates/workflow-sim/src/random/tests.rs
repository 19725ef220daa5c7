//! The judge, with histories that a program cannot have.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use lumina_workflow::{Epoch, Failure, Phase, RunId};
use uuid::Uuid;

use super::judge::check_execution;
use super::model::{self, Recorded};
use super::program::{Node, Outcome, Policy, mix};
use super::sight::{Answer, Execution, Sight};

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
