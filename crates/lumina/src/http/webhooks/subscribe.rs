//! `POST /api/webhooks/subscribe`: our own webhook, signed.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, HeaderName};
use lumina_intake::newsletters::SubscribePayload;

use super::arrival::{Arrival, find_header, not_configured};
use super::taking_in::{Subscribed, take_in};
use crate::http::error::ApiError;
use crate::http::state::HttpState;

/// Hex HMAC-SHA256 of the raw body.
const SIGNATURE: HeaderName = HeaderName::from_static("x-webhook-signature");

/// Takes one subscriber.
pub(in crate::http) async fn receive(
    State(state): State<HttpState>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Subscribed>, ApiError> {
    let mut arrival = Arrival::new(&state, "subscribe");
    let result = accept(&mut arrival, &headers, body).await;
    arrival.end(result).map(Json)
}

async fn accept(arrival: &mut Arrival<'_>, headers: &HeaderMap, body: Body) -> Result<Subscribed, ApiError> {
    let settings = arrival.state.settings.clone();
    let secrets = settings.subscribe.as_ref().ok_or_else(|| {
        not_configured("this webhook has no secret yet: set webhooks.secret (NEWSLETTER_WEBHOOK_SECRET)")
    })?;
    let body = arrival.receive(body, settings.limits.webhook).await?;
    secrets.verify(&body.bytes, find_header(headers, &SIGNATURE))?;
    let payload = SubscribePayload::parse(&body.bytes)?;
    let source = payload.source.clone();
    take_in(arrival, payload.into(), &source, &body).await
}
