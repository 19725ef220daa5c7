//! Before a deploy: which open runs does the code that is registered here not fit?

use crate::board::Fault;
use crate::driver::read_history;
use crate::engine::{Engine, EngineError};
use crate::execution::{Execution, Look};
use crate::id::RunId;
use crate::replay::Replay;
use crate::store::{RunQuery, RunRow, RunStatus};

/// How many runs are looked at in one go.
const PAGE: usize = 100;

/// An open run that the code does not fit.
///
/// An example is at [`CheckReport`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfitting {
    /// The run.
    pub run: RunId,
    /// Its workflow.
    pub workflow: String,
    /// How it does not fit.
    pub kind: MisfitKind,
    /// What differs, in words.
    pub reason: String,
}

/// How code does not fit a history.
///
/// An example is at [`CheckReport`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MisfitKind {
    /// A step is somewhere else now.
    Moved,
    /// A step is there no more.
    Vanished,
    /// A step is there that was not.
    Appeared,
    /// Something else, such as an unknown workflow, an input that cannot be read, or a panic.
    Other,
}

/// What a check has found.
///
/// ```
/// # use lumina_workflow::testing::TestEngine;
/// # use lumina_workflow::{Failure, Run, Step, Workflow};
/// # const ASK: Step = Step::action("ask");
/// # const ANSWER: Step = Step::wait("wait-for-answer", "answer").timeout("1d");
/// # struct Survey;
/// # impl Workflow for Survey {
/// #     const NAME: &'static str = "survey";
/// #     const STEPS: &'static [Step] = &[ASK, ANSWER];
/// #     type Input = ();
/// #     type Output = ();
/// #     async fn run(&self, run: &Run, (): ()) -> Result<(), Failure> {
/// #         run.step(ASK, |_| async { Ok(()) }).await?;
/// #         run.wait(ANSWER).await
/// #     }
/// # }
/// # let kit = TestEngine::new().register(Survey);
/// # kit.start::<Survey>(&());
/// # kit.settle();
/// # let engine = kit.engine();
/// # kit.block_on(async {
/// let report = engine.check().await?;
/// for misfit in &report.misfits {
///     println!("run {} of {} would be blocked ({:?}): {}", misfit.run, misfit.workflow, misfit.kind, misfit.reason);
/// }
/// # assert_eq!((report.checked, report.misfits.len()), (1, 0));
/// # Ok::<(), lumina_workflow::EngineError>(())
/// # })?;
/// # Ok::<(), lumina_workflow::EngineError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// How many open runs were looked at.
    pub checked: usize,
    /// Those that the code does not fit.
    pub misfits: Vec<Misfitting>,
}

impl Engine {
    /// Executes the code of all open runs on their histories, without a step of it acting and without writing
    /// anything, and tells which of them it does not fit. Each of these would be blocked.
    ///
    /// A run's history is read as it is at that moment; a run that goes on meanwhile is checked as far as it
    /// had come.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn check(&self) -> Result<CheckReport, EngineError> {
        let mut report = CheckReport::default();
        let mut query = RunQuery {
            statuses: RunStatus::ALL.into_iter().filter(|status| !status.is_end()).collect(),
            limit: PAGE,
            ..RunQuery::default()
        };
        loop {
            let page = self.runs(query.clone()).await?;
            for row in &page.items {
                report.checked += 1;
                report.misfits.extend(self.check_run(row).await?);
            }
            query.before = page.next;
            if query.before.is_none() {
                return Ok(report);
            }
        }
    }

    async fn check_run(&self, row: &RunRow) -> Result<Option<Misfitting>, EngineError> {
        let misfit = |kind, reason| {
            let (run, workflow) = (row.id, row.workflow.clone());
            Some(Misfitting {
                run,
                workflow,
                kind,
                reason,
            })
        };
        let Some(definition) = self.shell.definitions.get(row.workflow.as_str()) else {
            let reason = format!("no workflow named {} is registered here", row.workflow);
            return Ok(misfit(MisfitKind::Other, reason));
        };
        let records = read_history(&**self.store(), row.id).await?;
        let replay = Replay::fold(&records, row.phase);
        let known: Vec<String> = replay.steps.values().map(|known| known.step.name.clone()).collect();
        let mut execution = Execution::begin(self.runtime().clone(), definition, row, row.phase, replay);
        let Look::Fault(fault) = execution.look() else {
            return Ok(None);
        };
        let kind = judge(&fault, &known, |name| definition.steps.contains_key(name));
        Ok(misfit(kind, fault.to_string()))
    }
}

/// A step that the code has and history has not has appeared; one that the code does not even declare any more has
/// vanished; what both have is somewhere else.
fn judge(fault: &Fault, known: &[String], is_declared: impl Fn(&str) -> bool) -> MisfitKind {
    let Fault::Misfit(misfit) = fault else {
        return MisfitKind::Other;
    };
    match &misfit.now {
        None => MisfitKind::Vanished,
        Some(_) if !is_declared(&misfit.then.name) => MisfitKind::Vanished,
        Some(now) if !known.contains(&now.name) => MisfitKind::Appeared,
        Some(_) => MisfitKind::Moved,
    }
}
