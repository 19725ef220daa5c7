//! Asking the provider for a batch's results, and what its answer means.

use lumina_fullenrich::{Answer, EnrichmentId, Permit, ReadOutcome, Refusal, RefusalKind, TryLater};
use lumina_workflow::StepError;

use super::context::Context;

/// What a question for results brought.
pub(super) enum Reading {
    /// The final answer.
    Answered(Answer),
    /// The batch is still being worked on.
    Running,
    /// The provider does not know the batch, or no longer.
    Gone(Refusal),
    /// The provider does not take the key.
    KeyRefused(Refusal),
    /// It refuses the question for another reason.
    Refused(Refusal),
    /// This minute's calls are used up; the error brings the step back when there are new ones.
    Limited(StepError),
    /// There was no usable answer.
    NotAnswered(TryLater),
}

/// Asks once.
pub(super) async fn read(context: &Context, permit: Permit, id: &EnrichmentId) -> Reading {
    match context.provider.client.read_batch(permit, id).await {
        ReadOutcome::Finished(answer) | ReadOutcome::CreditsInsufficient(answer) | ReadOutcome::Canceled(answer) => {
            Reading::Answered(answer)
        }
        ReadOutcome::Running { .. } => Reading::Running,
        ReadOutcome::NotFound(refusal) => Reading::Gone(refusal),
        ReadOutcome::Refused(refusal) if refusal.kind == RefusalKind::Unauthorized => Reading::KeyRefused(refusal),
        ReadOutcome::Refused(refusal) => Reading::Refused(refusal),
        ReadOutcome::NotAnswered(later) if later.is_rate_limited() => Reading::Limited(limited(context, later)),
        ReadOutcome::NotAnswered(later) => Reading::NotAnswered(later),
    }
}

/// A limit that was hit uses up no attempt: the limiter already knows until when it is closed.
pub(super) fn limited(context: &Context, later: TryLater) -> StepError {
    let now = context.runtime.now();
    let limiter = context.provider.client.limiter();
    let until = match later.retry_after {
        Some(delay) => limiter.exhausted_for(now, delay),
        None => limiter.exhausted_until_next_minute(now),
    };
    StepError::defer(until.delay(now), later)
}
