//! `GET /api/dashboard/metrics`: the numbers of the dashboard.

use axum::Json;
use axum::extract::State;

use super::error::ApiError;
use super::state::HttpState;
use crate::records::Metrics;

/// As the database stands.
pub(super) async fn show(State(state): State<HttpState>) -> Result<Json<Metrics>, ApiError> {
    let context = &state.app.context;
    let view = context.settings.view(context.runtime.now());
    Ok(Json(context.records.metrics(view).await?))
}
