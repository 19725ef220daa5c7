//! The sandbox's own calls for holding a POST back.

use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::{Either, select};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::endpoints::Shared;
use super::refusal::Refusal;
use crate::holds::HoldAt;

#[derive(Deserialize)]
struct Arming {
    at: HoldAt,
}

#[derive(Deserialize)]
pub(super) struct Patience {
    /// In milliseconds.
    #[serde(default)]
    wait: u64,
}

/// `POST /sandbox/holds` with `{"at": "accepted"}` or `{"at": "before"}`: the next POST is held there.
pub(super) async fn arm(State(sandbox): Shared, body: Bytes) -> Result<StatusCode, Refusal> {
    let arming: Arming = serde_json::from_slice(&body)
        .map_err(|error| Refusal::Unreadable(format!("This says not where to hold: {error}")))?;
    sandbox.holds().arm(arming.at);
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /sandbox/holds?wait=ms`: the POST that is held, once there is one within that time.
pub(super) async fn show(State(sandbox): Shared, Query(patience): Query<Patience>) -> Response {
    let held = Box::pin(sandbox.holds().held());
    let time = sandbox.clock().sleep(Duration::from_millis(patience.wait));
    let closed = Box::pin(sandbox.closed());
    let held = match select(held, select(time, closed)).await {
        Either::Left((held, _)) => held,
        Either::Right(_) => None,
    };
    Json(json!({"held": held})).into_response()
}

/// `DELETE /sandbox/holds`: what is held goes on, and nothing else is held.
pub(super) async fn release(State(sandbox): Shared) -> StatusCode {
    sandbox.holds().release();
    StatusCode::NO_CONTENT
}
