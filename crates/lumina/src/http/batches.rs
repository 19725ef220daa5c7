//! `POST /api/enrichment/batches`: starts what is pending.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use uuid::Uuid;

use super::error::ApiError;
use super::patience::commit;
use super::state::HttpState;
use crate::workflows::sweep;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Started {
    workflow_ids: Vec<Uuid>,
    jobs: u64,
    /// What is in the way, when something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<String>,
}

/// Starts workflows for the pending jobs that none works off. Creates no job: what somebody declined stays so.
pub(super) async fn start(State(state): State<HttpState>) -> Result<Json<Started>, ApiError> {
    let swept = commit(&state, sweep(&state.app.context)).await?;
    Ok(Json(Started {
        workflow_ids: swept.started,
        jobs: swept.jobs,
        paused: swept.paused,
    }))
}
