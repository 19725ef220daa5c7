//! Workflows: an async function and the list of its steps.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Failure;
use crate::event::EVENT_NAME_LIMIT;
use crate::flow::{Flow, FlowLimits};
use crate::id::DefinitionHash;
use crate::payload::{Payload, PayloadError};
use crate::run::Run;
use crate::step::{STEP_NAME_LIMIT, Step, StepKind, StepPlan};

/// A workflow: code whose every effect is a named step.
///
/// The code is executed from the top each time a run is resumed, and recorded steps answer
/// from history. So between steps it must be a function of its input and of what steps
/// answered: no clock, no randomness, no I/O, no shared state; and it may await only what
/// [`Run`] gives it.
pub trait Workflow: Send + Sync + 'static {
    /// Its name: the key under which runs are stored.
    const NAME: &'static str;
    /// Every step that [`run`](Self::run) or [`on_failure`](Self::on_failure) can reach.
    const STEPS: &'static [Step];
    /// How many of its runs are in flight at once, and how many begin in a period of time.
    const FLOW: Flow = Flow::none();
    /// What a run is started with.
    type Input: Serialize + DeserializeOwned + Send + 'static;
    /// What it ends with.
    type Output: Serialize + DeserializeOwned + Send + 'static;

    /// The work.
    fn run(&self, run: &Run, input: Self::Input) -> impl Future<Output = Result<Self::Output, Failure>> + Send;

    /// Runs after the work has failed or was cancelled. Its steps are recorded like any
    /// other, under a count of their own; it cannot be cancelled and has an hour. An error of its own
    /// is kept beside the first one.
    fn on_failure(
        &self,
        run: &Run,
        input: Self::Input,
        failure: &Failure,
    ) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = (run, input, failure);
        async { Ok(()) }
    }
}

/// The time that `on_failure` has, all its retries and waits included.
pub(crate) const HANDLER_DEADLINE: Duration = Duration::from_secs(3_600);

pub(crate) type WorkFuture = BoxFuture<'static, Result<Payload, Ended>>;

/// How a workflow's function ended other than well.
pub(crate) enum Ended {
    Failed(Failure),
    /// Its input does not fit: the run cannot be executed by this code.
    Unreadable(PayloadError),
    /// Its output cannot be stored.
    Unwritable(PayloadError),
}

/// A [`Workflow`] without its types.
pub(crate) trait AnyWorkflow: Send + Sync {
    fn run(self: Arc<Self>, run: Run, input: Payload) -> WorkFuture;
    fn on_failure(self: Arc<Self>, run: Run, input: Payload, failure: Failure) -> WorkFuture;
}

impl<W: Workflow> AnyWorkflow for W {
    fn run(self: Arc<Self>, run: Run, input: Payload) -> WorkFuture {
        Box::pin(async move {
            let input = input.decode().map_err(Ended::Unreadable)?;
            let output = Workflow::run(&*self, &run, input).await.map_err(Ended::Failed)?;
            Payload::encode(&output).map_err(Ended::Unwritable)
        })
    }

    fn on_failure(self: Arc<Self>, run: Run, input: Payload, failure: Failure) -> WorkFuture {
        Box::pin(async move {
            let input = input.decode().map_err(Ended::Unreadable)?;
            Workflow::on_failure(&*self, &run, input, &failure)
                .await
                .map_err(Ended::Failed)?;
            Ok(Payload::null())
        })
    }
}

/// A registered workflow: its code, and its steps with their durations read.
pub(crate) struct Definition {
    pub name: &'static str,
    pub hash: DefinitionHash,
    pub steps: BTreeMap<&'static str, StepPlan>,
    pub order: &'static [Step],
    pub flow: FlowLimits,
    pub code: Arc<dyn AnyWorkflow>,
}

/// What is wrong with a declaration. Found when it is registered, before anything runs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// Two workflows of one name.
    #[error("workflow {workflow} is registered twice")]
    DuplicateWorkflow {
        /// Its name.
        workflow: String,
    },
    /// Its limits cannot work as declared or configured.
    #[error("workflow {workflow}, its flow control: {problem}")]
    Flow {
        /// The workflow.
        workflow: String,
        /// What is wrong, in words.
        problem: String,
    },
    /// A step cannot work as declared.
    #[error("workflow {workflow}, step {step}: {problem}")]
    Step {
        /// The workflow.
        workflow: String,
        /// The step.
        step: String,
        /// What is wrong, in words.
        problem: String,
    },
}

