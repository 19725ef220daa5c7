//! Executes one claimed run: polls its code, feeds it from history, starts attempts, matches
//! events, and writes what happened.
//!
//! The code is polled ahead of the commit: what it does after a step's result is only to
//! reach further steps, and none of those begins before that result is durable. So a step's
//! record and the parking or the end that follows it are one transition.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::board::Board;
use crate::clock::truncate;
use crate::error::{Failure, FailureKind};
use crate::event::{CorrelationKey, StoredEvent};
use crate::execution::{Execution, Look};
use crate::history::{Phase, Record, StepRef, What};
use crate::id::{DefinitionHash, RunId, Seq};
use crate::payload::Payload;
use crate::replay::{Opened, Replay, completion};
use crate::run::lock;
use crate::seat::Seat;
use crate::shell::Shell;
use crate::store::{Lease, NewRun, RunRow};
use crate::workflow::{Definition, Ended, HANDLER_DEADLINE};

mod attempts;
mod children;
mod commits;
mod endings;
#[cfg(feature = "testing")]
mod intercepted;
mod loading;
mod opened;
mod verdicts;
mod waits;
pub(crate) mod watched;

pub(crate) use loading::execute;
pub(crate) use loading::read_history;

use attempts::{Happening, Running};
use children::OpenChild;
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
    pause_by: Option<String>,
    events: BTreeMap<u64, StoredEvent>,
    board: Arc<Mutex<Board>>,
    execution: Execution,
    /// The code has returned this, and its end is not durable yet.
    ended: Option<Result<Payload, Ended>>,
    /// Steps that have ended in this execution, as far as anybody has tried to write.
    ended_here: BTreeSet<u32>,
    /// Records that are not durable yet, and what is committed with them.
    pending: Vec<Record>,
    consumed: Vec<u64>,
    keys: Vec<CorrelationKey>,
    starts: Vec<NewRun>,
    to_start: BTreeSet<u32>,
    running: BTreeMap<u32, Running>,
    waits: BTreeMap<u32, OpenWait>,
    sleeps: BTreeMap<u32, Opened>,
    /// Children that were reached and whose turn to begin has not come.
    unborn: BTreeSet<u32>,
    /// Runs that steps have started and wait for.
    children: BTreeMap<u32, OpenChild>,
    /// The children that are on record as begun, and have not ended or been dropped.
    begun: BTreeMap<u32, (StepRef, RunId)>,
    /// Steps that the code has dropped whose children are still to be told.
    left: Vec<(u32, RunId)>,
    /// Children that somebody has left behind by sending the run back.
    left_behind: BTreeSet<RunId>,
    /// Backoff and deferrals: when a step's next attempt is due.
    delays: BTreeMap<u32, Timestamp>,
    attempts: BTreeMap<u32, attempts::Count>,
    send: mpsc::UnboundedSender<Happening>,
    receive: mpsc::UnboundedReceiver<Happening>,
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
        self.cancel_left_behind().await?;
        match self.look_at_code() {
            Look::Fault(fault) => return self.fault(fault).await,
            Look::Ended(result) => return self.end(result).await,
            Look::Pending => {}
        }
        self.note_abandoned();
        if let Err(fault) = self.note_opened() {
            return self.fault(fault).await;
        }
        self.cancel_left_children().await?;
        if !self.execution.completions.is_empty() {
            // What was opened has ended at once: an effect that nobody knows the outcome of.
            return Ok(());
        }
        if self.seat.take_inbox_flag() || self.inbox_stale {
            self.read_inbox().await?;
        }
        if self.is_cancelled() {
            return self.cancel().await;
        }
        if self.is_late() {
            return self.pass_deadline().await;
        }
        if self.pause_by.is_some() {
            return self.pause().await;
        }
        if self.take_event() || self.expire().await? {
            return Ok(());
        }
        if self.handler_is_late() {
            return self.give_up_handler().await;
        }
        self.record_open_waits();
        self.begin_children();
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

    /// What the code has come to, once it was told all that there is.
    fn look_at_code(&mut self) -> Look {
        if let Some(fault) = lock(&self.board).take_fault() {
            return Look::Fault(fault);
        }
        match self.ended.take() {
            Some(result) => Look::Ended(result),
            None => self.execution.look(),
        }
    }

    /// A result of now: recorded, and shown to the code ahead of the commit.
    fn complete(&mut self, ordinal: u32, what: What, started_at: Timestamp) {
        let told = completion(&what);
        self.record(ordinal, what, started_at);
        if let Some(told) = told {
            self.execution.completions.push_back((ordinal, told));
        }
    }

    fn record(&mut self, ordinal: u32, what: What, started_at: Timestamp) {
        if what.is_completion() {
            self.ended_here.insert(ordinal);
        }
        let step = lock(&self.board).slot(ordinal).step.clone();
        let record = self.make_record(Some(step), what, started_at);
        self.pending.push(record);
    }

    fn make_record(&self, step: Option<StepRef>, what: What, started_at: Timestamp) -> Record {
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

    /// When the run ends by itself, whatever it does.
    fn deadline(&self) -> Option<Timestamp> {
        let begun = self.row.begun_at.filter(|_| self.phase == Phase::Main)?;
        begun.saturating_add(self.definition.deadline?).ok()
    }

    fn is_late(&self) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= self.now())
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

    /// Begins `on_failure` from its first line.
    fn enter_handler(&mut self, cause: Failure) {
        self.row.failure = Some(cause);
        self.row.failing_since = Some(self.now());
        self.phase = Phase::OnFailure;
        self.execution = Execution::begin(
            self.shell.runtime.clone(),
            &self.definition,
            &self.row,
            self.phase,
            Replay::default(),
        );
        self.board = self.execution.board.clone();
        self.ended = None;
        self.to_start.clear();
        self.ended_here.clear();
        self.waits.clear();
        self.sleeps.clear();
        self.unborn.clear();
        self.children.clear();
        self.delays.clear();
        self.attempts.clear();
        self.running.clear();
    }

    fn hash(&self) -> DefinitionHash {
        self.definition.hash
    }
}
