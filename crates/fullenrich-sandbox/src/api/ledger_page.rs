//! The sandbox's own calls: its ledger, and buying credits.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::refusal::Refusal;
use crate::sandbox::Sandbox;

#[derive(Deserialize)]
pub(super) struct View {
    #[serde(default)]
    summary: bool,
}

#[derive(Deserialize)]
pub(super) struct Purchase {
    add: u64,
}

/// `GET /sandbox/ledger`, with `?summary=true` the totals only.
pub(super) async fn show(State(sandbox): State<Arc<Sandbox>>, Query(view): Query<View>) -> Response {
    if view.summary {
        return Json(sandbox.totals()).into_response();
    }
    Json(sandbox.report()).into_response()
}

/// `POST /sandbox/credits` with `{"add": n}`.
pub(super) async fn add_credits(
    State(sandbox): State<Arc<Sandbox>>,
    Json(purchase): Json<Purchase>,
) -> Result<Response, Refusal> {
    let balance = sandbox.add_credits(purchase.add)?;
    Ok(Json(json!({"balance": balance})).into_response())
}
