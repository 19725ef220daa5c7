//! Executes one claimed run: polls its code, feeds it from history, starts attempts, matches
//! events, and writes what happened.
//!
//! The code is polled ahead of the commit: what it does after a step's result is only to
//! reach further steps, and none of those begins before that result is durable. So a step's
//! record and the parking or the end that follows it are one transition.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::board::Board;
use crate::clock::truncate;
use crate::error::{Failure, FailureKind};
use crate::event::{CorrelationKey, StoredEvent};
use crate::history::{Phase, Record, What};
use crate::id::{DefinitionHash, Seq};
use crate::payload::Payload;
use crate::replay::{Completion, Opened, Replay, completion};
use crate::run::{Run, lock};
use crate::seat::Seat;
use crate::shell::Shell;
use crate::store::{Lease, RunRow};
use crate::workflow::{Definition, Ended, HANDLER_DEADLINE, WorkFuture};

mod attempts;
mod commits;
#[cfg(feature = "testing")]
mod intercepted;
mod loading;
mod verdicts;
mod waits;
mod watched;

pub(crate) use loading::execute;

use attempts::{Happening, Running};
use waits::OpenWait;

/// Why a driver stops before its run is parked or ended.
#[derive(Debug)]
pub(super) enum Stop {
    /// Another worker has the run, or it cannot be written any more.
    Lost,
    /// The run was parked, blocked, finished or released: nothing is left to do here.
    Over,
}

pub(super) type Flow<T> = Result<T, Stop>;

/// The store's time, as this worker reckons it from the store's last answer.
struct StoreTime {
    base: Timestamp,
    at: Duration,
}

pub(super) struct Driver {
    shell: Arc<Shell>,
    seat: Arc<Seat>,
    definition: Arc<Definition>,
    row: RunRow,
    lease: Lease,
    time: StoreTime,
    phase: Phase,
    seq: Seq,
    inbox: u64,
    inbox_stale: bool,
    cancel_by: Option<String>,
    events: BTreeMap<u64, StoredEvent>,
    board: Arc<Mutex<Board>>,
    code: WorkFuture,
    completions: VecDeque<(u32, Completion)>,
    replayed: bool,
    /// The code has returned this, and its end is not durable yet.
    ended: Option<Result<Payload, Ended>>,
    /// Records that are not durable yet, and what is committed with them.
    pending: Vec<Record>,
    consumed: Vec<u64>,
    keys: Vec<CorrelationKey>,
    to_start: BTreeSet<u32>,
    running: BTreeMap<u32, Running>,
    waits: BTreeMap<u32, OpenWait>,
    sleeps: BTreeMap<u32, Opened>,
    /// Backoff and deferrals: when a step's next attempt is due.
    delays: BTreeMap<u32, Timestamp>,
    attempts: BTreeMap<u32, attempts::Count>,
    send: mpsc::UnboundedSender<Happening>,
    receive: mpsc::UnboundedReceiver<Happening>,
}

/// What a look at the code showed.
enum Look {
    Pending,
    Ended(Result<Payload, Ended>),
    Fault(String),
}

impl Driver {
    /// Goes on until nothing is left to do here.
    async fn drive(&mut self) {
        while self.go_on().await.is_ok() {}
    }

    async fn go_on(&mut self) -> Flow<()> {
        if self.seat.is_lost() {
            return Err(Stop::Lost);
        }
        match self.look_at_code() {
            Look::Fault(reason) => return self.fault(reason).await,
            Look::Ended(result) => return self.end(result).await,
            Look::Pending => {}
        }
        self.note_abandoned();
        self.note_opened();
        if !self.completions.is_empty() {
            // What was opened has ended at once: an effect that nobody knows the outcome of.
            return Ok(());
        }
        if self.seat.take_inbox_flag() || self.inbox_stale {
            self.read_inbox().await?;
        }
        if self.is_cancelled() {
            return self.cancel().await;
        }
        if self.take_event() || self.expire().await? {
            return Ok(());
        }
        if self.handler_is_late() {
            return self.give_up_handler().await;
        }
        self.record_open_waits();
        if self.seat.is_stopping() {
            return self.release_or_wait().await;
        }
        if self.start_attempts().await? {
            return Ok(());
        }
        if self.running.is_empty() {
            return self.park().await;
        }
        self.await_happening().await
    }

    /// Polls the code, and delivers what history has, one completion at a time and each only
    /// after the code has come to rest: so joins, selects and timeouts repeat exactly.
    fn look_at_code(&mut self) -> Look {
        if let Some(fault) = lock(&self.board).take_fault() {
            return Look::Fault(fault);
        }
        if let Some(result) = self.ended.take() {
            return Look::Ended(result);
        }
        loop {
            let polled = self.poll_code();
            if let Some(fault) = lock(&self.board).take_fault() {
                return Look::Fault(fault);
            }
            let result = match polled {
                Ok(Poll::Pending) => None,
                Ok(Poll::Ready(result)) => Some(result),
                Err(panic) => return Look::Fault(format!("the workflow's code panicked: {panic}")),
            };
            if result.is_none()
                && let Some((ordinal, completion)) = self.completions.pop_front()
            {
                if !lock(&self.board).deliver(ordinal, completion) {
                    return Look::Fault(self.tell_unreached());
                }
                continue;
            }
            return self.judge_look(result);
        }
    }

