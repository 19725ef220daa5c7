//! An answer before its meaning is known: status, Retry-After and body.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde::Deserialize;

use crate::limiter::MAX_RETRY_AFTER;
use crate::outcome::{Refusal, RefusalKind};
use crate::result::lenient;

/// FullEnrich's codes and messages are a line long. They go into logs and histories, so a longer one is cut.
const MAX_MESSAGE_CHARS: usize = 500;

/// What came back, reduced to what the outcomes are made of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

impl Reply {
    /// `sent_at` stands in for the answer's own date where it has none.
    pub(crate) fn from_response(response: Response<Bytes>, sent_at: Timestamp) -> Self {
        let code = response.status().as_u16();
        let retry_after = read_retry_after(response.headers(), sent_at);
        Self {
            code,
            retry_after,
            body: response.into_body(),
        }
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.code)
    }

    pub(crate) fn is_client_error(&self) -> bool {
        (400..500).contains(&self.code)
    }

    pub(crate) fn error_body(&self) -> ErrorBody {
        lenient::parse_object(&self.body).unwrap_or_default()
    }

    pub(crate) fn refusal(&self) -> Refusal {
        let ErrorBody {
            code: error_code,
            message,
        } = self.error_body();
        let kind = refusal_kind(self.code, error_code.as_deref().unwrap_or_default());
        Refusal {
            code: self.code,
            error_code: error_code.as_deref().map(shorten),
            message: message.as_deref().map(shorten),
            kind,
        }
    }

    /// The explanation in the body, where it has one.
    pub(crate) fn message(&self) -> Option<String> {
        let body = self.error_body();
        body.message.or(body.code).as_deref().map(shorten)
    }
}

/// The body of an error: `{"code","message"}`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ErrorBody {
    #[serde(deserialize_with = "lenient::text")]
    pub(crate) code: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub(crate) message: Option<String>,
}

fn refusal_kind(code: u16, error_code: &str) -> RefusalKind {
    match error_code {
        "error.reverse.email.invalid" | "error.reverse.email.empty" => RefusalKind::Addresses,
        "error.api.key" => RefusalKind::Unauthorized,
        other if other.starts_with("error.authorization.") => RefusalKind::Unauthorized,
        _ if code == 401 => RefusalKind::Unauthorized,
        _ => RefusalKind::Other,
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(MAX_MESSAGE_CHARS).collect()
}

/// What an answer's Retry-After says: seconds, or a date. A date is measured from the answer's own `Date`, so that our
/// clock need not agree with theirs. It is never longer than [`MAX_RETRY_AFTER`].
///
/// ```
/// use std::time::Duration;
/// use http::{HeaderMap, header};
/// use lumina_fullenrich::read_retry_after;
///
/// let mut headers = HeaderMap::new();
/// assert_eq!(read_retry_after(&headers, jiff::Timestamp::UNIX_EPOCH), None);
/// headers.insert(header::RETRY_AFTER, "7".parse()?);
/// assert_eq!(read_retry_after(&headers, jiff::Timestamp::UNIX_EPOCH), Some(Duration::from_secs(7)));
/// # Ok::<(), header::InvalidHeaderValue>(())
/// ```
#[must_use]
pub fn read_retry_after(headers: &HeaderMap, sent_at: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let delay = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let answered_at = headers
                .get(header::DATE)
                .and_then(|v| parse_http_date(v.to_str().ok()?));
            let delay = parse_http_date(text)?.duration_since(answered_at.unwrap_or(sent_at));
            Duration::try_from(delay).unwrap_or(Duration::ZERO)
        }
    };
    Some(delay.min(MAX_RETRY_AFTER))
}

fn parse_http_date(text: &str) -> Option<Timestamp> {
    rfc2822::parse(text.trim()).ok().map(|date| date.timestamp())
}
