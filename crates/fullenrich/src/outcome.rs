//! What an answer means: each outcome carries the decision that follows from it.

use std::time::Duration;

use crate::{Answer, BatchStatus, EnrichmentId};

/// What became of a batch that was sent.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an outcome decides whether the batch may be sent again"]
pub enum StartOutcome {
    /// It was accepted and is being looked up; it will be charged for.
    Accepted {
        /// The id to read it by, and that its webhooks carry.
        enrichment_id: EnrichmentId,
    },
    /// It is known not to be accepted: the request was not sent, or the answer was 429 or 503. Send it again later.
    NotAccepted(TryLater),
    /// It is known to be refused; the same batch would be refused again.
    Refused(Refusal),
    /// It may have been accepted, and its id is lost. **It must not simply be sent again**: there is no idempotency
    /// key, and each POST is a new batch. Its webhooks will tell.
    Unknown {
        /// What happened.
        reason: Reason,
        /// The status, where one came.
        code: Option<u16>,
    },
}

/// What reading a batch told.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an outcome decides whether the batch is over"]
pub enum ReadOutcome {
    /// It has ended and every item was looked at.
    Finished(Answer),
    /// It has not ended, or its status is none that is known to be an end. Ask again, not within 5 minutes.
    Running {
        /// The status, where one was given.
        status: Option<BatchStatus>,
    },
    /// It has ended because the credits ran out. A record without a profile was *not looked at*, which is not the same
    /// as not found.
    CreditsInsufficient(Answer),
    /// It was cancelled at FullEnrich. A record without a profile was *not looked at*.
    Canceled(Answer),
    /// FullEnrich has no such batch (any more: results are kept for 3 months).
    NotFound(Refusal),
    /// There is no usable answer; reading changes nothing, so ask again later.
    NotAnswered(TryLater),
    /// The question was refused; it would be refused again.
    Refused(Refusal),
}

/// A call that may be made again, and when.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct TryLater {
    /// What happened.
    pub reason: Reason,
    /// The status, where one came.
    pub code: Option<u16>,
    /// How long FullEnrich asked to wait from the answer on, at most an hour. A 429 without it waits for the next
    /// calendar minute, which the [`Limiter`](crate::Limiter) already knows, and uses up no attempt.
    pub retry_after: Option<Duration>,
}

impl TryLater {
    /// Whether the call only met the limit of calls a minute.
    #[must_use]
    pub fn is_rate_limited(&self) -> bool {
        self.reason == Reason::RateLimited
    }
}

/// Why a call brought no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The request never left.
    #[error("FullEnrich could not be reached: {0}")]
    NotSent(String),
    /// The request left, and its answer was lost.
    #[error("FullEnrich's answer was lost: {0}")]
    AnswerLost(String),
    /// 429.
    #[error("FullEnrich's limit of calls a minute is used up (429)")]
    RateLimited,
    /// A status that is no answer to the question.
    #[error("FullEnrich answered {code}{}", colon(.message))]
    Status {
        /// The status.
        code: u16,
        /// What the body said, shortened.
        message: Option<String>,
    },
    /// A status that promised a body, and a body that was not it.
    #[error("FullEnrich answered {code}, but the body could not be read: {detail}")]
    Unreadable {
        /// The status.
        code: u16,
        /// What is wrong with it.
        detail: String,
    },
}

/// A known refusal: making the same call again would not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("FullEnrich refused the call with {code}{}{}", in_parentheses(.error_code), colon(.message))]
pub struct Refusal {
    /// The status.
    pub code: u16,
    /// FullEnrich's own code, such as `error.api.key`, where the body gave one; at most 500 characters.
    pub error_code: Option<String>,
    /// FullEnrich's explanation, where the body gave one; at most 500 characters.
    pub message: Option<String>,
    /// Whom it concerns.
    pub kind: RefusalKind,
}

/// Whom a refusal concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalKind {
    /// The addresses: at least one is bad, which refuses the whole batch (`error.reverse.email.invalid`,
    /// `error.reverse.email.empty`). Splitting the batch finds it.
    Addresses,
    /// The API key: every call will be refused until it is put right.
    Unauthorized,
    /// Something else that concerns no single address, such as the webhook's URL: other batches would fare the same.
    Other,
}

/// Why a call that asks about the account brought nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There is no usable answer; ask again later.
    #[error(transparent)]
    NotAnswered(#[from] TryLater),
    /// The question was refused; with [`RefusalKind::Unauthorized`] the key is not valid.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// The workspace that an API key belongs to; that there is one says that the key is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// FullEnrich's id of it, where the answer gave one.
    pub workspace_id: Option<String>,
}

/// What is left in the account.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Balance {
    /// Credits; FullEnrich counts them in fractions. Always a finite number.
    pub credits: f64,
}

fn colon(text: &Option<String>) -> String {
    text.as_ref().map_or_else(String::new, |text| format!(": {text}"))
}

fn in_parentheses(text: &Option<String>) -> String {
    text.as_ref().map_or_else(String::new, |text| format!(" ({text})"))
}
