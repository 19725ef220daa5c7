//! Durations as people write them: `24h`, `30m`, `60s`, `1h 30m`.

use std::time::Duration;

/// A text that is no duration.
///
/// An example is at [`parse_duration`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a duration: write a number and a unit, such as 24h, 30m, 60s or 250ms")]
pub struct DurationError {
    /// The text as written.
    pub text: String,
}

/// Reads a duration such as `24h`, `30m`, `60s`, `250ms`, `1h 30m`, `90d`. A day is 24 hours.
///
/// # Errors
/// When the text is no positive duration.
///
/// ```
/// # use std::time::Duration;
/// assert_eq!(lumina_workflow::parse_duration("24h")?, Duration::from_secs(86_400));
/// assert!(lumina_workflow::parse_duration("soon").is_err());
/// # Ok::<(), lumina_workflow::DurationError>(())
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let wrong = || DurationError { text: text.to_owned() };
    let span: jiff::Span = text.trim().parse().map_err(|_| wrong())?;
    let signed = span
        .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
        .map_err(|_| wrong())?;
    Duration::try_from(signed).map_err(|_| wrong())
}
