use std::num::NonZeroU32;

use super::Key;
use super::values::Values;

pub(super) const KEYS: &[Key] = &[Key::literal(
    "worker.max_in_flight",
    "256",
    "How many runs are executed at once; 1 to 10000. Waiting ones do not count.",
)];

/// Each executing run holds its history in memory; more than this never made anything faster.
const MAX_IN_FLIGHT: u32 = 10_000;

/// How runs are executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerConfig {
    /// At once; waiting ones do not count.
    pub max_in_flight: NonZeroU32,
}

impl WorkerConfig {
    pub(super) fn read(values: &mut Values) -> Self {
        Self {
            max_in_flight: values.count("worker.max_in_flight", 1..=MAX_IN_FLIGHT),
        }
    }
}
