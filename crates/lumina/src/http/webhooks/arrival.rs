//! A delivery on its way in.

use axum::body::Body;
use http::{HeaderMap, HeaderName};

use crate::http::body::{self, ReceivedBody};
use crate::http::error::{ApiError, ErrorCode};
use crate::http::state::HttpState;

/// A delivery: where it came in, and how much of it has come.
pub(super) struct Arrival<'s> {
    pub state: &'s HttpState,
    pub route: String,
    received: u64,
}

impl<'s> Arrival<'s> {
    pub fn new(state: &'s HttpState, route: impl Into<String>) -> Self {
        Self {
            state,
            route: route.into(),
            received: 0,
        }
    }

    /// Receives the body, unless the database must be spared.
    pub async fn receive(&mut self, body: Body, limit: usize) -> Result<ReceivedBody, ApiError> {
        self.state.check_intake()?;
        body::receive(self.state, body, limit, &mut self.received).await
    }

    /// Notes the delivery if it is refused for what it is.
    pub fn end<T>(self, result: Result<T, ApiError>) -> Result<T, ApiError> {
        if let Err(error) = &result
            && error.is_the_senders()
        {
            self.state.rejections.note(&self.route, error.code, self.received);
        }
        result
    }
}

/// A header's value. One that is no text cannot be right, and is an empty one.
pub(super) fn find_header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

/// The webhook has no secret; without one it is closed.
pub(super) fn not_configured(message: &str) -> ApiError {
    ApiError::new(ErrorCode::NotConfigured, message)
}
