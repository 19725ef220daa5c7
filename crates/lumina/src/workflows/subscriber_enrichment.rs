//! The enrichment workflow: a batch of jobs is sent to the provider, its answer waited for and
//! applied. The four steps of its heart are batch, submit, wait, process; the others keep the
//! money safe around them.

use std::sync::Arc;

use lumina_fullenrich::CallKind;
use lumina_workflow::{Failure, Retry, Run, Step, StepError, Workflow};
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::submission::{self, Submission};
use super::waiting::{self, process_step};
use super::{ACCEPTED_EVENT, COMPLETE_EVENT};
use crate::records::{Again, Allowance, Applied, Out, Records, Resend, Settled, Taken};

/// Takes a place among the batches that may be out at once.
pub(super) const SLOT: Step = Step::action("take-slot").retry(Retry::exponential(3));
/// Reads the provider's balance.
pub(super) const BALANCE: Step = Step::action("read-balance").timeout("60s").retry(Retry::exponential(3));
/// Takes the jobs.
pub(super) const BATCH: Step = Step::action("batch-pending-jobs").retry(Retry::exponential(3));
/// Sends them.
pub(super) const SUBMIT: Step = Step::action("submit-to-fullenrich")
    .outside_effect()
    .timeout("60s")
    .retry(Retry::exponential(5).first("5s").on_codes(&[429, 500, 502, 503, 504]));
/// Notes that nobody knows whether they were accepted.
pub(super) const DOUBT: Step = Step::action("note-unknown-outcome").retry(Retry::exponential(3));
/// Waits for a sign that they were.
pub(super) const RECONCILE: Step = Step::wait("reconcile-submission", ACCEPTED_EVENT).timeout("2h");
/// Makes ready to send them once more.
pub(super) const AGAIN: Step = Step::action("prepare-second-submission").retry(Retry::exponential(3));
/// Hands a refused batch to two smaller ones.
pub(super) const SPLIT: Step = Step::action("split-batch").retry(Retry::exponential(3));
/// Stops buying until somebody has looked.
pub(super) const PAUSE: Step = Step::action("pause-pipeline").retry(Retry::exponential(3));
/// Waits for the results.
pub const WAIT: Step = Step::wait("wait-for-webhook", COMPLETE_EVENT).timeout("24h");
/// Between two questions.
pub(super) const POLL_PAUSE: Step = Step::sleep("pause-before-poll");
/// Asks for the results.
pub(super) const POLL: Step = Step::action("poll-results").timeout("60s").retry(Retry::exponential(3));
/// Asks a last time before the deadline's verdict.
pub(super) const LAST_GET: Step = Step::action("last-get")
    .timeout("60s")
    .retry(Retry::exponential(5).first("5s"));
/// Applies the results.
pub(super) const PROCESS: Step = Step::action("process-results").retry(Retry::exponential(3));
/// Ends the batch, unless another answer for it is still to come.
pub(super) const SETTLE: Step = Step::action("settle-batch").retry(Retry::exponential(10));
/// Applies what was said before an end that never came.
pub(super) const KEPT: Step = Step::action("apply-kept-answers").retry(Retry::exponential(3));
/// Lets go of jobs and place.
pub(super) const RELEASE: Step = Step::action("release-jobs").retry(Retry::exponential(10));
/// Finds out what is known of the last POST.
pub(super) const INSPECT: Step = Step::action("inspect-submission").retry(Retry::exponential(10));

/// Why a run was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// In a word: `webhook`, `import`, `sweep`, `split`.
    pub reason: String,
}

impl Trigger {
    /// For this reason.
    #[must_use]
    pub fn new(reason: &str) -> Self {
        Self {
            reason: reason.to_owned(),
        }
    }
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Jobs that were sent.
    pub jobs: u64,
    /// What their answers changed.
    #[serde(flatten)]
    pub applied: Applied,
    /// Why nothing was sent, or was sent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Works off pending jobs, up to a hundred a run.
pub struct SubscriberEnrichment {
    context: Arc<Context>,
}

impl SubscriberEnrichment {
    /// The steps that call the provider.
    pub(super) const CALLS: &'static [Step] = &[BALANCE, SUBMIT, POLL, LAST_GET];

