//! Error bodies: `{"code","message"}`.

use std::time::Duration;

use axum::Json;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::connection::Reset;
use crate::error::LedgerError;
use crate::moods::Trouble;

/// Why a call is refused. Codes and statuses are the provider's where it documents them; the messages are not.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    AuthorizationNotSet,
    AuthorizationNotBearer,
    ApiKey,
    RateLimit {
        retry_after: Option<Duration>,
    },
    NameEmpty,
    DataEmpty,
    TooManyContacts,
    WebhookUrl,
    EmailEmpty,
    EmailInvalid,
    /// The same, on purpose.
    EmailUnwelcome,
    CustomKeys,
    CustomValue,
    /// Not JSON, or a value of the wrong kind, such as a number in `custom`. Nowhere documented.
    Unreadable(String),
    /// Nowhere documented.
    TooLarge,
    InProgress,
    BatchNotFound,
    /// Nowhere documented.
    NoSuchCall,
    /// The sandbox's own trouble.
    Internal(String),
    /// A mood: a server's error. Nowhere documented.
    Status(StatusCode),
    /// A mood: no answer, and the connection is reset.
    Reset,
}

/// What a gateway says in its own name.
const GATEWAY_PAGE: &str = "<html><head><title>Trouble</title></head><body><center>nginx</center></body></html>";

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::AuthorizationNotSet | Self::AuthorizationNotBearer | Self::ApiKey => StatusCode::UNAUTHORIZED,
            Self::RateLimit { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BatchNotFound | Self::NoSuchCall => StatusCode::NOT_FOUND,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Status(status) => *status,
            Self::Reset => StatusCode::BAD_GATEWAY,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::AuthorizationNotSet => "error.authorization.not_set",
            Self::AuthorizationNotBearer => "error.authorization.not_bearer",
            Self::ApiKey => "error.api.key",
            Self::RateLimit { .. } => "error.rate.limit",
            Self::NameEmpty => "error.enrichment.name.empty",
            Self::DataEmpty => "error.enrichment.data.empty",
            Self::TooManyContacts => "error.enrichment.data.too_many",
            Self::WebhookUrl => "error.enrichment.webhook_url",
            Self::EmailEmpty => "error.reverse.email.empty",
            Self::EmailInvalid | Self::EmailUnwelcome => "error.reverse.email.invalid",
            Self::CustomKeys => "error.enrichment.custom.key.exceeded",
            Self::CustomValue => "error.enrichment.custom.value.exceeded",
            Self::Unreadable(_) => "error.request.body",
            Self::TooLarge => "error.request.too_large",
            Self::InProgress => "error.enrichment.in_progress",
            Self::BatchNotFound => "error.reverse.email.not_found",
            Self::NoSuchCall => "error.request.not_found",
            Self::Internal(_) | Self::Status(_) | Self::Reset => "error.internal",
        }
    }

    fn message(&self) -> &str {
        match self {
            Self::AuthorizationNotSet => "The Authorization header is missing",
            Self::AuthorizationNotBearer => "The Authorization header must begin with 'Bearer '",
            Self::ApiKey => "The API key is not valid",
            Self::RateLimit { .. } => "Too many calls in this minute",
            Self::NameEmpty => "The name of the enrichment is empty",
            Self::DataEmpty => "There are no contacts in data",
            Self::TooManyContacts => "There are more than 100 contacts in data",
            Self::WebhookUrl => "A webhook URL must be an http or https URL",
            Self::EmailEmpty => "An email is empty",
            Self::EmailInvalid | Self::EmailUnwelcome => "An email is not valid",
            Self::CustomKeys => "A custom object has more than 10 keys",
            Self::CustomValue => "A custom value is longer than 100 characters",
            Self::TooLarge => "The body is too large",
            Self::InProgress => "The enrichment is still in progress",
            Self::BatchNotFound => "There is no such enrichment",
            Self::NoSuchCall => "There is no such call",
            Self::Status(_) | Self::Reset => "Something went wrong (on purpose)",
            Self::Unreadable(reason) | Self::Internal(reason) => reason,
        }
    }
}

impl From<LedgerError> for Refusal {
    fn from(error: LedgerError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::RateLimited { retry_after } => Self::RateLimit { retry_after },
            Trouble::Status(status) => Self::Status(status),
            Trouble::Reset => Self::Reset,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Reset => return Reset::response(),
            Self::Status(status @ (StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT)) => {
                return (status, Html(GATEWAY_PAGE)).into_response();
            }
            _ => {}
        }
        let body = Json(json!({"code": self.code(), "message": self.message()}));
        let mut response = (self.status(), body).into_response();
        if let Self::RateLimit {
            retry_after: Some(left),
        } = self
        {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(left.as_secs()));
        }
        response
    }
}
