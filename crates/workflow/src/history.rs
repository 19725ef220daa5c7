//! What happened in a run, in order: the source of truth a resumed run is rebuilt from.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Failure, StepError};
use crate::id::{Epoch, RunId, Seq, WorkerId};
use crate::payload::Payload;
use crate::step::{StepKey, StepKind};

/// Which of a run's two functions a record belongs to. Each counts its steps for itself.
///
/// An example is at [`What`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// [`Workflow::run`](crate::Workflow::run).
    Main,
    /// [`Workflow::on_failure`](crate::Workflow::on_failure).
    OnFailure,
}

/// A step's identity within its phase, and the place of its first poll.
///
/// An example is at [`What`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRef {
    /// The how-manieth first poll it was, from 1.
    pub ordinal: u32,
    /// The step's name.
    pub name: String,
    /// Its key.
    pub key: StepKey,
    /// Its kind.
    pub kind: StepKind,
}

/// One entry of a run's history.
///
/// An example is at [`What`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The function it happened in.
    pub phase: Phase,
    /// The step it belongs to; `None` for what concerns the run as a whole.
    pub step: Option<StepRef>,
    /// What happened.
    pub what: What,
    /// When it began, in the store's time.
    pub started_at: Timestamp,
    /// When it ended, in the store's time.
    pub ended_at: Timestamp,
    /// Who wrote it; the nil id for what a command wrote, because nobody executed the run.
    pub worker: WorkerId,
    /// Under which lease.
    pub epoch: Epoch,
}

/// What a [`Record`] says.
///
/// ```
/// use lumina_workflow::{Payload, Phase, Record, What};
///
/// /// How many steps of a history have ended.
/// fn ended(history: &[Record]) -> usize {
///     history.iter().filter(|record| record.phase == Phase::Main && record.what.is_completion()).count()
/// }
/// assert_eq!(ended(&[]), 0);
///
/// // As stores keep it, and back.
/// let done = What::Completed { attempt: 1, payload: Some(Payload::encode(&7)?) };
/// let row = done.to_row();
/// assert_eq!((row.what, done.payload()), ("completed", row.payload.as_ref()));
/// assert_eq!(What::from_row(row.what, row.attempt, row.payload, row.detail.as_deref())?, done);
/// assert!(What::from_row("dreamt", 0, None, None).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// An outside effect is about to act: written and acknowledged before it does.
    AttemptStarted {
        /// From 1.
        attempt: u32,
    },
    /// An attempt failed and another follows.
    AttemptFailed {
        /// From 1.
        attempt: u32,
        /// What went wrong.
        error: StepError,
        /// The delay that was chosen.
        delay: Duration,
        /// The earliest time of the next attempt.
        next_at: Timestamp,
        /// How the delay came about, in words.
        reason: String,
    },
    /// The step has succeeded.
    Completed {
        /// The attempt that did it; 0 for a sleep.
        attempt: u32,
        /// Its result. `None` only on its way to the store: the attachment computes it.
        payload: Option<Payload>,
    },
    /// The step has failed for good.
    Failed {
        /// What the workflow is told.
        failure: Failure,
        /// Why there was no further attempt.
        reason: String,
    },
    /// A wait or a sleep has begun.
    Opened {
        /// When it ends by itself.
        deadline: Timestamp,
    },
    /// A wait has taken its event.
    Received {
        /// The events, in the order in which the wait names them.
        events: Vec<TakenEvent>,
        /// The event's payload; for a wait for any of several the [`Event`](crate::Event), for all of them an array.
        payload: Payload,
    },
    /// A wait's deadline passed.
    TimedOut,
    /// The code dropped the step before it had ended.
    Abandoned,
    /// A run of its own has begun, and the step waits for its end.
    ChildStarted {
        /// That run.
        run: RunId,
    },
    /// The code asked whether it may go a new way here, and was told that it may.
    Patched {
        /// The name of the way.
        name: String,
    },
    /// Somebody has held the run.
    Paused {
        /// Who.
        by: String,
    },
    /// Somebody has sent the run back to a step. Of what the main function did, the step's records are superseded,
    /// and those of all steps that were first recorded at `at` or later; so are those of `on_failure`. What other
    /// steps came to stays, but whatever was abandoned since, or has failed for good, is open again.
    Rewound {
        /// Who.
        by: String,
        /// The step's ordinal.
        step: u32,
        /// The place in the history.
        at: Seq,
    },
    /// Somebody asked the run to end.
    CancelRequested {
        /// Who.
        by: String,
    },
    /// The run goes on after it was blocked or paused.
    Resumed {
        /// Who asked.
        by: String,
    },
    /// The main function ended in this failure; `on_failure` follows.
    Failing {
        /// The first terminal request that was committed.
        failure: Failure,
    },
}

