//! Waiting for a batch's results, asking for them, and applying them.

use std::sync::Arc;

use futures_util::{FutureExt, pin_mut, select_biased};
use lumina_fullenrich::{Answer, EnrichmentId, Permit, ReadOutcome};
use lumina_workflow::{Attempt, Failure, FailureKind, Run, RunId, Step, StepError};

use super::context::{Context, answer_of};
use super::results::{judge, looked_at_everything};
use super::submission::Sent;
use super::subscriber_enrichment::{LAST_GET, POLL, POLL_PAUSE, WAIT};
use crate::records::{AnswerId, AnswerRef, AnswerSource, Applied, JobAnswer, Records};

/// Waits for the callback, asking now and then, and a last time before the deadline's verdict.
pub(super) async fn await_answer(run: &Run, context: &Arc<Context>, sent: &Sent) -> Result<AnswerRef, Failure> {
    let deadline = sent
        .posted_at
        .saturating_add(context.settings.deadline)
        .unwrap_or(sent.posted_at);
    let told = {
        let wait = run.wait_or_timeout::<AnswerRef>(WAIT.until(deadline)).fuse();
        let polling = keep_polling(run, context, sent).fuse();
        pin_mut!(wait, polling);
        select_biased! {
            told = wait => told?,
            failure = polling => return Err(failure),
        }
    };
    match told {
        Some(answer) => Ok(answer),
        None => ask_last(run, context, sent).await,
    }
}

/// Asks at the configured times. What comes back is stored and told like a callback, so it
/// ends the wait and not this.
async fn keep_polling(run: &Run, context: &Arc<Context>, sent: &Sent) -> Failure {
    let settings = &context.settings;
    let (mut pause, every) = match context.provider.callback {
        Some(_) => (settings.poll_first, settings.poll_every),
        None => (settings.poll_without_webhook, settings.poll_without_webhook),
    };
    loop {
        run.sleep(POLL_PAUSE, pause).await;
        pause = every;
        if let Err(failure) = ask(run, POLL, context, sent).await {
            tracing::warn!(run = %run.id(), %failure, "the provider could not be asked for results; it is asked again");
        }
    }
}

async fn ask_last(run: &Run, context: &Arc<Context>, sent: &Sent) -> Result<AnswerRef, Failure> {
    if ask(run, LAST_GET, context, sent).await.unwrap_or(false) {
        let grace = std::time::Duration::from_secs(60);
        if let Some(answer) = run.wait_or_timeout::<AnswerRef>(WAIT.within(grace)).await? {
            return Ok(answer);
        }
    }
    Err(Failure {
        kind: FailureKind::TimedOut,
        step: Some(WAIT.name.to_owned()),
        ..Failure::new(format!(
            "FullEnrich did not finish the batch {} within its deadline",
            sent.enrichment
        ))
    })
}

/// Asks for the results once. True when they are there.
async fn ask(run: &Run, step: Step, context: &Arc<Context>, sent: &Sent) -> Result<bool, Failure> {
    let (gate, act, enrichment) = (context.clone(), context.clone(), sent.enrichment.clone());
    let open = move || {
        let permit = gate.permit();
        async move { permit }
    };
    run.gated_step(step, open, move |attempt, permit| {
        let (context, enrichment) = (act.clone(), enrichment.clone());
        async move { read(&context, &attempt, permit, &enrichment).await }
    })
    .await
}

async fn read(context: &Context, attempt: &Attempt, permit: Permit, enrichment: &str) -> Result<bool, StepError> {
    let id = EnrichmentId::parse(enrichment).map_err(StepError::fail)?;
    let answer = match context.provider.client.read_batch(permit, &id).await {
        ReadOutcome::Finished(answer) | ReadOutcome::CreditsInsufficient(answer) | ReadOutcome::Canceled(answer) => {
            answer
        }
        ReadOutcome::Running { .. } => return Ok(false),
        ReadOutcome::NotFound(refusal) | ReadOutcome::Refused(refusal) => {
            tracing::warn!(enrichment, %refusal, "the provider does not tell the results");
            return Ok(false);
        }
        ReadOutcome::NotAnswered(later) if later.is_rate_limited() => {
            let delay = later.retry_after.unwrap_or(std::time::Duration::from_secs(60));
            return Err(StepError::defer(delay, later));
        }
        ReadOutcome::NotAnswered(later) => return Err(StepError::retry(later)),
    };
    let stored = context
        .make_answer(&answer, AnswerSource::Poll)
        .map_err(StepError::retry)?;
    if let Some(stored) = stored {
        attempt.attach(Records::store_answer(stored));
    }
    Ok(true)
}

/// Applies a stored answer; with `close`, in the same transaction that ends the run's batch.
pub(super) async fn process_step(
    run: &Run,
    step: Step,
    context: Arc<Context>,
    answer: AnswerId,
    close: Option<RunId>,
) -> Result<Applied, Failure> {
    run.step(step, move |attempt| {
        let context = context.clone();
        async move { process(&context, &attempt, answer, close).await }
    })
    .await
}

async fn process(
    context: &Arc<Context>,
    attempt: &Attempt,
    id: AnswerId,
    close: Option<RunId>,
) -> Result<Applied, StepError> {
    let stored = context.records.answer(id).await.map_err(StepError::retry)?;
    let stored = stored.ok_or_else(|| StepError::fail(format!("answer {} is not stored", id.0)))?;
    let profile = context.profile.clone();
    let read = move || -> Result<_, StepError> {
        let answer: Answer = answer_of(stored.body.into()).map_err(StepError::fail)?;
        let result = answer.result();
        Ok((judge(result, &profile), result.credits(), looked_at_everything(result)))
    };
    let (results, cost, looked_at) = attempt.blocking(read).await?;
    let count = |wanted: fn(&JobAnswer) -> bool| results.iter().filter(|(_, answer)| wanted(answer)).count() as u64;
    let applied = Applied {
        enriched: count(|answer| matches!(answer, JobAnswer::Found(_))),
        not_found: count(|answer| matches!(answer, JobAnswer::NotFound)),
        not_looked_at: count(|answer| matches!(answer, JobAnswer::NotLookedAt)),
        stale: 0,
    };
    attempt.attach(Records::apply_answer(id, results, cost, !looked_at, close));
    Ok(applied)
}
