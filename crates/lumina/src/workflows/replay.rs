//! A stored answer that is routed anew.

use lumina_fullenrich::Answer;
use lumina_workflow::{EngineError, StartOptions, StepError};

use super::LateAnswer;
use super::context::Context;
use crate::records::{ListedAnswer, Records, Replayed};

/// Routes a stored answer as if it came in again and were new. Its signature was checked when it came. `None` when it
/// does not name a batch, which none that is stored does.
///
/// # Errors
/// When the database does not take it, or the engine is being shut down.
pub async fn replay(
    context: &Context,
    stored: &ListedAnswer,
    answer: &Answer,
) -> Result<Option<Replayed>, EngineError> {
    let Some(mut new) = context.make_answer(&answer.into(), answer.raw().clone(), stored.source)? else {
        return Ok(None);
    };
    let gone = |error: StepError| EngineError::Invalid(error.message);
    // A run that applied it before, and failed, is not in the way of this one.
    let key = format!("{}/{}", stored.id.0, context.runtime.new_id());
    let options = StartOptions::keyed(key).priority(new.late_run.priority);
    new.late_run = context
        .engine()
        .map_err(gone)?
        .prepare::<LateAnswer>(&stored.id, options)?;
    new.id = stored.id;
    let done = context.transact(Records::replay_answer(new)).await?;
    Ok(Some(done.decode()?))
}
