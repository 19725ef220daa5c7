//! `GET /api/dashboard/metrics`: the numbers of the dashboard.

use axum::Json;
use axum::extract::State;

use super::error::ApiError;
use super::state::HttpState;
use crate::records::Metrics;

/// As the database stands.
pub(super) async fn show(State(state): State<HttpState>) -> Result<Json<Metrics>, ApiError> {
    Ok(Json(state.app.records.metrics().await?))
}
