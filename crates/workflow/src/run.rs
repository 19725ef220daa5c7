//! The handle that workflow code holds, and the futures it gives out.

use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::attempt::Attempt;
use crate::board::{ActCode, Board, ChildPlan, Deadline, Filter, GateCode, Op};
use crate::error::{Failure, FailureKind, StepError};
use crate::event::Event;
use crate::id::RunId;
use crate::payload::{Payload, PayloadError};
use crate::replay::Completion;
use crate::step::{Matching, Step, StepAt, StepKind};
use crate::store::Attachment;
use crate::workflow::Workflow;

/// A run, as its workflow's code sees it.
///
/// ```
/// use lumina_workflow::{store::memory, Failure, Payload, Run, Step, StepError, Wait};
/// use std::time::Duration;
///
/// const FIND: Step = Step::action("find");
/// const STORE: Step = Step::action("store");
/// const SEND: Step = Step::action("send").outside_effect();
/// const NAP: Step = Step::sleep("nap");
/// const ANSWER: Step = Step::wait("wait-for-answer", "answer").timeout("1d");
/// const CLEAN: Step = Step::action("clean");
///
/// async fn code(run: &Run) -> Result<String, Failure> {
///     let found: u32 = run.step(FIND, |_| async { Ok(7) }).await?;
///
///     // Together with its record, in one transaction.
///     let write = memory::attach(move |tx| {
///         tx.put("found", Payload::encode(&found).expect("a number has a JSON form"));
///         Ok(Payload::null())
///     });
///     run.step_in_tx::<()>(STORE, write).await?;
///
///     // Only with a permit, whose wait uses up no attempt; when it fails, something is put in order.
///     let send = run.gated_step(
///         SEND,
///         || async { Ok::<_, StepError>("a permit") },
///         move |attempt, permit| async move { Ok(format!("{found} for {} with {permit}", attempt.run())) },
///     );
///     run.or_handle(send, CLEAN, |_, _failure| async { Ok(()) }).await?;
///
///     run.sleep(NAP, Duration::from_secs(60)).await;
///     let noon = run.created_at() + Duration::from_secs(12 * 3_600);
///     run.sleep_until(NAP, noon).await;
///
///     // One of several: the key says which. No answer within the hour is an answer as well.
///     let first: Option<String> = run.wait_or_timeout(Wait::from(ANSWER.key("first")).within(Duration::from_secs(3_600))).await?;
///     match first {
///         Some(answer) => Ok(answer),
///         None => run.wait(Wait::from(ANSWER.key("second")).matching("urgent")).await,
///     }
/// }
/// # use lumina_workflow::testing::TestEngine;
/// # use lumina_workflow::{NewEvent, Workflow};
/// # struct Code;
/// # impl Workflow for Code {
/// #     const NAME: &'static str = "code";
/// #     const STEPS: &'static [Step] = &[FIND, STORE, SEND, NAP, ANSWER, CLEAN];
/// #     type Input = ();
/// #     type Output = String;
/// #     async fn run(&self, run: &Run, (): ()) -> Result<String, Failure> {
/// #         assert_eq!(run.id(), run.id());
/// #         code(run).await
/// #     }
/// # }
/// # let kit = TestEngine::new().register(Code);
/// # let run = kit.start::<Code>(&());
/// # kit.run_until_wait(run, ANSWER.key("second"));
/// # kit.send(NewEvent::new("e", run, "answer", Payload::encode("yes").unwrap()).with_key("urgent"));
/// # assert_eq!(kit.end::<Code>(run).unwrap(), "yes");
/// ```
pub struct Run {
    id: RunId,
    created_at: Timestamp,
    board: Arc<Mutex<Board>>,
}

