//! The sandbox's own calls about its moods.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::endpoints::Shared;
use super::refusal::Refusal;
use crate::moods::Moods;
use crate::sandbox::Sandbox;

/// `GET /sandbox/moods`: how often each comes, and how often each has occurred.
pub(super) async fn show(State(sandbox): Shared) -> Response {
    page(&sandbox).into_response()
}

/// `PUT /sandbox/moods`: an object in the form of the settings, with what is to change.
pub(super) async fn change(State(sandbox): Shared, body: Bytes) -> Result<Response, Refusal> {
    let unread = |error: serde_json::Error| Refusal::Unreadable(format!("These are no moods: {error}"));
    let changes: Map<String, Value> = serde_json::from_slice(&body).map_err(unread)?;
    let mut desk = sandbox.desk();
    let mut all = settings(desk.temper.settings());
    all.extend(changes);
    let all: Moods = serde_json::from_value(Value::Object(all)).map_err(unread)?;
    all.check().map_err(|error| Refusal::Unreadable(error.to_string()))?;
    desk.set_moods(all);
    drop(desk);
    Ok(page(&sandbox).into_response())
}

/// `DELETE /sandbox/moods`: no mood comes any more, and what hangs because of one goes on.
pub(super) async fn end(State(sandbox): Shared) -> Result<Response, Refusal> {
    sandbox.calm()?;
    Ok(page(&sandbox).into_response())
}

fn page(sandbox: &Sandbox) -> Json<Value> {
    let desk = sandbox.desk();
    let occurred: BTreeMap<&str, u64> = desk
        .books
        .history()
        .occurred()
        .map(|(mood, count)| (mood.name(), count))
        .collect();
    Json(json!({"settings": settings(desk.temper.settings()), "occurred": occurred}))
}

/// The settings with every mood in them, in the form in which they are read.
fn settings(moods: &Moods) -> Map<String, Value> {
    let Ok(Value::Object(mut all)) = serde_json::to_value(moods) else {
        unreachable!("settings are written as an object")
    };
    all.extend(
        moods
            .all()
            .map(|(mood, percent)| (mood.name().to_owned(), f64::from(percent).into())),
    );
    all
}
