//! The provider's calls.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use uuid::Uuid;

use super::order::Order;
use super::refusal::Refusal;
use super::{auth, render};
use crate::config::{InsufficientAnswer, RunningAnswer, SandboxConfig};
use crate::ledger::BatchStatus;
use crate::sandbox::Sandbox;
use crate::workspace::{Batch, Endpoint};

type Shared = State<Arc<Sandbox>>;

/// `POST /contact/reverse/email/bulk`
pub(super) async fn start_batch(
    State(sandbox): Shared,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    enter(&sandbox, &headers, Endpoint::StartBatch)?;
    let faults = &sandbox.config().faults;
    let order = Order::read(
        &body.map_err(|rejection| unread(&rejection))?,
        &faults.refused_addresses,
    )?;
    let accepted = sandbox.accept(order)?;
    if !faults.answer_delay.is_zero() {
        sandbox.clock().sleep(faults.answer_delay).await;
    }
    if accepted.number <= faults.server_errors_after_acceptance as usize {
        return Err(Refusal::Internal(
            "Something went wrong (an intended fault: the batch was accepted)".into(),
        ));
    }
    Ok(Json(json!({"enrichment_id": accepted.id})).into_response())
}

/// `GET /contact/reverse/email/bulk/{enrichment_id}`
pub(super) async fn read_batch(
    State(sandbox): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    enter(&sandbox, &headers, Endpoint::ReadBatch)?;
    let id: Uuid = id.parse().map_err(|_| Refusal::BatchNotFound)?;
    let mut desk = sandbox.desk();
    desk.books.forget(sandbox.clock().now(), sandbox.config().results_kept);
    let batch = desk
        .books
        .find(id)
        .filter(|batch| !batch.is_forgotten())
        .ok_or(Refusal::BatchNotFound)?;
    let (status, body) = answer(sandbox.config(), batch)?;
    drop(desk);
    Ok((status, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

fn answer(config: &SandboxConfig, batch: &Batch) -> Result<(StatusCode, Vec<u8>), Refusal> {
    if batch.ended.is_none() {
        let body = match config.running {
            RunningAnswer::Status => render::running(batch),
            RunningAnswer::StatusAndData => render::running_with_data(batch),
            RunningAnswer::Error => return Err(Refusal::InProgress),
        };
        return Ok((StatusCode::OK, body));
    }
    let unpaid = batch.status() == BatchStatus::CreditsInsufficient;
    let as_error = unpaid && config.insufficient == InsufficientAnswer::PaymentRequired;
    let status = if as_error {
        StatusCode::PAYMENT_REQUIRED
    } else {
        StatusCode::OK
    };
    Ok((status, render::ended(batch, config.unpayable)))
}

/// `GET /account/credits`
pub(super) async fn credits(State(sandbox): Shared, headers: HeaderMap) -> Result<Response, Refusal> {
    enter(&sandbox, &headers, Endpoint::Credits)?;
    // The provider sends a double.
    let balance = sandbox.totals().balance as f64;
    Ok(Json(json!({"balance": balance})).into_response())
}

/// `GET /account/keys/verify`
pub(super) async fn verify_key(State(sandbox): Shared, headers: HeaderMap) -> Result<Response, Refusal> {
    enter(&sandbox, &headers, Endpoint::VerifyKey)?;
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
fn enter(sandbox: &Sandbox, headers: &HeaderMap, endpoint: Endpoint) -> Result<(), Refusal> {
    auth::check_key(headers, &sandbox.config().api_key).inspect_err(|_| sandbox.desk().calls.refuse_key())?;
    sandbox.admit(endpoint)
}

fn unread(rejection: &BytesRejection) -> Refusal {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Refusal::TooLarge;
    }
    Refusal::Unreadable(format!("The body did not arrive: {rejection}"))
}
