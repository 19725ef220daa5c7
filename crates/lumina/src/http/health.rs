//! `GET /healthz`, and the answer to whoever looks whether a webhook is there.

use axum::Json;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Alive {
    status: &'static str,
}

/// The process answers, which is all that this says.
pub(super) async fn alive() -> Json<Alive> {
    Json(Alive { status: "ok" })
}
