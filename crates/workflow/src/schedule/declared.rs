//! The schedules that an engine declares.

use crate::payload::Payload;
use crate::schedule::ScheduleSpec;

/// A declared schedule, whose workflow the engine has.
#[derive(Debug, Clone)]
pub(crate) struct Declared {
    pub workflow: &'static str,
    pub spec: ScheduleSpec,
    pub input: Payload,
    /// A worker that starts has a run started.
    pub at_start: bool,
}
