//! The life of one lookup, as a state machine.

use std::fmt;
use std::str::FromStr;

/// Where the lookup of one address stands.
///
/// The last four are end states. What is known only ever grows: a late answer turns `failed` and `stale` into
/// `enriched`, and nothing overwrites `enriched`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JobStatus {
    /// To be looked up; the only state in which a job may be claimed.
    Pending,
    /// Sent to the provider, or perhaps sent; not answered.
    Submitted,
    /// The person was found.
    Enriched,
    /// The provider looked and knows nobody.
    NotFound,
    /// The provider refused this very address, or a person gave it up. Nothing was charged.
    Failed,
    /// Sent, or perhaps sent, and never answered: it may have been charged, so that it is not sent again by itself.
    Stale,
}

/// What happens to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobEvent {
    /// A request that names the job is about to go out. A repeat after reconciliation is the same event.
    Submitted,
    /// An answer with a person, early, in time or late.
    Found,
    /// An answer without a person from a lookup that took place.
    NotFound,
    /// An answer that says that nobody looked (the credits ran out, or the batch was cancelled), and nothing else that
    /// was sent for the job can still be answered.
    NotLookedAt,
    /// The provider refused this very address, or a person says so.
    Refused,
    /// The run that owned the job has ended without an answer for it.
    RunEnded,
    /// A person asks for another try.
    Retried {
        /// Whether the person accepts that the lookup may be charged a second time.
        may_pay_twice: bool,
    },
}

impl JobStatus {
    /// All states, in the order of a job's life.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Submitted,
        Self::Enriched,
        Self::NotFound,
        Self::Failed,
        Self::Stale,
    ];

    /// The stored and sent form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Submitted => "submitted",
            Self::Enriched => "enriched",
            Self::NotFound => "not_found",
            Self::Failed => "failed",
            Self::Stale => "stale",
        }
    }

    /// Whether the lookup is over, until a late answer or a person says otherwise.
    #[must_use]
    pub const fn is_end(self) -> bool {
        !self.is_open()
    }

    /// Whether the lookup is still to come or under way; an address has at most one such job.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Submitted)
    }

    /// Whether a run may take the job.
    #[must_use]
    pub const fn is_claimable(self) -> bool {
        matches!(self, Self::Pending)
    }

    /// The state after `event`; the same state where the event changes nothing, so that repeats are harmless.
    ///
    /// # Errors
    /// [`IllegalTransition`] where obeying would buy a lookup again that may be paid for or settled.
    pub fn apply(self, event: JobEvent) -> Result<Self, IllegalTransition> {
        match event {
            JobEvent::Submitted => self.submit(),
            JobEvent::Found => Ok(Self::Enriched),
            JobEvent::NotFound => Ok(self.settle(Self::NotFound, &[Self::Pending, Self::Submitted, Self::Stale])),
            JobEvent::NotLookedAt => Ok(self.settle(Self::Pending, &[Self::Submitted, Self::Stale])),
            JobEvent::Refused => Ok(self.settle(Self::Failed, &[Self::Pending, Self::Submitted])),
            JobEvent::RunEnded => Ok(self.settle(Self::Stale, &[Self::Submitted])),
            JobEvent::Retried { may_pay_twice } => self.retry(may_pay_twice),
        }
    }

    fn settle(self, next: Self, from: &[Self]) -> Self {
        if from.contains(&self) { next } else { self }
    }

    fn submit(self) -> Result<Self, IllegalTransition> {
        match self {
            Self::Pending | Self::Submitted => Ok(Self::Submitted),
            ended => Err(IllegalTransition::SubmitEnded(ended)),
        }
    }

    fn retry(self, may_pay_twice: bool) -> Result<Self, IllegalTransition> {
        match self {
            Self::Failed => Ok(Self::Pending),
            Self::Stale if may_pay_twice => Ok(Self::Pending),
            Self::Stale => Err(IllegalTransition::RetryStale),
            other => Err(IllegalTransition::Retry(other)),
        }
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for JobStatus {
    type Err = UnknownJobStatus;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|status| status.as_str() == text);
        known.ok_or_else(|| UnknownJobStatus(text.to_owned()))
    }
}

/// An event that a job in this state must not obey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IllegalTransition {
    /// A request would go out for a job that has ended.
    #[error("this job is {0}: it must not be sent to the provider again")]
    SubmitEnded(JobStatus),
    /// An unanswered lookup may have been charged.
    #[error("this job is stale: its lookup may have been paid for, so retrying it needs the leave to pay twice")]
    RetryStale,
    /// Only failed and stale jobs are retried.
    #[error("this job is {0}: only failed and stale jobs are retried")]
    Retry(JobStatus),
}

/// A text that names no job status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no job status; they are pending, submitted, enriched, not_found, failed and stale")]
pub struct UnknownJobStatus(String);
