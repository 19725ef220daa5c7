//! Late results: batches that were given up unanswered are asked about again, because they may have been paid for; and
//! what is stored of a batch whose run is over, and nobody has applied, is applied.

use std::sync::Arc;

use lumina_fullenrich::{CallKind, EnrichmentId};
use lumina_workflow::{Attempt, Failure, Retry, Run, Step, StepError, Workflow};
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::reading::{Reading, read};
use super::waiting::read_all;
use crate::guards::Guard;
use crate::records::Records;

/// Asks about each batch whose time has come.
const ASK: Step = Step::action("ask-for-late-results")
    .timeout("5m")
    .retry(Retry::exponential(3));

/// How many of them one transaction's read finds.
const AT_ONCE: usize = 100;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LateReport {
    /// Batches whose answer is there now, and is being applied.
    pub answered: u64,
    /// Batches that the provider no longer knows.
    pub gone: u64,
    /// Batches that are asked about again.
    pub left: u64,
}

/// Asks once about all that are due.
pub struct LateResults {
    context: Arc<Context>,
}

impl LateResults {
    /// In this context.
    #[must_use]
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }
}

impl Workflow for LateResults {
    const NAME: &'static str = "late-results";
    const STEPS: &'static [Step] = &[ASK];
    type Input = ();
    type Output = LateReport;

    async fn run(&self, run: &Run, (): ()) -> Result<LateReport, Failure> {
        let context = self.context.clone();
        run.step(ASK, move |attempt| {
            let context = context.clone();
            async move { ask_all(&context, &attempt).await }
        })
        .await
    }
}

/// What is asked about is due no more, so that an attempt that is interrupted goes on where it stopped.
async fn ask_all(context: &Arc<Context>, attempt: &Attempt) -> Result<LateReport, StepError> {
    let mut report = LateReport::default();
    let now = context.runtime.now();
    let due = context.records.due_for_asking(now, AT_ONCE).await;
    for enrichment in due.map_err(StepError::retry)? {
        match apply_stored(context, attempt, &enrichment).await? {
            true => report.answered += 1,
            false => *ask(context, &enrichment, &mut report).await? += 1,
        }
    }
    Ok(report)
}

/// Applies what is stored and was left to nobody else. Whether that was the end.
async fn apply_stored(context: &Arc<Context>, attempt: &Attempt, enrichment: &str) -> Result<bool, StepError> {
    let left = context
        .records
        .unapplied_of(enrichment)
        .await
        .map_err(StepError::retry)?;
    if !left.is_empty() && !Guard::LateAnswers.is_removed() {
        let told = read_all(context, attempt, left).await?;
        let applied = context.transact(Records::apply_answers(told)).await;
        applied.map_err(StepError::retry)?;
    }
    let ended = Records::stop_asking_if_ended(enrichment.to_owned());
    let ended = context.transact(ended).await.map_err(StepError::retry)?;
    ended.decode().map_err(StepError::fail)
}

async fn ask<'r>(context: &Context, enrichment: &str, report: &'r mut LateReport) -> Result<&'r mut u64, StepError> {
    let id = EnrichmentId::parse(enrichment).map_err(StepError::fail)?;
    let permit = context.permit(CallKind::Poll).await?;
    let later = || Records::ask_later(enrichment.to_owned(), context.settings.late_poll);
    let (writes, count) = match read(context, permit, &id).await {
        Reading::Answered(answer) => {
            let stored = context.make_told(&answer, &id).map_err(StepError::retry)?;
            (Records::store_answer(stored), &mut report.answered)
        }
        Reading::Gone(_) => (Records::mark_gone(enrichment.to_owned()), &mut report.gone),
        Reading::KeyRefused(refusal) => return Err(context.pause_for(&refusal).await),
        Reading::Limited(error) => return Err(error),
        Reading::Running | Reading::Refused(_) | Reading::NotAnswered(_) => (later(), &mut report.left),
    };
    context.transact(writes).await.map_err(StepError::retry)?;
    Ok(count)
}
