//! Workflows: an async function and the list of its steps.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::duration::parse_duration;
use crate::error::Failure;
use crate::event::EVENT_NAME_LIMIT;
use crate::flow::{Flow, FlowLimits};
use crate::id::DefinitionHash;
use crate::payload::{Payload, PayloadError};
use crate::run::Run;
use crate::step::{Matching, STEP_NAME_LIMIT, Step, StepKind, StepPlan};

/// A workflow: code whose every effect is a named step.
///
/// The code is executed from the top each time a run is resumed, and recorded steps answer
/// from history. So between steps it must be a function of its input and of what steps
/// answered: no clock, no randomness, no I/O, no shared state; and it may await only what
/// [`Run`] gives it.
///
/// ```
/// use lumina_workflow::{Failure, Run, Step, StepError, Workflow};
///
/// const BOOK: Step = Step::action("book");
/// const CONFIRM: Step = Step::action("confirm");
/// const UNDO: Step = Step::action("undo");
///
/// struct Table;
///
/// impl Workflow for Table {
///     const NAME: &'static str = "table";
///     const STEPS: &'static [Step] = &[BOOK, CONFIRM, UNDO];
///     type Input = u32;
///     type Output = String;
///
///     async fn run(&self, run: &Run, guests: u32) -> Result<String, Failure> {
///         let table: u32 = run.step(BOOK, move |_| async move { Ok(guests + 10) }).await?;
///         run.step(CONFIRM, |_| async { Err::<(), _>(StepError::fail("the kitchen is closed")) }).await?;
///         Ok(format!("table {table}"))
///     }
///
///     async fn on_failure(&self, run: &Run, _guests: u32, _failure: &Failure) -> Result<(), Failure> {
///         run.step(UNDO, |_| async { Ok(()) }).await
///     }
/// }
/// # let kit = lumina_workflow::testing::TestEngine::new().register(Table);
/// # let run = kit.start::<Table>(&4);
/// # kit.end::<Table>(run).unwrap_err();
/// # kit.history(run).assert_includes(["book: done 1", "confirm: failed for good", "! undo: done 1"]);
/// ```
pub trait Workflow: Send + Sync + 'static {
    /// Its name: the key under which runs are stored.
    const NAME: &'static str;
    /// Every step that [`run`](Self::run) or [`on_failure`](Self::on_failure) can reach.
    const STEPS: &'static [Step];
    /// How long a run may take, from when it is first executed; then it ends as if it had been cancelled.
    /// Time in which it is paused or blocked counts, but only when it goes on.
    const DEADLINE: Option<&'static str> = None;
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
            let output = Payload::encode(&output).map_err(Ended::Unwritable)?;
            output.measure("a run's output").map_err(Ended::Unwritable)?;
            Ok(output)
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
    /// How long a run may take.
    pub deadline: Option<Duration>,
    pub flow: FlowLimits,
    pub code: Arc<dyn AnyWorkflow>,
}

/// What is wrong with a declaration. Found when it is registered, before anything runs.
///
/// ```
/// # use lumina_workflow::{deterministic::DeterministicRuntime, store::memory::MemoryStore, StoreClock};
/// use lumina_workflow::{Engine, Failure, Run, Step, Workflow};
///
/// struct Endless;
///
/// impl Workflow for Endless {
///     const NAME: &'static str = "endless";
///     const STEPS: &'static [Step] = &[Step::wait("wait-for-ever", "never")];
/// #    type Input = ();
/// #    type Output = ();
/// #    async fn run(&self, _: &Run, (): ()) -> Result<(), Failure> {
/// #        Ok(())
/// #    }
///     // ...
/// }
/// # let runtime = std::sync::Arc::new(DeterministicRuntime::new(1));
/// # let store = std::sync::Arc::new(MemoryStore::new(StoreClock::of(runtime.clone())));
/// let refused = Engine::builder(store, runtime).register(Endless).err().expect("it has no deadline");
/// assert!(refused.to_string().contains("a wait needs a deadline"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// Two workflows of one name.
    #[error("workflow {workflow} is registered twice")]
    DuplicateWorkflow {
        /// Its name.
        workflow: String,
    },
    /// Something about a workflow as a whole cannot work as declared.
    #[error("workflow {workflow}: {problem}")]
    Workflow {
        /// The workflow.
        workflow: String,
        /// What is wrong, in words.
        problem: String,
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
    /// A schedule cannot work as declared.
    #[error("schedule {schedule}: {problem}")]
    Schedule {
        /// The schedule.
        schedule: String,
        /// What is wrong, in words.
        problem: String,
    },
}

