//! `POST /api/workflows/{id}/cancel`, `pause`, `resume`, `retry` and `restart`.

use axum::Json;
use axum::extract::State;
use http::Uri;
use lumina_workflow::{MayRepeat, RestartFrom, RunId, StepKey};
use serde::Serialize;
use uuid::Uuid;

use super::read_id;
use crate::http::error::ApiError;
use crate::http::patience::commit;
use crate::http::query::{Named, Parameters};
use crate::http::state::HttpState;

/// No name of who asks is longer: it is kept with the run.
const WHO_LIMIT: usize = 100;

/// A wish that is recorded.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Commanded {
    workflow_id: Uuid,
    /// False when the same had been asked for before.
    effective: bool,
}

fn commanded(run: RunId, effective: bool) -> Json<Commanded> {
    let workflow_id = run.0;
    Json(Commanded { workflow_id, effective })
}

/// Who asks, for the run's history: `by`, as whoever holds the token says.
pub(in crate::http) fn read_who(parameters: &Parameters) -> Result<String, ApiError> {
    match parameters.get("by") {
        None => Ok("api".to_owned()),
        Some(by) if (1..=WHO_LIMIT).contains(&by.len()) => Ok(format!("api:{by}")),
        Some(_) => Err(ApiError::invalid_query(
            "by",
            format!("it must have 1 to {WHO_LIMIT} bytes"),
        )),
    }
}

/// Asks a workflow to end. 409 when it has ended.
pub(in crate::http) async fn cancel(
    State(state): State<HttpState>,
    Named(id): Named,
    uri: Uri,
) -> Result<Json<Commanded>, ApiError> {
    let (run, by) = (read_id(&id)?, read_who(&Parameters::read(&uri, &["by"])?)?);
    let effective = commit(&state, state.app.engine.cancel(run, &by)).await?;
    Ok(commanded(run, effective))
}

/// Holds a workflow. 409 when it has ended or is blocked.
pub(in crate::http) async fn pause(
    State(state): State<HttpState>,
    Named(id): Named,
    uri: Uri,
) -> Result<Json<Commanded>, ApiError> {
    let (run, by) = (read_id(&id)?, read_who(&Parameters::read(&uri, &["by"])?)?);
    let effective = commit(&state, state.app.engine.pause(run, &by)).await?;
    Ok(commanded(run, effective))
}

/// Lets a paused workflow go on, or a blocked one try again. 409 when it is neither.
pub(in crate::http) async fn resume(
    State(state): State<HttpState>,
    Named(id): Named,
    uri: Uri,
) -> Result<Json<Commanded>, ApiError> {
    let (run, by) = (read_id(&id)?, read_who(&Parameters::read(&uri, &["by"])?)?);
    let effective = commit(&state, state.app.engine.resume(run, &by)).await?;
    Ok(commanded(run, effective))
}

/// Lets a failed workflow try again from the step it failed in, or a blocked one. 409 when it is neither, or when it would
/// do again what it has done outside, unless `mayRepeatEffects` is true.
pub(in crate::http) async fn retry(
    State(state): State<HttpState>,
    Named(id): Named,
    uri: Uri,
) -> Result<Json<Commanded>, ApiError> {
    let parameters = Parameters::read(&uri, &["by", "mayRepeatEffects"])?;
    let (run, by) = (read_id(&id)?, read_who(&parameters)?);
    let may_repeat = read_may_repeat(&parameters)?;
    let effective = commit(&state, state.app.engine.retry(run, &by, may_repeat)).await?;
    Ok(commanded(run, effective))
}

/// Does a workflow again from the step `from` (with `key`: `#2` for the second of that name, or its key), or from its
/// first line. 409 when it is running, has no such step, or would do again what it has done outside, unless
/// `mayRepeatEffects` is true.
pub(in crate::http) async fn restart(
    State(state): State<HttpState>,
    Named(id): Named,
    uri: Uri,
) -> Result<Json<Commanded>, ApiError> {
    let parameters = Parameters::read(&uri, &["by", "from", "key", "mayRepeatEffects"])?;
    let (run, by) = (read_id(&id)?, read_who(&parameters)?);
    let (from, may_repeat) = (read_from(&parameters)?, read_may_repeat(&parameters)?);
    let effective = commit(&state, state.app.engine.restart(run, &from, &by, may_repeat)).await?;
    Ok(commanded(run, effective))
}

fn read_may_repeat(parameters: &Parameters) -> Result<MayRepeat, ApiError> {
    Ok(match parameters.flag("mayRepeatEffects")? {
        true => MayRepeat::Effects,
        false => MayRepeat::Nothing,
    })
}

fn read_from(parameters: &Parameters) -> Result<RestartFrom, ApiError> {
    let key = parameters.get("key").map(read_key).transpose()?;
    match (parameters.get("from"), key) {
        (Some(name), key) => Ok(RestartFrom::Step {
            name: name.to_owned(),
            key,
        }),
        (None, None) => Ok(RestartFrom::Beginning),
        (None, Some(_)) => Err(ApiError::invalid_query(
            "key",
            "it says which step `from` means; say `from` as well",
        )),
    }
}

fn read_key(text: &str) -> Result<StepKey, ApiError> {
    match text.strip_prefix('#') {
        None => Ok(StepKey::Given(text.to_owned())),
        Some(number) => number
            .parse()
            .map(StepKey::Occurrence)
            .map_err(|_| ApiError::invalid_query("key", "behind # stands a number, such as #2")),
    }
}
