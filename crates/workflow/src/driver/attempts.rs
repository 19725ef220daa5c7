//! Attempts: starting them, in tasks of their own as soon as they wait for something, and what follows their end.

use std::future::Future;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{AbortHandle, BoxFuture, abortable};
use jiff::Timestamp;

use super::commits::Committed;
use super::watched::{Watched, guarded};
use super::{Driver, Flow, Stop};
use crate::attempt::{Attempt, Extras};
use crate::board::{ActCode, GateCode, Op, Permit};
use crate::error::StepError;
use crate::history::What;
use crate::payload::Payload;
use crate::replay::{Known, Previous};
use crate::run::lock;
use crate::step::{StepKind, StepPlan};
use crate::store::{Attachment, Next};

/// An outside effect is sent only within this time of the moment at which its start record was sent to the
/// store, since a worker that was held up longer may have lost its lease, also while it waited for the answer.
const EFFECT_FRESHNESS: Duration = Duration::from_secs(2);

/// How often a step was attempted, and how that went.
#[derive(Debug, Clone, Default)]
pub(super) struct Count {
    pub made: u32,
    pub previous: Option<Previous>,
}

/// A task that works for this run.
pub(super) struct Running {
    ticket: u64,
    attempt: Attempt,
    started_at: Timestamp,
    /// On the monotonic clock.
    deadline: Option<Duration>,
    stage: Stage,
    abort: AbortHandle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Gate,
    Act,
    Effect,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

/// What a task reports.
pub(super) struct Happening {
    ordinal: u32,
    ticket: u64,
    what: Report,
}

enum Report {
    Admitted(Result<Permit, StepError>),
    Ended(Result<Payload, StepError>),
    /// The lease was in doubt, or an effect's start record too old, when the attempt's turn came: nothing
    /// was done.
    Stale(Option<Permit>),
}

impl Driver {
    /// Puts a reached step among what is to be started, as its history says.
    pub(super) fn note_attempt(&mut self, ordinal: u32, kind: StepKind, known: Option<Known>) {
        let Some(known) = known else {
            self.attempts.insert(ordinal, Count::default());
            self.to_start.insert(ordinal);
            return;
        };
        self.attempts.insert(
            ordinal,
            Count {
                made: known.attempts,
                previous: known.previous,
            },
        );
        match (known.unresolved, known.next_at) {
            (Some(attempt), _) if kind == StepKind::Effect => self.settle_unresolved(ordinal, attempt),
            (_, Some(next_at)) => {
                self.delays.insert(ordinal, next_at);
            }
            _ => {
                self.to_start.insert(ordinal);
            }
        }
    }

    /// The process that made this attempt never wrote how it ended. It is not made again: the
    /// workflow is told.
    fn settle_unresolved(&mut self, ordinal: u32, attempt: u32) {
        let error = StepError::unknown("the process stopped before the outcome of the attempt was recorded");
        self.settle_error(ordinal, attempt, self.now(), error, true);
    }

    /// Starts what is due. True when something has ended at once, so that the code must be
    /// looked at again.
    pub(super) async fn start_attempts(&mut self) -> Flow<bool> {
        self.take_due_delays();
        if self.to_start.is_empty() || !self.seat.may_start(&*self.shell.runtime) {
            return Ok(false);
        }
        while let Some(ordinal) = self.to_start.pop_first() {
            let op = lock(&self.board).slot(ordinal).op.clone();
            match op {
                Op::InTx(attachment) => {
                    self.run_in_tx(ordinal, attachment).await?;
                    return Ok(true);
                }
                Op::Act { gate, act } => {
                    if !self.start_attempt(ordinal, gate, act).await? {
                        return Ok(true);
                    }
                }
                Op::Wait { .. } | Op::Sleep(_) | Op::Child(_) => {
                    unreachable!("only what has attempts is put among what is to be started")
                }
            }
        }
        Ok(false)
    }

    fn take_due_delays(&mut self) {
        let now = self.now();
        let due: Vec<u32> = self
            .delays
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(ordinal, _)| *ordinal)
            .collect();
        for ordinal in due {
            self.delays.remove(&ordinal);
            self.to_start.insert(ordinal);
        }
    }

    fn next_attempt(&self, ordinal: u32) -> Attempt {
        let count = self.attempts.get(&ordinal).cloned().unwrap_or_default();
        Attempt::new(
            self.lease.run,
            count.made + 1,
            count.previous,
            self.shell.runtime.clone(),
        )
    }

