//! `POST /api/webhooks/enrichment` and its `/contact`: the provider's answers.
//!
//! What the URL says besides is a hint and is not believed. The body is stored as it came, told to its run in the same
//! transaction, and processed later: the answer comes in well under a second.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use lumina_fullenrich::result::ResultHead;
use lumina_fullenrich::signature::{self, SignatureError, verify};
use lumina_workflow::Runtime;
use serde::Serialize;
use tokio::sync::oneshot;

use super::arrival::{Arrival, find_header, not_configured};
use crate::guards::Guard;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::patience::commit;
use crate::http::state::HttpState;
use crate::records::{AnswerFate, AnswerSource, PackedAnswer, Records};

/// A body of so many bytes is read in less time than it takes to hand it to another thread.
const SMALL: usize = 16 * 1024;

const SIGNATURE: HeaderName = HeaderName::from_static(signature::HEADER);

/// What became of an answer; all of it is kept.
#[derive(Serialize)]
pub(in crate::http) struct Stored {
    status: AnswerFate,
}

/// Takes the answer of a whole batch.
pub(in crate::http) async fn receive_batch(
    State(state): State<HttpState>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Stored>, ApiError> {
    receive(&state, "enrichment", AnswerSource::Callback, &headers, body).await
}

/// Takes the answer to one contact of a batch: it proves that the batch was accepted, and names it.
pub(in crate::http) async fn receive_contact(
    State(state): State<HttpState>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Stored>, ApiError> {
    receive(&state, "enrichment/contact", AnswerSource::Contact, &headers, body).await
}

async fn receive(
    state: &HttpState,
    route: &str,
    source: AnswerSource,
    headers: &HeaderMap,
    body: Body,
) -> Result<Json<Stored>, ApiError> {
    let mut arrival = Arrival::new(state, route);
    let result = accept(&mut arrival, source, headers, body).await;
    let status = arrival.end(result)?;
    Ok(Json(Stored { status }))
}

async fn accept(
    arrival: &mut Arrival<'_>,
    source: AnswerSource,
    headers: &HeaderMap,
    body: Body,
) -> Result<AnswerFate, ApiError> {
    let state = arrival.state;
    if state.settings.signing_keys.is_empty() {
        return Err(refuse_signature(SignatureError::NoKeys));
    }
    let signature = find_header(headers, &SIGNATURE).map(str::to_owned);
    if signature.is_none() && !Guard::Signature.is_removed() {
        // It need not be received to be refused.
        return Err(refuse_signature(SignatureError::Missing));
    }
    let body = arrival.receive(body, state.settings.limits.enrichment).await?;
    let (reader, bytes) = (state.clone(), body.bytes.clone());
    let is_small = bytes.len() <= SMALL;
    let read = move || read(&reader, bytes, signature.as_deref(), source);
    let answer = match is_small {
        true => read()?,
        false => apart(&*state.app.context.runtime, read).await?,
    };
    if Guard::StoredFirst.is_removed() {
        return Ok(store_afterwards(state, answer));
    }
    if !answer.is_final() {
        return commit(state, state.signs.store(answer)).await;
    }
    let id = state.app.context.runtime.new_id();
    let fate = commit(state, state.app.engine.transact(id, Records::store_packed(answer))).await?;
    fate.decode().map_err(ApiError::internal)
}

/// What the guard prevents: whoever dies before the end has taken an answer that nobody sends again.
fn store_afterwards(state: &HttpState, answer: Arc<PackedAnswer>) -> AnswerFate {
    let app = state.app.clone();
    state.app.context.runtime.spawn(Box::pin(async move {
        app.context.runtime.sleep(std::time::Duration::from_millis(500)).await;
        let id = app.context.runtime.new_id();
        if let Err(error) = app.engine.transact(id, Records::store_packed(answer)).await {
            tracing::error!(%error, "an answer was lost");
        }
    }));
    AnswerFate::Kept
}

/// Hashing, parsing and packing 32 MiB takes a second: not where others are answered.
async fn apart<T: Send + 'static>(
    runtime: &dyn Runtime,
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let (reply, result) = oneshot::channel();
    // Nobody waits for it any more when the sender has hung up.
    let work = Box::new(move || drop(reply.send(work())));
    runtime.blocking(work).await;
    result.await.map_err(ApiError::internal)?
}

fn read(
    state: &HttpState,
    body: Bytes,
    signature: Option<&str>,
    source: AnswerSource,
) -> Result<Arc<PackedAnswer>, ApiError> {
    let verified = verify(&body, signature, &state.settings.signing_keys);
    verified
        .or_else(|error| {
            if Guard::Signature.is_removed() {
                Ok(())
            } else {
                Err(error)
            }
        })
        .map_err(refuse_signature)?;
    let head = ResultHead::parse(&body).map_err(|error| ApiError::invalid_payload("body", error))?;
    let answer = state.app.context.make_answer(&head, body, source)?;
    let answer = answer.ok_or_else(|| ApiError::invalid_payload("id", "it is missing, or is no enrichment id"))?;
    Ok(Arc::new(PackedAnswer::new(answer)))
}

fn refuse_signature(error: SignatureError) -> ApiError {
    let code = match error {
        SignatureError::Missing => ErrorCode::MissingSignature,
        SignatureError::Malformed | SignatureError::Mismatch => ErrorCode::InvalidSignature,
        SignatureError::NoKeys => {
            return not_configured("this webhook has no key yet: set fullenrich.api_key (FULLENRICH_API_KEY)");
        }
    };
    ApiError::new(code, error.to_string())
}
