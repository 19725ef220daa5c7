//! Retry policies: how many attempts, and how long between them.

use std::time::Duration;

use crate::duration::{DurationError, parse_duration};
use crate::error::{Decision, StepError};

/// However long a caller is told to stay away, the engine asks again after this time.
pub const RETRY_AFTER_CAP: Duration = Duration::from_secs(3_600);

/// Whoever is told "not now" does not ask again at once: it would keep a processor busy with asking.
const LEAST_DEFERRAL: Duration = Duration::from_millis(10);

/// How the delay grows from one attempt to the next.
///
/// An example is at [`Retry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backoff {
    /// Doubles each time (or grows by the policy's factor).
    Exponential,
    /// Grows by the first delay each time.
    Linear,
    /// Stays the first delay.
    Constant,
}

/// A step's retry policy, declared as data.
///
/// ```
/// use lumina_workflow::Retry;
/// const POLICY: Retry = Retry::exponential(5).first("5s").on_codes(&[429, 503]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// How the delay grows.
    pub backoff: Backoff,
    /// The delay before the second attempt.
    pub first: &'static str,
    /// No delay is longer.
    pub cap: &'static str,
    /// The growth of an exponential delay.
    pub factor: u32,
    /// Whether each delay is drawn between 0 and its full length, so that callers that failed
    /// together do not come back together.
    pub jitter: bool,
    /// When not empty, an error that carries a code is retried only if the code is listed.
    pub codes: &'static [u16],
}

impl Retry {
    const fn with(backoff: Backoff, attempts: u32) -> Self {
        Self {
            attempts,
            backoff,
            first: "1s",
            cap: "5m",
            factor: 2,
            jitter: true,
            codes: &[],
        }
    }

    /// One attempt, no retry.
    #[must_use]
    pub const fn none() -> Self {
        Self::with(Backoff::Constant, 1)
    }

    /// Delays of 1 s, 2 s, 4 s ... up to 5 min, with full jitter.
    #[must_use]
    pub const fn exponential(attempts: u32) -> Self {
        Self::with(Backoff::Exponential, attempts)
    }

    /// Delays of 1 s, 2 s, 3 s ... up to 5 min, with full jitter.
    #[must_use]
    pub const fn linear(attempts: u32) -> Self {
        Self::with(Backoff::Linear, attempts)
    }

    /// A delay of 1 s each time, with full jitter.
    #[must_use]
    pub const fn constant(attempts: u32) -> Self {
        Self::with(Backoff::Constant, attempts)
    }

    /// Sets the delay before the second attempt.
    #[must_use]
    pub const fn first(mut self, delay: &'static str) -> Self {
        self.first = delay;
        self
    }

    /// Sets the longest delay.
    #[must_use]
    pub const fn cap(mut self, delay: &'static str) -> Self {
        self.cap = delay;
        self
    }

    /// Sets the growth of an exponential delay.
    #[must_use]
    pub const fn factor(mut self, factor: u32) -> Self {
        self.factor = factor;
        self
    }

    /// Uses each delay in full.
    #[must_use]
    pub const fn without_jitter(mut self) -> Self {
        self.jitter = false;
        self
    }

    /// Retries an error that carries a code only if the code is one of these.
    #[must_use]
    pub const fn on_codes(mut self, codes: &'static [u16]) -> Self {
        self.codes = codes;
        self
    }
}

/// A policy whose durations are read and checked: what a registered step uses.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RetryPlan {
    pub attempts: u32,
    backoff: Backoff,
    first: Duration,
    cap: Duration,
    factor: u32,
    jitter: bool,
    codes: &'static [u16],
}

/// What follows an attempt that ended in an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Another attempt after this delay; the text says how the delay came about.
    Again { delay: Duration, reason: String },
    /// The step has failed; the text says why there is no further attempt.
    Over { reason: String },
    /// Nobody knows.
    Unknown,
    /// Ask again after this delay; no attempt was used up.
    Later { delay: Duration },
}

impl RetryPlan {
    pub fn read(retry: &Retry) -> Result<Self, DurationError> {
        Ok(Self {
            attempts: retry.attempts,
            backoff: retry.backoff,
            first: parse_duration(retry.first)?,
            cap: parse_duration(retry.cap)?,
            factor: retry.factor.max(1),
            jitter: retry.jitter,
            codes: retry.codes,
        })
    }

    /// Another first delay than the declared one; no delay is shorter because of a shorter cap.
    pub fn start_with(&mut self, first: Duration) {
        self.first = first;
        self.cap = self.cap.max(first);
    }

    /// Decides after attempt number `attempt` (from 1). `random` is any 64 random bits.
    pub fn judge(&self, error: &StepError, attempt: u32, random: u64) -> Verdict {
        match error.decision {
            Decision::Fail => Verdict::Over {
                reason: "the error is final".into(),
            },
            Decision::Unknown => Verdict::Unknown,
            Decision::Defer { after } => Verdict::Later {
                delay: after.max(LEAST_DEFERRAL),
            },
            Decision::Retry { .. } if attempt >= self.attempts => Verdict::Over {
                reason: format!("all {} attempts were made", self.attempts),
            },
            Decision::Retry { after } => match error.code {
                Some(code) if !self.codes.is_empty() && !self.codes.contains(&code) => Verdict::Over {
                    reason: format!("code {code} is not one that the policy retries"),
                },
                _ => self.again(attempt, after, random),
            },
        }
    }