    async fn run_in_tx(&mut self, ordinal: u32, attachment: Attachment) -> Flow<()> {
        let attempt = self.next_attempt(ordinal).number();
        let started_at = self.now();
        #[cfg(feature = "testing")]
        if self.intercept_in_tx(ordinal, attempt, started_at).await? {
            return Ok(());
        }
        self.record(ordinal, What::Completed { attempt, payload: None }, started_at);
        match self.commit(Next::Running, None, Some(attachment)).await? {
            Committed::Done { payload } => {
                let payload = payload.unwrap_or_else(Payload::null);
                self.execution
                    .completions
                    .push_back((ordinal, crate::replay::Completion::Value(payload)));
            }
            Committed::Rejected(error) => {
                self.pending.pop();
                self.settle_error(ordinal, attempt, started_at, error, false);
            }
            Committed::InboxChanged | Committed::KeyTaken(_) => unreachable!("neither guard nor keys were given"),
        }
        Ok(())
    }

    /// False when something came in first, and the code's turn is before the attempt's.
    async fn start_attempt(&mut self, ordinal: u32, gate: Option<GateCode>, act: ActCode) -> Flow<bool> {
        #[cfg(feature = "testing")]
        let gate = gate.filter(|_| !self.skips_gate(ordinal, self.next_attempt(ordinal).number()));
        if let Some(gate) = gate {
            self.start_gate(ordinal, gate);
            return Ok(true);
        }
        self.start_act(ordinal, &act, None).await
    }

    fn start_gate(&mut self, ordinal: u32, gate: GateCode) {
        let attempt = self.next_attempt(ordinal);
        let opening = async move { gate().await };
        let opening = guarded(opening, |panic| StepError::fail(format!("the gate panicked: {panic}")));
        self.spawn(ordinal, attempt, Stage::Gate, None, opening.map(Report::Admitted));
    }

    /// Everything before is durable first; of an outside effect its start as well, unless
    /// something came in: after a committed request to end, no effect begins.
    async fn start_act(&mut self, ordinal: u32, act: &ActCode, permit: Option<Permit>) -> Flow<bool> {
        let attempt = self.next_attempt(ordinal);
        let kind = lock(&self.board).slot(ordinal).step.kind;
        let sent = self.shell.runtime.monotonic();
        if kind == StepKind::Effect {
            self.record(
                ordinal,
                What::AttemptStarted {
                    attempt: attempt.number(),
                },
                self.now(),
            );
            if !self.commit_guarded(Next::Running).await? {
                self.pending.pop();
                self.to_start.insert(ordinal);
                return Ok(false);
            }
        } else if self.has_unsaved() {
            self.save().await?;
        }
        self.spawn_act(ordinal, attempt, kind, act, permit, sent);
        Ok(true)
    }

    /// Whether the attempt may begin is looked at where it begins: the process may have been stopped since
    /// `sent`, when the lease was last known to be good.
    fn spawn_act(
        &mut self,
        ordinal: u32,
        attempt: Attempt,
        kind: StepKind,
        act: &ActCode,
        permit: Option<Permit>,
        sent: Duration,
    ) {
        let plan = self.plan(ordinal);
        let (step, timeout) = (plan.step.name, plan.timeout);
        let (runtime, seat) = (self.shell.runtime.clone(), self.seat.clone());
        #[cfg(feature = "testing")]
        let act = &self.intercepted(ordinal, act);
        let (act, handle) = (act.clone(), attempt.clone());
        let effect = kind == StepKind::Effect;
        let panicked = move |panic: String| match effect {
            true => StepError::unknown(format!("the code panicked: {panic}")),
            false => StepError::fail(format!("the code panicked: {panic}")),
        };
        let work = async move {
            let late = effect && runtime.monotonic().saturating_sub(sent) > EFFECT_FRESHNESS;
            if late || !seat.lease_is_fresh(&*runtime) {
                return Report::Stale(permit);
            }
            // Called in here, so that whatever of it panics is the attempt's end.
            let work = async move {
                let work = act(handle, permit);
                Watched { runtime, step, work }.await
            };
            Report::Ended(guarded(work, panicked).await)
        };
        let stage = if effect { Stage::Effect } else { Stage::Act };
        self.spawn(ordinal, attempt, stage, timeout, work);
    }

