//! Sending a batch: what is known after each POST decides what may follow it.

use jiff::Timestamp;
use lumina_fullenrich::{
    BatchRequest, CallError, CallKind, LookupItem, Permit, RefusalKind, RequestError, StartOutcome, TryLater,
};
use lumina_workflow::{
    Attempt, CorrelationKey, Failure, FailureKind, Record, Run, RunId, Seq, StepError, What, superseded,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::ENRICHMENT_NAMESPACE;
use super::context::{ATTEMPT_TAG, Context, JOB_TAG, RUN_TAG, name_of};
use super::reading::limited;
use super::subscriber_enrichment::{DOUBT, RECONCILE, SUBMIT};
use crate::guards::Guard;
use crate::records::{Lookup, Out, Records, Standing};

/// A batch is sent once, or, when nobody knows what became of it, twice.
pub(super) const MAX_POSTS: u32 = 2;

/// What the provider said to a POST: both are known outcomes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Submission {
    Accepted(Out),
    Refused {
        /// Whether one of the addresses is the reason.
        addresses: bool,
        message: String,
    },
    /// Everybody in it has an answer meanwhile: it was not sent.
    Nothing,
    /// The budget does not allow it any more: it was not sent.
    Short(String),
}

/// Whole credits that are left.
pub(super) async fn read_balance(context: &Context, permit: Permit) -> Result<u64, StepError> {
    match context.provider.client.credits(permit).await {
        Ok(balance) => Ok(balance.credits.max(0.0).floor() as u64),
        Err(CallError::NotAnswered(later)) if later.is_rate_limited() => Err(limited(context, later)),
        Err(CallError::NotAnswered(later)) => {
            let pause = later.retry_after.unwrap_or(context.settings.retry_unreachable);
            Err(StepError::defer(pause, later))
        }
        Err(CallError::Refused(refusal)) => Err(context.pause_for(&refusal).await),
    }
}

/// What a POST sends.
enum Order {
    Send(Permit, BatchRequest),
    /// It would be refused as it is.
    Unfit(String),
    Nothing,
    /// It is more than may be spent now.
    Short(String),
    /// It need not be sent: it was accepted before.
    Accepted(Out),
}

/// Sends the batch. What must be read, built and permitted is done before the attempt begins.
pub(super) async fn submit(run: &Run, context: &Arc<Context>, post: u32) -> Result<Submission, Failure> {
    let id = run.id();
    let (gate, act) = (context.clone(), context.clone());
    let open = move || {
        let context = gate.clone();
        async move { make_order(&context, id, post).await }
    };
    run.gated_step(SUBMIT, open, move |attempt, order| {
        let context = act.clone();
        async move {
            match order {
                Order::Send(permit, request) => send(&context, &attempt, id, post, permit, &request).await,
                Order::Unfit(message) => Ok(Submission::Refused {
                    addresses: true,
                    message,
                }),
                Order::Nothing => Ok(Submission::Nothing),
                Order::Short(why) => Ok(Submission::Short(why)),
                Order::Accepted(out) => Ok(Submission::Accepted(out)),
            }
        }
    })
    .await
}

async fn make_order(context: &Context, run: RunId, post: u32) -> Result<Order, StepError> {
    match context.records.standing(run, post).await.map_err(StepError::retry)? {
        Standing::Open => {}
        Standing::Accepted(out) => {
            context
                .transact(Records::withdraw(run))
                .await
                .map_err(StepError::retry)?;
            return Ok(Order::Accepted(out));
        }
        Standing::Unknown => return Err(StepError::unknown("it was sent before, with an unknown outcome")),
        Standing::Over => return Ok(Order::Nothing),
    }
    let lookups = context.records.lookups(run, post).await.map_err(StepError::retry)?;
    if lookups.is_empty() {
        return Ok(Order::Nothing);
    }
    let settings = &context.settings;
    let spend = context
        .transact(Records::spend_today(run, post, settings.budgets))
        .await;
    let in_the_way: Option<String> = spend.map_err(StepError::retry)?.decode().map_err(StepError::fail)?;
    match in_the_way {
        // Its jobs can wait for their turn like all others, in a batch that is cut to what may be spent.
        Some(why) if post == 1 => return Ok(Order::Short(why)),
        Some(why) => return Err(StepError::defer(settings.sweep_every, why)),
        None => {}
    }
    match make_request(context, run, post, &lookups)? {
        Ok(request) => Ok(Order::Send(context.permit(CallKind::Submit).await?, request)),
        Err(unfit) => Ok(Order::Unfit(unfit.to_string())),
    }
}

