//! A sequential model of a program: plain recursion over the tree, fed with the recorded
//! answers in their recorded order. It knows nothing of the engine.

use std::collections::{BTreeMap, BTreeSet};

use lumina_workflow::{Epoch, Failure, FailureKind};

use super::program::{Gather, Node, Policy, Signal, mix, place};
use super::sight::{Answer, Sight};

/// A step's recorded end.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    pub ordinal: u32,
    pub answer: Answer,
    pub epoch: Epoch,
}

/// What a program does with a history.
pub(super) struct Modelled {
    /// What its code sees, each answer with the epoch it was recorded under.
    pub sights: Vec<(Sight, Option<Epoch>)>,
    /// How it ends, if it does.
    pub end: Option<Result<u64, Failure>>,
    /// Answers for steps that it never reaches.
    pub strangers: Vec<u32>,
}

impl Modelled {
    /// The name and key of each step in the order in which they are reached.
    pub fn reached(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sights.iter().filter_map(|(sight, _)| match sight {
            Sight::Reached(name, key) => Some((name.as_str(), key.as_str())),
            Sight::Answered(..) => None,
        })
    }
}

/// Executes a program, or as much of it as the history has answers for.
pub(super) fn execute(program: &Node, root: &str, recorded: &[Recorded]) -> Modelled {
    let mut table = Table::default();
    let mut whole = Place::new(program, root.to_owned());
    let mut end = whole.go_on(&mut table);
    let mut strangers = Vec::new();
    for record in recorded {
        if record.ordinal > table.reached {
            strangers.push(record.ordinal);
        }
        if end.is_none() && table.open.contains(&record.ordinal) {
            table.answers.insert(record.ordinal, record.clone());
            end = whole.go_on(&mut table);
        }
    }
    Modelled {
        sights: table.sights,
        end,
        strangers,
    }
}

#[derive(Default)]
struct Table {
    sights: Vec<(Sight, Option<Epoch>)>,
    reached: u32,
    open: BTreeSet<u32>,
    answers: BTreeMap<u32, Recorded>,
}

impl Table {
    fn reach(&mut self, name: &str, key: &str) -> u32 {
        self.sights
            .push((Sight::Reached(name.to_owned(), key.to_owned()), None));
        self.reached += 1;
        self.open.insert(self.reached);
        self.reached
    }

    fn take(&mut self, ordinal: u32) -> Option<Answer> {
        let record = self.answers.remove(&ordinal)?;
        self.open.remove(&ordinal);
        let sight = Sight::Answered(ordinal, record.answer.clone());
        self.sights.push((sight, Some(record.epoch)));
        Some(record.answer)
    }
}

type End = Result<u64, Failure>;

/// A part of the program that has been come to.
struct Place<'n> {
    node: &'n Node,
    path: String,
    /// The step that it waits for.
    step: Option<u32>,
    /// Parts that have begun, with their ends.
    parts: Vec<(Place<'n>, Option<End>)>,
}

impl<'n> Place<'n> {
    fn new(node: &'n Node, path: String) -> Self {
        Self {
            node,
            path,
            step: None,
            parts: Vec::new(),
        }
    }

    /// Goes on as far as there are answers.
    fn go_on(&mut self, table: &mut Table) -> Option<End> {
        match self.node {
            Node::Seq(parts) => self.one_by_one(parts.len(), |nth| &parts[nth], table),
            Node::Loop(times, body) => self.one_by_one(usize::from(*times), |_| body, table),
            Node::Join(parts) => self.all(parts, table),
            Node::TryJoin(parts) => self.all_or_none(parts, table),
            Node::Race(parts) => self.first(parts, table),
            Node::Catch(body, instead) => match self.part(0, body, table)? {
                Ok(value) => Some(Ok(value)),
                Err(_) => Some(self.part(1, instead, table)?.map(|value| mix(3, value))),
            },
            Node::Handled(body, _) => self.handled(body, table),
            Node::Fail => Some(Err(Failure::new(format!("the program fails at {}", self.path)))),
            leaf => self.leaf(leaf, table),
        }
    }

    /// The end of a part, which begins when it is first asked for.
    fn part(&mut self, nth: usize, node: &'n Node, table: &mut Table) -> Option<End> {
        if self.parts.len() == nth {
            self.parts.push((Place::new(node, place(&self.path, nth)), None));
        }
        let (part, end) = &mut self.parts[nth];
        if end.is_none() {
            *end = part.go_on(table);
        }
        end.clone()
    }

