//! Sending a batch: what is known after each POST decides what may follow it.

use jiff::Timestamp;
use lumina_fullenrich::{BatchRequest, CallError, LookupItem, Permit, RefusalKind, StartOutcome, TryLater};
use lumina_workflow::{Attempt, CorrelationKey, Failure, FailureKind, Run, RunId, Seq, StepError, What};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

use super::ENRICHMENT_NAMESPACE;
use super::context::{ATTEMPT_TAG, Context, JOB_TAG, RUN_TAG};
use super::subscriber_enrichment::{DOUBT, RECONCILE, SUBMIT};
use crate::records::{Lookup, PauseReason, Records};

/// A batch is sent once, or, when nobody knows what became of it, twice.
pub(super) const MAX_POSTS: u32 = 2;

/// The provider is asked again after this time when it cannot be reached.
const UNREACHABLE_PAUSE: Duration = Duration::from_secs(60);

/// The provider is asked again after this time when it refuses the key.
const REFUSED_PAUSE: Duration = Duration::from_secs(15 * 60);

/// What the provider said to a POST: both are known outcomes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Submission {
    Accepted(Sent),
    Refused {
        /// Whether one of the addresses is the reason.
        addresses: bool,
        message: String,
    },
}

/// A batch that is out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sent {
    pub enrichment: String,
    pub posted_at: Timestamp,
}

/// Whole credits that are left.
pub(super) async fn read_balance(context: &Context, permit: Permit) -> Result<u64, StepError> {
    match context.provider.client.credits(permit).await {
        Ok(balance) => Ok(balance.credits.max(0.0).floor() as u64),
        Err(CallError::NotAnswered(later)) => {
            Err(StepError::defer(later.retry_after.unwrap_or(UNREACHABLE_PAUSE), later))
        }
        Err(CallError::Refused(refusal)) => {
            let message = format!("the balance could not be read: {refusal}; check fullenrich.api_key");
            let pause = Records::pause(PauseReason::Refused, message.clone());
            context
                .engine()?
                .transact(context.runtime.new_id(), pause)
                .await
                .map_err(StepError::retry)?;
            Err(StepError::defer(REFUSED_PAUSE, message))
        }
    }
}

/// Sends the batch. What must be read, built and permitted is done before the attempt begins.
pub(super) async fn submit(run: &Run, context: &Arc<Context>, post: u32) -> Result<Submission, Failure> {
    let id = run.id();
    let (gate, act) = (context.clone(), context.clone());
    let open = move || {
        let context = gate.clone();
        async move {
            let lookups = context.records.lookups(id, post).await.map_err(StepError::retry)?;
            let request = make_request(&context, id, post, &lookups)?;
            Ok((context.permit()?, request))
        }
    };
    run.gated_step(SUBMIT, open, move |attempt, (permit, request)| {
        let context = act.clone();
        async move { send(&context, &attempt, id, post, permit, &request).await }
    })
    .await
}

fn make_request(context: &Context, run: RunId, post: u32, lookups: &[Lookup]) -> Result<BatchRequest, StepError> {
    let items = lookups
        .iter()
        .map(|lookup| make_item(run, post, lookup))
        .collect::<Result<Vec<_>, _>>()?;
    let request = BatchRequest::new(format!("Lumina {run} ({post})"), items).map_err(StepError::fail)?;
    let Some(callback) = &context.provider.callback else {
        return Ok(request);
    };
    let tagged = |path: &str| format!("{}{path}?run={run}&attempt={post}", callback.trim_end_matches('/'));
    let request = request.with_webhook_url(tagged("")).map_err(StepError::fail)?;
    request
        .with_contact_webhook_url(tagged("/contact"))
        .map_err(StepError::fail)
}

fn make_item(run: RunId, post: u32, lookup: &Lookup) -> Result<LookupItem, StepError> {
    let tags = [
        (RUN_TAG, run.to_string()),
        (JOB_TAG, lookup.job.0.to_string()),
        (ATTEMPT_TAG, post.to_string()),
    ];
    let item = LookupItem::new(&lookup.email).map_err(StepError::fail)?;
    tags.into_iter()
        .try_fold(item, |item, (key, value)| item.with_custom(key, &value))
        .map_err(StepError::fail)
}

