//! A history as a person reads it: when, how long, which step, and what came of it.

use std::time::Duration;

use lumina_workflow::store::StoredRecord;
use lumina_workflow::{Decision, Phase, Record, StepError, StepKey, What};

use super::super::output::table;

/// No result is shown longer.
const SHOWN: usize = 100;

pub(super) fn render(history: &[StoredRecord]) -> String {
    let mut table = table(&["", "ended (UTC)", "took", "step", "what"]);
    let (mut holder, mut day) = (None, String::new());
    for stored in history {
        let record = &stored.record;
        let now = record.ended_at.strftime("%Y-%m-%d").to_string();
        if now != day {
            table.add_row(["", now.as_str(), "", "", ""]);
            day = now;
        }
        if holder.is_some_and(|epoch| epoch != record.epoch) && !record.worker.0.is_nil() {
            let told = format!("taken up by worker {}, epoch {}", record.worker, record.epoch.0);
            table.add_row(["", "", "", "", told.as_str()]);
        }
        if !record.worker.0.is_nil() {
            holder = Some(record.epoch);
        }
        table.add_row(cells(stored));
    }
    let rendered = table.to_string();
    match history.iter().any(|stored| stored.superseded) {
        false => rendered,
        true => format!("{rendered}\n~ superseded: the run was sent back to before it"),
    }
}

fn cells(stored: &StoredRecord) -> [String; 5] {
    let record = &stored.record;
    let mark = if stored.superseded { "~" } else { "" };
    [
        format!("{mark}{}", stored.seq.0),
        record.ended_at.strftime("%H:%M:%S%.3f").to_string(),
        took(record),
        step(record),
        tell(&record.what),
    ]
}

/// Of what takes time. A wait's is from when it began.
fn took(record: &Record) -> String {
    let whole = record.step.is_none();
    let instant = matches!(
        record.what,
        What::Opened { .. } | What::AttemptStarted { .. } | What::ChildStarted { .. } | What::Abandoned
    );
    if whole || instant {
        return String::new();
    }
    let took = record.ended_at.duration_since(record.started_at);
    show_duration(Duration::try_from(took).unwrap_or_default())
}

fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{:.1} ms", duration.as_secs_f64() * 1_000.0),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

fn step(record: &Record) -> String {
    let phase = if record.phase == Phase::OnFailure {
        "on failure: "
    } else {
        ""
    };
    match &record.step {
        None => String::new(),
        Some(step) => match &step.key {
            StepKey::Occurrence(1) => format!("{phase}{}", step.name),
            StepKey::Occurrence(number) => format!("{phase}{} #{number}", step.name),
            StepKey::Given(key) => format!("{phase}{} ({key})", step.name),
        },
    }
}

fn tell(what: &What) -> String {
    match what {
        What::AttemptStarted { attempt } => format!("attempt {attempt} begins"),
        What::AttemptFailed {
            attempt,
            error,
            delay,
            next_at,
            reason,
        } => format!(
            "attempt {attempt} failed, {}: {error}; again in {} at {} ({reason})",
            class(error),
            show_duration(*delay),
            next_at.strftime("%H:%M:%S"),
        ),
        What::Completed { attempt, payload } => {
            let again = if *attempt > 1 {
                format!(" at attempt {attempt}")
            } else {
                String::new()
            };
            // A step that answers nothing is done, and that is all there is to tell.
            let result = payload.as_ref().filter(|result| result.as_str() != "null");
            let result = result.map_or_else(String::new, |result| format!(": {}", cut(result.as_str())));
            format!("done{again}{result}")
        }
        What::Failed { failure, reason } => {
            let attempts = if failure.attempts > 1 {
                format!(" after {} attempts", failure.attempts)
            } else {
                String::new()
            };
            format!("failed{attempts}: {failure} ({reason})")
        }
        What::Opened { deadline } => format!("waits until {}", deadline.strftime("%Y-%m-%d %H:%M:%S")),
        What::Received { events, payload } => {
            let by: Vec<&str> = events.iter().filter_map(|event| event.by.as_deref()).collect();
            let by = if by.is_empty() {
                String::new()
            } else {
                format!(" (by hand: {})", by.join(", "))
            };
            format!("received{by}: {}", cut(payload.as_str()))
        }
        What::TimedOut => "its deadline passed".to_owned(),
        What::Abandoned => "dropped by the workflow".to_owned(),
        What::ChildStarted { run } => format!("has started run {run}"),
        What::Patched { name } => format!("goes the new way {name}"),
        What::Paused { by } => format!("paused by {by}"),
        What::Resumed { by } => format!("resumed by {by}"),
        What::Rewound { by, step, at } => format!("sent back to step {step} by {by}, as of record {}", at.0),
        What::CancelRequested { by } => format!("{by} asked it to end"),
        What::Failing { failure } => format!("the run fails: {failure}"),
    }
}

fn class(error: &StepError) -> &'static str {
    match error.decision {
        Decision::Retry { .. } => "to be retried",
        Decision::Fail => "for good",
        Decision::Unknown => "outcome unknown",
        Decision::Defer { .. } => "deferred",
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
