//! `POST /contact/reverse/email/bulk`: from the call to what its caller is told.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use uuid::Uuid;

use super::endpoints::{Shared, enter};
use super::order::Order;
use super::refusal::Refusal;
use super::trickle::in_pieces_then;
use crate::desk::{Accepted, Desk};
use crate::holds::{Held, Hold, HoldAt};
use crate::ledger::PostAnswer;
use crate::moods::Mood;
use crate::sandbox::{LetGo, Sandbox};
use crate::workspace::Endpoint;

/// The call.
pub(super) async fn start_batch(
    State(sandbox): Shared,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    enter(&sandbox, &headers, Endpoint::StartBatch)?;
    sandbox.meet(Desk::meet_post)?;
    let order = read_order(&sandbox, body)?;
    let (hold, name) = (sandbox.holds().take(), order.name.clone());
    hold_at(&sandbox, hold, HoldAt::Before, None, &name).await;
    let releases = sandbox.releases();
    let accepted = sandbox.accept(order, hold.is_some())?;
    hold_at(&sandbox, hold, HoldAt::Accepted, Some(accepted.id), &name).await;
    if !accepted.answer_after.is_zero() {
        sandbox.clock().sleep(accepted.answer_after).await;
    }
    sandbox.call_back_first(accepted.place).await;
    if accepted.mood == Some(Mood::AnswerLost) && sandbox.released_since(releases).await == LetGo::Closing {
        return Err(Refusal::Reset);
    }
    answer(&sandbox, &accepted)
}

fn read_order(sandbox: &Sandbox, body: Result<Bytes, BytesRejection>) -> Result<Order, Refusal> {
    let body = body.map_err(|rejection| unread(&rejection))?;
    let moods = sandbox.desk().temper.settings().clone();
    let order = Order::read(&body, &moods);
    if matches!(order, Err(Refusal::EmailUnwelcome)) {
        let now = sandbox.clock().now();
        sandbox.desk().note_unwelcome(now)?;
    }
    order
}

fn unread(rejection: &BytesRejection) -> Refusal {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Refusal::TooLarge;
    }
    Refusal::Unreadable(format!("The body did not arrive: {rejection}"))
}

/// Holds the POST here, if it took up a hold for here.
async fn hold_at(sandbox: &Sandbox, hold: Option<Hold>, at: HoldAt, enrichment_id: Option<Uuid>, name: &str) {
    if let Some(hold) = hold.filter(|hold| hold.at == at) {
        let name = name.to_owned();
        sandbox.holds().hold(hold, Held { enrichment_id, name }).await;
    }
}

/// What the caller is told of a batch that was accepted.
fn answer(sandbox: &Arc<Sandbox>, accepted: &Accepted) -> Result<Response, Refusal> {
    let place = accepted.place;
    match accepted.mood {
        Some(Mood::ErrorAfter) => {
            sandbox.note_answer(place, PostAnswer::Error)?;
            Err(Refusal::Status(error_of(sandbox, place)))
        }
        Some(Mood::ResetAfter) => {
            sandbox.note_answer(place, PostAnswer::Reset)?;
            Err(Refusal::Reset)
        }
        Some(Mood::UnreadableAnswer) => {
            sandbox.note_answer(place, PostAnswer::Unreadable)?;
            Ok(as_json(Body::from(nonsense(sandbox, place))))
        }
        Some(Mood::AnswerTrickled) => Ok(trickled(sandbox, accepted)),
        _ => {
            sandbox.note_answer(place, PostAnswer::Ok)?;
            Ok(Json(json!({"enrichment_id": accepted.id})).into_response())
        }
    }
}

/// A caller that does not take the last piece has been told nothing.
fn trickled(sandbox: &Arc<Sandbox>, accepted: &Accepted) -> Response {
    let (told, place) = (Arc::clone(sandbox), accepted.place);
    let body = json!({"enrichment_id": accepted.id}).to_string();
    let note = move || drop(told.note_answer(place, PostAnswer::Ok));
    as_json(in_pieces_then(sandbox, body, note))
}

fn as_json(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// A status that may come after acceptance; 503 may not.
fn error_of(sandbox: &Sandbox, place: usize) -> StatusCode {
    let mut dice = sandbox.desk().books.batch(place).dice("error_after");
    dice.pick(&[
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::BAD_GATEWAY,
        StatusCode::GATEWAY_TIMEOUT,
    ])
}

/// A body with no id in it, which is JSON or is not.
fn nonsense(sandbox: &Sandbox, place: usize) -> &'static str {
    let mut dice = sandbox.desk().books.batch(place).dice("nonsense");
    dice.pick(&[
        "",
        "{}",
        "null",
        "<html><body>OK</body></html>",
        r#"{"enrichment_id": "#,
        r#"{"enrichment_id": null}"#,
        r#"{"message": "accepted"}"#,
    ])
}
