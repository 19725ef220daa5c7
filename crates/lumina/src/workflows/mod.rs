//! The registry of workflows: one file each.

use lumina_workflow::{DefinitionError, EngineBuilder, Overrides};

mod context;
mod late_answer;
mod results;
mod submission;
mod subscriber_enrichment;
mod waiting;

pub use context::{Context, PipelineSettings, Provider, RuntimeClock, answer_of};
pub use late_answer::LateAnswer;
pub use subscriber_enrichment::{SubscriberEnrichment, Summary, Trigger, WAIT};

/// The event that ends the wait for a batch's results.
pub const COMPLETE_EVENT: &str = "enrichment-complete";

/// The event that proves that a batch of unknown outcome was accepted.
pub const ACCEPTED_EVENT: &str = "submission-accepted";

/// The namespace of the provider's batch ids among correlation keys.
pub const ENRICHMENT_NAMESPACE: &str = "fullenrich";

/// Registers every workflow there is.
///
/// # Errors
/// When a declaration does not work with the configured durations.
pub fn register(builder: EngineBuilder, context: &std::sync::Arc<Context>) -> Result<EngineBuilder, DefinitionError> {
    let overrides = Overrides::default().timeout(&WAIT, context.settings.deadline);
    builder
        .register_with(SubscriberEnrichment::new(context.clone()), &overrides)?
        .register(LateAnswer::new(context.clone()))
}