/// An event that a wait has taken.
///
/// An example is at [`What`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "TakenRow", into = "TakenRow")]
pub struct TakenEvent {
    /// Its id.
    pub id: String,
    /// Who sent it, or gave it to the run, by hand.
    pub by: Option<String>,
}

/// As it is stored: an id alone, unless a person had a hand in it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum TakenRow {
    Id(String),
    ByHand { id: String, by: String },
}

impl From<TakenRow> for TakenEvent {
    fn from(row: TakenRow) -> Self {
        match row {
            TakenRow::Id(id) => Self { id, by: None },
            TakenRow::ByHand { id, by } => Self { id, by: Some(by) },
        }
    }
}

impl From<TakenEvent> for TakenRow {
    fn from(taken: TakenEvent) -> Self {
        match taken.by {
            None => Self::Id(taken.id),
            Some(by) => Self::ByHand { id: taken.id, by },
        }
    }
}

/// The parts of a [`What`] as stores keep them: a word, a number, a payload and a JSON
/// detail. Written by this crate, so that every store's rows read alike.
///
/// An example is at [`What`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhatRow {
    /// The kind of record, such as `completed`.
    pub what: &'static str,
    /// The attempt, where there is one.
    pub attempt: u32,
    /// The payload, where there is one.
    pub payload: Option<Payload>,
    /// All else, as JSON.
    pub detail: Option<String>,
}

/// A stored row that cannot be read as a record.
///
/// An example is at [`What`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("history row `{what}` cannot be read: {problem}; the database was written by another version or is damaged")]
pub struct HistoryError {
    /// The word in the row.
    pub what: String,
    /// What is wrong with it.
    pub problem: String,
}

#[derive(Serialize, Deserialize)]
struct FailedAttempt {
    error: StepError,
    delay_us: u64,
    next_at: Timestamp,
    reason: String,
}

#[derive(Serialize, Deserialize)]
struct FailedStep {
    failure: Failure,
    reason: String,
}

#[derive(Serialize, Deserialize)]
struct Rewinding {
    by: String,
    step: u32,
    at: Seq,
}

impl What {
    /// Takes it apart for a store.
    #[must_use]
    pub fn to_row(&self) -> WhatRow {
        let row = |what, attempt, payload, detail| WhatRow {
            what,
            attempt,
            payload,
            detail,
        };
        match self {
            Self::AttemptStarted { attempt } => row("attempt_started", *attempt, None, None),
            Self::AttemptFailed {
                attempt,
                error,
                delay,
                next_at,
                reason,
            } => {
                let detail = FailedAttempt {
                    error: error.clone(),
                    delay_us: u64::try_from(delay.as_micros()).unwrap_or(u64::MAX),
                    next_at: *next_at,
                    reason: reason.clone(),
                };
                row("attempt_failed", *attempt, None, Some(json(&detail)))
            }
            Self::Completed { attempt, payload } => row("completed", *attempt, payload.clone(), None),
            Self::Failed { failure, reason } => {
                let detail = FailedStep {
                    failure: failure.clone(),
                    reason: reason.clone(),
                };
                row("failed", failure.attempts, None, Some(json(&detail)))
            }
            Self::Opened { deadline } => row("opened", 0, None, Some(json(deadline))),
            Self::Received { events, payload } => row("received", 0, Some(payload.clone()), Some(json(events))),
            Self::TimedOut => row("timed_out", 0, None, None),
            Self::Abandoned => row("abandoned", 0, None, None),
            Self::ChildStarted { run } => row("child_started", 0, None, Some(json(run))),
            Self::Patched { name } => row("patched", 0, None, Some(json(name))),
            Self::Paused { by } => row("paused", 0, None, Some(json(by))),
            Self::Rewound { by, step, at } => {
                let detail = Rewinding {
                    by: by.clone(),
                    step: *step,
                    at: *at,
                };
                row("rewound", 0, None, Some(json(&detail)))
            }
            Self::CancelRequested { by } => row("cancel_requested", 0, None, Some(json(by))),
            Self::Resumed { by } => row("resumed", 0, None, Some(json(by))),
            Self::Failing { failure } => row("failing", 0, None, Some(json(failure))),
        }
    }

