//! The registry of workflows: one file each.

use lumina_workflow::{DefinitionError, EngineBuilder, Overrides};

mod context;
mod housekeeping;
mod late_answer;
mod late_results;
mod probe;
mod reading;
mod replay;
mod results;
mod retention;
mod submission;
mod subscriber_enrichment;
mod sweep;
mod waiting;

pub use context::{Context, PipelineSettings, Provider, answer_of};
pub use housekeeping::{HOUSEKEEPING, LATE_RESULTS, PROBE, RETENTION, SCHEDULED_BATCH, SWEEP};
pub use late_answer::LateAnswer;
pub use late_results::{LateReport, LateResults};
pub use probe::{PauseProbe, ProbeReport};
pub use replay::replay;
pub use results::judge;
pub use retention::{Retention, RetentionReport};
pub use subscriber_enrichment::{SubscriberEnrichment, Summary, Trigger, WAIT};
pub use sweep::{PendingJobSweep, SweepReport, sweep};

/// The event that ends the wait for a batch's results.
pub const COMPLETE_EVENT: &str = "enrichment-complete";

/// The event that proves that a batch of unknown outcome was accepted.
pub const ACCEPTED_EVENT: &str = "submission-accepted";

/// The namespace of the provider's batch ids among correlation keys.
pub const ENRICHMENT_NAMESPACE: &str = "fullenrich";

/// Registers every workflow there is, and declares every schedule.
///
/// # Errors
/// When a declaration does not work with the configured durations.
pub fn register(builder: EngineBuilder, context: &std::sync::Arc<Context>) -> Result<EngineBuilder, DefinitionError> {
    let first = context.settings.retry_first;
    let overrides = SubscriberEnrichment::CALLS
        .iter()
        .fold(Overrides::default(), |overrides, step| {
            overrides.first_delay(step, first)
        })
        .timeout(&WAIT, context.settings.deadline);
    let builder = builder
        .register_with(SubscriberEnrichment::new(context.clone()), &overrides)?
        .register(LateAnswer::new(context.clone()))?
        .register(PendingJobSweep::new(context.clone()))?
        .register(LateResults::new(context.clone()))?
        .register(PauseProbe::new(context.clone()))?
        .register(Retention::new(context.clone()))?;
    housekeeping::declare(builder, &context.settings)
}
