//! The outside ledger: every execution of a step's code that has begun. No crash takes it back.

use std::time::Duration;

use lumina_workflow::{Epoch, Phase, RunId, StepKey, StepKind};

use super::{Grant, Standing, State, Watch, Watched, Who};
use crate::trace::lock;

/// An execution of a step's code that begins.
#[derive(Debug, Clone, Copy)]
pub struct Execution<'a> {
    /// In which process.
    pub who: Who,
    /// When, on the clock that only runs forwards.
    pub at: Duration,
    /// The run.
    pub run: RunId,
    /// Which of its functions.
    pub phase: Phase,
    /// The step's name.
    pub step: &'a str,
    /// Its key.
    pub key: &'a StepKey,
    /// Whether it is an outside effect.
    pub kind: StepKind,
    /// The attempt's number.
    pub attempt: u32,
}

/// One that has begun.
#[derive(Debug)]
pub(super) struct Begun {
    /// Under which epoch; 0 for whoever never claimed the run.
    pub epoch: Epoch,
    /// Whether it is an outside effect's.
    pub kind: StepKind,
    /// Whether a failure that allows another one is on record.
    pub resolved: bool,
}

impl Watch {
    /// Notes that an execution begins, and answers the how-manieth of its step it is, from 1.
    pub fn begin(&self, execution: &Execution<'_>) -> u64 {
        let mut state = lock(&self.state);
        let Some(run) = state.runs.get(&execution.run) else {
            state.blame(format!("{} was executed in a run that nobody started", execution.step));
            return 1;
        };
        let (epoch, problems) = run.judge(execution);
        problems.into_iter().for_each(|problem| state.blame(problem));
        note(&mut state, execution, epoch)
    }
}

fn note(state: &mut State, execution: &Execution<'_>, epoch: Epoch) -> u64 {
    let place = (execution.phase, execution.step.to_owned(), execution.key.to_string());
    let run = state.run(execution.run);
    let begun = Begun {
        epoch,
        kind: execution.kind,
        resolved: false,
    };
    let executions = run.executions.entry(place).or_default();
    executions.push(begun);
    executions.len() as u64
}

impl Watched {
    /// Under which of the leases that its life may have it is right, or what is wrong with it under the newest.
    fn judge(&self, execution: &Execution<'_>) -> (Epoch, Vec<String>) {
        let grants = self.grants_of(execution.who, execution.at);
        let judged = grants
            .iter()
            .map(|(epoch, grant)| (*epoch, self.find_problems(execution, *epoch, grant)));
        let mut judged: Vec<_> = judged.collect();
        if judged.is_empty() {
            let Execution { who, step, key, .. } = execution;
            let told = format!("{}: {who} executes {step}{key}, and never claimed the run", self.name());
            return (Epoch(0), vec![told]);
        }
        let right = judged.iter().position(|(_, problems)| problems.is_empty());
        judged.swap_remove(right.unwrap_or(0))
    }

    fn find_problems(&self, execution: &Execution<'_>, epoch: Epoch, grant: &Grant) -> Vec<String> {
        let Execution { who, phase, step, .. } = *execution;
        let key = execution.key.to_string();
        let tell = |what: &str| format!("{}: {who} executes {step}{key}, {what}", self.name());
        let mut problems = Vec::new();
        let current = epoch.0 == self.epoch;
        if current && self.standing == Standing::Paused {
            problems.push(tell("and the run is paused"));
        }
        if execution.at > grant.at + grant.lease {
            problems.push(tell("and its lease had run out"));
        }
        // Whoever held it before it was sent back goes by what counted then.
        let known = self.steps_under(epoch).find(phase, step, &key);
        // A clock of the store that jumps gives a run away while its holder still has a lease
        // by every clock that it can see. What the other one wrote it cannot know.
        let over = known.and_then(|known| known.over);
        if over.is_some_and(|over| over <= epoch) {
            problems.push(tell("and its end is on record"));
        }
        if current && execution.attempt != known.map_or(0, |known| known.made) + 1 {
            problems.push(tell("and that attempt was not next"));
        }
        if execution.kind == StepKind::Effect {
            problems.extend(self.find_repetition(execution, epoch, &key).map(tell));
        }
        problems
    }

    /// An outside effect acts on record, and only when every execution before is known to have failed.
    fn find_repetition(&self, execution: &Execution<'_>, epoch: Epoch, key: &str) -> Option<&'static str> {
        let place = (execution.phase, execution.step.to_owned(), key.to_owned());
        if self.barred && execution.phase == Phase::Main {
            return Some("and what left it behind may repeat nothing");
        }
        let forgiven = self.forgiven.get(&place).copied().unwrap_or(Epoch(0));
        // What began before the run was sent back is compared with what had begun before that.
        let of_this_era = |begun: &&Begun| (begun.epoch < forgiven) == (epoch < forgiven);
        let mut before = self.executions.get(&place).into_iter().flatten().filter(of_this_era);
        if before.any(|begun| !begun.resolved) {
            return Some("and nobody knows what the execution before came to");
        }
        let known = self.steps_under(epoch).find(execution.phase, execution.step, key);
        let started = known.and_then(|known| known.started);
        let taken_over = epoch.0 != self.epoch;
        (started != Some(execution.attempt) && !taken_over).then_some("and its start is not on record")
    }
}
