//! Workflows and their histories as people read them: words of our own, not the rows of the store.

use jiff::Timestamp;
use lumina_workflow::store::{RunRow, StoredRecord, Throttled};
use lumina_workflow::{Decision, Failure, FailureKind, Payload, Phase, StepKey, TakenEvent, What};
use serde::Serialize;
use uuid::Uuid;

/// A workflow in a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WorkflowLine {
    workflow_id: Uuid,
    /// The definition's name.
    workflow: String,
    status: &'static str,
    created_at: Timestamp,
    updated_at: Timestamp,
    finished_at: Option<Timestamp>,
    /// When its timer is due, or the lease of whoever executes it ends.
    due_at: Option<Timestamp>,
    /// What keeps it from going on, when that is a limit of its definition.
    throttled: Option<ShownThrottle>,
    /// What it failed with, in a sentence.
    failure: Option<String>,
    /// Why it is blocked.
    blocked: Option<String>,
    cancel_requested_by: Option<String>,
    /// Who has paused it, or asked for that.
    paused_by: Option<String>,
    /// The workflow that has started it and waits for it.
    parent_id: Option<Uuid>,
}

impl WorkflowLine {
    pub fn of(row: &RunRow) -> Self {
        Self {
            workflow_id: row.id.0,
            workflow: row.workflow.clone(),
            status: row.status.as_str(),
            created_at: row.created_at,
            updated_at: row.updated_at,
            finished_at: row.finished_at,
            due_at: row.due_at,
            throttled: row.throttled.map(ShownThrottle::of),
            failure: row.failure.as_ref().map(ToString::to_string),
            blocked: row.blocked.clone(),
            cancel_requested_by: row.cancel_by.clone(),
            paused_by: row.pause_by.clone(),
            parent_id: row.parent.map(|parent| parent.0),
        }
    }
}

/// A workflow on a page of its own.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WorkflowPage {
    workflow_id: Uuid,
    workflow: String,
    status: &'static str,
    /// `main`, or `on_failure` while and after it cleaned up.
    phase: &'static str,
    priority: i16,
    start_key: Option<String>,
    flow_key: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
    finished_at: Option<Timestamp>,
    due_at: Option<Timestamp>,
    throttled: Option<ShownThrottle>,
    input: Payload,
    output: Option<Payload>,
    failure: Option<ShownFailure>,
    blocked: Option<String>,
    cancel_requested_by: Option<String>,
    paused_by: Option<String>,
    paused_at: Option<Timestamp>,
    parent_id: Option<Uuid>,
    /// When it was first executed.
    begun_at: Option<Timestamp>,
    /// How many events it has and has not taken.
    buffered_events: u64,
}

impl WorkflowPage {
    pub fn of(row: RunRow) -> Self {
        Self {
            workflow_id: row.id.0,
            workflow: row.workflow,
            status: row.status.as_str(),
            phase: name_phase(row.phase),
            priority: row.priority,
            start_key: row.start_key,
            flow_key: row.flow_key,
            created_at: row.created_at,
            updated_at: row.updated_at,
            finished_at: row.finished_at,
            due_at: row.due_at,
            throttled: row.throttled.map(ShownThrottle::of),
            input: row.input,
            output: row.output,
            failure: row.failure.map(ShownFailure::of),
            blocked: row.blocked,
            cancel_requested_by: row.cancel_by,
            paused_by: row.pause_by,
            paused_at: row.paused_at,
            parent_id: row.parent.map(|parent| parent.0),
            begun_at: row.begun_at,
            buffered_events: row.buffered,
        }
    }
}

/// By which limit a workflow is throttled, and since when.
#[derive(Serialize)]
pub(super) struct ShownThrottle {
    limit: &'static str,
    since: Timestamp,
}

impl ShownThrottle {
    fn of(throttled: Throttled) -> Self {
        Self {
            limit: throttled.limit.as_str(),
            since: throttled.since,
        }
    }
}

/// What failed, and why.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShownFailure {
    kind: &'static str,
    step: Option<String>,
    code: Option<u16>,
    message: String,
    attempts: u32,
    /// What went wrong while this was handled.
    handler: Option<Box<ShownFailure>>,
}

impl ShownFailure {
    fn of(failure: Failure) -> Self {
        let kind = match failure.kind {
            FailureKind::Failed => "failed",
            FailureKind::Unknown => "unknown",
            FailureKind::TimedOut => "timed_out",
            FailureKind::Cancelled => "cancelled",
            FailureKind::DeadlinePassed => "deadline_passed",
            FailureKind::HandlerDeadline => "handler_deadline",
        };
        Self {
            kind,
            step: failure.step,
            code: failure.code,
            message: failure.message,
            attempts: failure.attempts,
            handler: failure.handler.map(|handler| Box::new(Self::of(*handler))),
        }
    }
}

