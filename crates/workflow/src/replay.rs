//! Replay: what a history says about each step, as a pure function of the records.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;

use crate::error::{Decision, Failure, FailureKind, StepError};
use crate::history::{Phase, Record, StepRef, What};
use crate::id::{RunId, Seq};
use crate::payload::Payload;
use crate::step::StepKind;

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
    /// Where its first record is.
    pub first: Seq,
    pub attempts: u32,
    pub next_at: Option<Timestamp>,
    pub previous: Option<Previous>,
    /// A started outside effect whose end was never recorded.
    pub unresolved: Option<u32>,
    /// When its wait or sleep began, and when that ends by itself.
    pub opened: Option<Opened>,
    /// The run that it has started.
    pub child: Option<RunId>,
    /// How it ended, and where that is recorded.
    pub end: Option<(StepEnd, Seq)>,
    /// Where the code dropped it.
    abandoned: Option<Seq>,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepEnd {
    Done,
    Failed(FailureKind),
}

impl Known {
    fn new(step: StepRef, first: Seq) -> Self {
        Self {
            step,
            first,
            attempts: 0,
            next_at: None,
            previous: None,
            unresolved: None,
            opened: None,
            child: None,
            end: None,
            abandoned: None,
        }
    }

    /// Whether there is still something to be done about it.
    pub fn is_live(&self) -> bool {
        self.end.is_none() && self.abandoned.is_none()
    }

    /// Whether it is an outside effect that has acted, or may have.
    pub fn may_have_acted(&self) -> bool {
        let known_not = matches!(self.end, Some((StepEnd::Failed(kind), _)) if kind != FailureKind::Unknown);
        let begun = self.unresolved.is_some() || self.end.is_some();
        self.step.kind == StepKind::Effect && begun && !known_not
    }
}

/// One phase's history, folded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replay {
    /// By ordinal.
    pub steps: BTreeMap<u32, Known>,
    /// Completions in the order they were recorded.
    pub completions: VecDeque<(u32, Completion)>,
    /// The new ways that the code was told to go, and where.
    pub patches: BTreeMap<String, Seq>,
}

impl Replay {
    /// Folds a whole history, as far as it concerns one phase.
    pub fn fold<'a>(records: impl IntoIterator<Item = &'a Record>, phase: Phase) -> Self {
        Self::fold_placed((1..).map(Seq).zip(records), phase)
    }

    fn fold_placed<'a>(records: impl IntoIterator<Item = (Seq, &'a Record)>, phase: Phase) -> Self {
        let mut replay = Self::default();
        for (place, record) in records {
            match &record.what {
                What::Rewound { step, at, .. } if phase == Phase::Main => replay.go_back(*step, *at),
                What::Rewound { .. } => replay = Self::default(),
                _ if record.phase == phase => replay.add(record, place),
                _ => {}
            }
        }
        replay
    }

    /// Forgets the step and all that followed from how it ended, or from that it was reached.
    pub fn go_back(&mut self, step: u32, at: Seq) {
        let stays = |ordinal: u32, known: &Known| ordinal != step && known.first < at;
        self.steps.retain(|ordinal, known| stays(*ordinal, known));
        self.steps.values_mut().for_each(|known| known.reopen(at));
        let steps = &self.steps;
        let ended = |ordinal: &u32| steps.get(ordinal).is_some_and(|known| known.end.is_some());
        self.completions.retain(|(ordinal, _)| ended(ordinal));
        self.patches.retain(|_, place| *place < at);
    }

    /// The children that run, by what history has.
    pub fn live_children(&self) -> impl Iterator<Item = (&StepRef, RunId)> {
        let live = self.steps.values().filter(|known| known.is_live());
        live.filter_map(|known| Some((&known.step, known.child?)))
    }

    fn add(&mut self, record: &Record, place: Seq) {
        if let What::Patched { name } = &record.what {
            self.patches.entry(name.clone()).or_insert(place);
        }
        let Some(step) = &record.step else { return };
        let known = self
            .steps
            .entry(step.ordinal)
            .or_insert_with(|| Known::new(step.clone(), place));
        known.add(record, place);
        self.completions
            .extend(completion(&record.what).map(|told| (step.ordinal, told)));
    }
}

impl Known {
    /// Open again, if it was given up since: because it failed for good, or because the code dropped it.
    fn reopen(&mut self, at: Seq) {
        let was_dropped = self.abandoned.take_if(|place| *place >= at).is_some();
        let has_failed = self
            .end
            .is_some_and(|(end, place)| end == StepEnd::Failed(FailureKind::Failed) && place >= at);
        if has_failed {
            (self.end, self.next_at, self.attempts, self.previous) = (None, None, 0, None);
        }
        if was_dropped || has_failed {
            // It was cancelled, or has failed: another takes its place.
            self.child = None;
        }
    }