    /// Puts it together again.
    ///
    /// # Errors
    /// When the word is unknown or a part is missing or unreadable.
    pub fn from_row(
        what: &str,
        attempt: u32,
        payload: Option<Payload>,
        detail: Option<&str>,
    ) -> Result<Self, HistoryError> {
        let wrong = |problem: &str| HistoryError {
            what: what.to_owned(),
            problem: problem.to_owned(),
        };
        Ok(match what {
            "attempt_started" => Self::AttemptStarted { attempt },
            "attempt_failed" => {
                let d: FailedAttempt = read(what, detail)?;
                let delay = Duration::from_micros(d.delay_us);
                Self::AttemptFailed {
                    attempt,
                    error: d.error,
                    delay,
                    next_at: d.next_at,
                    reason: d.reason,
                }
            }
            "completed" => Self::Completed { attempt, payload },
            "failed" => {
                let FailedStep { failure, reason } = read(what, detail)?;
                Self::Failed { failure, reason }
            }
            "opened" => Self::Opened {
                deadline: read(what, detail)?,
            },
            "received" => {
                let payload = payload.ok_or_else(|| wrong("it has no payload"))?;
                Self::Received {
                    events: read(what, detail)?,
                    payload,
                }
            }
            "timed_out" => Self::TimedOut,
            "abandoned" => Self::Abandoned,
            "child_started" => Self::ChildStarted {
                run: read(what, detail)?,
            },
            "patched" => Self::Patched {
                name: read(what, detail)?,
            },
            "paused" => Self::Paused {
                by: read(what, detail)?,
            },
            "rewound" => {
                let Rewinding { by, step, at } = read(what, detail)?;
                Self::Rewound { by, step, at }
            }
            "cancel_requested" => Self::CancelRequested {
                by: read(what, detail)?,
            },
            "resumed" => Self::Resumed {
                by: read(what, detail)?,
            },
            "failing" => Self::Failing {
                failure: read(what, detail)?,
            },
            _ => return Err(wrong("this version does not know the word")),
        })
    }

    /// The payload it carries.
    #[must_use]
    pub fn payload(&self) -> Option<&Payload> {
        match self {
            Self::Completed { payload, .. } => payload.as_ref(),
            Self::Received { payload, .. } => Some(payload),
            _ => None,
        }
    }

    /// Whether the record ends its step as far as the workflow's code is concerned.
    #[must_use]
    pub fn is_completion(&self) -> bool {
        matches!(
            self,
            Self::Completed { .. } | Self::Failed { .. } | Self::Received { .. } | Self::TimedOut
        )
    }

    /// Whether the record may wait for the next commit: what it says would be found out again
    /// in the same way after a crash.
    pub(crate) fn may_wait(&self) -> bool {
        matches!(self, Self::Received { .. } | Self::Abandoned)
    }

    /// Whether the record says what an attempt or a deadline came to. The others follow from
    /// the code and the inbox, and are left to code that fits.
    pub(crate) fn is_news(&self) -> bool {
        let follows = matches!(
            self,
            Self::Opened { .. } | Self::ChildStarted { .. } | Self::Patched { .. }
        );
        !self.may_wait() && !follows
    }
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data with string keys always has a JSON form")
}

fn read<T: serde::de::DeserializeOwned>(what: &str, detail: Option<&str>) -> Result<T, HistoryError> {
    let wrong = |problem: String| HistoryError {
        what: what.to_owned(),
        problem,
    };
    let detail = detail.ok_or_else(|| wrong("its detail is missing".to_owned()))?;
    serde_json::from_str(detail).map_err(|e| wrong(e.to_string()))
}
