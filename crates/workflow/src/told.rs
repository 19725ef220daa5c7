//! A record in a few words, as tests compare it and people read it.

use crate::error::FailureKind;
use crate::history::{Phase, Record, What};
use crate::step::StepKey;

/// `a: done 1`, or `! clean: done 1` of an error handler.
pub(crate) fn tell(record: &Record) -> String {
    let prefix = if record.phase == Phase::OnFailure { "! " } else { "" };
    let place = match &record.step {
        Some(step) if step.key == StepKey::Occurrence(1) => format!("{}: ", step.name),
        Some(step) => format!("{} {}: ", step.name, step.key),
        None => String::new(),
    };
    format!("{prefix}{place}{}", tell_what(&record.what))
}

fn tell_what(what: &What) -> String {
    match what {
        What::AttemptStarted { attempt } => format!("started {attempt}"),
        What::AttemptFailed { attempt, delay, .. } => format!("again after {attempt} in {delay:?}"),
        What::Completed { attempt, .. } => format!("done {attempt}"),
        What::Failed { failure, .. } => format!("failed {}", tell_kind(failure.kind)),
        What::Opened { .. } => "opened".to_owned(),
        What::Received { events, .. } => {
            let ids: Vec<&str> = events.iter().map(|event| event.id.as_str()).collect();
            format!("received {}", ids.join(" "))
        }
        What::TimedOut => "timed out".to_owned(),
        What::Abandoned => "abandoned".to_owned(),
        What::ChildStarted { .. } => "started".to_owned(),
        What::Patched { name } => format!("goes the new way {name}"),
        What::Paused { by } => format!("paused by {by}"),
        What::Rewound { by, step, .. } => format!("back to {step} by {by}"),
        What::CancelRequested { by } => format!("cancel by {by}"),
        What::Resumed { by } => format!("resumed by {by}"),
        What::Failing { failure } => format!("failing {}", tell_kind(failure.kind)),
    }
}

fn tell_kind(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::DeadlinePassed => "late",
        FailureKind::Failed => "for good",
        FailureKind::Unknown => "unknown",
        FailureKind::TimedOut => "timed out",
        FailureKind::Cancelled => "cancelled",
        FailureKind::HandlerDeadline => "late",
    }
}
