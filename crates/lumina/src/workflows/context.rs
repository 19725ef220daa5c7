//! What the workflows work with, and the provider's answers on their way into the records.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use lumina_enrichment::icp::IcpProfile;
use lumina_fullenrich::result::ResultHead;
use lumina_fullenrich::{Answer, BatchStatus, CallKind, Client, EnrichmentId, Permit, Refusal};
use lumina_workflow::store::{Attachment, NewRun};
use lumina_workflow::{Engine, EngineError, Payload, RunId, Runtime, StartOptions, StepError, WeakEngine, Workflow};
use uuid::Uuid;

use super::LateAnswer;
use crate::calls::Calls;
use crate::records::{AnswerId, AnswerSource, Budgets, Looks, NewAnswer, PauseReason, Records, View};

/// The keys under `custom` that come back with each record, signed.
pub(super) const RUN_TAG: &str = "lumina_run";
pub(super) const JOB_TAG: &str = "lumina_job";
pub(super) const ATTEMPT_TAG: &str = "lumina_attempt";

/// The configured times and limits of the pipeline.
#[derive(Debug, Clone)]
pub struct PipelineSettings {
    /// How long a batch may take, from its POST.
    pub deadline: Duration,
    /// How long an open batch waits for more.
    pub linger: Duration,
    /// How long a callback may still prove that a POST of unknown outcome was accepted.
    pub reconcile_window: Duration,
    /// How many batches may be out at once.
    pub max_in_flight: u32,
    /// Between two questions, when there is no callback.
    pub poll_without_webhook: Duration,
    /// The first question, when there is one.
    pub poll_first: Duration,
    /// The further ones.
    pub poll_every: Duration,
    /// What may be spent.
    pub budgets: Budgets,
    /// Before a call that failed is made again for the first time.
    pub retry_first: Duration,
    /// Before the provider is asked again that could not be reached.
    pub retry_unreachable: Duration,
    /// Between two looks at whether what is in the way of buying has gone.
    pub probe_every: Duration,
    /// Before a batch that was given up is asked about for the first time.
    pub late_poll: Duration,
    /// A lookup that is older may be made again.
    pub refresh_after: Duration,
    /// Between two sweeps.
    pub sweep_every: Duration,
    /// Between two scheduled batches.
    pub batch_every: Duration,
    /// How long raw deliveries and answers are kept.
    pub raw_kept: Duration,
    /// How long finished runs are kept.
    pub runs_kept: Duration,
}

impl PipelineSettings {
    /// What the dashboard's numbers are seen against at this time.
    #[must_use]
    pub fn view(&self, now: jiff::Timestamp) -> View {
        View {
            now,
            budgets: self.budgets,
            looks: Looks {
                sweep_every: self.sweep_every,
                probe_every: self.probe_every,
            },
        }
    }
}

/// The provider, and how it reaches us.
pub struct Provider {
    /// The client.
    pub client: Client,
    /// When it may be called.
    pub calls: Calls,
    /// The public URL of the batch callback; without one, results are polled.
    pub callback: Option<String>,
}

/// What the workflows work with.
pub struct Context {
    /// The application's tables.
    pub records: Records,
    /// Tasks, time, randomness.
    pub runtime: Arc<dyn Runtime>,
    /// The provider.
    pub provider: Provider,
    /// Times and limits.
    pub settings: PipelineSettings,
    /// What a good lead is.
    pub profile: IcpProfile,
    engine: OnceLock<WeakEngine>,
}

impl Context {
    /// A context whose engine is still to be built.
    #[must_use]
    pub fn new(
        records: Records,
        runtime: Arc<dyn Runtime>,
        provider: Provider,
        settings: PipelineSettings,
        profile: IcpProfile,
    ) -> Self {
        Self {
            records,
            runtime,
            provider,
            settings,
            profile,
            engine: OnceLock::new(),
        }
    }

    /// Gives it its engine.
    ///
    /// # Panics
    /// When it has one.
    pub fn attach_engine(&self, engine: &Engine) {
        assert!(
            self.engine.set(engine.downgrade()).is_ok(),
            "a context belongs to one engine"
        );
    }

    /// Its engine.
    ///
    /// # Errors
    /// When it has been shut down.
    pub fn engine(&self) -> Result<Engine, StepError> {
        let engine = self.engine.get().and_then(WeakEngine::upgrade);
        engine.ok_or_else(|| StepError::retry("the engine is being shut down"))
    }

    /// Commits writes of the application, once.
    ///
    /// # Errors
    /// As [`Engine::transact`], or when the engine has been shut down.
    pub async fn transact(&self, writes: Attachment) -> Result<Payload, EngineError> {
        let gone = |error: StepError| EngineError::Invalid(error.message);
        let engine = self.engine().map_err(gone)?;
        engine.transact(self.runtime.new_id(), writes).await
    }