    fn add(&mut self, record: &Record, place: Seq) {
        match &record.what {
            What::AttemptStarted { attempt } => self.unresolved = Some(*attempt),
            What::AttemptFailed {
                attempt,
                error,
                next_at,
                ..
            } => self.add_failed_attempt(*attempt, error, *next_at),
            What::Opened { deadline } => {
                self.opened = Some(Opened {
                    at: record.started_at,
                    deadline: *deadline,
                });
            }
            What::ChildStarted { run } => self.child = Some(*run),
            What::Abandoned => self.abandoned = Some(place),
            What::Completed { .. } | What::Received { .. } => self.finish(StepEnd::Done, place),
            What::Failed { failure, .. } => self.finish(StepEnd::Failed(failure.kind), place),
            What::TimedOut => self.finish(StepEnd::Failed(FailureKind::TimedOut), place),
            What::Patched { .. }
            | What::Paused { .. }
            | What::Rewound { .. }
            | What::CancelRequested { .. }
            | What::Resumed { .. }
            | What::Failing { .. } => {}
        }
    }

    fn add_failed_attempt(&mut self, attempt: u32, error: &StepError, next_at: Timestamp) {
        self.next_at = Some(next_at);
        self.unresolved = None;
        // A deferred attempt does not count, and is nobody's predecessor.
        if !matches!(error.decision, Decision::Defer { .. }) {
            self.attempts = attempt;
            self.previous = Some(Previous::Failed(error.clone()));
        }
    }

    fn finish(&mut self, end: StepEnd, place: Seq) {
        self.unresolved = None;
        self.end = Some((end, place));
    }
}

/// The children that a history which has just gone back has left behind: nothing was recorded since, so it may be
/// that nobody has cancelled them yet.
pub(crate) fn left_behind(records: &[Record]) -> BTreeSet<RunId> {
    let tells_of_others =
        |what: &What| matches!(what, What::Rewound { .. } | What::Paused { .. } | What::Resumed { .. });
    let last = records.iter().rposition(|record| !tells_of_others(&record.what));
    let end = last.map_or(0, |last| last + 1);
    let turned = records[end..]
        .iter()
        .any(|record| matches!(record.what, What::Rewound { .. }));
    match turned {
        true => &running(&records[..end]) - &running(records),
        false => BTreeSet::new(),
    }
}

/// The children of both functions that run, by what history has.
pub(crate) fn running(records: &[Record]) -> BTreeSet<RunId> {
    let of = |phase| {
        let replay = Replay::fold(records, phase);
        replay.live_children().map(|(_, run)| run).collect::<BTreeSet<_>>()
    };
    &of(Phase::Main) | &of(Phase::OnFailure)
}

/// The places of a whole history's records that count no more, because somebody has sent the run
/// back to before them. [`What::Rewound`] says which.
///
/// ```
/// use lumina_workflow::{Record, superseded};
///
/// /// How many records of a history count.
/// fn live(history: &[Record]) -> usize {
///     history.len() - superseded(history).len()
/// }
/// assert_eq!(live(&[]), 0);
/// ```
#[must_use]
pub fn superseded(records: &[Record]) -> BTreeSet<Seq> {
    let mut gone = BTreeSet::new();
    for (end, record) in records.iter().enumerate() {
        if let What::Rewound { step, at, .. } = record.what {
            let live = (1..)
                .map(Seq)
                .zip(&records[..end])
                .filter(|(place, _)| !gone.contains(place));
            let live: Vec<(Seq, &Record)> = live.collect();
            let reached = Replay::fold(&records[..end], Phase::Main).steps;
            gone.extend(superseded_by(step, at, &reached, &live));
        }
    }
    gone
}

fn superseded_by(step: u32, at: Seq, reached: &BTreeMap<u32, Known>, live: &[(Seq, &Record)]) -> Vec<Seq> {
    let is_later = |of: &StepRef| reached.get(&of.ordinal).is_none_or(|known| known.first >= at);
    let since = || live.iter().filter(|(place, _)| *place >= at).map(|(_, record)| *record);
    let dropped: BTreeSet<u32> = since()
        .filter(|record| record.what == What::Abandoned)
        .filter_map(ordinal)
        .collect();
    let failed: BTreeSet<u32> = since()
        .filter(|record| has_failed(&record.what))
        .filter_map(ordinal)
        .collect();
    let is_gone = |place: Seq, record: &Record| match (&record.what, &record.step) {
        (What::Failing { .. } | What::CancelRequested { .. }, _) => true,
        _ if record.phase == Phase::OnFailure => true,
        (What::Patched { .. }, _) => place >= at,
        (_, None) => false,
        (_, Some(of)) if of.ordinal == step || is_later(of) => true,
        (What::Abandoned, _) => place >= at,
        // What has failed for good is attempted from the beginning, and another child takes the place of the one
        // that has failed or was cancelled.
        (What::Failed { .. }, _) => place >= at && has_failed(&record.what),
        (What::AttemptStarted { .. } | What::AttemptFailed { .. }, Some(of)) => failed.contains(&of.ordinal),
        (What::ChildStarted { .. }, Some(of)) => failed.contains(&of.ordinal) || dropped.contains(&of.ordinal),
        _ => false,
    };
    let gone = live.iter().filter(|(place, record)| is_gone(*place, record));
    gone.map(|(place, _)| *place).collect()
}

fn has_failed(what: &What) -> bool {
    matches!(what, What::Failed { failure, .. } if failure.kind == FailureKind::Failed)
}

/// The step of the main function that the record belongs to.
fn ordinal(record: &Record) -> Option<u32> {
    let step = record.step.as_ref().filter(|_| record.phase == Phase::Main)?;
    Some(step.ordinal)
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

#[cfg(test)]
mod tests;