    fn again(&self, attempt: u32, after: Option<Duration>, random: u64) -> Verdict {
        let full = self.full_delay(attempt);
        let drawn = if self.jitter { scale(full, random) } else { full };
        let least = after.unwrap_or_default().min(RETRY_AFTER_CAP);
        let reason = if least > drawn {
            "the delay that the other side asked for".to_owned()
        } else {
            format!(
                "{:?} backoff of up to {full:?}{}",
                self.backoff,
                if self.jitter { ", drawn" } else { "" }
            )
        };
        Verdict::Again {
            delay: drawn.max(least),
            reason,
        }
    }

    fn full_delay(&self, attempt: u32) -> Duration {
        let steps = attempt.saturating_sub(1);
        let delay = match self.backoff {
            Backoff::Constant => self.first,
            Backoff::Linear => self.first.saturating_mul(attempt),
            Backoff::Exponential => self.first.saturating_mul(self.factor.saturating_pow(steps)),
        };
        delay.min(self.cap)
    }
}

/// A share of a delay, as large as the random number is within its range.
fn scale(delay: Duration, random: u64) -> Duration {
    let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
    let share = (u128::from(micros) * u128::from(random)) >> 64;
    Duration::from_micros(u64::try_from(share).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plan(retry: Retry) -> RetryPlan {
        RetryPlan::read(&retry).unwrap()
    }

    fn delay(retry: Retry, attempt: u32) -> Option<u64> {
        match plan(retry.without_jitter()).judge(&StepError::retry("x"), attempt, 0) {
            Verdict::Again { delay, .. } => Some(delay.as_secs()),
            _ => None,
        }
    }

    #[test]
    fn delays_grow_as_declared() {
        let rows: &[(Retry, &[Option<u64>])] = &[
            (Retry::exponential(5), &[Some(1), Some(2), Some(4), Some(8), None]),
            (
                Retry::exponential(4).first("5s").factor(3),
                &[Some(5), Some(15), Some(45), None],
            ),
            (
                Retry::exponential(40).first("1m"),
                &[Some(60), Some(120), Some(240), Some(300), Some(300)],
            ),
            (Retry::linear(4), &[Some(1), Some(2), Some(3), None]),
            (Retry::constant(3).first("30s"), &[Some(30), Some(30), None]),
            (Retry::none(), &[None]),
        ];
        for (retry, expected) in rows {
            for (n, want) in expected.iter().enumerate() {
                assert_eq!(delay(*retry, n as u32 + 1), *want, "{retry:?}, attempt {}", n + 1);
            }
        }
    }

    #[test]
    fn a_configured_first_delay_grows_as_declared() {
        let rows = [(200, [200, 400, 800]), (400_000, [400_000, 400_000, 400_000])];
        for (first, delays) in rows {
            let mut plan = plan(Retry::exponential(4).first("5s").without_jitter());
            plan.start_with(Duration::from_millis(first));
            let found = [1, 2, 3].map(|attempt| match plan.judge(&StepError::retry("x"), attempt, 0) {
                Verdict::Again { delay, .. } => delay.as_millis(),
                other => panic!("{other:?}"),
            });
            assert_eq!(found, delays);
        }
    }

    #[test]
    fn the_error_decides_before_the_policy() {
        let policy = plan(Retry::exponential(5).on_codes(&[429, 503]));
        let judge = |e: StepError| policy.judge(&e, 1, 0);
        assert!(matches!(
            judge(StepError::fail("x").with_code(429)),
            Verdict::Over { .. }
        ));
        assert_eq!(judge(StepError::unknown("x").with_code(429)), Verdict::Unknown);
        assert!(matches!(
            judge(StepError::retry("x").with_code(429)),
            Verdict::Again { .. }
        ));
        assert!(matches!(
            judge(StepError::retry("x").with_code(404)),
            Verdict::Over { .. }
        ));
        assert!(matches!(judge(StepError::retry("no code")), Verdict::Again { .. }));
        let later = StepError::defer(Duration::from_secs(7), "no slot");
        assert_eq!(
            policy.judge(&later, 5, 0),
            Verdict::Later {
                delay: Duration::from_secs(7)
            }
        );
        let at_once = StepError::defer(Duration::ZERO, "no slot");
        assert_eq!(policy.judge(&at_once, 1, 0), Verdict::Later { delay: LEAST_DEFERRAL });
    }

    proptest! {
        #[test]
        fn jitter_stays_within_the_full_delay_and_above_retry_after(
            attempt in 1u32..40, random: u64, after in 0u64..10_000
        ) {
            let policy = plan(Retry::exponential(50));
            let after = Duration::from_secs(after);
            let error = StepError::retry("x").not_before(after);
            let Verdict::Again { delay, .. } = policy.judge(&error, attempt, random) else { panic!("retries") };
            let full = policy.full_delay(attempt);
            let least = after.min(RETRY_AFTER_CAP);
            prop_assert!(delay >= least && delay <= full.max(least));
        }
    }
}
