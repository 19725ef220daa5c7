//! `GET /readyz`: whether it makes sense to send something.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tokio::sync::Mutex;

use super::error::{ApiError, ErrorCode};
use super::patience::within;
use super::state::HttpState;
use crate::records::Records;

/// How long a probe may take before the database counts as one that cannot be written.
const PROBE_PATIENCE: Duration = Duration::from_secs(2);

/// Between two probes. Anybody can ask, and each probe costs a flush of the disk.
const PROBE_EVERY: Duration = Duration::from_millis(500);

/// What readiness remembers.
#[derive(Default)]
pub(super) struct Readiness {
    is_stopping: AtomicBool,
    /// When the last probe began, on the monotonic clock. Locked while one is out.
    last_probe: Mutex<Option<Duration>>,
}

impl Readiness {
    pub fn begin_shutdown(&self) {
        self.is_stopping.store(true, Ordering::Release);
    }
}

#[derive(Serialize)]
pub(super) struct Ready {
    status: &'static str,
}

/// 200 when what is sent will be stored, else 503 with the reason.
pub(super) async fn ready(State(state): State<HttpState>) -> Result<Json<Ready>, ApiError> {
    match find_obstacle(&state).await {
        None => Ok(Json(Ready { status: "ready" })),
        Some(obstacle) => Err(ApiError::new(ErrorCode::NotReady, obstacle)),
    }
}

async fn find_obstacle(state: &HttpState) -> Option<&'static str> {
    if state.readiness.is_stopping.load(Ordering::Acquire) {
        return Some("Lumina is shutting down");
    }
    if state.app.database.is_overloaded() {
        return Some("the database's write-ahead log cannot be written back; Lumina's log says who holds it");
    }
    if !state.app.engine.is_healthy() && !probe(state).await {
        return Some("the database does not take what is written; Lumina's log says why");
    }
    None
}

/// Writes something small, since after a failed write nobody may be writing any more. True when it is durable.
async fn probe(state: &HttpState) -> bool {
    let runtime = &state.app.context.runtime;
    let Ok(mut last) = state.readiness.last_probe.try_lock() else {
        return false;
    };
    let now = runtime.monotonic();
    if last.is_some_and(|last| now < last + PROBE_EVERY) {
        return false;
    }
    *last = Some(now);
    let writing = state.app.engine.transact(runtime.new_id(), Records::nothing());
    matches!(within(&**runtime, PROBE_PATIENCE, writing).await, Some(Ok(_)))
}