    /// Makes runs without starting them, for a transaction.
    ///
    /// # Errors
    /// As [`Engine::prepare`], or when the engine has been shut down.
    pub fn prepare<W: Workflow>(&self, input: &W::Input, count: usize) -> Result<Vec<NewRun>, EngineError> {
        let gone = |error: StepError| EngineError::Invalid(error.message);
        let engine = self.engine().map_err(gone)?;
        (0..count)
            .map(|_| engine.prepare::<W>(input, StartOptions::default()))
            .collect()
    }

    /// A call's permit, or the time to ask again: it is taken before the attempt, and waiting
    /// for it uses none up.
    pub(super) async fn permit(&self, kind: CallKind) -> Result<Permit, StepError> {
        let permit = self.provider.calls.permit(kind, self.runtime.now()).await;
        permit.map_err(|none| StepError::defer(none.after, none.why))
    }

    /// Stops buying because the provider refuses the key, or what concerns no single address, and lets a step come
    /// back when it is looked again whether that has gone. Nothing fails.
    pub(super) async fn pause_for(&self, refusal: &Refusal) -> StepError {
        let message = format!("{refusal}; check fullenrich.api_key and run `lumina doctor`");
        let pause = Records::pause(PauseReason::Refused, message.clone());
        match self.transact(pause).await {
            Ok(_) => StepError::defer(self.settings.probe_every, message),
            Err(error) => StepError::retry(error),
        }
    }

    /// The final answer to a question, ready to be stored. It is about what was asked for, whether it repeats that or
    /// not, and the end, whether it names its status or not: 402 alone says so much.
    ///
    /// # Errors
    /// When its late run cannot be prepared.
    pub(super) fn make_told(&self, answer: &Answer, asked: &EnrichmentId) -> Result<NewAnswer, EngineError> {
        let short = || BatchStatus::CreditsInsufficient.as_str().to_owned();
        let told = self.make(&answer.into(), answer.raw().clone(), asked, AnswerSource::Poll)?;
        Ok(NewAnswer {
            status: Some(told.status.unwrap_or_else(short)),
            is_final: true,
            ..told
        })
    }

    /// An answer, ready to be stored; none when it does not say which batch it is about.
    ///
    /// # Errors
    /// When its late run cannot be prepared.
    pub fn make_answer(
        &self,
        head: &ResultHead,
        body: Bytes,
        source: AnswerSource,
    ) -> Result<Option<NewAnswer>, EngineError> {
        let about = head.id.as_ref();
        about.map(|id| self.make(head, body, id, source)).transpose()
    }

    fn make(
        &self,
        head: &ResultHead,
        body: Bytes,
        about: &EnrichmentId,
        source: AnswerSource,
    ) -> Result<NewAnswer, EngineError> {
        let id = AnswerId(self.runtime.new_id());
        let gone = |error: StepError| EngineError::Invalid(error.message);
        let options = StartOptions::keyed(id.0.to_string()).priority(20);
        let late_run = self.engine().map_err(gone)?.prepare::<LateAnswer>(&id, options)?;
        Ok(NewAnswer {
            id,
            enrichment: about.as_str().to_owned(),
            status: head.status.as_ref().map(|status| status.as_str().to_owned()),
            is_final: source != AnswerSource::Contact && head.is_final(),
            source,
            cost: head.cost.credits,
            named: find_named(head),
            body,
            late_run,
            deadline: self.settings.deadline,
        })
    }
}

/// The run and attempt that the records' own tags name, or, where there is no record, the batch's: both are part of the
/// signed body.
fn find_named(head: &ResultHead) -> Option<(RunId, u32)> {
    let tagged = head.records.iter().find_map(|record| {
        let run: Uuid = record.custom.get(RUN_TAG)?.parse().ok()?;
        let attempt = record.custom.get(ATTEMPT_TAG)?.parse().ok()?;
        Some((RunId(run), attempt))
    });
    tagged.or_else(|| read_name(head.name.as_deref()?))
}

/// What a batch is called at the provider.
pub(super) fn name_of(run: RunId, attempt: u32) -> String {
    format!("Lumina {run} ({attempt})")
}

fn read_name(name: &str) -> Option<(RunId, u32)> {
    let (run, attempt) = name.strip_prefix("Lumina ")?.strip_suffix(')')?.split_once(" (")?;
    Some((RunId(run.parse().ok()?), attempt.parse().ok()?))
}

/// Reads a body that came in.
///
/// # Errors
/// When it is no result at all.
pub fn answer_of(body: Bytes) -> Result<Answer, lumina_fullenrich::result::UnreadableResult> {
    Answer::parse(body)
}
