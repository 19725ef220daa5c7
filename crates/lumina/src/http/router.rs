//! All routes there are.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn_with_state, map_response_with_state};
use axum::routing::{delete, get, post};
use http::Request;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::{DefaultOnFailure, DefaultOnRequest, DefaultOnResponse, TraceLayer};
use tracing::Level;

use super::auth::require_token;
use super::error::{answer_panic, method_not_allowed, not_found, write_error};
use super::state::HttpState;
use super::{batches, health, leads, metrics, readiness, schedules, upload, webhooks, workflows};

/// Serves everything.
pub fn router(state: HttpState) -> Router {
    let routes = api(&state).merge(webhook_routes()).merge(health_routes());
    finish(routes, state)
}

/// Serves the webhooks and `/healthz` alone: for `server.webhook_address`, the port to expose.
pub fn webhook_router(state: HttpState) -> Router {
    let routes = webhook_routes().route("/healthz", get(health::alive));
    finish(routes, state)
}

fn webhook_routes() -> Router<HttpState> {
    // Platforms look whether a URL is there by GET or HEAD before they deliver to it.
    Router::new()
        .route(
            "/api/webhooks/subscribe",
            post(webhooks::subscribe::receive).get(health::alive),
        )
        .route(
            "/api/webhooks/newsletters/{source}",
            post(webhooks::newsletter::receive).get(health::alive),
        )
        .route(
            "/api/webhooks/enrichment",
            post(webhooks::enrichment::receive_batch).get(health::alive),
        )
        .route(
            "/api/webhooks/enrichment/contact",
            post(webhooks::enrichment::receive_contact).get(health::alive),
        )
}

fn health_routes() -> Router<HttpState> {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(readiness::ready))
}

/// The routes that need the token.
fn api(state: &HttpState) -> Router<HttpState> {
    let upload_limit = DefaultBodyLimit::max(upload::form_limit(state.settings.limits.upload));
    Router::new()
        .route("/api/upload", post(upload::receive).layer(upload_limit))
        .route("/api/leads", get(leads::list))
        .route("/api/dashboard/metrics", get(metrics::show))
        .route("/api/enrichment/batches", post(batches::start))
        .route("/api/workflows", get(workflows::list::list))
        .route("/api/workflows/definitions", get(workflows::definitions::list))
        .route(
            "/api/workflows/definitions/{name}/pause",
            post(workflows::definitions::pause),
        )
        .route(
            "/api/workflows/definitions/{name}/resume",
            post(workflows::definitions::resume),
        )
        .route("/api/workflows/{id}", get(workflows::show::show))
        .route("/api/workflows/{id}/cancel", post(workflows::command::cancel))
        .route("/api/workflows/{id}/pause", post(workflows::command::pause))
        .route("/api/workflows/{id}/resume", post(workflows::command::resume))
        .route("/api/workflows/{id}/retry", post(workflows::command::retry))
        .route("/api/workflows/{id}/restart", post(workflows::command::restart))
        .route("/api/workflows/{id}/events/{name}", post(workflows::events::emit))
        .route("/api/events/unrouted", get(workflows::events::list))
        .route("/api/events/unrouted/{number}", delete(workflows::events::discard))
        .route("/api/events/unrouted/{number}/route", post(workflows::events::route))
        .route("/api/schedules", get(schedules::list::list))
        .route("/api/schedules/{name}/pause", post(schedules::command::pause))
        .route("/api/schedules/{name}/resume", post(schedules::command::resume))
        .route("/api/schedules/{name}/trigger", post(schedules::command::trigger))
        .route_layer(from_fn_with_state(state.clone(), require_token))
}

/// Adds what all routes have in common. The last layer is the outermost.
fn finish(routes: Router<HttpState>, state: HttpState) -> Router {
    let trace = TraceLayer::new_for_http()
        .make_span_with(make_span)
        .on_request(DefaultOnRequest::new().level(Level::DEBUG))
        .on_response(DefaultOnResponse::new().level(Level::DEBUG))
        .on_failure(DefaultOnFailure::new().level(Level::DEBUG));
    routes
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(CatchPanicLayer::custom(answer_panic))
        .layer(map_response_with_state(state.clone(), write_error))
        .layer(trace)
        .with_state(state)
}

/// The path alone: what comes after it may be a secret.
fn make_span<B>(request: &Request<B>) -> tracing::Span {
    tracing::debug_span!("request", method = %request.method(), path = request.uri().path())
}
