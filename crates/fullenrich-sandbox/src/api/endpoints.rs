//! The provider's calls.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use uuid::Uuid;

use super::auth;
use super::refusal::Refusal;
use super::render;
use super::trickle::in_pieces;
use crate::config::{RunningAnswer, SandboxConfig};
use crate::desk::Desk;
use crate::moods::Mood;
use crate::sandbox::Sandbox;
use crate::workspace::{Batch, Endpoint};

pub(super) type Shared = State<Arc<Sandbox>>;

/// `GET /contact/reverse/email/bulk/{enrichment_id}`
pub(super) async fn read_batch(
    State(sandbox): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    enter(&sandbox, &headers, Endpoint::ReadBatch)?;
    sandbox.take_time().await;
    sandbox.meet(Desk::meet_read)?;
    let id: Uuid = id.parse().map_err(|_| Refusal::BatchNotFound)?;
    let answer = answer(&sandbox, id)?;
    let body = if answer.trickled {
        in_pieces(&sandbox, answer.body)
    } else {
        Body::from(answer.body)
    };
    Ok((answer.status, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

struct Answer {
    status: StatusCode,
    body: Vec<u8>,
    trickled: bool,
}

fn answer(sandbox: &Sandbox, id: Uuid) -> Result<Answer, Refusal> {
    let (config, now) = (sandbox.config(), sandbox.clock().now());
    let mut desk = sandbox.desk();
    desk.books.forget(now, config.results_kept);
    let place = desk.books.place_of(id).ok_or(Refusal::BatchNotFound)?;
    let batch = desk.books.batch(place);
    let (runs, trickled) = (batch.ended.is_none(), batch.has(Mood::BodiesTrickled));
    let odd = runs && batch.has(Mood::StatusUnknown);
    if batch.is_forgotten() {
        return Err(Refusal::BatchNotFound);
    }
    if runs && desk.meet_running(now) {
        desk.ledger.flush()?;
        return Err(Refusal::InProgress);
    }
    for (mood, shows) in [(Mood::StatusUnknown, odd), (Mood::BodiesTrickled, trickled)] {
        if shows {
            desk.show(place, mood, now);
        }
    }
    let (status, body) = tell(config, desk.books.batch(place))?;
    desk.note_read(place, now)?;
    Ok(Answer { status, body, trickled })
}

fn tell(config: &SandboxConfig, batch: &Batch) -> Result<(StatusCode, Vec<u8>), Refusal> {
    if batch.ended.is_none() {
        let body = match config.running {
            _ if batch.has(Mood::StatusUnknown) => render::odd(batch),
            RunningAnswer::Status => render::running(batch),
            RunningAnswer::StatusAndData => render::running_with_data(batch),
            RunningAnswer::Error => return Err(Refusal::InProgress),
        };
        return Ok((StatusCode::OK, body));
    }
    let status = if render::ends_as_error(batch, config) {
        StatusCode::PAYMENT_REQUIRED
    } else {
        StatusCode::OK
    };
    Ok((status, render::ended(batch, config.unpayable)))
}

/// `GET /account/credits`
pub(super) async fn credits(State(sandbox): Shared, headers: HeaderMap) -> Result<Response, Refusal> {
    enter(&sandbox, &headers, Endpoint::Credits)?;
    sandbox.take_time().await;
    // The provider sends a double.
    let balance = sandbox.totals().balance as f64;
    Ok(Json(json!({"balance": balance})).into_response())
}

/// `GET /account/keys/verify`
pub(super) async fn verify_key(State(sandbox): Shared, headers: HeaderMap) -> Result<Response, Refusal> {
    enter(&sandbox, &headers, Endpoint::VerifyKey)?;
    sandbox.take_time().await;
    let key = sandbox.config().api_key.expose();
    let workspace = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("workspace/{key}").as_bytes());
    Ok(Json(json!({"workspace_id": workspace})).into_response())
}

/// Anything else.
pub(super) async fn unknown(State(sandbox): Shared, headers: HeaderMap) -> Refusal {
    enter(&sandbox, &headers, Endpoint::Unknown)
        .err()
        .unwrap_or(Refusal::NoSuchCall)
}

/// What every call goes through first: the key, then the limit.
pub(super) fn enter(sandbox: &Sandbox, headers: &HeaderMap, endpoint: Endpoint) -> Result<(), Refusal> {
    auth::check_key(headers, &sandbox.config().api_key).inspect_err(|_| sandbox.desk().calls.refuse_key())?;
    sandbox.admit(endpoint)
}
