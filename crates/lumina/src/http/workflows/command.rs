//! `POST /api/workflows/{id}/cancel` and `.../retry`.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use uuid::Uuid;

use super::read_id;
use crate::http::error::ApiError;
use crate::http::patience::commit;
use crate::http::query::Named;
use crate::http::state::HttpState;

/// Who asks, in the run's history.
pub(super) const BY: &str = "api";

/// A wish that is recorded.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Commanded {
    workflow_id: Uuid,
    /// False when the same had been asked for before.
    effective: bool,
}

/// Asks a workflow to end. 409 when it has ended.
pub(in crate::http) async fn cancel(
    State(state): State<HttpState>,
    Named(id): Named,
) -> Result<Json<Commanded>, ApiError> {
    let run = read_id(&id)?;
    let effective = commit(&state, state.app.engine.cancel(run, BY)).await?;
    let workflow_id = run.0;
    Ok(Json(Commanded { workflow_id, effective }))
}

/// Lets a blocked workflow try again. 409 when it is not blocked.
pub(in crate::http) async fn retry(
    State(state): State<HttpState>,
    Named(id): Named,
) -> Result<Json<Commanded>, ApiError> {
    let run = read_id(&id)?;
    let effective = commit(&state, state.app.engine.retry(run, BY)).await?;
    let workflow_id = run.0;
    Ok(Json(Commanded { workflow_id, effective }))
}
