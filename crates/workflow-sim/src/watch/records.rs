//! A history as it grows: what each record may follow.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lumina_workflow::{Decision, Epoch, FailureKind, Phase, Record, StepKind, StepRef, What};

use super::StepPlace;

/// The steps of one run, as its records tell of them.
#[derive(Default)]
pub(super) struct Steps {
    places: BTreeMap<(Phase, u32), Known>,
    /// Steps by phase, name and key.
    by_name: BTreeMap<StepPlace, u32>,
    last_epoch: Option<Epoch>,
    failing: bool,
}

/// A step that history knows.
pub(super) struct Known {
    step: StepRef,
    /// Attempts that count and have failed.
    pub made: u32,
    /// The child has begun.
    begun: bool,
    /// An outside effect's attempt whose end is not recorded.
    pub started: Option<u32>,
    next_at: Option<Timestamp>,
    deadline: Option<Timestamp>,
    /// Under which epoch it ended, or was abandoned.
    pub over: Option<Epoch>,
    /// It ended with a failure, and what it was to do is known not to have happened.
    failed: bool,
}

impl Known {
    fn new(step: StepRef) -> Self {
        Self {
            step,
            made: 0,
            begun: false,
            started: None,
            next_at: None,
            deadline: None,
            over: None,
            failed: false,
        }
    }
}

impl Steps {
    /// The steps of what counts of a history; that it may be so was found out when it grew.
    pub fn of(records: &[Record]) -> Self {
        let mut steps = Self::default();
        for record in records {
            steps.add(record);
        }
        steps
    }

    /// Whether its error handler's turn has come.
    pub fn is_failing(&self) -> bool {
        self.failing
    }

    /// Whether the step has ended so that what it was to do is known not to have happened.
    pub fn has_failed(&self, (phase, name, key): &StepPlace) -> bool {
        self.find(*phase, name, key).is_some_and(|known| known.failed)
    }

    pub fn find(&self, phase: Phase, name: &str, key: &str) -> Option<&Known> {
        let ordinal = self.by_name.get(&(phase, name.to_owned(), key.to_owned()))?;
        self.places.get(&(phase, *ordinal))
    }

    /// Takes the next record in. What it says against the ones before is the answer.
    pub fn add(&mut self, record: &Record) -> Vec<String> {
        let mut problems = Vec::new();
        if self.last_epoch.is_some_and(|last| last > record.epoch) {
            problems.push("epochs only grow in a history".to_owned());
        }
        self.last_epoch = Some(record.epoch);
        match &record.step {
            Some(step) => self.add_to_step(record, step, &mut problems),
            None => self.add_to_run(record, &mut problems),
        }
        problems
    }

    fn add_to_run(&mut self, record: &Record, problems: &mut Vec<String>) {
        if matches!(record.what, What::Failing { .. }) && std::mem::replace(&mut self.failing, true) {
            problems.push("a run fails once".to_owned());
        }
    }

    fn add_to_step(&mut self, record: &Record, step: &StepRef, problems: &mut Vec<String>) {
        let phase = record.phase;
        if (phase == Phase::OnFailure) != self.failing {
            problems.push(format!("{} was recorded in the wrong phase", tell(step)));
        }
        self.by_name
            .insert((phase, step.name.clone(), step.key.to_string()), step.ordinal);
        let known = self
            .places
            .entry((phase, step.ordinal))
            .or_insert_with(|| Known::new(step.clone()));
        if known.step != *step {
            problems.push(format!("{} is in the place of {}", tell(step), tell(&known.step)));
        }
        if known.over.is_some() {
            problems.push(format!("{} goes on after its end", tell(step)));
        }
        known.check_time(record, problems);
        match known.step.kind {
            StepKind::Child => known.check_child(record, problems),
            _ => known.check_attempt(record, problems),
        }
        known.follow(record);
    }
}

impl Known {
    /// No retry before its time, and no deadline either.
    fn check_time(&self, record: &Record, problems: &mut Vec<String>) {
        let attempts = matches!(
            record.what,
            What::AttemptStarted { .. } | What::AttemptFailed { .. } | What::Completed { .. }
        );
        let resolves = self.started.is_some();
        if attempts && !resolves && self.next_at.is_some_and(|at| record.started_at < at) {
            problems.push(format!("{} was attempted before its time", tell(&self.step)));
        }
        let by_itself = match &record.what {
            What::TimedOut => true,
            What::Completed { .. } => self.step.kind == StepKind::Sleep,
            _ => false,
        };
        if by_itself && self.deadline.is_none_or(|deadline| record.ended_at < deadline) {
            problems.push(format!("{} ended by itself before its time", tell(&self.step)));
        }
    }

    /// Attempts count up, and an outside effect's end follows its start.
    fn check_attempt(&self, record: &Record, problems: &mut Vec<String>) {
        let effect = self.step.kind == StepKind::Effect;
        let number = match &record.what {
            What::AttemptStarted { attempt } if !effect || self.started.is_some() => {
                problems.push(format!("attempt {attempt} of {} began out of turn", tell(&self.step)));
                return;
            }
            What::AttemptStarted { attempt } | What::AttemptFailed { attempt, .. } => *attempt,
            What::Completed { attempt, .. } if effect && self.started.is_none() => {
                problems.push(format!("attempt {attempt} of {} has no start", tell(&self.step)));
                return;
            }
            What::Completed { attempt, .. } if self.step.kind != StepKind::Sleep => *attempt,
            What::Failed { failure, .. } => failure.attempts,
            _ => return,
        };
        let expected = self.started.unwrap_or(self.made + 1);
        if number != expected {
            let name = tell(&self.step);
            problems.push(format!("attempt {number} of {name} was recorded, {expected} was next"));
        }
    }

    /// A child begins once, and ends after that.
    fn check_child(&self, record: &Record, problems: &mut Vec<String>) {
        let problem = match &record.what {
            What::ChildStarted { .. } if self.begun => "began again",
            What::Completed { .. } | What::Failed { .. } if !self.begun => "has ended and had not begun",
            _ => return,
        };
        problems.push(format!("{} {problem}", tell(&self.step)));
    }

    fn follow(&mut self, record: &Record) {
        match &record.what {
            What::AttemptStarted { attempt } => self.started = Some(*attempt),
            What::AttemptFailed {
                attempt,
                error,
                next_at,
                ..
            } => {
                self.started = None;
                self.next_at = Some(*next_at);
                if !matches!(error.decision, Decision::Defer { .. }) {
                    self.made = *attempt;
                }
            }
            What::Opened { deadline } => self.deadline = Some(*deadline),
            What::Failed { failure, .. } => {
                self.over = Some(record.epoch);
                self.failed = failure.kind == FailureKind::Failed;
            }
            What::Completed { .. } | What::Received { .. } | What::TimedOut | What::Abandoned => {
                self.over = Some(record.epoch);
            }
            What::ChildStarted { .. } => self.begun = true,
            What::Patched { .. }
            | What::Paused { .. }
            | What::Rewound { .. }
            | What::CancelRequested { .. }
            | What::Resumed { .. }
            | What::Failing { .. } => {}
        }
    }
}

pub(super) fn tell(step: &StepRef) -> String {
    format!("{}{}", step.name, step.key)
}
