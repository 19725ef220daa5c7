//! What follows an attempt that ended in an error: another one, later, or the step's end.

use std::time::Duration;

use jiff::Timestamp;

use super::Driver;
use super::attempts::Count;
use crate::error::{Failure, FailureKind, StepError};
use crate::history::What;
use crate::replay::Previous;
use crate::retry::Verdict;
use crate::run::lock;

impl Driver {
    /// What follows an attempt that ended in an error. `started` says that its start is on
    /// record, so its end must be as well, even if it does not count.
    pub(super) fn settle_error(
        &mut self,
        ordinal: u32,
        number: u32,
        started_at: Timestamp,
        error: StepError,
        started: bool,
    ) {
        let random = self.shell.runtime.random();
        let verdict = self.plan(ordinal).retry.judge(&error, number, random);
        let dropped = !lock(&self.board).is_open(ordinal);
        match verdict {
            Verdict::Again { .. } | Verdict::Later { .. } if dropped => {
                let reason = "the workflow has dropped the step, so it is not attempted again".to_owned();
                self.give_up(ordinal, number, started_at, error, FailureKind::Failed, reason);
            }
            Verdict::Again { delay, reason } => self.try_again(ordinal, number, started_at, error, delay, reason),
            Verdict::Over { reason } => self.give_up(ordinal, number, started_at, error, FailureKind::Failed, reason),
            Verdict::Unknown => {
                let reason = "an effect whose outcome is unknown is not repeated".to_owned();
                self.give_up(ordinal, number, started_at, error, FailureKind::Unknown, reason);
            }
            Verdict::Later { delay } => self.defer(ordinal, number, started_at, error, delay, started),
        }
    }

    fn try_again(
        &mut self,
        ordinal: u32,
        attempt: u32,
        started_at: Timestamp,
        error: StepError,
        delay: Duration,
        reason: String,
    ) {
        let next_at = self.now_plus(delay);
        self.attempts.insert(
            ordinal,
            Count {
                made: attempt,
                previous: Some(Previous::Failed(error.clone())),
            },
        );
        self.delays.insert(ordinal, next_at);
        self.record(
            ordinal,
            What::AttemptFailed {
                attempt,
                error,
                delay,
                next_at,
                reason,
            },
            started_at,
        );
    }

    fn give_up(
        &mut self,
        ordinal: u32,
        attempts: u32,
        started_at: Timestamp,
        error: StepError,
        kind: FailureKind,
        reason: String,
    ) {
        let step = Some(self.plan(ordinal).step.name.to_owned());
        let failure = Failure {
            kind,
            step,
            code: error.code,
            message: error.message,
            attempts,
            handler: None,
        };
        self.complete(ordinal, What::Failed { failure, reason }, started_at);
    }

    fn defer(
        &mut self,
        ordinal: u32,
        attempt: u32,
        started_at: Timestamp,
        error: StepError,
        delay: Duration,
        started: bool,
    ) {
        let next_at = self.now_plus(delay);
        self.delays.insert(ordinal, next_at);
        if started {
            let reason = "deferred; the attempt does not count".to_owned();
            self.record(
                ordinal,
                What::AttemptFailed {
                    attempt,
                    error,
                    delay,
                    next_at,
                    reason,
                },
                started_at,
            );
        } else {
            tracing::debug!(run = %self.lease.run, step = self.plan(ordinal).step.name, ?delay, reason = %error, "deferred");
        }
    }

    fn now_plus(&self, delay: Duration) -> Timestamp {
        crate::clock::truncate(self.now().saturating_add(delay).unwrap_or(Timestamp::MAX))
    }
}
