//! When a schedule ticks and what becomes of its ticks, as it is stored.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// When a schedule ticks, and what becomes of its ticks. Stored as JSON.
///
/// An example is at [`Schedule`](crate::Schedule).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleSpec {
    /// What its ticks are.
    pub timing: Timing,
    /// No tick before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// No tick at this time or after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// What happens at a tick while a run of the schedule has not ended.
    pub overlap: Overlap,
    /// Ticks that are older than this are not started any more.
    pub catch_up: Duration,
    /// The priority of its runs.
    #[serde(default)]
    pub priority: i16,
}

/// What a schedule's ticks are.
///
/// An example is at [`Schedule`](crate::Schedule).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// The start and every period after it; without a start, the multiples of the period since
    /// the beginning of 1970 in UTC.
    Every {
        /// The time between two ticks.
        period: Duration,
    },
    /// The times at which a wall clock fits an expression.
    Cron {
        /// Five fields, or one of the `@` words.
        expression: String,
        /// The wall clock's time zone: its IANA name.
        time_zone: String,
    },
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every { period } => match SignedDuration::try_from(*period) {
                Ok(period) => write!(f, "every {period:#}"),
                Err(_) => write!(f, "every {period:?}"),
            },
            Self::Cron { expression, time_zone } => write!(f, "{expression} ({time_zone})"),
        }
    }
}

/// What happens at a tick while a run of the schedule has not ended.
///
/// An example is at [`Schedule`](crate::Schedule).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The tick is dropped, and counted as skipped.
    Skip,
    /// The tick waits until the runs before it have ended. It waits no longer than the catch-up
    /// window: then it is counted as missed, which bounds the queue.
    Queue,
    /// The tick starts its run beside the others.
    Allow,
}

impl Overlap {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
            Self::Allow => "allow",
        }
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
