//! Runs that are sent back: planned by the seed, asked for at any moment.

use std::time::Duration;

use lumina_workflow::store::Refusal;
use lumina_workflow::{EngineError, MayRepeat, Phase, RestartFrom, RunId, StepRef};

use super::draw::{Drawing, PlannedRun};
use crate::world::World;

/// Between two looks whether a run has ended.
const LOOK: Duration = Duration::from_secs(1);

/// A fault: somebody sends a run back.
pub(super) struct PlannedRewind {
    pub number: u32,
    pub run: usize,
    when: When,
    to: Goal,
    may_repeat: MayRepeat,
}

#[derive(Debug, Clone, Copy)]
enum When {
    /// At this time, whatever the run is doing.
    At(Duration),
    /// So long after it has ended.
    Ended(Duration),
}

#[derive(Debug, Clone, Copy)]
enum Goal {
    /// The step that it has failed in.
    Failure,
    Beginning,
    /// The how-manieth of the steps that its history has then.
    Step(u64),
}

impl Drawing {
    pub(super) fn rewinds(&mut self, runs: u64) -> Vec<PlannedRewind> {
        let count = *self.dice.pick(&[0, 0, 1, 1, 2, 4]);
        (0..count).map(|_| self.rewind(runs)).collect()
    }

    fn rewind(&mut self, runs: u64) -> PlannedRewind {
        let to = match self.dice.below(10) {
            0..=3 => Goal::Failure,
            4 | 5 => Goal::Beginning,
            _ => Goal::Step(self.dice.draw()),
        };
        // Only a run that has ended can have failed.
        let ended = if matches!(to, Goal::Failure) { 80 } else { 40 };
        let when = match self.chance(ended) {
            true => When::Ended(self.seconds(0, 20)),
            false => When::At(self.seconds(0, 180)),
        };
        PlannedRewind {
            number: self.number(),
            run: usize::try_from(self.dice.below(runs)).expect("few"),
            when,
            to,
            may_repeat: *self.dice.pick(&[MayRepeat::Nothing, MayRepeat::Effects]),
        }
    }
}

/// Asks for it when its time has come.
pub(super) async fn send_back(world: &World, rewind: &PlannedRewind, run: &PlannedRun) {
    let told = || format!("run {} is sent back, {}", rewind.run, tell(rewind));
    if !world.inject(rewind.number, told) {
        return;
    }
    await_moment(world, rewind.when, run.id).await;
    // Each person stands for what they allow.
    let by = match rewind.may_repeat {
        MayRepeat::Nothing => "ada",
        MayRepeat::Effects => "eve",
    };
    if rewind.may_repeat == MayRepeat::Effects {
        world.watch().allow_repeats(run.id, by);
    }
    let answer = match restart_from(world, rewind.to, run.id) {
        None => retry(world, run.id, by, rewind.may_repeat).await,
        Some(from) => restart(world, run.id, from, by, rewind.may_repeat).await,
    };
    if let Err(error) = answer
        && !may_be_refused(rewind, &error)
    {
        world.blame(format!("a run that was to be sent back was answered with {error}"));
    }
}

fn tell(rewind: &PlannedRewind) -> String {
    let PlannedRewind {
        when, to, may_repeat, ..
    } = rewind;
    let to = match to {
        Goal::Failure => "to where it failed",
        Goal::Beginning => "to its beginning",
        Goal::Step(_) => "to a step",
    };
    match when {
        When::At(time) => format!("{to}, at {time:?}, and may repeat {may_repeat:?}").to_lowercase(),
        When::Ended(time) => format!("{to}, {time:?} after its end, and may repeat {may_repeat:?}").to_lowercase(),
    }
}

async fn await_moment(world: &World, when: When, run: RunId) {
    match when {
        When::At(time) => world.sleep(time.saturating_sub(world.elapsed())).await,
        When::Ended(time) => {
            while world.watch().ending(run).is_none() {
                world.sleep(LOOK).await;
            }
            world.sleep(time).await;
        }
    }
}

/// `None` is where it failed.
fn restart_from(world: &World, to: Goal, run: RunId) -> Option<RestartFrom> {
    let nth = match to {
        Goal::Failure => return None,
        Goal::Beginning => return Some(RestartFrom::Beginning),
        Goal::Step(nth) => nth,
    };
    let steps = steps_of(world, run);
    let Some(nth) = nth.checked_rem(steps.len() as u64) else {
        return Some(RestartFrom::Beginning);
    };
    let step = &steps[usize::try_from(nth).expect("histories are short")];
    Some(RestartFrom::Step {
        name: step.name.clone(),
        key: Some(step.key.clone()),
    })
}

/// The steps that the main function has reached, whether they count or not.
fn steps_of(world: &World, run: RunId) -> Vec<StepRef> {
    let records = world.watch().records(run).into_iter();
    let main = records.filter(|record| record.phase == Phase::Main);
    let mut steps: Vec<StepRef> = Vec::new();
    for step in main.filter_map(|record| record.step) {
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
    steps
}

async fn retry(world: &World, run: RunId, by: &'static str, may_repeat: MayRepeat) -> Result<bool, EngineError> {
    world
        .ask(move |engine| Box::pin(async move { engine.retry(run, by, may_repeat).await }))
        .await
}

async fn restart(
    world: &World,
    run: RunId,
    from: RestartFrom,
    by: &'static str,
    may_repeat: MayRepeat,
) -> Result<bool, EngineError> {
    world
        .ask(move |engine| {
            let from = from.clone();
            Box::pin(async move { engine.restart(run, &from, by, may_repeat).await })
        })
        .await
}

/// It may come too early, too late, or ask for more than is allowed.
fn may_be_refused(rewind: &PlannedRewind, error: &EngineError) -> bool {
    match error {
        EngineError::WouldRepeat { .. } => rewind.may_repeat == MayRepeat::Nothing,
        EngineError::NoSuchStep { .. } => !matches!(rewind.to, Goal::Beginning),
        EngineError::Refused(refusal) => matches!(
            refusal,
            Refusal::UnknownRun(_) | Refusal::WrongStatus { .. } | Refusal::KeyTaken { .. }
        ),
        _ => false,
    }
}