/// Durations and limits from configuration, instead of the declared ones.
///
/// An example is at [`EngineBuilder`](crate::EngineBuilder).
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    timeouts: BTreeMap<String, Duration>,
    first_delays: BTreeMap<String, Duration>,
    deadline: Option<Duration>,
    flow: Option<FlowLimits>,
}

impl Overrides {
    /// Sets a step's timeout or deadline.
    #[must_use]
    pub fn timeout(mut self, step: &Step, duration: Duration) -> Self {
        self.timeouts.insert(step.name.to_owned(), duration);
        self
    }

    /// Sets the delay before a step's second attempt; those after it grow as declared.
    #[must_use]
    pub fn first_delay(mut self, step: &Step, duration: Duration) -> Self {
        self.first_delays.insert(step.name.to_owned(), duration);
        self
    }

    /// Sets how long a run may take.
    #[must_use]
    pub fn deadline(mut self, duration: Duration) -> Self {
        self.deadline = Some(duration);
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
            if let Some(delay) = overrides.first_delays.get(step.name) {
                plan.retry.start_with(*delay);
            }
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
            .chain(overrides.first_delays.keys())
            .find(|name| !steps.contains_key(name.as_str()))
        {
            return Err(DefinitionError::Step {
                workflow: W::NAME.to_owned(),
                step: stranger.clone(),
                problem: "has a configured duration but is not declared".to_owned(),
            });
        }
        let deadline = read_deadline::<W>(overrides)?;
        let flow = read_flow::<W>(overrides.flow)?;
        let code = Arc::new(workflow);
        Ok(Self {
            name: W::NAME,
            hash: hash(W::NAME, W::STEPS),
            steps,
            order: W::STEPS,
            deadline,
            flow,
            code,
        })
    }
}

fn read_deadline<W: Workflow>(overrides: &Overrides) -> Result<Option<Duration>, DefinitionError> {
    let wrong = |problem: String| DefinitionError::Workflow {
        workflow: W::NAME.to_owned(),
        problem,
    };
    let declared = W::DEADLINE.map(parse_duration).transpose();
    let deadline = overrides
        .deadline
        .or(declared.map_err(|error| wrong(error.to_string()))?);
    match deadline {
        Some(Duration::ZERO) => Err(wrong("a deadline of zero leaves no time for anything".to_owned())),
        other => Ok(other),
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
        .event_names()
        .any(|event| event.is_empty() || event.len() > EVENT_NAME_LIMIT)
    {
        return Some(format!("an event's name must have 1 to {EVENT_NAME_LIMIT} bytes"));
    }
    if step.kind == StepKind::Wait && plan.timeout.is_none() {
        return Some("a wait needs a deadline: add .timeout(\"24h\")".to_owned());
    }
    if step.matching != Matching::One && step.events.is_empty() {
        return Some("a wait for several events needs their names".to_owned());
    }
    if step.kind == StepKind::Child && (plan.timeout.is_some() || step.retry.attempts != 1) {
        return Some("a child's times and attempts are declared by its own workflow".to_owned());
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
        if step.matching != Matching::One {
            fold(if step.matching == Matching::Any { "any" } else { "all" });
            step.events.iter().for_each(|event| fold(event));
        }
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
