//! The end of each program against its model: what its code saw, how it ended, what it counted.

use std::sync::atomic::Ordering;

use lumina_workflow::store::RunRow;
use lumina_workflow::store::RunStatus;
use lumina_workflow::{Epoch, Failure, FailureKind, Phase, Record, RunId, StepKey, What};

use super::interpret::COUNTING;
use super::model::{self, Modelled, Recorded};
use super::outside::{Outside, cell};
use super::program::Program;
use super::sight::{Execution, Sight, answer_of};
use crate::inspect::rows;
use crate::trace::lock;
use crate::watch::{Era, eras};
use crate::world::World;

/// Compares every run with its model.
pub(super) fn judge(world: &World, outside: &Outside) {
    let rows = rows(&*world.store());
    for run in &outside.scene.runs {
        match rows.iter().find(|row| row.id == run.id) {
            Some(row) => judge_run(world, outside, &run.program, row),
            None => world.blame(format!("run {} is not there", run.program.index)),
        }
    }
    let (children, own): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.parent.is_some());
    if own.len() != outside.scene.runs.len() {
        let (found, planned) = (own.len(), outside.scene.runs.len());
        world.blame(format!("there are {found} runs, {planned} were started"));
    }
    for row in children {
        match row.input.decode() {
            Ok(program) => judge_run(world, outside, &program, row),
            Err(error) => world.blame(format!("child {} was given no program: {error}", row.id)),
        }
    }
}

fn judge_run(world: &World, outside: &Outside, program: &Program, row: &RunRow) {
    let history = world.watch().records(row.id);
    let name = world.watch().name(row.id);
    let blame = |problem: String| world.blame(format!("{name}: {problem}"));
    let eras: Vec<_> = eras(&history)
        .into_iter()
        .map(|era| Judged::new(program, era))
        .collect();
    for era in &eras {
        check_steps(&era.records, Phase::Main, &era.main)
            .into_iter()
            .for_each(&blame);
        check_steps(&era.records, Phase::OnFailure, &era.handler)
            .into_iter()
            .for_each(&blame);
    }
    for execution in executions(outside, row.id) {
        check_in_its_era(&execution, &eras).into_iter().for_each(&blame);
    }
    let last = eras.last().expect("there is at least one era");
    check_end(&last.records, row, &last.main, &last.handler)
        .into_iter()
        .for_each(&blame);
    // What was counted in a transaction stays counted, whether its step still counts or not.
    let counted = count(&history);
    let stands = outside.cells.read(&cell(program.index, row.id));
    if stands != counted {
        blame(format!(
            "its cell stands at {stands}, {counted} counting steps are on record"
        ));
    }
}

/// What counted until the run was sent back, or counts at last, and what its program makes of that.
pub(super) struct Judged {
    until: Option<Epoch>,
    records: Vec<Record>,
    main: Modelled,
    handler: Modelled,
}

impl Judged {
    pub fn new(program: &Program, Era { until, records }: Era) -> Self {
        Self {
            until,
            main: model::execute(&program.main, "m", &recorded(&records, Phase::Main)),
            handler: model::execute(&program.cleanup, "f", &recorded(&records, Phase::OnFailure)),
            records,
        }
    }

    fn modelled(&self, phase: Phase) -> &Modelled {
        match phase {
            Phase::Main => &self.main,
            Phase::OnFailure => &self.handler,
        }
    }
}

fn executions(outside: &Outside, run: RunId) -> Vec<std::sync::Arc<Execution>> {
    let all = lock(&outside.executions);
    all.iter().filter(|execution| execution.run == run).cloned().collect()
}

/// Whoever executes a run sees what counted when it was claimed: a run that is sent back is claimed anew. Where it may
/// be one of several epochs, it fits one of them.
pub(super) fn check_in_its_era(execution: &Execution, eras: &[Judged]) -> Option<String> {
    let check = |epoch: Option<Epoch>| {
        let mut eras = eras.iter();
        let era = eras.find(|era| era.until.is_none_or(|until| epoch < Some(until)))?;
        check_execution(execution, epoch, era.modelled(execution.phase))
    };
    let newest = check(execution.epoch())?;
    let mut older = execution.epochs.iter().skip(1);
    match older.any(|epoch| check(Some(*epoch)).is_none()) {
        true => None,
        false => Some(newest),
    }
}

/// The answers of a phase in the order in which they were recorded.
pub(super) fn recorded(history: &[Record], phase: Phase) -> Vec<Recorded> {
    let of_phase = history.iter().filter(|record| record.phase == phase);
    of_phase
        .filter_map(|record| {
            Some(Recorded {
                ordinal: record.step.as_ref()?.ordinal,
                answer: answer_of(&record.what)?,
                epoch: record.epoch,
            })
        })
        .collect()
}

