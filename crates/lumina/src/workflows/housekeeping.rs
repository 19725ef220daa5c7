//! What is done again and again beside the lookups, and when.

use std::time::Duration;

use lumina_workflow::{DefinitionError, EngineBuilder, Overlap, Schedule, Workflow};

use super::context::PipelineSettings;
use super::{LateResults, PauseProbe, PendingJobSweep, Retention};

/// The workflows of housekeeping. Their runs are short and many: lists leave them out unless they are asked for,
/// and they are kept for an hour once they have ended.
pub const HOUSEKEEPING: [&str; 4] = [
    PendingJobSweep::NAME,
    PauseProbe::NAME,
    LateResults::NAME,
    Retention::NAME,
];

/// The schedule of the sweep, which gives runs to jobs that lost theirs.
pub const SWEEP: &str = "sweep";

/// The schedule of the batch that picks up whatever is pending.
pub const SCHEDULED_BATCH: &str = "scheduled-batch";

/// The schedule of the look at what keeps the pipeline from buying.
pub const PROBE: &str = "probe";

/// The schedule of asking about batches that were given up.
pub const LATE_RESULTS: &str = "late-results";

/// The schedule of deleting what has been kept for its time.
pub const RETENTION: &str = "retention";

/// So often, or oftener if pauses are, it is looked whether the time has come to look at a pause.
const PROBE_EVERY: Duration = Duration::from_secs(60);

/// Times of retention are days, and what is deleted late is deleted in more batches.
const RETENTION_EVERY: Duration = Duration::from_secs(10 * 60);

/// Before the runs that they start.
const PRIORITY: i16 = 30;

/// Declares the schedules. After a downtime one tick of each makes up for all.
pub(super) fn declare(builder: EngineBuilder, settings: &PipelineSettings) -> Result<EngineBuilder, DefinitionError> {
    let every = |name, period| {
        let schedule = Schedule::every(name, period).overlap(Overlap::Skip).catch_up("1m");
        schedule.priority(PRIORITY)
    };
    builder
        .schedule::<PendingJobSweep>(every(SWEEP, settings.sweep_every).at_start(), &())?
        .schedule::<PendingJobSweep>(every(SCHEDULED_BATCH, settings.batch_every), &())?
        .schedule::<PauseProbe>(every(PROBE, PROBE_EVERY.min(settings.probe_every)).at_start(), &())?
        .schedule::<LateResults>(every(LATE_RESULTS, settings.late_poll), &())?
        .schedule::<Retention>(every(RETENTION, RETENTION_EVERY).at_start(), &())
}