async fn send(
    context: &Context,
    attempt: &Attempt,
    run: RunId,
    post: u32,
    permit: Permit,
    request: &BatchRequest,
) -> Result<Submission, StepError> {
    let posted_at = context.runtime.now();
    match context.provider.client.start_batch(permit, request).await {
        StartOutcome::Accepted { enrichment_id } => {
            let enrichment = enrichment_id.as_str().to_owned();
            attempt.register_key(CorrelationKey::new(ENRICHMENT_NAMESPACE, enrichment.clone()));
            attempt.attach(Records::accept(
                run,
                post,
                enrichment.clone(),
                posted_at,
                context.settings.deadline,
            ));
            Ok(Submission::Accepted(Sent { enrichment, posted_at }))
        }
        StartOutcome::NotAccepted(later) => Err(not_accepted(context, later)),
        StartOutcome::Refused(refusal) => {
            let addresses = refusal.kind == RefusalKind::Addresses;
            Ok(Submission::Refused {
                addresses,
                message: refusal.to_string(),
            })
        }
        StartOutcome::Unknown { reason, code } => {
            let error = StepError::unknown(reason);
            Err(code.map_or(error.clone(), |code| error.with_code(code)))
        }
    }
}

/// A limit that was hit uses up no attempt: the limiter already knows until when it is closed.
fn not_accepted(context: &Context, later: TryLater) -> StepError {
    if later.is_rate_limited() {
        let now = context.runtime.now();
        let limiter = context.provider.client.limiter();
        let until = match later.retry_after {
            Some(delay) => limiter.exhausted_for(now, delay),
            None => limiter.exhausted_until_next_minute(now),
        };
        return StepError::defer(until.delay(now), later);
    }
    let (code, after) = (later.code, later.retry_after);
    let error = StepError::retry(later);
    let error = after.map_or(error.clone(), |after| error.not_before(after));
    code.map_or(error.clone(), |code| error.with_code(code))
}

/// Waits for a sign that a POST of unknown outcome was accepted. `None` when none came.
pub(super) async fn reconcile(run: &Run, context: &Context, post: u32) -> Result<Option<Sent>, Failure> {
    let window = context.settings.reconcile_window;
    let named: Option<String> = run
        .step_in_tx(DOUBT, Records::mark_unknown(run.id(), post, window))
        .await?;
    let enrichment = match named {
        Some(enrichment) => Some(enrichment),
        None => run.wait_or_timeout::<String>(RECONCILE.within(window)).await?,
    };
    let Some(enrichment) = enrichment else { return Ok(None) };
    let posted_at = posted_at(run, context, post).await?;
    Ok(Some(Sent { enrichment, posted_at }))
}

async fn posted_at(run: &Run, context: &Context, post: u32) -> Result<Timestamp, Failure> {
    let (records, id) = (context.records.clone(), run.id());
    run.step(super::subscriber_enrichment::INSPECT, move |_| {
        let records = records.clone();
        async move {
            let at = records.posted_at(id, post).await.map_err(StepError::retry)?;
            at.ok_or_else(|| StepError::fail("the time of the POST is not on record"))
        }
    })
    .await
}

/// Which POST of a run that is over may have been accepted without anybody knowing, if one may: its
/// start is in the history, its end is not, or is unknown.
pub(super) async fn find_doubtful(context: &Context, run: RunId) -> Result<Option<u32>, StepError> {
    const PAGE: usize = 500;
    let engine = context.engine()?;
    let (mut posts, mut doubtful, mut after) = (Vec::new(), None, Seq(0));
    loop {
        let page = engine.history(run, after, PAGE).await.map_err(StepError::retry)?;
        for stored in &page {
            after = stored.seq;
            let Some(step) = stored.record.step.as_ref().filter(|step| step.name == SUBMIT.name) else {
                continue;
            };
            if !posts.contains(&step.ordinal) {
                posts.push(step.ordinal);
            }
            let post = u32::try_from(posts.len()).unwrap_or(u32::MAX);
            doubtful = match &stored.record.what {
                What::AttemptStarted { .. } => Some(post),
                What::Failed { failure, .. } if failure.kind == FailureKind::Unknown => Some(post),
                _ => None,
            };
        }
        if page.len() < PAGE {
            return Ok(doubtful);
        }
    }
}
