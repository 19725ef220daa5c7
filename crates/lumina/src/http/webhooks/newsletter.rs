//! `POST /api/webhooks/newsletters/{source}`: a platform that the operator has described.

use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State};
use http::{HeaderMap, Uri};
use serde::Deserialize;

use super::arrival::{Arrival, find_header, not_configured};
use super::taking_in::{Subscribed, take_in};
use crate::http::error::{ApiError, ErrorCode};
use crate::http::query::Named;
use crate::http::settings::NewsletterSource;
use crate::http::state::HttpState;

/// Where the secret stands when no header carries it. What else is in the URL is the platform's own.
#[derive(Deserialize)]
struct SecretInUrl {
    secret: Option<String>,
}

/// Takes one subscriber.
///
/// A source that is not configured, or has no secret, is answered with 503 and never with 404 or 410: platforms
/// delete a webhook for these, and a configuration is soon put right.
pub(in crate::http) async fn receive(
    State(state): State<HttpState>,
    Named(name): Named,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Subscribed>, ApiError> {
    let settings = state.settings.clone();
    let source = settings
        .newsletters
        .get(&name)
        .filter(|source| source.secrets.is_some());
    let source = source.ok_or_else(|| {
        not_configured("this source has no secret yet: describe it under newsletters in the configuration")
    })?;
    let mut arrival = Arrival::new(&state, format!("newsletters/{name}"));
    let secret = match &source.header {
        Some(header) => find_header(&headers, header).map(str::to_owned),
        None => find_in_url(&uri),
    };
    let result = accept(&mut arrival, &name, source, secret.as_deref(), body).await;
    arrival.end(result).map(Json)
}

/// Something else than one secret is a wrong one.
fn find_in_url(uri: &Uri) -> Option<String> {
    match Query::<SecretInUrl>::try_from_uri(uri) {
        Ok(Query(query)) => query.secret,
        Err(_) => Some(String::new()),
    }
}

async fn accept(
    arrival: &mut Arrival<'_>,
    name: &str,
    source: &NewsletterSource,
    secret: Option<&str>,
    body: Body,
) -> Result<Subscribed, ApiError> {
    check_secret(source, secret)?;
    let body = arrival.receive(body, arrival.state.settings.limits.webhook).await?;
    let row = source.fields.read(&body.bytes)?;
    take_in(arrival, row, name, &body).await
}

fn check_secret(source: &NewsletterSource, secret: Option<&str>) -> Result<(), ApiError> {
    let missing = || {
        let place = match &source.header {
            Some(header) => format!("the header {header}"),
            None => "`?secret=` in the URL".to_owned(),
        };
        let message = format!("the delivery carries no secret: {place} must hold it");
        ApiError::new(ErrorCode::MissingSecret, message)
    };
    let secret = secret.ok_or_else(missing)?;
    let is_right = source
        .secrets
        .as_ref()
        .is_some_and(|known| known.accepts(secret.as_bytes()));
    match is_right {
        true => Ok(()),
        false => Err(ApiError::new(
            ErrorCode::InvalidSecret,
            "the delivery's secret is not the configured one",
        )),
    }
}
