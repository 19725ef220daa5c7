//! Replay: what a history says about each step, as a pure function of the records.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use crate::error::{Decision, Failure, StepError};
use crate::history::{Phase, Record, StepRef, What};
use crate::payload::Payload;

/// What a step's code is told about the attempt before.
///
/// An example is at [`Attempt`](crate::Attempt).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Previous {
    /// It failed so.
    Failed(StepError),
    /// Nobody knows how it ended.
    Unknown,
}

/// How a step ended, as the workflow sees it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Completion {
    Value(Payload),
    Failed(Failure),
    TimedOut,
}

/// A wait or a sleep that has begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opened {
    pub at: Timestamp,
    pub deadline: Timestamp,
}

/// A step that history knows.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub step: StepRef,
    pub attempts: u32,
    pub next_at: Option<Timestamp>,
    pub previous: Option<Previous>,
    /// A started outside effect whose end was never recorded.
    pub unresolved: Option<u32>,
    /// When its wait or sleep began, and when that ends by itself.
    pub opened: Option<Opened>,
    pub completed: bool,
    pub abandoned: bool,
}

impl Known {
    fn new(step: StepRef) -> Self {
        Self {
            step,
            attempts: 0,
            next_at: None,
            previous: None,
            unresolved: None,
            opened: None,
            completed: false,
            abandoned: false,
        }
    }
}

/// One phase's history, folded.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    /// By ordinal.
    pub steps: BTreeMap<u32, Known>,
    /// Completions in the order they were recorded.
    pub completions: VecDeque<(u32, Completion)>,
}

impl Replay {
    /// Folds the records of one phase.
    pub fn fold<'a>(records: impl IntoIterator<Item = &'a Record>, phase: Phase) -> Self {
        let mut replay = Self::default();
        for record in records.into_iter().filter(|r| r.phase == phase) {
            replay.add(record);
        }
        replay
    }

    fn add(&mut self, record: &Record) {
        let Some(step) = &record.step else { return };
        let known = self
            .steps
            .entry(step.ordinal)
            .or_insert_with(|| Known::new(step.clone()));
        match &record.what {
            What::AttemptStarted { attempt } => known.unresolved = Some(*attempt),
            What::AttemptFailed {
                attempt,
                error,
                next_at,
                ..
            } => {
                known.next_at = Some(*next_at);
                known.unresolved = None;
                // A deferred attempt does not count, and is nobody's predecessor.
                if !matches!(error.decision, Decision::Defer { .. }) {
                    known.attempts = *attempt;
                    known.previous = Some(Previous::Failed(error.clone()));
                }
            }
            What::Opened { deadline } => {
                known.opened = Some(Opened {
                    at: record.started_at,
                    deadline: *deadline,
                });
            }
            What::Abandoned => known.abandoned = true,
            What::Completed { .. } | What::Failed { .. } | What::Received { .. } | What::TimedOut => {
                known.completed = true;
                known.unresolved = None;
                self.completions
                    .extend(completion(&record.what).map(|c| (step.ordinal, c)));
            }
            What::CancelRequested { .. } | What::Resumed { .. } | What::Failing { .. } => {}
        }
    }
}

/// What a completing record tells the workflow; `None` for the others.
pub(crate) fn completion(what: &What) -> Option<Completion> {
    match what {
        What::Completed { payload, .. } => Some(Completion::Value(payload.clone().unwrap_or_else(Payload::null))),
        What::Received { payload, .. } => Some(Completion::Value(payload.clone())),
        What::Failed { failure, .. } => Some(Completion::Failed(failure.clone())),
        What::TimedOut => Some(Completion::TimedOut),
        _ => None,
    }
}
