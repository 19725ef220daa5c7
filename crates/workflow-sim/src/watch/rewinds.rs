//! Runs that are sent back: open again, and allowed to do again what is known not to have happened outside, or what
//! somebody has allowed.

use std::collections::BTreeSet;

use lumina_workflow::{Epoch, Phase, Record, RunId, StepKind, What};

use super::counting::{counted, counting};
use super::records::Steps;
use super::{Standing, State, Watch, Watched};
use crate::trace::lock;

impl Watch {
    /// From now on this person may send this run back so that outside effects are repeated.
    pub fn allow_repeats(&self, run: RunId, by: &str) {
        lock(&self.state).allowed.insert((run, by.to_owned()));
    }

    /// Of each record of a run's history whether it counts no more.
    pub(crate) fn superseded(&self, run: RunId) -> Vec<bool> {
        let state = lock(&self.state);
        let counts = state.runs.get(&run).map(|run| run.counts.iter().map(|counts| !counts));
        counts.into_iter().flatten().collect()
    }
}

impl State {
    /// A command to go back was effective: whatever became of the run, it is open again and holds its keys.
    pub(super) fn open_again(&mut self, id: RunId) {
        let run = self.run(id);
        let (name, keys) = (run.name(), run.keys.clone());
        let before = std::mem::replace(&mut run.standing, Standing::Free);
        run.cancelled_by = None;
        let counted = std::mem::take(&mut run.counted);
        self.open += usize::from(counted);
        if matches!(before, Standing::Running { .. }) {
            self.blame(format!("{name}: was sent back while it was executed"));
        }
        for key in keys {
            let told = format!("{name}: was sent back while another run held its key {}", key.key);
            if self.keys.insert(key, id).is_some_and(|holder| holder != id) {
                self.blame(told);
            }
        }
    }

    /// The record of it: what it says counts no more.
    pub(super) fn go_back(&mut self, id: RunId, record: Record, by: &str) {
        let may_repeat = self.allowed.contains(&(id, by.to_owned()));
        let epoch = record.epoch;
        let run = self.run(id);
        let name = run.name();
        let gone = run.take_back(record);
        let repeated = run.start_over(&gone, epoch);
        let left = children_of(&gone);
        run.left.extend(&left);
        if may_repeat {
            return;
        }
        if let Some(step) = repeated {
            self.blame(format!("{name}: {by} sent it back, and {step} has acted or may have"));
        }
        for child in self.family(left) {
            let child = self.run(child);
            child.barred = true;
            if let Some(step) = child.find_acted() {
                let told = format!("{step} of its child {} has acted or may have", child.name());
                self.blame(format!("{name}: {by} sent it back, and {told}"));
            }
        }
    }

    /// These runs and all that they have ever started.
    fn family(&self, runs: BTreeSet<RunId>) -> BTreeSet<RunId> {
        let (mut all, mut open) = (BTreeSet::new(), Vec::from_iter(runs));
        while let Some(run) = open.pop() {
            if all.insert(run) {
                let records = self.runs.get(&run).map(|run| &run.records[..]);
                open.extend(children_of(records.unwrap_or_default()));
            }
        }
        all
    }

    /// A run that goes on has cancelled the children of what counts no more.
    pub(super) fn find_left_behind(&mut self, id: RunId) -> Vec<String> {
        let left = std::mem::take(&mut self.run(id).left);
        let alone = left.into_iter().filter_map(|child| {
            let child = self.runs.get(&child)?;
            let ends = matches!(child.standing, Standing::Ended(_)) || child.steps.is_failing();
            (!ends && child.cancelled_by.is_none()).then(|| child.name())
        });
        alone
            .map(|child| format!("goes on, and {child}, which it has left behind, is not cancelled"))
            .collect()
    }
}

fn children_of(records: &[Record]) -> BTreeSet<RunId> {
    let started = records.iter().filter_map(|record| match record.what {
        What::ChildStarted { run } => Some(run),
        _ => None,
    });
    started.collect()
}

impl Watched {
    /// What was known of its steps when an executor under this epoch could write.
    pub(super) fn steps_under(&self, epoch: Epoch) -> &Steps {
        let era = self.eras.iter().find(|(until, _)| *until > epoch);
        era.map_or(&self.steps, |(_, steps)| steps)
    }

    /// Adds the record that takes others back, and answers these.
    fn take_back(&mut self, record: Record) -> Vec<Record> {
        let epoch = record.epoch;
        self.records.push(record);
        let counts = counting(&self.records);
        let gone = self.records.iter().zip(self.counts.iter().zip(&counts));
        let gone = gone.filter(|(_, (before, now))| **before && !**now);
        let gone = gone.map(|(record, _)| record.clone()).collect();
        self.counts = counts;
        let steps = Steps::of(&counted(&self.records));
        let before = std::mem::replace(&mut self.steps, steps);
        self.eras.push((epoch, before));
        gone
    }

    /// Effects whose attempts count no more are attempted again. The answer is one that is not known to have failed.
    fn start_over(&mut self, gone: &[Record], epoch: Epoch) -> Option<String> {
        let mut repeated = None;
        for record in gone {
            let (What::AttemptStarted { .. }, Some(step)) = (&record.what, &record.step) else {
                continue;
            };
            let (name, key) = (step.name.clone(), step.key.to_string());
            let told = format!("{name}{key}");
            let place = (record.phase, name, key);
            let has_failed = self.eras.last().is_some_and(|(_, before)| before.has_failed(&place));
            let forgiven = self.forgiven.insert(place.clone(), epoch).unwrap_or(Epoch(0));
            let executions = self.executions.get_mut(&place).into_iter().flatten();
            for begun in executions.filter(|begun| begun.epoch >= forgiven) {
                begun.resolved |= has_failed;
                if !begun.resolved {
                    repeated = Some(told.clone());
                }
            }
        }
        repeated
    }

    /// An outside effect of it, in whatever era, that is not known to have failed.
    fn find_acted(&self) -> Option<String> {
        let acted = self.executions.iter().filter(|(place, executions)| {
            let forgiven = self.forgiven.get(*place).copied().unwrap_or(Epoch(0));
            let has_failed = self.steps.has_failed(place);
            let open = |begun: &&super::ledger::Begun| {
                let known = begun.resolved || (has_failed && begun.epoch >= forgiven);
                begun.kind == StepKind::Effect && !known
            };
            executions.iter().any(|begun| open(&begun))
        });
        let mut acted = acted.map(|((_, name, key), _)| format!("{name}{key}"));
        acted.next()
    }
}

/// A step by its phase, name and key.
pub(super) type StepPlace = (Phase, String, String);
