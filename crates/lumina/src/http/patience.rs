//! How long something may take.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use lumina_workflow::{EngineError, Runtime};

use super::error::ApiError;
use super::state::HttpState;

/// How long a commit is waited for. A locked file is given up after 10 s, and platforms give up earlier; but a commit
/// of unknown outcome is repeated without end, and its sender shall have an answer.
const COMMIT_PATIENCE: Duration = Duration::from_secs(15);

/// The work's result, or nothing when it takes longer than this.
pub(super) async fn within<T>(runtime: &dyn Runtime, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    match select(pin!(work), runtime.sleep(limit)).await {
        Either::Left((result, _)) => Some(result),
        Either::Right(_) => None,
    }
}

/// What was committed, durably; a refusal when that is not known in time. What was not answered may be stored
/// nevertheless, so everything that goes this way can be sent again.
pub(super) async fn commit<T>(
    state: &HttpState,
    work: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, ApiError> {
    let done = within(&*state.app.context.runtime, COMMIT_PATIENCE, work).await;
    let done = done.ok_or_else(|| ApiError::unavailable("a commit took longer than anybody waits"))?;
    Ok(done?)
}