impl Run {
    pub(crate) fn new(id: RunId, created_at: Timestamp, board: Arc<Mutex<Board>>) -> Self {
        Self { id, created_at, board }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> RunId {
        self.id
    }

    /// When it was started, in the store's time.
    #[must_use]
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Runs a step's code, unless history has its result. The code may run more than once
    /// until its result is recorded; an [outside effect](Step::outside_effect) only as its
    /// attempts say they did not happen.
    ///
    /// The future answers with the result, or with the [`Failure`] that the step ended in. For an
    /// outside effect whose outcome is not known that is [`Failure::is_unknown`]: it is then
    /// this code's decision how to find out.
    pub fn step<T, F, Fut>(&self, step: impl Into<StepAt>, code: F) -> StepFuture<Result<T, Failure>>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: Fn(Attempt) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, StepError>> + Send + 'static,
    {
        let at = step.into();
        let kind = at.step.kind;
        let act: ActCode = Arc::new(move |attempt, _| encode_result(kind, code(attempt)));
        self.open(at, Op::Act { gate: None, act }, decode_result)
    }

    /// Like [`step`](Self::step), for what must first be allowed: the gate takes a permit, a
    /// slot or a budget before the attempt begins, and may [defer](StepError::defer) it
    /// without using it up. What the gate answers is handed to the code.
    pub fn gated_step<G, T, A, AF, F, Fut>(
        &self,
        step: impl Into<StepAt>,
        gate: A,
        code: F,
    ) -> StepFuture<Result<T, Failure>>
    where
        G: Send + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
        A: Fn() -> AF + Send + Sync + 'static,
        AF: Future<Output = Result<G, StepError>> + Send + 'static,
        F: Fn(Attempt, G) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, StepError>> + Send + 'static,
    {
        let gate: GateCode = Arc::new(move || {
            let opening = gate();
            Box::pin(async move { opening.await.map(|permit| Box::new(permit) as Box<dyn Any + Send>) })
        });
        let at = step.into();
        let kind = at.step.kind;
        let act: ActCode = Arc::new(move |attempt, permit| {
            let permit = permit
                .and_then(|p| p.downcast::<G>().ok())
                .expect("the gate's own answer is handed on");
            encode_result(kind, code(attempt, *permit))
        });
        self.open(at, Op::Act { gate: Some(gate), act }, decode_result)
    }

    /// Runs an attachment, which the store's crate makes, in the very transaction that
    /// records the step: its writes happen exactly once. Its result is the step's.
    pub fn step_in_tx<T>(&self, step: impl Into<StepAt>, attachment: Attachment) -> StepFuture<Result<T, Failure>>
    where
        T: DeserializeOwned + Send + 'static,
    {
        self.open(step.into(), Op::InTx(attachment), decode_result)
    }

    /// Waits for an event, and fails at the deadline.
    pub fn wait<T>(&self, wait: impl Into<Wait>) -> StepFuture<Result<T, Failure>>
    where
        T: DeserializeOwned + Send + 'static,
    {
        self.open_wait(wait.into(), Matching::One, decode_result)
    }

    /// Waits for an event; `None` is the deadline's answer.
    pub fn wait_or_timeout<T>(&self, wait: impl Into<Wait>) -> StepFuture<Result<Option<T>, Failure>>
    where
        T: DeserializeOwned + Send + 'static,
    {
        self.open_wait(wait.into(), Matching::One, decode_optional)
    }

    /// Waits for the first of several events, and fails at the deadline.
    pub fn wait_any(&self, wait: impl Into<Wait>) -> StepFuture<Result<Event, Failure>> {
        self.open_wait(wait.into(), Matching::Any, decode_result)
    }

    /// Waits for the first of several events; `None` is the deadline's answer.
    pub fn wait_any_or_timeout(&self, wait: impl Into<Wait>) -> StepFuture<Result<Option<Event>, Failure>> {
        self.open_wait(wait.into(), Matching::Any, decode_optional)
    }

    /// Waits until there is an event for each of several, takes them together, and answers them in the order in
    /// which the wait names them; fails at the deadline.
    pub fn wait_all(&self, wait: impl Into<Wait>) -> StepFuture<Result<Vec<Event>, Failure>> {
        self.open_wait(wait.into(), Matching::All, decode_result)
    }

    /// Waits until there is an event for each of several; `None` is the deadline's answer, and then none was taken.
    pub fn wait_all_or_timeout(&self, wait: impl Into<Wait>) -> StepFuture<Result<Option<Vec<Event>>, Failure>> {
        self.open_wait(wait.into(), Matching::All, decode_optional)
    }

    fn open_wait<R>(&self, wait: Wait, matching: Matching, answer: Answer<R>) -> StepFuture<R> {
        let (at, op) = wait.opening(matching);
        self.open(at, op, answer)
    }

    /// Starts a run of another workflow, once, and waits for its end: its output, or what it failed with. Meanwhile this
    /// run is a row. When this run ends or drops the future, the child is cancelled.
    pub fn child<W: Workflow>(
        &self,
        step: impl Into<StepAt>,
        input: &W::Input,
    ) -> StepFuture<Result<W::Output, Failure>> {
        self.child_with::<W>(step, input, ChildOptions::default())
    }

    /// The same, with options.
    pub fn child_with<W: Workflow>(
        &self,
        step: impl Into<StepAt>,
        input: &W::Input,
        options: ChildOptions,
    ) -> StepFuture<Result<W::Output, Failure>> {
        let plan = ChildPlan {
            workflow: W::NAME,
            input: Payload::encode(input),
            options,
        };
        self.open(step.into(), Op::Child(plan), decode_result)
    }

    /// Whether this run goes a new way at this place: true in every run that reaches the place for the first time with
    /// code that asks, and ever after in that run; false in a run that was beyond it before. So old runs keep to the
    /// branch that they have taken, and new code can go another.
    #[must_use]
    pub fn patched(&self, name: &str) -> bool {
        lock(&self.board).ask_patched(name)
    }

    /// Sleeps, durably: the run is a row until then.
    pub fn sleep(&self, step: impl Into<StepAt>, duration: Duration) -> StepFuture<()> {
        self.open(step.into(), Op::Sleep(Deadline::After(duration)), |_, _| Ok(()))
    }

    /// Sleeps until a time of the store's clock, durably.
    pub fn sleep_until(&self, step: impl Into<StepAt>, time: Timestamp) -> StepFuture<()> {
        self.open(step.into(), Op::Sleep(Deadline::At(time)), |_, _| Ok(()))
    }

    /// A step-level error handler: when the work fails, the handler's step runs with the
    /// failure, durably and with its own policy; then the failure is returned as it was, with the handler's own error beside it.
    ///
    /// # Errors
    /// The work's failure.
    pub async fn or_handle<T, F, Fut>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
        handler: impl Into<StepAt>,
        code: F,
    ) -> Result<T, Failure>
    where
        F: Fn(Attempt, Failure) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), StepError>> + Send + 'static,
    {
        match work.await {
            Ok(value) => Ok(value),
            Err(mut failure) => {
                let told = failure.clone();
                let handled = self.step(handler, move |attempt| code(attempt, told.clone())).await;
                failure.handler = handled.err().map(Box::new);
                Err(failure)
            }
        }
    }

    fn open<R>(&self, at: StepAt, op: Op, answer: Answer<R>) -> StepFuture<R> {
        let name = at.step.name;
        StepFuture {
            board: self.board.clone(),
            name,
            opening: Some((at, op)),
            ordinal: None,
            answer,
            _made: PhantomData,
        }
    }
}

