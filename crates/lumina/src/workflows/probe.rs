//! The probe: looks whether what keeps the pipeline from buying has gone.

use std::sync::Arc;

use lumina_fullenrich::CallKind;
use lumina_workflow::{Failure, Retry, Run, Step, StepError, Workflow};
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::housekeeping::SWEEP;
use crate::records::{Pause, PauseReason, Records};

/// Asks the provider about each pause whose time has come.
const PROBE: Step = Step::action("probe-pauses").timeout("5m").retry(Retry::exponential(3));

/// What a probe found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeReport {
    /// Pauses that are over.
    pub lifted: u64,
    /// Pauses that are not, and were asked about.
    pub left: u64,
}

/// Probes once.
pub struct PauseProbe {
    context: Arc<Context>,
}

impl PauseProbe {
    /// In this context.
    #[must_use]
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }
}

impl Workflow for PauseProbe {
    const NAME: &'static str = "pause-probe";
    const STEPS: &'static [Step] = &[PROBE];
    type Input = ();
    type Output = ProbeReport;

    async fn run(&self, run: &Run, (): ()) -> Result<ProbeReport, Failure> {
        let context = self.context.clone();
        run.step(PROBE, move |_| {
            let context = context.clone();
            async move { probe(&context).await }
        })
        .await
    }
}

async fn probe(context: &Context) -> Result<ProbeReport, StepError> {
    let mut report = ProbeReport::default();
    let now = context.runtime.now();
    for pause in context.records.pauses().await.map_err(StepError::retry)? {
        let due = pause.looked_at.saturating_add(context.settings.probe_every);
        if due.is_ok_and(|due| due <= now) && pause.reason != PauseReason::Budget {
            match ask(context, &pause).await? {
                Some(true) => report.lifted += 1,
                Some(false) => report.left += 1,
                None => {}
            }
        }
    }
    if report.lifted > 0 {
        // The jobs that waited for this are not to wait for the next sweep as well.
        let engine = context.engine()?;
        let swept = engine.trigger_schedule(SWEEP, PauseProbe::NAME).await;
        swept.map_err(StepError::retry)?;
    }
    Ok(report)
}

/// Whether what is in the way has gone; nothing when this minute's calls are used up.
async fn ask(context: &Context, pause: &Pause) -> Result<Option<bool>, StepError> {
    let client = &context.provider.client;
    let Ok(permit) = context.permit(CallKind::Account).await else {
        return Ok(None);
    };
    let gone = client.credits(permit).await.is_ok_and(|balance| balance.credits >= 1.0);
    let change = match gone {
        true => Records::resume(pause.reason, context.settings.max_in_flight),
        false => Records::postpone_probe(pause.reason),
    };
    context.transact(change).await.map_err(StepError::retry)?;
    tracing::info!(
        reason = pause.message,
        resumed = gone,
        "looked whether buying can go on"
    );
    Ok(Some(gone))
}