    /// In this context.
    #[must_use]
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    async fn read_balance(&self, run: &Run) -> Result<u64, Failure> {
        let (gate, context) = (self.context.clone(), self.context.clone());
        let open = move || {
            let gate = gate.clone();
            async move { gate.permit(CallKind::Account).await }
        };
        run.gated_step(BALANCE, open, move |_, permit| {
            let context = context.clone();
            async move { submission::read_balance(&context, permit).await }
        })
        .await
    }

    /// Sends the batch until its fate is known, at most twice.
    async fn send(&self, run: &Run) -> Result<Outbound, Failure> {
        for attempt in 1..=submission::MAX_POSTS {
            match submission::submit(run, &self.context, attempt).await {
                Ok(Submission::Accepted(sent)) => return Ok(Outbound::Out(sent)),
                Ok(Submission::Refused {
                    addresses: true,
                    message,
                }) => return self.split(run, message).await,
                Ok(Submission::Refused {
                    addresses: false,
                    message,
                }) => return self.pause(run, message).await,
                Ok(Submission::Nothing) => return self.skip(run).await,
                Ok(Submission::Short(why)) => {
                    self.release(run, &why).await?;
                    return Ok(Outbound::Nothing(why));
                }
                Err(failure) if failure.is_unknown() => {
                    if let Some(sent) = submission::reconcile(run, &self.context, attempt).await? {
                        return Ok(Outbound::Out(sent));
                    }
                    if attempt == submission::MAX_POSTS {
                        return Err(failure);
                    }
                }
                Err(failure) => return Err(failure),
            }
            match self.make_ready_again(run, attempt).await? {
                Again::Accepted(out) => return Ok(Outbound::Out(out)),
                Again::Ready(0) => return self.skip(run).await,
                Again::Ready(_) | Again::InLine => {}
            }
        }
        unreachable!("the last attempt returns in every case")
    }

    /// Makes ready to send once more; in line for a place if there is none, as often as that takes.
    async fn make_ready_again(&self, run: &Run, attempt: u32) -> Result<Again, Failure> {
        loop {
            let again = Records::send_again(run.id(), attempt, self.resend());
            let again = run.step_in_tx(AGAIN, again).await?;
            if again != Again::InLine {
                return Ok(again);
            }
            self.take_slot(run).await?;
        }
    }

    async fn take_slot(&self, run: &Run) -> Result<(), Failure> {
        let max = self.context.settings.max_in_flight;
        run.step_in_tx(SLOT, Records::take_slot(run.id(), max)).await
    }

    fn resend(&self) -> Resend {
        let settings = &self.context.settings;
        Resend {
            window: settings.reconcile_window,
            max_in_flight: settings.max_in_flight,
            budgets: settings.budgets,
            look_again: settings.sweep_every,
        }
    }

    async fn skip(&self, run: &Run) -> Result<Outbound, Failure> {
        let told = "a late answer left nothing to send";
        self.release(run, told).await?;
        Ok(Outbound::Nothing(told.to_owned()))
    }

    async fn split(&self, run: &Run, message: String) -> Result<Outbound, Failure> {
        let context = self.context.clone();
        let id = run.id();
        let halves: usize = run
            .step(SPLIT, move |attempt| {
                let (context, message) = (context.clone(), message.clone());
                async move {
                    let runs = context
                        .prepare::<Self>(&Trigger::new("split"), 2)
                        .map_err(StepError::retry)?;
                    let halves = runs
                        .try_into()
                        .map_err(|_| StepError::fail("two runs were asked for"))?;
                    attempt.attach(Records::split_batch(id, halves, message));
                    Ok(2)
                }
            })
            .await?;
        Ok(Outbound::Nothing(format!(
            "refused for an address in it; divided among {halves} runs"
        )))
    }