    fn one_by_one(&mut self, count: usize, node: impl Fn(usize) -> &'n Node, table: &mut Table) -> Option<End> {
        let mut sum = 0;
        for nth in 0..count {
            match self.part(nth, node(nth), table)? {
                Ok(value) => sum = mix(sum, value),
                failed => return Some(failed),
            }
        }
        Some(Ok(sum))
    }

    fn all(&mut self, nodes: &'n [Node], table: &mut Table) -> Option<End> {
        let ends: Vec<_> = nodes
            .iter()
            .enumerate()
            .map(|(nth, node)| self.part(nth, node, table))
            .collect();
        let ends: Vec<End> = ends.into_iter().collect::<Option<_>>()?;
        Some(
            ends.into_iter()
                .try_fold(1, |sum, end| end.map(|value| mix(sum, value))),
        )
    }

    fn all_or_none(&mut self, nodes: &'n [Node], table: &mut Table) -> Option<End> {
        let mut values = Vec::new();
        for (nth, node) in nodes.iter().enumerate() {
            match self.part(nth, node, table) {
                Some(Err(failure)) => {
                    self.give_up(table);
                    return Some(Err(failure));
                }
                end => values.push(end),
            }
        }
        let values: Vec<End> = values.into_iter().collect::<Option<_>>()?;
        Some(
            values
                .into_iter()
                .try_fold(2, |sum, end| end.map(|value| mix(sum, value))),
        )
    }

    fn first(&mut self, nodes: &'n [Node], table: &mut Table) -> Option<End> {
        for (nth, node) in nodes.iter().enumerate() {
            if let Some(end) = self.part(nth, node, table) {
                self.give_up(table);
                return Some(end.map(|value| mix(nth as u64, value)));
            }
        }
        None
    }

    fn handled(&mut self, body: &'n Node, table: &mut Table) -> Option<End> {
        let mut failure = match self.part(0, body, table)? {
            Ok(value) => return Some(Ok(value)),
            Err(failure) => failure,
        };
        let path = place(&self.path, 1);
        let answer = self.answer("handle", &path, table)?;
        failure.handler = value("handle", answer).err().map(Box::new);
        Some(Err(failure))
    }

    fn answer(&mut self, name: &str, path: &str, table: &mut Table) -> Option<Answer> {
        let step = *self.step.get_or_insert_with(|| table.reach(name, path));
        table.take(step)
    }

    fn leaf(&mut self, leaf: &Node, table: &mut Table) -> Option<End> {
        let name = name(leaf);
        let path = self.path.clone();
        let answer = self.answer(name, &path, table)?;
        Some(match (leaf, answer) {
            (Node::Wait(.., true) | Node::Several(.., true), Answer::TimedOut) => Ok(1),
            (Node::Wait(..), Answer::Value(number)) => Ok(mix(4, number)),
            (Node::Child(_), Answer::Value(number)) => Ok(mix(6, number)),
            (Node::Sleep(_), _) => Ok(0),
            (_, answer) => value(name, answer),
        })
    }

    /// Steps that nobody waits for any more.
    fn give_up(&self, table: &mut Table) {
        if let Some(step) = self.step {
            table.open.remove(&step);
        }
        self.parts.iter().for_each(|(part, _)| part.give_up(table));
    }
}

fn value(name: &str, answer: Answer) -> End {
    match answer {
        Answer::Value(value) => Ok(value),
        Answer::Failed(failure) => Err(failure),
        Answer::TimedOut => {
            let mut failure = Failure::new("its event did not come before the deadline");
            failure.kind = FailureKind::TimedOut;
            failure.step = Some(name.to_owned());
            Err(failure)
        }
    }
}

fn name(leaf: &Node) -> &'static str {
    match leaf {
        Node::Wait(Signal::A, ..) => "wait-a",
        Node::Wait(Signal::B, ..) => "wait-b",
        Node::Several(Gather::Any, ..) => "wait-any",
        Node::Several(Gather::All, ..) => "wait-all",
        Node::Sleep(_) => "sleep",
        Node::Act(Policy::Once, _) => "once",
        Node::Act(Policy::Thrice, _) => "thrice",
        Node::Effect(..) => "effect",
        Node::Count(_) => "count",
        Node::Child(_) => "child",
        Node::Register(_, true, _) => "register-and-count",
        Node::Register(_, false, _) => "register",
        _ => unreachable!("everything else is made of parts"),
    }
}
