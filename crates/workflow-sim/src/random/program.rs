//! A workflow as data: what a run is given to do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A part of a program. Each has a result: a number, or a failure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Node {
    /// One after another, until one fails.
    Seq(Vec<Node>),
    /// The same, so many times.
    Loop(u8, Box<Node>),
    /// All at once, until all have ended; the first that failed, in their order, fails it.
    Join(Vec<Node>),
    /// All at once, until one fails: the others are dropped.
    TryJoin(Vec<Node>),
    /// All at once, until one has ended: the others are dropped.
    Race(Vec<Node>),
    /// A failure of the first part is answered by the second.
    Catch(Box<Node>, Box<Node>),
    /// A failure of the first part is told to a step, and stays.
    Handled(Box<Node>, Vec<Outcome>),
    /// Fails by itself.
    Fail,
    /// A wait: its event, the event's key, seconds, and whether the deadline is a value.
    Wait(Signal, Option<String>, u64, bool),
    /// A wait for several: for one of each declared event, or for these with their keys; seconds, and whether the
    /// deadline is a value.
    Several(Gather, Vec<(Signal, String)>, u64, bool),
    /// Seconds.
    Sleep(u64),
    /// A step that may be repeated.
    Act(Policy, Vec<Outcome>),
    /// A step that may not; with a gate, what the gate says first.
    Effect(Option<Vec<Outcome>>, Vec<Outcome>),
    /// A step in a transaction, which counts the run's cell or is refused.
    Count(bool),
    /// Another run, and its end. Nobody sends it events.
    Child(Box<Program>),
    /// A step that registers a correlation key, and may count the run's cell with its record.
    Register(String, bool, Vec<Outcome>),
}

/// How many of several events end a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Gather {
    /// The first.
    Any,
    /// One of each.
    All,
}

/// Which declared wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Signal {
    A,
    B,
}

impl Signal {
    pub fn event(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

/// Which declared action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Policy {
    Once,
    Thrice,
}

/// What comes of an execution. The last one of a script holds for all further executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Outcome {
    Good,
    /// Good after so many milliseconds.
    Slow(u64),
    Retry,
    /// Not before so many seconds.
    RetryAfter(u64),
    Fail,
    Unknown,
    /// Later, after so many milliseconds; not counted.
    Defer(u64),
    /// It never ends.
    Hang,
    Panic,
}

/// A run's input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Program {
    /// Its place in the scene, or from [`CHILDREN`] on the how-manieth child's it is.
    pub index: usize,
    pub main: Node,
    /// What `on_failure` does.
    pub cleanup: Node,
}

/// Scenes have fewer programs of their own.
pub(super) const CHILDREN: usize = 1_000;

/// Combines results, so that each part of a program shows in its end.
pub(super) fn mix(sum: u64, part: u64) -> u64 {
    (sum ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) & 0xffff_ffff_ffff
}

/// What a part of a program is in a place: its path from the root, with the rounds of loops.
pub(super) fn place(path: &str, part: usize) -> String {
    format!("{path}.{part}")
}

impl Node {
    /// Each wait of it, with its event and key; those of loops as often as they come.
    pub fn waits(&self, found: &mut Vec<(Signal, Option<String>, Duration)>) {
        match self {
            Self::Seq(parts) | Self::Join(parts) | Self::TryJoin(parts) | Self::Race(parts) => {
                parts.iter().for_each(|part| part.waits(found));
            }
            Self::Loop(times, body) => (0..*times).for_each(|_| body.waits(found)),
            Self::Catch(body, instead) => {
                body.waits(found);
                instead.waits(found);
            }
            Self::Handled(body, _) => body.waits(found),
            Self::Wait(signal, key, seconds, _) => {
                found.push((*signal, key.clone(), Duration::from_secs(*seconds)));
            }
            Self::Several(_, named, seconds, _) => {
                let seconds = Duration::from_secs(*seconds);
                let events = expected(named).into_iter();
                found.extend(events.map(|(signal, key)| (signal, key, seconds)));
            }
            _ => {}
        }
    }

    /// Each correlation key that it may register.
    pub fn keys(&self, found: &mut Vec<String>) {
        match self {
            Self::Seq(parts) | Self::Join(parts) | Self::TryJoin(parts) | Self::Race(parts) => {
                parts.iter().for_each(|part| part.keys(found));
            }
            Self::Loop(_, body) | Self::Handled(body, _) => body.keys(found),
            Self::Catch(body, instead) => {
                body.keys(found);
                instead.keys(found);
            }
            Self::Register(key, ..) => found.push(key.clone()),
            _ => {}
        }
    }
}

/// What a wait for several takes, when these are named.
pub(super) fn expected(named: &[(Signal, String)]) -> Vec<(Signal, Option<String>)> {
    match named {
        [] => vec![(Signal::A, None), (Signal::B, None)],
        named => named.iter().map(|(signal, key)| (*signal, Some(key.clone()))).collect(),
    }
}
