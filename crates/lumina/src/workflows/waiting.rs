//! Waiting for a batch's results, asking for them, and applying them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, pin_mut, select_biased};
use lumina_fullenrich::{Answer, CallKind, EnrichmentId, Permit};
use lumina_workflow::{Attempt, Failure, FailureKind, Run, Step, StepError};
use serde::{Deserialize, Serialize};

use super::context::{Context, answer_of};
use super::reading::{Reading, read};
use super::results::{judge, judge_found};
use super::subscriber_enrichment::{KEPT, LAST_GET, POLL, POLL_PAUSE, WAIT};
use crate::records::{AnswerId, AnswerRef, Applied, Out, Records, Verdicts};

/// An answer that has just been stored is told within moments.
const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// What a question for results told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    /// The final answer: it is stored, and comes as an event.
    Answered,
    /// Nothing final yet.
    Running,
    /// The provider does not know the batch any more.
    Gone,
    /// The question was refused.
    Refused(String),
}

/// Waits for the callback, asking now and then, and a last time before the deadline's verdict.
pub(super) async fn await_answer(run: &Run, context: &Arc<Context>, out: &Out) -> Result<AnswerRef, Failure> {
    let deadline = out.posted_at.saturating_add(context.settings.deadline);
    let deadline = deadline.unwrap_or(out.posted_at);
    let told = {
        let wait = run.wait_or_timeout::<AnswerRef>(WAIT.until(deadline)).fuse();
        let polling = keep_polling(run, context, out).fuse();
        pin_mut!(wait, polling);
        select_biased! {
            told = wait => told?,
            failure = polling => return Err(failure),
        }
    };
    match told {
        Some(answer) => Ok(answer),
        None => ask_last(run, context, out).await,
    }
}

/// Asks at the configured times. What comes back is stored and told like a callback, so it
/// ends the wait and not this.
async fn keep_polling(run: &Run, context: &Arc<Context>, out: &Out) -> Failure {
    let settings = &context.settings;
    let (mut pause, every) = match context.provider.callback {
        Some(_) => (settings.poll_first, settings.poll_every),
        None => (settings.poll_without_webhook, settings.poll_without_webhook),
    };
    loop {
        run.sleep(POLL_PAUSE, pause).await;
        pause = every;
        // It is asked again, whatever this came to; what an attempt failed of is logged where it was made, once.
        let _asked = ask(run, POLL, context, out).await;
    }
}

/// At the deadline. What is still running, or cannot be asked about now, is given up here and asked about later.
async fn ask_last(run: &Run, context: &Arc<Context>, out: &Out) -> Result<AnswerRef, Failure> {
    let word = ask(run, LAST_GET, context, out).await;
    if matches!(word, Ok(Word::Answered))
        && let Some(answer) = run.wait_or_timeout::<AnswerRef>(WAIT.within(TOLD_WITHIN)).await?
    {
        return Ok(answer);
    }
    let why = match word {
        Ok(Word::Answered) => "its answer was stored and not told".to_owned(),
        Ok(Word::Running) => "it was still running; its answer is asked for later".to_owned(),
        Ok(Word::Gone) => "FullEnrich does not know it any more".to_owned(),
        Ok(Word::Refused(refusal)) => format!("its results were refused ({refusal}); they are asked for later"),
        Err(failure) => format!("FullEnrich could not be asked ({failure}); it is asked later"),
    };
    Err(Failure {
        kind: FailureKind::TimedOut,
        step: Some(WAIT.name.to_owned()),
        ..Failure::new(format!(
            "the batch {} was not answered within its deadline: {why}",
            out.enrichment
        ))
    })
}

/// Asks for the results once.
async fn ask(run: &Run, step: Step, context: &Arc<Context>, out: &Out) -> Result<Word, Failure> {
    let (gate, act, enrichment) = (context.clone(), context.clone(), out.enrichment.clone());
    let open = move || {
        let gate = gate.clone();
        async move { gate.permit(CallKind::Poll).await }
    };
    run.gated_step(step, open, move |attempt, permit| {
        let (context, enrichment) = (act.clone(), enrichment.clone());
        async move { listen(&context, &attempt, permit, &enrichment).await }
    })
    .await
}

