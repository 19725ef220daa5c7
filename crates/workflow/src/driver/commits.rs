//! What a driver writes: one guarded change at a time, and how the run goes on after it.

use std::time::Duration;

use futures_util::FutureExt;

use super::{Driver, Flow, Stop};
use crate::error::StepError;
use crate::event::NewEvent;
use crate::payload::Payload;
use crate::store::{Advance, Attachment, Change, Member, Next, Outcome, Refusal, StoreError};

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
        self.commit_with(next, Some(self.inbox), Vec::new()).await
    }

    /// Writes what is pending and how the run goes on. What was not applied stays pending.
    pub(super) async fn commit(
        &mut self,
        next: Next,
        guard: Option<u64>,
        attach: Option<Attachment>,
    ) -> Flow<Committed> {
        self.submit(self.make_advance(next, guard), attach).await
    }

    /// The same, with events for other runs. False when something came in first.
    pub(super) async fn commit_with(&mut self, next: Next, guard: Option<u64>, emits: Vec<NewEvent>) -> Flow<bool> {
        let advance = Advance {
            emits,
            ..self.make_advance(next, guard)
        };
        let ending = match &advance.next {
            Next::Finish(ending) => Some(ending.clone()),
            _ => None,
        };
        match self.submit(advance, None).await? {
            Committed::Done { .. } => {
                if let Some(ending) = ending {
                    self.shell.ends.tell(self.lease.run, ending);
                }
                Ok(true)
            }
            Committed::InboxChanged => {
                self.inbox_stale = true;
                Ok(false)
            }
            Committed::KeyTaken(_) | Committed::Rejected(_) => unreachable!("neither keys nor attachment were given"),
        }
    }

    fn make_advance(&self, next: Next, guard: Option<u64>) -> Advance {
        Advance {
            lease: self.lease,
            seq: self.seq,
            records: self.pending.clone(),
            consumed: self.consumed.clone(),
            keys: self.keys.clone(),
            starts: self.starts.clone(),
            emits: Vec::new(),
            guard,
            next,
        }
    }

    async fn submit(&mut self, advance: Advance, attach: Option<Attachment>) -> Flow<Committed> {
        #[cfg(feature = "testing")]
        self.tell_recording().await;
        let change = Change::Advance(advance);
        let member = Member { change, attach };
        loop {
            match self.shell.pipeline.submit(member.clone()).await {
                Ok(result) => {
                    #[cfg(feature = "testing")]
                    self.tell_recorded(&member, &result).await;
                    return self.take_result(result);
                }
                Err(error) => self.pause_after(&error).await?,
            }
        }
    }

    fn take_result(&mut self, result: Result<Outcome, Refusal>) -> Flow<Committed> {
        match result {
            Ok(Outcome::Advanced { inbox, payload, news }) => {
                self.seq = self.seq.plus(self.pending.len());
                self.note_durable_children();
                self.pending.clear();
                self.consumed.clear();
                self.keys.clear();
                self.starts.clear();
                match news {
                    Some(news) => self.take_news(*news),
                    None => self.inbox_stale |= inbox != self.inbox,
                }
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
        self.hold_back();
        if !self.running.is_empty() && !self.seat.must_abandon() {
            return self.await_attempts().await;
        }
        self.commit(Next::Release, None, None).await?;
        Err(Stop::Over)
    }

    /// What is under way is waited for, unless the process has no time left.
    pub(super) async fn wait_for_attempts(&mut self) -> Flow<()> {
        match self.seat.must_abandon() {
            true => self.release_or_wait().await,
            false => self.await_attempts().await,
        }
    }
}
