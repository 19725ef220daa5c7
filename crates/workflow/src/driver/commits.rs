//! What a driver writes: one guarded change at a time, and how the run goes on after it.

use std::time::Duration;

use futures_util::FutureExt;

use super::{Driver, Flow, Stop};
use crate::error::{Failure, FailureKind, StepError};
use crate::history::{Phase, What};
use crate::payload::Payload;
use crate::store::{Advance, Attachment, Change, Ending, Member, Next, Outcome, Refusal, StoreError};
use crate::workflow::Ended;

/// How long to wait before a write is tried again that the database could not take.
const STORE_PAUSE: Duration = Duration::from_millis(500);

/// What became of a change that this run still has the right to make.
pub(super) enum Committed {
    Done { payload: Option<Payload> },
    InboxChanged,
    KeyTaken(String),
    Rejected(StepError),
}

impl Driver {
    /// Whether something waits to be written that later code may not run ahead of.
    pub(super) fn has_unsaved(&self) -> bool {
        self.pending.iter().any(|record| !record.what.may_wait())
    }

    pub(super) async fn save(&mut self) -> Flow<()> {
        match self.commit(Next::Running, None, None).await? {
            Committed::Done { .. } => Ok(()),
            _ => unreachable!("a change without guard, keys and attachment is applied or the lease is lost"),
        }
    }

    /// Commits what is pending, unless something came in: then nothing is written.
    pub(super) async fn commit_guarded(&mut self, next: Next) -> Flow<bool> {
        match self.commit(next, Some(self.inbox), None).await? {
            Committed::Done { .. } => Ok(true),
            Committed::InboxChanged => {
                self.inbox_stale = true;
                Ok(false)
            }
            Committed::KeyTaken(_) | Committed::Rejected(_) => unreachable!("neither keys nor attachment were given"),
        }
    }

    /// Writes what is pending and how the run goes on. What was not applied stays pending.
    pub(super) async fn commit(
        &mut self,
        next: Next,
        guard: Option<u64>,
        attach: Option<Attachment>,
    ) -> Flow<Committed> {
        let change = Change::Advance(Advance {
            lease: self.lease,
            seq: self.seq,
            records: self.pending.clone(),
            consumed: self.consumed.clone(),
            keys: self.keys.clone(),
            guard,
            next,
        });
        let member = Member { change, attach };
        loop {
            match self.shell.pipeline.submit(member.clone()).await {
                Ok(result) => return self.take_result(result),
                Err(error) => self.pause_after(&error).await?,
            }
        }
    }

    fn take_result(&mut self, result: Result<Outcome, Refusal>) -> Flow<Committed> {
        match result {
            Ok(Outcome::Advanced { inbox, payload }) => {
                self.seq = self.seq.plus(self.pending.len());
                self.pending.clear();
                self.consumed.clear();
                self.keys.clear();
                self.inbox_stale |= inbox != self.inbox;
                Ok(Committed::Done { payload })
            }
            Ok(other) => unreachable!("an advance is answered as one, not with {other:?}"),
            Err(Refusal::InboxChanged { .. }) => Ok(Committed::InboxChanged),
            Err(refusal @ Refusal::KeyTaken { .. }) => Ok(Committed::KeyTaken(refusal.to_string())),
            Err(Refusal::Attachment(error)) => Ok(Committed::Rejected(error)),
            Err(Refusal::LeaseLost(_)) => Err(Stop::Lost),
            Err(refusal) => {
                tracing::error!(run = %self.lease.run, %refusal, "a run's history is not as its worker left it; the run is given up here");
                Err(Stop::Lost)
            }
        }
    }

    /// The database cannot be used now. What is known must not be forgotten, so the write is
    /// tried until it is done or the right to make it is gone.
    pub(super) async fn pause_after(&mut self, error: &StoreError) -> Flow<()> {
        if self.seat.is_lost() || self.seat.must_abandon() || matches!(error, StoreError::Broken(_)) {
            tracing::error!(run = %self.lease.run, %error, "a run's progress could not be written; it is taken up again from its history");
            return Err(Stop::Lost);
        }
        tracing::warn!(run = %self.lease.run, %error, "a run's progress could not be written yet");
        let seat = self.seat.clone();
        let mut nudged = std::pin::pin!(seat.nudged().fuse());
        futures_util::select_biased! {
            () = nudged => {}
            () = self.shell.runtime.sleep(STORE_PAUSE).fuse() => {}
        }
        Ok(())
    }

    /// Lays the run down as a row until something happens.
    pub(super) async fn park(&mut self) -> Flow<()> {
        if !self.to_start.is_empty() {
            return self.await_happening().await;
        }
        if !self.has_open() {
            let reason = "the code awaits something that is not the run's: nothing is running and nothing is open";
            crate::run::lock(&self.board).fault(reason.to_owned());
            return Ok(());
        }
        let wake_at = self.next_time();
        match self.commit_guarded(Next::Park { wake_at }).await? {
            true => Err(Stop::Over),
            false => Ok(()),
        }
    }

    /// The process is stopping. Attempts may end within the time they are given; then the run
    /// is free for the next process at once.
    pub(super) async fn release_or_wait(&mut self) -> Flow<()> {
        if self.running.is_empty() && self.to_start.is_empty() {
            return self.park().await;
        }
        self.stop_gates();
        if !self.running.is_empty() && !self.seat.must_abandon() {
            return self.await_attempts().await;
        }
        self.commit(Next::Release, None, None).await?;
        Err(Stop::Over)
    }

    /// What is under way is waited for, unless the process has no time left.
    async fn wait_for_attempts(&mut self) -> Flow<()> {
        match self.seat.must_abandon() {
            true => self.release_or_wait().await,
            false => self.await_attempts().await,
        }
    }

