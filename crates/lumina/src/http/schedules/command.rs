//! `POST /api/schedules/{name}/pause`, `.../resume` and `.../trigger`.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use uuid::Uuid;

use crate::http::error::ApiError;
use crate::http::patience::commit;
use crate::http::query::Named;
use crate::http::state::HttpState;

/// Who asks, in the schedule's row.
const BY: &str = "api";

/// A wish that is recorded.
#[derive(Serialize)]
pub(in crate::http) struct Commanded {
    name: String,
    /// False when it was so before.
    effective: bool,
}

/// A workflow that was started.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Triggered {
    name: String,
    workflow_id: Uuid,
}

/// Holds a schedule. What ticks meanwhile is not made up for. 404 when there is none.
pub(in crate::http) async fn pause(
    State(state): State<HttpState>,
    Named(name): Named,
) -> Result<Json<Commanded>, ApiError> {
    let effective = commit(&state, state.app.engine.pause_schedule(&name, BY)).await?;
    Ok(Json(Commanded { name, effective }))
}

/// Lets a schedule go on with its next tick. 404 when there is none.
pub(in crate::http) async fn resume(
    State(state): State<HttpState>,
    Named(name): Named,
) -> Result<Json<Commanded>, ApiError> {
    let effective = commit(&state, state.app.engine.resume_schedule(&name, BY)).await?;
    Ok(Json(Commanded { name, effective }))
}

/// Starts a workflow of a schedule now. 404 when there is none.
pub(in crate::http) async fn trigger(
    State(state): State<HttpState>,
    Named(name): Named,
) -> Result<Json<Triggered>, ApiError> {
    let run = commit(&state, state.app.engine.trigger_schedule(&name, BY)).await?;
    let workflow_id = run.0;
    Ok(Json(Triggered { name, workflow_id }))
}
