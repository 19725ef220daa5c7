//! The bearer token.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, header};

use super::error::{ApiError, ErrorCode};
use super::state::HttpState;

/// Lets a request through that shows the token, wherever it comes from.
pub(super) async fn require_token(
    State(state): State<HttpState>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let problem = match find_bearer(request.headers()) {
        Some(presented) if state.settings.token.matches(presented) => return Ok(next.run(request).await),
        Some(_) => "the token is not Lumina's",
        None => "this needs a token: send `Authorization: Bearer <token>`",
    };
    let message = format!("{problem}; it is in the file that `lumina serve` names when it starts");
    Err(ApiError::new(ErrorCode::Unauthorized, message))
}

/// The scheme's name is the same in either case (RFC 9110, 11.1).
fn find_bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