    fn spawn(
        &mut self,
        ordinal: u32,
        attempt: Attempt,
        stage: Stage,
        timeout: Option<Duration>,
        work: impl Future<Output = Report> + Send + 'static,
    ) {
        let ticket = self.seat.next_ticket();
        let send = self.send.clone();
        let (work, abort) = abortable(work);
        let deadline = timeout.map(|timeout| self.shell.runtime.monotonic() + timeout);
        let running = Running {
            ticket,
            attempt,
            started_at: self.now(),
            deadline,
            stage,
            abort,
        };
        self.running.insert(ordinal, running);
        let mut task: BoxFuture<'static, ()> = Box::pin(async move {
            if let Ok(what) = work.await {
                // Nobody listens any more when the run was lost or given up: then it is due again.
                let _ = send.send(Happening { ordinal, ticket, what });
            }
        });
        // Many attempts end without waiting for anything: they need no task.
        let is_over = stage == Stage::Act && (&mut task).now_or_never().is_some();
        if !is_over {
            self.shell.runtime.spawn(task);
        }
    }

    /// Waits until a task reports, a time comes, or somebody nudges.
    pub(super) async fn await_happening(&mut self) -> Flow<()> {
        let until = |time: Timestamp| Duration::try_from(time.duration_since(self.now())).unwrap_or_default();
        let wait = self.next_time().map(until).into_iter().chain(self.time_limit()).min();
        self.await_report(wait).await
    }

    /// The same for attempts alone: waits, sleeps and backoff that come due change nothing now.
    pub(super) async fn await_attempts(&mut self) -> Flow<()> {
        let wait = self.time_limit();
        self.await_report(wait).await
    }

    /// What is known is durable before anything is waited for: an effect's result above all.
    async fn await_report(&mut self, wait: Option<Duration>) -> Flow<()> {
        if self.has_unsaved() {
            return self.save().await;
        }
        match self.next_report(wait).await {
            Some(happening) => self.take_happening(happening).await,
            None => self.time_out(),
        }
    }

    async fn next_report(&mut self, wait: Option<Duration>) -> Option<Happening> {
        let mut timer = match wait {
            Some(wait) => self.shell.runtime.sleep(wait),
            None => Box::pin(std::future::pending()),
        }
        .fuse();
        let mut nudge = std::pin::pin!(self.seat.nudged().fuse());
        let mut report = std::pin::pin!(self.receive.recv().fuse());
        futures_util::select_biased! {
            happening = report => happening,
            () = nudge => None,
            () = timer => None,
        }
    }

    /// The time until an attempt has taken too long.
    fn time_limit(&self) -> Option<Duration> {
        let mono = self.shell.runtime.monotonic();
        self.running
            .values()
            .filter_map(|r| r.deadline)
            .map(|at| at.saturating_sub(mono))
            .min()
    }

    async fn take_happening(&mut self, happening: Happening) -> Flow<()> {
        let Happening { ordinal, ticket, what } = happening;
        if self
            .running
            .get(&ordinal)
            .is_none_or(|running| running.ticket != ticket)
        {
            return Ok(());
        }
        let running = self.running.remove(&ordinal).expect("it was just found there");
        match what {
            Report::Admitted(Ok(permit)) => {
                let Op::Act { act, .. } = lock(&self.board).slot(ordinal).op.clone() else {
                    unreachable!("only an attempt has a gate")
                };
                self.start_act(ordinal, &act, Some(permit)).await.map(drop)
            }
            Report::Admitted(Err(error)) => {
                self.settle_error(ordinal, running.attempt.number(), running.started_at, error, false);
                Ok(())
            }
            Report::Stale(permit) => self.confirm_and_send(ordinal, &running, permit).await,
            Report::Ended(result) => self.settle(ordinal, &running, result).await,
        }
    }

    /// The lease is asked for again, until there is an answer, before an attempt whose turn came late.
    async fn confirm_and_send(&mut self, ordinal: u32, running: &Running, permit: Option<Permit>) -> Flow<()> {
        if !lock(&self.board).is_open(ordinal) {
            self.record(ordinal, What::Abandoned, running.started_at);
            return Ok(());
        }
        let sent = self.confirm_lease().await?;
        let (op, kind) = {
            let board = lock(&self.board);
            let slot = board.slot(ordinal);
            (slot.op.clone(), slot.step.kind)
        };
        let Op::Act { act, .. } = op else {
            unreachable!("only an attempt can be stale")
        };
        self.spawn_act(ordinal, running.attempt.clone(), kind, &act, permit, sent);
        Ok(())
    }

    /// Answers when the renewal was sent that succeeded.
    async fn confirm_lease(&mut self) -> Flow<Duration> {
        let lease = self.seat.lease_length();
        loop {
            let sent = self.shell.runtime.monotonic();
            match self.shell.store.renew(vec![self.lease], lease).await {
                Ok(lost) if lost.is_empty() => {
                    self.seat.renewed(sent);
                    return Ok(sent);
                }
                Ok(_) => return Err(Stop::Lost),
                Err(error) => self.pause_after(&error).await?,
            }
        }
    }

    async fn settle(&mut self, ordinal: u32, running: &Running, result: Result<Payload, StepError>) -> Flow<()> {
        let (number, started_at) = (running.attempt.number(), running.started_at);
        let effect = running.stage == Stage::Effect;
        let payload = match result {
            Ok(payload) => payload,
            Err(error) => {
                self.settle_error(ordinal, number, started_at, error, effect);
                return Ok(());
            }
        };
        let what = What::Completed {
            attempt: number,
            payload: Some(payload),
        };
        let extras = running.attempt.take_extras();
        if extras.keys.is_empty() && extras.attach.is_none() {
            self.complete(ordinal, what, started_at);
            return Ok(());
        }
        self.settle_with_extras(ordinal, running, what, extras).await
    }

    /// Keys and attachments can be refused, so they are committed before the code goes on.
    async fn settle_with_extras(&mut self, ordinal: u32, running: &Running, what: What, extras: Extras) -> Flow<()> {
        let (number, started_at) = (running.attempt.number(), running.started_at);
        let effect = running.stage == Stage::Effect;
        self.record(ordinal, what.clone(), started_at);
        self.keys.extend(extras.keys);
        let refused = match self.commit(Next::Running, None, extras.attach).await? {
            Committed::Done { .. } => {
                self.execution
                    .completions
                    .extend(crate::replay::completion(&what).map(|told| (ordinal, told)));
                return Ok(());
            }
            Committed::Rejected(error) if effect => {
                StepError::unknown(format!("it acted, but what belongs to its record was refused: {error}"))
            }
            Committed::Rejected(error) => error,
            Committed::KeyTaken(problem) if effect => StepError::unknown(format!("it acted, but {problem}")),
            Committed::KeyTaken(problem) => StepError::fail(problem),
            Committed::InboxChanged => unreachable!("no guard was given"),
        };
        self.pending.pop();
        self.keys.clear();
        self.settle_error(ordinal, number, started_at, refused, effect);
        Ok(())
    }

    fn time_out(&mut self) -> Flow<()> {
        let mono = self.shell.runtime.monotonic();
        let late = self
            .running
            .iter()
            .find(|(_, r)| r.deadline.is_some_and(|at| at <= mono))
            .map(|(o, _)| *o);
        let Some(ordinal) = late else { return Ok(()) };
        let running = self.running.remove(&ordinal).expect("it was just found there");
        let limit = self.plan(ordinal).timeout.unwrap_or_default();
        let message = format!("the attempt did not end within {limit:?}");
        let effect = running.stage == Stage::Effect;
        let error = if effect {
            StepError::unknown(message)
        } else {
            StepError::retry(message)
        };
        self.settle_error(ordinal, running.attempt.number(), running.started_at, error, effect);
        Ok(())
    }

    pub(super) fn plan(&self, ordinal: u32) -> &StepPlan {
        let name = lock(&self.board).slot(ordinal).step.name.clone();
        &self.definition.steps[name.as_str()]
    }

    /// An outside effect is under way, and must be waited for.
    pub(super) fn acts_outside(&self) -> bool {
        self.running.values().any(|running| running.stage == Stage::Effect)
    }

    /// Holds back what has not begun: attempts that wait for a permit, and children. Their turn comes again.
    pub(super) fn hold_back(&mut self) {
        let gates = self.running.extract_if(.., |_, running| running.stage == Stage::Gate);
        self.to_start.extend(gates.map(|(ordinal, _)| ordinal));
        self.hold_starts();
    }

    /// Stops a step's attempt, unless it acts outside. True when there was one.
    pub(super) fn stop_attempt(&mut self, ordinal: u32) -> bool {
        let acts = self
            .running
            .get(&ordinal)
            .is_some_and(|running| running.stage == Stage::Effect);
        !acts && self.running.remove(&ordinal).is_some()
    }
}
