//! What a request is refused with: one type for all of HTTP, one shape on the wire.

use std::any::Any;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use jiff::Timestamp;
use lumina_intake::newsletters::{PayloadError, SignatureError};
use lumina_workflow::EngineError;
use lumina_workflow::store::{Refusal, StoreError};
use serde::Serialize;

use super::state::HttpState;
use crate::records::ReadError;

/// A full disk, a locked file or a long log pass within seconds or with a person's help; nobody should ask
/// more often than this meanwhile.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Why a request was refused, as a word for programs. The words are a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// 400: the body is malformed; the message begins with the field.
    InvalidPayload,
    /// 400: the query is malformed; the message begins with the parameter.
    InvalidQuery,
    /// 401: the bearer token is missing or wrong.
    Unauthorized,
    /// 401: the delivery is not signed.
    MissingSignature,
    /// 401: the signature does not fit the body.
    InvalidSignature,
    /// 401: the delivery carries no secret.
    MissingSecret,
    /// 401: the delivery carries a wrong secret.
    InvalidSecret,
    /// 404: there is no such route or thing.
    NotFound,
    /// 405: the route is not for this method; `Allow` names those it is for.
    MethodNotAllowed,
    /// 408: the body came too slowly.
    RequestTimeout,
    /// 409: what is asked for is not possible in the thing's state.
    Conflict,
    /// 413: the body is too large.
    PayloadTooLarge,
    /// 500: a fault of ours; the log says more.
    Internal,
    /// 503: the webhook has no secret yet, and without one it is not open.
    NotConfigured,
    /// 503: too much at once; `Retry-After` says when to come back.
    Overloaded,
    /// 503: the database does not take or tell it; `Retry-After` says when to come back.
    Unavailable,
    /// 503: `/readyz` says no.
    NotReady,
}

impl ErrorCode {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidPayload => "INVALID_PAYLOAD",
            Self::InvalidQuery => "INVALID_QUERY",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::MissingSignature => "MISSING_SIGNATURE",
            Self::InvalidSignature => "INVALID_SIGNATURE",
            Self::MissingSecret => "MISSING_SECRET",
            Self::InvalidSecret => "INVALID_SECRET",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::RequestTimeout => "REQUEST_TIMEOUT",
            Self::Conflict => "CONFLICT",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::Internal => "INTERNAL",
            Self::NotConfigured => "NOT_CONFIGURED",
            Self::Overloaded => "OVERLOADED",
            Self::Unavailable => "UNAVAILABLE",
            Self::NotReady => "NOT_READY",
        }
    }

    /// The status that goes with it.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::InvalidPayload | Self::InvalidQuery => StatusCode::BAD_REQUEST,
            Self::Unauthorized
            | Self::MissingSignature
            | Self::InvalidSignature
            | Self::MissingSecret
            | Self::InvalidSecret => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotConfigured | Self::Overloaded | Self::Unavailable | Self::NotReady => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    fn retry_after(self) -> Option<Duration> {
        matches!(self, Self::Overloaded | Self::Unavailable).then_some(RETRY_AFTER)
    }
}

/// A refusal: what kind, and one sentence for a person. It tells strangers nothing of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub code: ErrorCode,
    pub message: String,
}

impl ApiError {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// A body that is wrong in this field.
    pub fn invalid_payload(field: &str, problem: impl std::fmt::Display) -> Self {
        Self::new(ErrorCode::InvalidPayload, format!("{field}: {problem}"))
    }

    /// A query that is wrong in this parameter.
    pub fn invalid_query(parameter: &str, problem: impl std::fmt::Display) -> Self {
        Self::new(ErrorCode::InvalidQuery, format!("{parameter}: {problem}"))
    }

    pub fn overloaded(message: &str) -> Self {
        Self::new(ErrorCode::Overloaded, message)
    }

    pub fn too_large(limit: usize) -> Self {
        let message = format!("the body is larger than {limit} bytes, which is the most that is taken here");
        Self::new(ErrorCode::PayloadTooLarge, message)
    }

    pub fn too_slow() -> Self {
        Self::new(ErrorCode::RequestTimeout, "the body came too slowly; send it again")
    }

    pub fn no_workflow(id: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("there is no workflow {id}"))
    }

    /// The database does not take or tell it now. The cause is for the log.
    pub fn unavailable(cause: impl std::fmt::Display) -> Self {
        tracing::warn!(%cause, "a request was answered with 503");
        let message = "the database cannot be used now, and nothing is known to be stored; try again later";
        Self::new(ErrorCode::Unavailable, message)
    }

    /// A fault of ours. The cause is for the log.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request was answered with 500");
        let message = "something is wrong inside Lumina; its log says what";
        Self::new(ErrorCode::Internal, message)
    }

    /// Whether the sender made the mistake.
    pub fn is_the_senders(&self) -> bool {
        self.code.status().is_client_error()
    }
}