/// Every step on record is the one that the model reaches in that place.
pub(super) fn check_steps(history: &[Record], phase: Phase, modelled: &Modelled) -> Option<String> {
    if let Some(stranger) = modelled.strangers.first() {
        return Some(format!("step {stranger} of {phase:?} has ended, and is not reached"));
    }
    let reached: Vec<_> = modelled.reached().collect();
    let steps = history
        .iter()
        .filter(|record| record.phase == phase)
        .filter_map(|record| record.step.as_ref());
    let fits = |step: &&lumina_workflow::StepRef| {
        let place = reached.get(step.ordinal as usize - 1);
        place.is_some_and(|(name, key)| *name == step.name && step.key == StepKey::Given((*key).to_owned()))
    };
    let misfit = steps.into_iter().find(|step| !fits(step))?;
    Some(format!(
        "{}{} is not what the model reaches in place {}",
        misfit.name, misfit.key, misfit.ordinal
    ))
}

/// Each execution saw what the model sees, up to an answer that was never durable: then
/// another one is in its place, from a later epoch, or none. After a panic of the code its own
/// epoch may go on as well, to write down how effects have ended.
pub(super) fn check_execution(execution: &Execution, epoch: Option<Epoch>, modelled: &Modelled) -> Option<String> {
    let seen = lock(&execution.seen);
    let mut expected = modelled.sights.iter();
    for (nth, sight) in seen.iter().enumerate() {
        let differs = match (sight, expected.next()) {
            (sight, Some((known, _))) if sight == known => continue,
            (Sight::Answered(..), None) => return None,
            (Sight::Answered(..), Some((Sight::Answered(..), known))) if *known > epoch => return None,
            (Sight::Answered(step, _), Some((Sight::Answered(..), _))) if execution.forgot(*step, epoch, modelled) => {
                return None;
            }
            (_, known) => known,
        };
        let (phase, epoch) = (execution.phase, epoch.map_or(0, |epoch| epoch.0));
        return Some(format!(
            "{phase:?} under epoch {epoch} saw {sight:?} in place {nth}, the history gives {differs:?}"
        ));
    }
    None
}

impl Execution {
    /// It panicked, and the answer of this step was never recorded under its epoch.
    fn forgot(&self, step: u32, own: Option<Epoch>, modelled: &Modelled) -> bool {
        let of_step = |sight: &Sight| matches!(sight, Sight::Answered(ordinal, _) if *ordinal == step);
        let mut recorded = modelled.sights.iter().filter(|(sight, _)| of_step(sight));
        self.fell.load(Ordering::Relaxed) && recorded.all(|(_, epoch)| *epoch > own)
    }
}

/// The run ended as its model does, or was cancelled.
pub(super) fn check_end(history: &[Record], row: &RunRow, main: &Modelled, handler: &Modelled) -> Option<String> {
    let failing = history.iter().find_map(|record| match &record.what {
        What::Failing { failure } => Some(failure),
        _ => None,
    });
    let Some(cause) = failing else {
        let output = row.output.as_ref().and_then(|output| output.decode::<u64>().ok());
        let good = row.status == RunStatus::Completed && output.is_some() && output == good_end(main);
        return (!good).then(|| {
            format!(
                "it is {} with {output:?}, the model ends with {:?}",
                row.status, main.end
            )
        });
    };
    let expected = match cause.kind {
        FailureKind::Cancelled => RunStatus::Cancelled,
        _ => RunStatus::Failed,
    };
    if row.status != expected {
        return Some(format!("it is {}, and failed with {cause}", row.status));
    }
    if cause.kind != FailureKind::Cancelled && main.end != Some(Err(cause.clone())) {
        return Some(format!("it failed with {cause:?}, the model ends with {:?}", main.end));
    }
    check_handler(cause, row, handler)
}

fn good_end(modelled: &Modelled) -> Option<u64> {
    modelled.end.as_ref()?.as_ref().ok().copied()
}

/// The failure stays as it was, with the handler's own beside it.
fn check_handler(cause: &Failure, row: &RunRow, handler: &Modelled) -> Option<String> {
    let failure = row.failure.as_ref()?;
    let mut expected = cause.clone();
    match &handler.end {
        Some(Err(own)) => expected.handler = Some(Box::new(own.clone())),
        Some(Ok(_)) => {}
        None if is_late(row, failure) => return None,
        None => return Some("it has ended before its handler has".to_owned()),
    }
    (*failure != expected).then(|| format!("its failure is {failure:?}, the model's {expected:?}"))
}

/// A handler has an hour. Clocks jump by minutes.
fn is_late(row: &RunRow, failure: &Failure) -> bool {
    let kind = failure.handler.as_ref().map(|own| own.kind);
    let took = row
        .finished_at
        .zip(row.failing_since)
        .map(|(end, begin)| end.duration_since(begin).as_secs());
    kind == Some(FailureKind::HandlerDeadline) && took.is_some_and(|took| took > 1_800)
}

fn count(history: &[Record]) -> u64 {
    let counting = history.iter().filter(|record| {
        let counts = record
            .step
            .as_ref()
            .is_some_and(|step| COUNTING.contains(&step.name.as_str()));
        counts && matches!(record.what, What::Completed { .. })
    });
    counting.count() as u64
}
