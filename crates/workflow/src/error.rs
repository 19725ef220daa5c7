//! Errors that carry their decision, and what a run ends with.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What the engine does about an attempt that ended in an error.
///
/// An example is at [`StepError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Another attempt, as the step's policy allows; not before `after`, when given.
    Retry {
        /// A lower bound on the delay, such as an HTTP Retry-After. Capped at one hour.
        after: Option<Duration>,
    },
    /// No further attempt.
    Fail,
    /// Nobody knows whether the effect happened. Never attempted again by the engine: the
    /// workflow is told, and decides.
    Unknown,
    /// Not now, and nobody's fault (no slot, no budget, no rate permit): the attempt does
    /// not count, and the step is tried again after this time.
    Defer {
        /// How long to wait before asking again.
        after: Duration,
    },
}

/// Why an attempt did not succeed, with the decision of what to do about it.
///
/// It deliberately does not convert from other errors by itself: whether an outside call
/// may be repeated is a decision that the code must write down.
///
/// ```
/// use lumina_workflow::{Decision, StepError};
/// use std::time::Duration;
///
/// /// What an HTTP status says about an attempt.
/// fn judge(status: u16, retry_after: Duration) -> Result<(), StepError> {
///     match status {
///         200..300 => Ok(()),
///         429 => Err(StepError::retry("too many requests").with_code(429).not_before(retry_after)),
///         504 => Err(StepError::unknown("the gateway gave up waiting").with_code(504)),
///         500.. => Err(StepError::retry("the server failed").with_code(status)),
///         _ => Err(StepError::fail("the request is wrong").with_code(status)),
///     }
/// }
///
/// let busy = judge(429, Duration::from_secs(9)).unwrap_err();
/// assert_eq!(busy.decision, Decision::Retry { after: Some(Duration::from_secs(9)) });
/// assert_eq!(judge(400, Duration::ZERO).unwrap_err().to_string(), "the request is wrong (code 400)");
///
/// // No attempt is used up by waiting for a turn.
/// let later = StepError::defer(Duration::from_secs(1), "no slot is free");
/// assert!(matches!(later.decision, Decision::Defer { .. }));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepError {
    /// What the engine does about it.
    pub decision: Decision,
    /// A number that the step's policy may filter on; opaque to the engine (an HTTP status, say).
    pub code: Option<u16>,
    /// What happened, to what, and what to do next: it is shown to people.
    pub message: String,
}

impl StepError {
    fn new(decision: Decision, message: impl fmt::Display) -> Self {
        Self {
            decision,
            code: None,
            message: message.to_string(),
        }
    }

    /// Another attempt may succeed.
    #[must_use]
    pub fn retry(message: impl fmt::Display) -> Self {
        Self::new(Decision::Retry { after: None }, message)
    }

    /// No further attempt makes sense.
    #[must_use]
    pub fn fail(message: impl fmt::Display) -> Self {
        Self::new(Decision::Fail, message)
    }

    /// The effect may or may not have happened.
    #[must_use]
    pub fn unknown(message: impl fmt::Display) -> Self {
        Self::new(Decision::Unknown, message)
    }

    /// Ask again after this time; the attempt does not count.
    #[must_use]
    pub fn defer(after: Duration, message: impl fmt::Display) -> Self {
        Self::new(Decision::Defer { after }, message)
    }

    /// Adds the code that a policy may filter on.
    #[must_use]
    pub fn with_code(mut self, code: u16) -> Self {
        self.code = Some(code);
        self
    }

    /// Sets the least delay of a retry; no effect on other decisions.
    #[must_use]
    pub fn not_before(mut self, delay: Duration) -> Self {
        if let Decision::Retry { after } = &mut self.decision {
            *after = Some(delay);
        }
        self
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.code {
            Some(code) => write!(f, " (code {code})"),
            None => Ok(()),
        }
    }
}

/// How a step, or a run, came to fail.
///
/// An example is at [`Failure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// An attempt said so, or attempts ran out.
    Failed,
    /// An outside effect whose outcome nobody knows.
    Unknown,
    /// A wait's deadline passed.
    TimedOut,
    /// Somebody cancelled the run.
    Cancelled,
    /// The run's own deadline passed.
    DeadlinePassed,
    /// The time of `on_failure` ran out.
    HandlerDeadline,
}

/// What a failed step hands to the workflow, and a failed run to whoever asks.
///
/// ```
/// use lumina_workflow::{Failure, FailureKind};
///
/// fn tell(failure: &Failure) -> &'static str {
///     match failure {
///         failure if failure.is_unknown() => "nobody knows whether it happened: find out before doing it again",
///         failure if failure.is_timeout() => "nobody answered in time",
///         _ => "it did not happen",
///     }
/// }
///
/// let failure = Failure::new("the basket is empty");
/// assert_eq!((failure.kind, tell(&failure)), (FailureKind::Failed, "it did not happen"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}{message}", self.place())]
pub struct Failure {
    /// How it came about.
    pub kind: FailureKind,
    /// The step it happened in, when it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The last attempt's code, when it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// What happened, in words.
    pub message: String,
    /// How many attempts were made; 0 for what is not attempted.
    #[serde(default)]
    pub attempts: u32,
    /// The error of the handler that ran because of this one, beside it and never instead of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handler: Option<Box<Failure>>,
}

impl Failure {
    /// A failure that the workflow's own code decides on.
    #[must_use]
    pub fn new(message: impl fmt::Display) -> Self {
        Self {
            kind: FailureKind::Failed,
            step: None,
            code: None,
            message: message.to_string(),
            attempts: 0,
            handler: None,
        }
    }

    pub(crate) fn of_kind(kind: FailureKind, message: impl fmt::Display) -> Self {
        Self {
            kind,
            ..Self::new(message)
        }
    }

    /// Whether the outcome of an outside effect is unknown.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.kind == FailureKind::Unknown
    }

    /// Whether a wait ran past its deadline.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.kind == FailureKind::TimedOut
    }

    fn place(&self) -> String {
        match &self.step {
            Some(step) => format!("step {step}: "),
            None => String::new(),
        }
    }
}