impl From<PayloadError> for ApiError {
    fn from(error: PayloadError) -> Self {
        Self::new(ErrorCode::InvalidPayload, error.to_string())
    }
}

impl From<SignatureError> for ApiError {
    fn from(error: SignatureError) -> Self {
        let code = match error {
            SignatureError::Missing => ErrorCode::MissingSignature,
            SignatureError::Invalid => ErrorCode::InvalidSignature,
        };
        Self::new(code, error.to_string())
    }
}

impl From<&StoreError> for ApiError {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::OutcomeUnknown(_) => Self::unavailable(error),
            StoreError::Broken(_) => Self::internal(error),
        }
    }
}

impl From<&ReadError> for ApiError {
    fn from(error: &ReadError) -> Self {
        Self::unavailable(error)
    }
}

impl From<&EngineError> for ApiError {
    fn from(error: &EngineError) -> Self {
        match error {
            EngineError::Store(error) => error.into(),
            EngineError::Refused(Refusal::UnknownRun(run)) => Self::no_workflow(&run.to_string()),
            EngineError::Refused(Refusal::UnknownSchedule(name)) => {
                let shown: String = name.chars().take(64).collect();
                Self::new(ErrorCode::NotFound, format!("there is no schedule {shown}"))
            }
            EngineError::Refused(Refusal::ScheduleChanged(_)) => Self::unavailable(error),
            EngineError::Refused(Refusal::WrongStatus { run, status, problem }) => {
                Self::new(ErrorCode::Conflict, format!("workflow {run} is {status}: {problem}"))
            }
            EngineError::Refused(Refusal::UnknownEvent(_)) => Self::new(ErrorCode::NotFound, error.to_string()),
            EngineError::Refused(Refusal::KeyTaken { .. } | Refusal::InboxFull { .. })
            | EngineError::NoSuchStep { .. } => Self::new(ErrorCode::Conflict, error.to_string()),
            EngineError::WouldRepeat { .. } => {
                Self::new(ErrorCode::Conflict, format!("{error}: add mayRepeatEffects=true"))
            }
            EngineError::Invalid(problem) => Self::new(ErrorCode::InvalidQuery, problem),
            EngineError::Payload(problem) => Self::invalid_payload("body", problem),
            other => Self::internal(other),
        }
    }
}

macro_rules! by_value {
    ($($error:ty),*) => {$(
        impl From<$error> for ApiError {
            fn from(error: $error) -> Self {
                Self::from(&error)
            }
        }
    )*};
}
by_value!(StoreError, ReadError, EngineError);

/// The status, with the error itself for [`write_error`]: only there is a clock.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The shape on the wire.
#[derive(Serialize)]
struct ErrorBody {
    error: String,
    code: &'static str,
    timestamp: Timestamp,
}

/// Writes the body of a response that is an error.
pub(super) async fn write_error(State(state): State<HttpState>, mut response: Response) -> Response {
    let Some(error) = response.extensions_mut().remove::<ApiError>() else {
        return response;
    };
    let body = ErrorBody {
        error: error.message,
        code: error.code.as_str(),
        timestamp: state.app.context.runtime.now(),
    };
    let mut written = (response.status(), Json(body)).into_response();
    let headers = written.headers_mut();
    if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
        headers.insert(header::ALLOW, allow);
    }
    if error.code == ErrorCode::Unauthorized {
        let scheme = HeaderValue::from_static("Bearer realm=\"lumina\"");
        headers.insert(header::WWW_AUTHENTICATE, scheme);
    }
    if let Some(delay) = error.code.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(delay.as_secs()));
    }
    written
}

/// No route has this path.
pub(super) async fn not_found(uri: Uri) -> ApiError {
    let path: String = uri.path().chars().take(200).collect();
    ApiError::new(ErrorCode::NotFound, format!("there is nothing at {path}"))
}

/// The route is not for this method.
pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    let message = format!("{} is not for {method}", uri.path());
    ApiError::new(ErrorCode::MethodNotAllowed, message)
}

/// An endpoint's code panicked; the panic's message and place are in the log already.
pub(super) fn answer_panic(_panic: Box<dyn Any + Send + 'static>) -> Response {
    ApiError::internal("the code of an endpoint panicked").into_response()
}