/// How a child is started.
///
/// ```
/// use lumina_workflow::{ChildOptions, Failure, Run, Step, Workflow};
///
/// const PART: Step = Step::child("part");
///
/// /// Starts a run of another workflow, and waits for its end.
/// async fn hurry<W: Workflow>(run: &Run, input: &W::Input) -> Result<W::Output, Failure> {
///     run.child_with::<W>(PART, input, ChildOptions { priority: 5, ..ChildOptions::default() }).await
/// }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChildOptions {
    /// Higher runs first; 0 is ordinary.
    pub priority: i16,
    /// Whose turn it takes among the runs of its workflow.
    pub flow_key: Option<String>,
}

/// A wait where the run reaches it.
///
/// ```
/// use lumina_workflow::{Step, Wait};
/// use std::time::Duration;
///
/// const ANSWER: Step = Step::wait("wait-for-answer", "answer").timeout("1d");
///
/// let sooner: Wait = ANSWER.matching("urgent").within(Duration::from_secs(60));
/// let one_of_several: Wait = Wait::from(ANSWER.key("ada")).until(jiff::Timestamp::from_second(1_800_000_000)?);
/// # let _ = (sooner, one_of_several);
/// # Ok::<(), jiff::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Wait {
    at: StepAt,
    event_key: Option<String>,
    filters: Vec<Filter>,
    deadline: Option<Deadline>,
}

impl<S: Into<StepAt>> From<S> for Wait {
    fn from(step: S) -> Self {
        Self {
            at: step.into(),
            event_key: None,
            filters: Vec::new(),
            deadline: None,
        }
    }
}

impl Wait {
    /// Takes only events with this key.
    #[must_use]
    pub fn matching(mut self, event_key: impl Into<String>) -> Self {
        self.event_key = Some(event_key.into());
        self
    }

    /// Takes this event with this key: for a wait for any or all of several. Once this is said, the wait is for what
    /// was named in this way, instead of for one of each event that was declared. At most 100.
    #[must_use]
    pub fn for_event(mut self, event: impl Into<String>, key: impl Into<String>) -> Self {
        self.filters.push(Filter {
            event: event.into(),
            key: Some(key.into()),
        });
        self
    }

    /// Waits this long, instead of what was declared.
    #[must_use]
    pub fn within(mut self, duration: Duration) -> Self {
        self.deadline = Some(Deadline::After(duration));
        self
    }

    /// Waits until this time of the store's clock, instead of what was declared.
    #[must_use]
    pub fn until(mut self, time: Timestamp) -> Self {
        self.deadline = Some(Deadline::At(time));
        self
    }

