//! The code of steps: what their script says.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use lumina_workflow::{Attempt, Phase, RunId, Runtime, StepError, StepKey, StepKind};

use super::outside::Outside;
use super::program::{Outcome, mix};
use crate::watch::{self, PANIC, Who};
use crate::world::World;

/// What all steps of one life share.
#[derive(Clone)]
pub(super) struct Act {
    pub who: Who,
    pub world: World,
    pub runtime: Arc<dyn Runtime>,
    pub outside: Arc<Outside>,
}

/// A step's code, in one execution of its run.
pub(super) struct Doing {
    pub act: Act,
    pub index: usize,
    pub run: RunId,
    pub phase: Phase,
    pub step: &'static str,
    pub kind: StepKind,
    pub path: String,
    pub script: Vec<Outcome>,
}

/// What happened outside does not depend on what a process remembers: the how-manieth
/// execution it is decides.
pub(super) async fn perform(doing: Arc<Doing>, attempt: Attempt) -> Result<u64, StepError> {
    let world = &doing.act.world;
    let nth = world.watch().begin(&watch::Execution {
        who: doing.act.who,
        at: world.elapsed(),
        run: doing.run,
        phase: doing.phase,
        step: doing.step,
        key: &StepKey::Given(doing.path.clone()),
        kind: doing.kind,
        attempt: attempt.number(),
    });
    doing.act.outside.stumble(world, doing.index, None);
    follow(&doing, nth).await?;
    Ok(doing.path.bytes().map(u64::from).fold(nth, mix))
}

pub(super) async fn open_gate(doing: Arc<Doing>) -> Result<(), StepError> {
    let nth = doing.act.outside.count(doing.index, "gate", &doing.path);
    follow(&doing, nth).await
}

async fn follow(doing: &Doing, nth: u64) -> Result<(), StepError> {
    let last = doing.script.len() - 1;
    let outcome = doing.script[last.min(usize::try_from(nth - 1).unwrap_or(last))];
    let told = || format!("{} at {} says {outcome:?}", doing.step, doing.path);
    match outcome {
        Outcome::Good => Ok(()),
        Outcome::Slow(millis) => {
            doing.act.runtime.sleep(Duration::from_millis(millis)).await;
            Ok(())
        }
        Outcome::Retry => Err(StepError::retry(told())),
        Outcome::RetryAfter(seconds) => Err(StepError::retry(told()).not_before(Duration::from_secs(seconds))),
        Outcome::Fail => Err(StepError::fail(told())),
        Outcome::Unknown => Err(StepError::unknown(told())),
        Outcome::Defer(millis) => Err(StepError::defer(Duration::from_millis(millis), told())),
        Outcome::Hang => std::future::pending().await,
        Outcome::Panic => resume_unwind(Box::new(PANIC.to_owned())),
    }
}