    /// All that history has was delivered: what the code makes of it.
    fn judge_look(&mut self, result: Option<Result<Payload, Ended>>) -> Look {
        match &result {
            Some(Err(Ended::Unreadable(problem))) => return Look::Fault(format!("the run's input {problem}")),
            Some(Err(Ended::Unwritable(problem))) => return Look::Fault(format!("the run's output {problem}")),
            _ => {}
        }
        if !std::mem::replace(&mut self.replayed, true)
            && let Some(unreached) = lock(&self.board).find_unreached()
        {
            return Look::Fault(unreached);
        }
        result.map_or(Look::Pending, Look::Ended)
    }

    fn tell_unreached(&self) -> String {
        let unreached = lock(&self.board).find_unreached();
        unreached.unwrap_or_else(|| "history has a step that the code does not reach any more".to_owned())
    }

    fn poll_code(&mut self) -> Result<Poll<Result<Payload, Ended>>, String> {
        let before = self.shell.runtime.monotonic();
        let mut context = Context::from_waker(std::task::Waker::noop());
        let code = &mut self.code;
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| code.poll_unpin(&mut context)));
        watched::warn_if_slow(
            &*self.shell.runtime,
            before,
            self.definition.name,
            "its workflow's code",
        );
        polled.map_err(|panic| watched::tell_panic(&*panic))
    }

    /// A result of now: recorded, and shown to the code ahead of the commit.
    fn complete(&mut self, ordinal: u32, what: What, started_at: Timestamp) {
        let told = completion(&what);
        self.record(ordinal, what, started_at);
        if let Some(told) = told {
            self.completions.push_back((ordinal, told));
        }
    }

    fn record(&mut self, ordinal: u32, what: What, started_at: Timestamp) {
        let step = lock(&self.board).slot(ordinal).step.clone();
        let record = self.make_record(Some(step), what, started_at);
        self.pending.push(record);
    }

    fn make_record(&self, step: Option<crate::StepRef>, what: What, started_at: Timestamp) -> Record {
        let (worker, epoch) = (self.seat.worker, self.lease.epoch);
        Record {
            phase: self.phase,
            step,
            what,
            started_at,
            ended_at: self.now(),
            worker,
            epoch,
        }
    }

    fn now(&self) -> Timestamp {
        let since = self.shell.runtime.monotonic().saturating_sub(self.time.at);
        truncate(
            self.time
                .base
                .saturating_add(since)
                .expect("a span of process time stays in range"),
        )
    }

    fn is_cancelled(&self) -> bool {
        self.phase == Phase::Main && self.cancel_by.is_some()
    }

    fn handler_deadline(&self) -> Option<Timestamp> {
        let since = self.row.failing_since.filter(|_| self.phase == Phase::OnFailure)?;
        since.saturating_add(HANDLER_DEADLINE).ok()
    }

    fn handler_is_late(&self) -> bool {
        self.handler_deadline().is_some_and(|deadline| deadline <= self.now())
    }

    async fn give_up_handler(&mut self) -> Flow<()> {
        let late = Failure::of_kind(FailureKind::HandlerDeadline, "on_failure did not end within its hour");
        self.end(Err(Ended::Failed(late))).await
    }

    /// Begins the phase again from its first line, with what history has of it.
    fn enter(&mut self, phase: Phase, records: &[Record]) {
        let replay = Replay::fold(records, phase);
        self.phase = phase;
        lock(&self.board).close();
        self.board = Arc::new(Mutex::new(Board::new(self.definition.clone(), replay.steps)));
        self.code = make_code(&self.definition, &self.row, phase, self.board.clone());
        self.completions = replay.completions;
        self.replayed = false;
        self.ended = None;
        self.to_start.clear();
        self.waits.clear();
        self.sleeps.clear();
        self.delays.clear();
        self.attempts.clear();
        self.running.clear();
    }

    fn hash(&self) -> DefinitionHash {
        self.definition.hash
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        lock(&self.board).close();
    }
}

fn make_code(definition: &Arc<Definition>, row: &RunRow, phase: Phase, board: Arc<Mutex<Board>>) -> WorkFuture {
    let run = Run::new(row.id, row.created_at, board);
    let (code, input) = (definition.code.clone(), row.input.clone());
    match phase {
        Phase::Main => code.run(run, input),
        Phase::OnFailure => {
            let failure = row
                .failure
                .clone()
                .unwrap_or_else(|| Failure::new("the cause was not recorded"));
            code.on_failure(run, input, failure)
        }
    }
}