    fn opening(self, matching: Matching) -> (StepAt, Op) {
        let key = self.event_key;
        let declared = self.at.step.event_names().map(|event| Filter {
            event: event.to_owned(),
            key: key.clone(),
        });
        let filters = match self.filters.is_empty() {
            true => declared.collect(),
            false => self.filters,
        };
        let op = Op::Wait {
            matching,
            filters,
            deadline: self.deadline,
        };
        (self.at, op)
    }
}

impl Step {
    /// Takes only events with this key.
    #[must_use]
    pub fn matching(self, event_key: impl Into<String>) -> Wait {
        Wait::from(self).matching(event_key)
    }

    /// Takes this event with this key: for a wait for any or all of several. See [`Wait::for_event`].
    #[must_use]
    pub fn for_event(self, event: impl Into<String>, key: impl Into<String>) -> Wait {
        Wait::from(self).for_event(event, key)
    }

    /// Waits this long, instead of what was declared.
    #[must_use]
    pub fn within(self, duration: Duration) -> Wait {
        Wait::from(self).within(duration)
    }

    /// Waits until this time of the store's clock, instead of what was declared.
    #[must_use]
    pub fn until(self, time: Timestamp) -> Wait {
        Wait::from(self).until(time)
    }
}

type Answer<R> = fn(&'static str, Completion) -> Result<R, PayloadError>;

/// A step that was reached. Nothing happens before it is awaited; dropping it abandons it.
///
/// ```
/// use lumina_workflow::{Failure, Run, Step};
///
/// const LEFT: Step = Step::action("left");
/// const RIGHT: Step = Step::action("right");
///
/// /// Both at the same time. The order in which they end is recorded, and repeats.
/// async fn both(run: &Run) -> Result<u32, Failure> {
///     let left = run.step(LEFT, |_| async { Ok(1) });
///     let right = run.step(RIGHT, |_| async { Ok(2) });
///     let (left, right) = futures_util::future::try_join(left, right).await?;
///     Ok(left + right)
/// }
/// ```
#[must_use = "a step does nothing unless it is awaited"]
pub struct StepFuture<R> {
    board: Arc<Mutex<Board>>,
    name: &'static str,
    opening: Option<(StepAt, Op)>,
    ordinal: Option<u32>,
    answer: Answer<R>,
    _made: PhantomData<fn() -> R>,
}

impl<R> Unpin for StepFuture<R> {}

impl<R> Future for StepFuture<R> {
    type Output = R;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let this = self.get_mut();
        let mut board = lock(&this.board);
        if let Some((at, op)) = this.opening.take() {
            this.ordinal = board.open(at, op);
        }
        let Some(completion) = this.ordinal.and_then(|ordinal| board.take(ordinal, cx.waker())) else {
            return Poll::Pending;
        };
        match (this.answer)(this.name, completion) {
            Ok(answer) => {
                this.ordinal = None;
                Poll::Ready(answer)
            }
            Err(problem) => {
                board.fault(format!("step {}: what history has of it {problem}", this.name));
                Poll::Pending
            }
        }
    }
}

impl<R> Drop for StepFuture<R> {
    fn drop(&mut self) {
        if let Some(ordinal) = self.ordinal {
            lock(&self.board).abandon(ordinal);
        }
    }
}

pub(crate) fn lock(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn timed_out(step: &str) -> Failure {
    let mut failure = Failure::of_kind(FailureKind::TimedOut, "its event did not come before the deadline");
    failure.step = Some(step.to_owned());
    failure
}

fn decode_result<T: DeserializeOwned>(
    step: &'static str,
    completion: Completion,
) -> Result<Result<T, Failure>, PayloadError> {
    match completion {
        Completion::Value(payload) => payload.decode().map(Ok),
        Completion::Failed(failure) => Ok(Err(failure)),
        Completion::TimedOut => Ok(Err(timed_out(step))),
    }
}

fn decode_optional<T: DeserializeOwned>(
    step: &'static str,
    completion: Completion,
) -> Result<Result<Option<T>, Failure>, PayloadError> {
    match completion {
        Completion::TimedOut => Ok(Ok(None)),
        other => Ok(decode_result(step, other)?.map(Some)),
    }
}

/// A result that cannot be stored is an error: an action has failed with it, an effect has acted.
fn encode_result<T, Fut>(kind: StepKind, work: Fut) -> BoxFuture<'static, Result<Payload, StepError>>
where
    T: Serialize + Send + 'static,
    Fut: Future<Output = Result<T, StepError>> + Send + 'static,
{
    Box::pin(async move {
        let value = work.await?;
        let payload = Payload::encode(&value).map_err(|problem| match kind {
            StepKind::Effect => StepError::unknown(format!("the result {problem}")),
            _ => StepError::fail(format!("the result {problem}")),
        })?;
        payload.admit("a step's result")?;
        Ok(payload)
    })
}