/// Durations and limits from configuration, instead of the declared ones.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    timeouts: BTreeMap<String, Duration>,
    flow: Option<FlowLimits>,
}

impl Overrides {
    /// Sets a step's timeout or deadline.
    #[must_use]
    pub fn timeout(mut self, step: &Step, duration: Duration) -> Self {
        self.timeouts.insert(step.name.to_owned(), duration);
        self
    }

    /// Sets all limits of the workflow; those that are `None` are lifted.
    #[must_use]
    pub fn flow(mut self, limits: FlowLimits) -> Self {
        self.flow = Some(limits);
        self
    }
}

impl Definition {
    pub fn read<W: Workflow>(workflow: W, overrides: &Overrides) -> Result<Self, DefinitionError> {
        let mut steps = BTreeMap::new();
        for step in W::STEPS {
            let wrong = |problem: String| DefinitionError::Step {
                workflow: W::NAME.to_owned(),
                step: step.name.to_owned(),
                problem,
            };
            let mut plan = StepPlan::read(*step).map_err(|e| wrong(e.to_string()))?;
            plan.timeout = overrides.timeouts.get(step.name).copied().or(plan.timeout);
            if let Some(problem) = find_problem(&plan) {
                return Err(wrong(problem));
            }
            if steps.insert(step.name, plan).is_some() {
                return Err(wrong("is declared twice".to_owned()));
            }
        }
        if let Some(stranger) = overrides
            .timeouts
            .keys()
            .find(|name| !steps.contains_key(name.as_str()))
        {
            return Err(DefinitionError::Step {
                workflow: W::NAME.to_owned(),
                step: stranger.clone(),
                problem: "has a configured duration but is not declared".to_owned(),
            });
        }
        let flow = read_flow::<W>(overrides.flow)?;
        let code = Arc::new(workflow);
        Ok(Self {
            name: W::NAME,
            hash: hash(W::NAME, W::STEPS),
            steps,
            order: W::STEPS,
            flow,
            code,
        })
    }
}

fn read_flow<W: Workflow>(configured: Option<FlowLimits>) -> Result<FlowLimits, DefinitionError> {
    let wrong = |problem| DefinitionError::Flow {
        workflow: W::NAME.to_owned(),
        problem,
    };
    let declared = W::FLOW.read().map_err(wrong)?;
    let limits = configured.unwrap_or(declared);
    match limits.problem() {
        Some(problem) => Err(wrong(problem)),
        None => Ok(limits),
    }
}

fn find_problem(plan: &StepPlan) -> Option<String> {
    let step = &plan.step;
    if step.name.is_empty() || step.name.len() > STEP_NAME_LIMIT {
        return Some(format!("a name must have 1 to {STEP_NAME_LIMIT} bytes"));
    }
    if step
        .event
        .is_some_and(|event| event.is_empty() || event.len() > EVENT_NAME_LIMIT)
    {
        return Some(format!("an event's name must have 1 to {EVENT_NAME_LIMIT} bytes"));
    }
    if step.kind == StepKind::Wait && plan.timeout.is_none() {
        return Some("a wait needs a deadline: add .timeout(\"24h\")".to_owned());
    }
    if plan.timeout.is_some_and(|timeout| timeout.is_zero()) {
        return Some("a timeout of zero leaves no time for anything".to_owned());
    }
    (plan.retry.attempts == 0).then(|| "a policy of zero attempts would never run the step".to_owned())
}

/// FNV-1a over what a history depends on. Stored with each run, so it must never change.
fn hash(name: &str, steps: &[Step]) -> DefinitionHash {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut fold = |text: &str| {
        for byte in text.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    fold(name);
    for step in steps {
        fold(step.name);
        fold(step.kind.as_str());
        fold(step.event.unwrap_or(""));
    }
    DefinitionHash(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Retry;

    #[test]
    fn the_hash_sees_steps_but_no_durations() {
        const A: Step = Step::action("a").timeout("1s");
        const SLOW: Step = Step::action("a").timeout("1h").retry(Retry::linear(9));
        const B: Step = Step::action("b");
        assert_eq!(hash("w", &[A, B]), hash("w", &[SLOW, B]));
        let others = [
            hash("w", &[B, A]),
            hash("w", &[A]),
            hash("v", &[A, B]),
            hash("w", &[A.outside_effect(), B]),
        ];
        assert!(others.iter().all(|other| *other != hash("w", &[A, B])));
        assert_eq!(
            hash("w", &[A, B]).to_string(),
            "463289da00543c58",
            "stored hashes never change"
        );
    }
}
