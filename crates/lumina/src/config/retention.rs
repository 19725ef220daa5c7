use std::time::Duration;

use super::Key;
use super::values::Values;

pub(super) const KEYS: &[Key] = &[
    Key::text(
        "retention.raw",
        "30d",
        "How long the bodies of valid deliveries are kept; at least 1s.",
    ),
    Key::text(
        "retention.runs",
        "30d",
        "How long workflow runs are kept once they have ended; at least 1s.",
    ),
];

const MIN_RETENTION: Duration = Duration::from_secs(1);

/// How long things are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionConfig {
    /// The bodies of valid deliveries.
    pub raw: Duration,
    /// Workflow runs that have ended.
    pub runs: Duration,
}

impl RetentionConfig {
    pub(super) fn read(values: &mut Values) -> Self {
        Self {
            raw: values.duration("retention.raw", MIN_RETENTION),
            runs: values.duration("retention.runs", MIN_RETENTION),
        }
    }
}