    /// The code has ended. What it did not wait for has been abandoned, outside effects aside:
    /// their end is recorded first.
    pub(super) async fn end(&mut self, result: Result<Payload, Ended>) -> Flow<()> {
        self.stop_gates();
        if self.acts_outside() {
            self.ended = Some(result);
            return self.wait_for_attempts().await;
        }
        if self.seat.take_inbox_flag() || self.inbox_stale {
            self.read_inbox().await?;
        }
        match (self.phase, result) {
            (Phase::Main, result) if self.is_cancelled() => {
                // Attempts may have to be waited for, and code that has ended is not polled again.
                self.ended = Some(result);
                self.cancel().await
            }
            (Phase::Main, Ok(output)) => self.finish_main(output).await,
            (Phase::Main, Err(ended)) => self.fail(ended).await,
            (Phase::OnFailure, result) => self.finish_handler(result).await,
        }
    }

    async fn finish_main(&mut self, output: Payload) -> Flow<()> {
        let finish = Next::Finish(Ending::Completed(output.clone()));
        match self.commit_guarded(finish).await? {
            true => Err(Stop::Over),
            false => {
                self.ended = Some(Ok(output));
                Ok(())
            }
        }
    }

    async fn fail(&mut self, ended: Ended) -> Flow<()> {
        let failure = failure_of(ended);
        let kept = self.pending.len();
        self.push_failing(&failure);
        if self.commit_guarded(Next::Failing { cause: failure.clone() }).await? {
            self.enter_handler(failure);
        } else {
            self.pending.truncate(kept);
            self.ended = Some(Err(Ended::Failed(failure)));
        }
        Ok(())
    }

    fn push_failing(&mut self, failure: &Failure) {
        let record = self.make_record(
            None,
            What::Failing {
                failure: failure.clone(),
            },
            self.now(),
        );
        self.pending.push(record);
    }

    fn enter_handler(&mut self, cause: Failure) {
        self.row.failure = Some(cause);
        self.row.failing_since = Some(self.now());
        self.enter(Phase::OnFailure, &[]);
    }

    async fn finish_handler(&mut self, result: Result<Payload, Ended>) -> Flow<()> {
        let mut cause = self
            .row
            .failure
            .clone()
            .unwrap_or_else(|| Failure::new("the cause was not recorded"));
        cause.handler = result.err().map(failure_of).map(Box::new).or(cause.handler);
        let ending = match cause.kind {
            FailureKind::Cancelled => Ending::Cancelled(cause),
            _ => Ending::Failed(cause),
        };
        self.commit(Next::Finish(ending), None, None).await?;
        Err(Stop::Over)
    }

    /// Somebody asked for the end. What waits ends at once; attempts that are running end by
    /// themselves and are recorded; nothing new begins.
    pub(super) async fn cancel(&mut self) -> Flow<()> {
        self.stop_gates();
        if !self.running.is_empty() {
            return self.wait_for_attempts().await;
        }
        let by = self.cancel_by.clone().unwrap_or_default();
        let failure = Failure::of_kind(FailureKind::Cancelled, format!("cancelled by {by}"));
        let record = self.make_record(None, What::CancelRequested { by }, self.now());
        self.pending.push(record);
        self.push_failing(&failure);
        self.commit(Next::Failing { cause: failure.clone() }, None, None)
            .await?;
        self.enter_handler(failure);
        Ok(())
    }

    /// The code does not fit the history. Outside effects that are under way end first; then
    /// the run is blocked, unless somebody has asked for its end.
    pub(super) async fn fault(&mut self, reason: String) -> Flow<()> {
        self.stop_gates();
        self.forget_what_follows();
        if self.acts_outside() {
            self.keep_fault(reason);
            return self.wait_for_attempts().await;
        }
        if self.seat.take_inbox_flag() || self.inbox_stale {
            self.read_inbox().await?;
        }
        if !self.is_cancelled() {
            return self.block(reason).await;
        }
        if !self.running.is_empty() {
            self.keep_fault(reason);
        }
        self.cancel().await
    }

    /// The code is not polled again: whatever it would say, it does not fit.
    fn keep_fault(&self, reason: String) {
        crate::run::lock(&self.board).fault(reason);
    }

    /// Results that are known are kept; what could be found out again is left to code that fits.
    fn forget_what_follows(&mut self) {
        let keep = self
            .pending
            .iter()
            .rposition(|record| record.what.is_news())
            .map_or(0, |last| last + 1);
        if self
            .pending
            .drain(keep..)
            .any(|record| matches!(record.what, What::Received { .. }))
        {
            self.keep_consumed_of_pending();
        }
    }

    /// Holds only if nothing came in meanwhile: a blocked run is not looked at again.
    async fn block(&mut self, reason: String) -> Flow<()> {
        let next = Next::Block {
            reason: reason.clone(),
            hash: self.hash(),
        };
        if !self.commit_guarded(next).await? {
            self.keep_fault(reason);
            return Ok(());
        }
        tracing::error!(run = %self.lease.run, workflow = self.definition.name, reason, "a run is blocked: its code does not fit its history");
        Err(Stop::Over)
    }

    /// Only events whose records are still pending count as consumed.
    fn keep_consumed_of_pending(&mut self) {
        let received = self
            .pending
            .iter()
            .filter(|record| matches!(record.what, What::Received { .. }))
            .count();
        self.consumed.truncate(received);
    }
}

fn failure_of(ended: Ended) -> Failure {
    match ended {
        Ended::Failed(failure) => failure,
        Ended::Unreadable(problem) | Ended::Unwritable(problem) => Failure::new(problem),
    }
}