async fn listen(context: &Context, attempt: &Attempt, permit: Permit, enrichment: &str) -> Result<Word, StepError> {
    let id = EnrichmentId::parse(enrichment).map_err(StepError::fail)?;
    match read(context, permit, &id).await {
        Reading::Answered(answer) => {
            let stored = context.make_told(&answer, &id).map_err(StepError::retry)?;
            attempt.attach(Records::store_answer(stored));
            Ok(Word::Answered)
        }
        Reading::Running => Ok(Word::Running),
        Reading::Gone(refusal) => {
            tracing::warn!(enrichment, %refusal, "the provider does not know the batch any more");
            attempt.attach(Records::mark_gone(enrichment.to_owned()));
            Ok(Word::Gone)
        }
        Reading::KeyRefused(refusal) => Err(context.pause_for(&refusal).await),
        Reading::Refused(refusal) => {
            tracing::warn!(enrichment, %refusal, "the provider does not tell the results");
            Ok(Word::Refused(refusal.to_string()))
        }
        Reading::Limited(error) => Err(error),
        Reading::NotAnswered(later) => {
            tracing::warn!(enrichment, reason = %later, "the provider could not be asked for results; it is asked again");
            Err(StepError::retry(later))
        }
    }
}

/// Applies a stored answer.
pub(super) async fn process_step(
    run: &Run,
    step: Step,
    context: Arc<Context>,
    answer: AnswerId,
) -> Result<Applied, Failure> {
    run.step(step, move |attempt| {
        let context = context.clone();
        async move {
            let verdicts = read_verdicts(&context, &attempt, answer).await?;
            let applied = verdicts.count();
            let mut told = Vec::new();
            if verdicts.unnamed_not_looked_at {
                // Whoever it leaves out is sent again: unless somebody else was told before.
                let before = context.records.said_before(answer).await.map_err(StepError::retry)?;
                told = read_all(&context, &attempt, before).await?;
            }
            told.push((answer, verdicts));
            attempt.attach(Records::apply_answers(told));
            Ok(applied)
        }
    })
    .await
}

/// Applies what was said of people and not applied, before an end that never came above all: they were paid for.
pub(super) async fn apply_kept(run: &Run, context: Arc<Context>) -> Result<usize, Failure> {
    let id = run.id();
    run.step(KEPT, move |attempt| {
        let context = context.clone();
        async move {
            let kept = context.records.unapplied_of_run(id).await.map_err(StepError::retry)?;
            let count = kept.len();
            attempt.attach(Records::apply_answers(read_all(&context, &attempt, kept).await?));
            Ok(count)
        }
    })
    .await
}

/// What several answers say.
pub(super) async fn read_all(
    context: &Arc<Context>,
    attempt: &Attempt,
    answers: Vec<AnswerId>,
) -> Result<Vec<(AnswerId, Verdicts)>, StepError> {
    let mut told = Vec::with_capacity(answers.len());
    for answer in answers {
        told.push((answer, read_verdicts(context, attempt, answer).await?));
    }
    Ok(told)
}

/// What an answer says; before the end, of those who were found alone.
async fn read_verdicts(context: &Arc<Context>, attempt: &Attempt, id: AnswerId) -> Result<Verdicts, StepError> {
    let stored = context.records.answer(id).await.map_err(StepError::retry)?;
    let stored = stored.ok_or_else(|| StepError::fail(format!("answer {} is not stored", id.0)))?;
    let context = context.clone();
    let read = move || -> Result<_, StepError> {
        let judge = if stored.is_final { judge } else { judge_found };
        let answer: Answer = answer_of(stored.body.into()).map_err(StepError::fail)?;
        Ok(judge(answer.result(), &context.profile))
    };
    attempt.blocking(read).await
}
