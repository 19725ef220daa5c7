use std::num::NonZeroU32;
use std::time::Duration;

use super::Key;
use super::values::Values;

pub(super) const KEYS: &[Key] = &[
    Key::literal(
        "worker.max_in_flight",
        "256",
        "How many runs are executed at once; 1 to 10000. Waiting ones do not count.",
    ),
    Key::text(
        "worker.lease",
        "15s",
        "On a PostgreSQL server: how long a run is a process's without its renewing that, at least 5s. So much later \
         others take over what one had that is gone.",
    ),
];

/// A lease is renewed every third of it, and a process that was stopped in the middle of a transaction is found out
/// within three seconds.
const MIN_LEASE: Duration = Duration::from_secs(5);

/// Each executing run holds its history in memory; more than this never made anything faster.
const MAX_IN_FLIGHT: u32 = 10_000;

/// How runs are executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerConfig {
    /// At once; waiting ones do not count.
    pub max_in_flight: NonZeroU32,
    /// How long a run is a process's without renewal.
    pub lease: Duration,
}

impl WorkerConfig {
    pub(super) fn read(values: &mut Values) -> Self {
        Self {
            max_in_flight: values.count("worker.max_in_flight", 1..=MAX_IN_FLIGHT),
            lease: values.duration("worker.lease", MIN_LEASE),
        }
    }
}
