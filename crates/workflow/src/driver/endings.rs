//! How a run stops being executed for good or for long: its end, its failure, a cancel, its
//! deadline, a pause, and code that does not fit.

use super::{Driver, Flow, Stop};
use crate::board::Fault;
use crate::error::{Failure, FailureKind};
use crate::history::{Phase, What};
use crate::payload::Payload;
use crate::run::lock;
use crate::store::{Ending, Next};
use crate::workflow::Ended;

impl Driver {
    /// The code has ended. What it did not wait for has been abandoned, outside effects aside:
    /// their end is recorded first.
    pub(super) async fn end(&mut self, result: Result<Payload, Ended>) -> Flow<()> {
        self.hold_back();
        if self.acts_outside() {
            self.ended = Some(result);
            return self.wait_for_attempts().await;
        }
        if self.seat.take_inbox_flag() || self.inbox_stale {
            self.read_inbox().await?;
        }
        self.cancel_children().await?;
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
        let told = self.tell_parent(Ok(&output));
        let finish = Next::Finish(Ending::Completed(output.clone()));
        match self.commit_with(finish, Some(self.inbox), told).await? {
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

    async fn finish_handler(&mut self, result: Result<Payload, Ended>) -> Flow<()> {
        let mut cause = self
            .row
            .failure
            .clone()
            .unwrap_or_else(|| Failure::new("the cause was not recorded"));
        cause.handler = result.err().map(failure_of).map(Box::new).or(cause.handler);
        let told = self.tell_parent(Err(&cause));
        let ending = match cause.kind {
            FailureKind::Cancelled => Ending::Cancelled(cause),
            _ => Ending::Failed(cause),
        };
        self.commit_with(Next::Finish(ending), None, told).await?;
        Err(Stop::Over)
    }

    /// Somebody asked for the end. What waits ends at once; attempts that are running end by
    /// themselves and are recorded; nothing new begins.
    pub(super) async fn cancel(&mut self) -> Flow<()> {
        self.hold_back();
        if !self.running.is_empty() {
            return self.wait_for_attempts().await;
        }
        self.cancel_children().await?;
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

    /// The run's own time is over. It ends as if somebody had asked, unless somebody has.
    pub(super) async fn pass_deadline(&mut self) -> Flow<()> {
        self.hold_back();
        if !self.running.is_empty() {
            return self.wait_for_attempts().await;
        }
        self.cancel_children().await?;
        let limit = self.definition.deadline.unwrap_or_default();
        let failure = Failure::of_kind(
            FailureKind::DeadlinePassed,
            format!("the run did not end within {limit:?}"),
        );
        let kept = self.pending.len();
        self.push_failing(&failure);
        match self.commit_guarded(Next::Failing { cause: failure.clone() }).await? {
            true => self.enter_handler(failure),
            false => self.pending.truncate(kept),
        }
        Ok(())
    }

    /// Somebody asked the run to pause. What is under way ends and is recorded; nothing new begins.
    pub(super) async fn pause(&mut self) -> Flow<()> {
        self.hold_back();
        if !self.running.is_empty() {
            return self.wait_for_attempts().await;
        }
        self.record_open_waits();
        let by = self.pause_by.clone().unwrap_or_default();
        let record = self.make_record(None, What::Paused { by: by.clone() }, self.now());
        self.pending.push(record);
        if self.commit_guarded(Next::Pause { by }).await? {
            return Err(Stop::Over);
        }
        self.pending.pop();
        Ok(())
    }

    /// The code does not fit the history. Outside effects that are under way end first; then
    /// the run is blocked, unless somebody has asked for its end.
    pub(super) async fn fault(&mut self, fault: Fault) -> Flow<()> {
        self.hold_back();
        self.forget_what_follows();
        if self.acts_outside() {
            self.keep_fault(fault);
            return self.wait_for_attempts().await;
        }
        if self.seat.take_inbox_flag() || self.inbox_stale {
            self.read_inbox().await?;
        }
        if !self.is_cancelled() {
            return self.block(fault).await;
        }
        if !self.running.is_empty() {
            self.keep_fault(fault);
        }
        self.cancel().await
    }

    /// The code is not polled again: whatever it would say, it does not fit.
    fn keep_fault(&self, fault: Fault) {
        lock(&self.board).keep_fault(fault);
    }

    /// Results that are known are kept; what could be found out again is left to code that fits.
    fn forget_what_follows(&mut self) {
        let keep = self
            .pending
            .iter()
            .rposition(|record| record.what.is_news())
            .map_or(0, |last| last + 1);
        let forgotten: usize = self
            .pending
            .drain(keep..)
            .map(|record| count_events(&record.what))
            .sum();
        if forgotten > 0 {
            // They are in the inbox still, for whoever comes to it next.
            self.consumed.truncate(self.consumed.len() - forgotten);
            self.inbox_stale = true;
        }
    }

    /// Holds only if nothing came in meanwhile: a blocked run is not looked at again.
    async fn block(&mut self, fault: Fault) -> Flow<()> {
        let reason = fault.to_string();
        let next = Next::Block {
            reason: reason.clone(),
            hash: self.hash(),
        };
        if !self.commit_guarded(next).await? {
            self.keep_fault(fault);
            return Ok(());
        }
        tracing::error!(run = %self.lease.run, workflow = self.definition.name, reason, "a run is blocked: its code does not fit its history");
        Err(Stop::Over)
    }
}

fn count_events(what: &What) -> usize {
    match what {
        What::Received { events, .. } => events.len(),
        _ => 0,
    }
}

fn failure_of(ended: Ended) -> Failure {
    match ended {
        Ended::Failed(failure) => failure,
        Ended::Unreadable(problem) | Ended::Unwritable(problem) => Failure::new(problem),
    }
}
