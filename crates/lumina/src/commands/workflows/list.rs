//! Runs as a list.

use lumina_workflow::store::{RunQuery, RunRow};

use super::super::Global;
use super::super::output::{or_dash, print_json, print_line, table};
use crate::app::App;

pub(super) async fn list(global: &Global, app: &App, query: RunQuery) -> anyhow::Result<()> {
    let runs = app.engine.runs(query).await?.items;
    if global.json {
        let runs: Vec<_> = runs.iter().map(to_json).collect();
        return print_json(&runs);
    }
    if runs.is_empty() {
        return print_line("No runs.");
    }
    let mut table = table(&["id", "workflow", "status", "started", "ended", "what"]);
    for run in &runs {
        table.add_row([
            run.id.to_string(),
            run.workflow.clone(),
            run.status.to_string(),
            run.created_at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            or_dash(run.finished_at.map(|at| at.strftime("%H:%M:%S").to_string())),
            or_dash(tell(run)),
        ]);
    }
    print_line(&table.to_string())
}

/// What stands out about a run, in a few words.
pub(super) fn tell(run: &RunRow) -> Option<String> {
    if let Some(reason) = &run.blocked {
        return Some(format!("blocked: {reason}"));
    }
    if let Some(failure) = &run.failure {
        return Some(failure.to_string());
    }
    if let Some(by) = &run.cancel_by {
        return Some(format!("{by} asked it to end"));
    }
    if let Some(by) = &run.pause_by {
        return Some(match run.paused_at {
            Some(at) => format!("paused by {by} since {}", at.strftime("%Y-%m-%d %H:%M:%S")),
            None => format!("{by} asked it to pause"),
        });
    }
    let throttled = run.throttled?;
    let since = throttled.since.strftime("%Y-%m-%d %H:%M:%S");
    Some(format!("throttled by {} since {since}", throttled.limit))
}

pub(super) fn to_json(run: &RunRow) -> serde_json::Value {
    serde_json::json!({
        "id": run.id, "workflow": run.workflow, "status": run.status, "input": run.input, "output": run.output,
        "failure": run.failure, "blocked": run.blocked, "createdAt": run.created_at, "begunAt": run.begun_at,
        "finishedAt": run.finished_at, "wakesAt": run.due_at, "parent": run.parent, "flowKey": run.flow_key,
        "priority": run.priority, "cancelRequestedBy": run.cancel_by, "pausedBy": run.pause_by,
        "throttled": run.throttled.map(|held| serde_json::json!({ "limit": held.limit, "since": held.since })),
        "pausedAt": run.paused_at, "bufferedEvents": run.buffered, "definition": run.hash.to_string(),
    })
}