/// A record of a history.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HistoryEntry {
    seq: u64,
    phase: &'static str,
    /// The step's name; null for what concerns the run as a whole.
    step: Option<String>,
    key: Option<ShownKey>,
    kind: Option<&'static str>,
    what: &'static str,
    attempt: Option<u32>,
    started_at: Timestamp,
    ended_at: Timestamp,
    payload: Option<Payload>,
    /// It counts no more: the workflow was sent back to before it.
    superseded: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Detail>,
}

impl HistoryEntry {
    pub fn of(stored: StoredRecord) -> Self {
        let superseded = stored.superseded;
        let record = stored.record;
        let row = record.what.to_row();
        let (step, key, kind) = match record.step {
            Some(step) => (Some(step.name), Some(ShownKey::of(step.key)), Some(step.kind.as_str())),
            None => (None, None, None),
        };
        Self {
            seq: stored.seq.0,
            phase: name_phase(record.phase),
            step,
            key,
            kind,
            what: row.what,
            attempt: Some(row.attempt).filter(|attempt| *attempt > 0),
            started_at: record.started_at,
            ended_at: record.ended_at,
            payload: row.payload,
            superseded,
            detail: Detail::of(record.what),
        }
    }
}

/// Which of the steps of one name: the how-manieth, or the one for this thing.
#[derive(Serialize)]
#[serde(untagged)]
enum ShownKey {
    Occurrence(u32),
    Given(String),
}

impl ShownKey {
    fn of(key: StepKey) -> Self {
        match key {
            StepKey::Occurrence(number) => Self::Occurrence(number),
            StepKey::Given(key) => Self::Given(key),
        }
    }
}

/// What else a record says.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Detail {
    AttemptFailed {
        error: String,
        code: Option<u16>,
        decision: &'static str,
        delay_ms: u64,
        next_at: Timestamp,
        reason: String,
    },
    Failed {
        failure: ShownFailure,
        reason: String,
    },
    Failing {
        failure: ShownFailure,
    },
    Opened {
        deadline: Timestamp,
    },
    Received {
        events: Vec<ShownTaken>,
    },
    Child {
        child_workflow_id: Uuid,
    },
    Patched {
        name: String,
    },
    Rewound {
        by: String,
        step_ordinal: u32,
        from_seq: u64,
    },
    Asked {
        by: String,
    },
}

/// An event that a wait has taken.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownTaken {
    id: String,
    /// Who sent it, or gave it to the workflow, by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

impl ShownTaken {
    fn of(taken: TakenEvent) -> Self {
        Self {
            id: taken.id,
            by: taken.by,
        }
    }
}

impl Detail {
    fn of(what: What) -> Option<Self> {
        Some(match what {
            What::AttemptFailed {
                error,
                delay,
                next_at,
                reason,
                ..
            } => Self::AttemptFailed {
                error: error.message,
                code: error.code,
                decision: name_decision(&error.decision),
                delay_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                next_at,
                reason,
            },
            What::Failed { failure, reason } => Self::Failed {
                failure: ShownFailure::of(failure),
                reason,
            },
            What::Failing { failure } => Self::Failing {
                failure: ShownFailure::of(failure),
            },
            What::Opened { deadline } => Self::Opened { deadline },
            What::Received { events, .. } => Self::Received {
                events: events.into_iter().map(ShownTaken::of).collect(),
            },
            What::ChildStarted { run } => Self::Child {
                child_workflow_id: run.0,
            },
            What::Patched { name } => Self::Patched { name },
            What::Rewound { by, step, at } => Self::Rewound {
                by,
                step_ordinal: step,
                from_seq: at.0,
            },
            What::CancelRequested { by } | What::Resumed { by } | What::Paused { by } => Self::Asked { by },
            What::AttemptStarted { .. } | What::Completed { .. } | What::TimedOut | What::Abandoned => return None,
        })
    }
}

fn name_phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Main => "main",
        Phase::OnFailure => "on_failure",
    }
}

fn name_decision(decision: &Decision) -> &'static str {
    match decision {
        Decision::Retry { .. } => "retry",
        Decision::Fail => "fail",
        Decision::Unknown => "unknown",
        Decision::Defer { .. } => "defer",
    }
}