    async fn pause(&self, run: &Run, message: String) -> Result<Outbound, Failure> {
        let told = format!("the provider refuses what is sent to it: {message}");
        run.step_in_tx::<()>(PAUSE, Records::refuse_and_pause(run.id(), told.clone()))
            .await?;
        self.release(run, &told).await?;
        Ok(Outbound::Nothing(told))
    }

    /// Applies the answer of what is out; when the same jobs are out a second time and wait for it, that one's too.
    async fn follow(&self, run: &Run, mut out: Out) -> Result<Applied, Failure> {
        let mut all = Applied::default();
        loop {
            let answer = waiting::await_answer(run, &self.context, &out).await?;
            let applied = process_step(run, PROCESS, self.context.clone(), answer.answer).await?;
            all.add(applied);
            let mut settled = self.settle(run).await?;
            while settled.hear_kept {
                waiting::apply_kept(run, self.context.clone()).await?;
                settled = self.settle(run).await?;
            }
            all.stale += settled.stale;
            match settled.still_out {
                Some(other) => out = other,
                None => return Ok(all),
            }
        }
    }

    async fn settle(&self, run: &Run) -> Result<Settled, Failure> {
        run.step_in_tx(SETTLE, Records::settle_batch(run.id())).await
    }

    async fn release(&self, run: &Run, reason: &str) -> Result<Applied, Failure> {
        run.step_in_tx(RELEASE, Records::close_batch(run.id(), reason.to_owned()))
            .await
    }
}

/// What became of sending.
enum Outbound {
    Out(Out),
    /// Nothing is out; the jobs are taken care of.
    Nothing(String),
}

impl Workflow for SubscriberEnrichment {
    const NAME: &'static str = "subscriber-enrichment";
    const STEPS: &'static [Step] = &[
        SLOT, BALANCE, BATCH, SUBMIT, DOUBT, RECONCILE, AGAIN, SPLIT, PAUSE, WAIT, POLL_PAUSE, POLL, LAST_GET, PROCESS,
        SETTLE, KEPT, RELEASE, INSPECT,
    ];
    type Input = Trigger;
    type Output = Summary;

    async fn run(&self, run: &Run, _trigger: Trigger) -> Result<Summary, Failure> {
        let settings = &self.context.settings;
        self.take_slot(run).await?;
        let allowance = Allowance {
            budgets: settings.budgets,
            balance: self.read_balance(run).await?,
        };
        let taken: Taken = run.step_in_tx(BATCH, Records::take_batch(run.id(), allowance)).await?;
        if taken.jobs == 0 {
            self.release(run, "nothing to send").await?;
            let note = (taken.left > 0).then(|| "budget or balance are used up".to_owned());
            return Ok(Summary {
                note,
                ..Summary::default()
            });
        }
        let sent = match self.send(run).await? {
            Outbound::Out(sent) => sent,
            Outbound::Nothing(note) => {
                return Ok(Summary {
                    note: Some(note),
                    ..Summary::default()
                });
            }
        };
        Ok(Summary {
            jobs: taken.jobs,
            applied: self.follow(run, sent).await?,
            note: None,
        })
    }

    async fn on_failure(&self, run: &Run, _trigger: Trigger, failure: &Failure) -> Result<(), Failure> {
        let (context, id) = (self.context.clone(), run.id());
        let doubtful: Option<u32> = run
            .step(INSPECT, move |_| {
                let context = context.clone();
                async move { submission::find_doubtful(&context, id).await }
            })
            .await?;
        if let Some(attempt) = doubtful {
            let window = self.context.settings.reconcile_window;
            run.step_in_tx::<Option<String>>(DOUBT, Records::mark_unknown(id, attempt, window))
                .await?;
        }
        if let Err(failure) = waiting::apply_kept(run, self.context.clone()).await {
            tracing::error!(run = %id, %failure, "what was told before the end could not be applied; it is kept");
        }
        self.release(run, &failure.to_string()).await?;
        Ok(())
    }
}