/// The inner error is an address that no request can carry.
fn make_request(
    context: &Context,
    run: RunId,
    post: u32,
    lookups: &[Lookup],
) -> Result<Result<BatchRequest, RequestError>, StepError> {
    let items = lookups.iter().map(|lookup| make_item(run, post, lookup));
    let items = match items.collect::<Result<Vec<_>, _>>() {
        Ok(items) => items,
        Err(unfit) => return Ok(Err(unfit)),
    };
    let request = BatchRequest::new(name_of(run, post), items).map_err(StepError::fail)?;
    let Some(callback) = &context.provider.callback else {
        return Ok(Ok(request));
    };
    let tagged = |path: &str| format!("{}{path}?run={run}&attempt={post}", callback.trim_end_matches('/'));
    let request = request.with_webhook_url(tagged("")).map_err(StepError::fail)?;
    let request = request.with_contact_webhook_url(tagged("/contact"));
    Ok(Ok(request.map_err(StepError::fail)?))
}

fn make_item(run: RunId, post: u32, lookup: &Lookup) -> Result<LookupItem, RequestError> {
    let tags = [
        (RUN_TAG, run.to_string()),
        (JOB_TAG, lookup.job.0.to_string()),
        (ATTEMPT_TAG, post.to_string()),
    ];
    let item = LookupItem::new(&lookup.email)?;
    tags.into_iter()
        .try_fold(item, |item, (key, value)| item.with_custom(key, &value))
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
            Ok(Submission::Accepted(Out { enrichment, posted_at }))
        }
        StartOutcome::NotAccepted(later) => Err(not_accepted(context, post, later)),
        // What was sent before may have been accepted: its jobs wait, and are not given up.
        StartOutcome::Refused(refusal) if post > 1 && refusal.kind != RefusalKind::Addresses => {
            Err(context.pause_for(&refusal).await)
        }
        StartOutcome::Refused(refusal) => {
            let addresses = refusal.kind == RefusalKind::Addresses;
            Ok(Submission::Refused {
                addresses,
                message: refusal.to_string(),
            })
        }
        StartOutcome::Unknown { reason, code } => {
            tracing::warn!(%run, post, %reason, "it is not known whether the provider accepted the batch; a sign of it is waited for");
            let error = match Guard::UnknownOutcome.is_removed() {
                true => StepError::retry(reason),
                false => StepError::unknown(reason),
            };
            Err(code.map_or(error.clone(), |code| error.with_code(code)))
        }
    }
}

/// A second POST waits for as long as it takes: its jobs are not free, and would be given up with it.
fn not_accepted(context: &Context, post: u32, later: TryLater) -> StepError {
    if later.is_rate_limited() {
        return limited(context, later);
    }
    if post > 1 {
        let pause = later.retry_after.unwrap_or(context.settings.retry_unreachable);
        return StepError::defer(pause, later);
    }
    let (code, after) = (later.code, later.retry_after);
    let error = StepError::retry(later);
    let error = after.map_or(error.clone(), |after| error.not_before(after));
    code.map_or(error.clone(), |code| error.with_code(code))
}

/// Waits for a sign that a POST of unknown outcome was accepted. `None` when none came.
pub(super) async fn reconcile(run: &Run, context: &Context, post: u32) -> Result<Option<Out>, Failure> {
    let window = context.settings.reconcile_window;
    let named: Option<String> = run
        .step_in_tx(DOUBT, Records::mark_unknown(run.id(), post, window))
        .await?;
    let enrichment = match named {
        Some(enrichment) => Some(enrichment),
        None if Guard::ReconcileWindow.is_removed() => None,
        None => run.wait_or_timeout::<String>(RECONCILE.within(window)).await?,
    };
    let Some(enrichment) = enrichment else { return Ok(None) };
    let posted_at = posted_at(run, context, post).await?;
    Ok(Some(Out { enrichment, posted_at }))
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
    let (mut records, mut after) = (Vec::new(), Seq(0));
    loop {
        let page = engine.history(run, after, PAGE).await.map_err(StepError::retry)?;
        let is_last = page.len() < PAGE;
        after = page.last().map_or(after, |stored| stored.seq);
        records.extend(page.into_iter().map(|stored| stored.record));
        if is_last {
            return Ok(doubtful_of(&records));
        }
    }
}

/// The POSTs are the steps that count still, in their order: before the run was sent back there may have been others.
fn doubtful_of(records: &[Record]) -> Option<u32> {
    let gone = superseded(records);
    let (mut posts, mut doubtful) = (Vec::new(), None);
    for (place, record) in (1..).map(Seq).zip(records) {
        let step = record.step.as_ref().filter(|step| step.name == SUBMIT.name);
        let Some(step) = step.filter(|_| !gone.contains(&place)) else {
            continue;
        };
        if !posts.contains(&step.ordinal) {
            posts.push(step.ordinal);
        }
        let post = u32::try_from(posts.len()).unwrap_or(u32::MAX);
        doubtful = match &record.what {
            What::AttemptStarted { .. } => Some(post),
            What::Failed { failure, .. } if failure.kind == FailureKind::Unknown => Some(post),
            _ => None,
        };
    }
    doubtful
}
