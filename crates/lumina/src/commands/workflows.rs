//! `lumina workflows`: runs and definitions.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use lumina_workflow::store::{RunQuery, RunRow, RunStatus, StoredRecord};
use lumina_workflow::{RunId, Seq, What};

use super::output::{or_dash, print_json, print_line, table};
use super::{Global, composition};
use crate::app::App;
use crate::config::Config;

mod definitions;

use definitions::DefinitionsArgs;

/// No history is longer than what is shown of it.
const HISTORY_SHOWN: usize = 10_000;

#[derive(Args)]
pub(super) struct WorkflowsArgs {
    #[command(subcommand)]
    command: WorkflowsCommand,
}

#[derive(Subcommand)]
enum WorkflowsCommand {
    /// Lists runs, newest first.
    List {
        /// Only with this status: pending, running, waiting, paused, blocked, completed, failed or cancelled.
        #[arg(long, value_parser = parse_status)]
        status: Option<RunStatus>,
        /// Only those that a limit of their workflow, or its pause, keeps from beginning.
        #[arg(long)]
        throttled: bool,
        /// At most this many.
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Shows a run and its history.
    Show {
        /// The run's id.
        id: RunId,
    },
    /// Lists the workflows, their steps and limits, and what is in flight; pauses and resumes a whole workflow.
    Definitions(DefinitionsArgs),
    /// Ends a run; its jobs are taken care of.
    Cancel {
        /// The run's id.
        id: RunId,
    },
    /// Lets a blocked run try again.
    Retry {
        /// The run's id.
        id: RunId,
    },
}

fn parse_status(word: &str) -> Result<RunStatus, String> {
    RunStatus::parse(word).ok_or_else(|| {
        let all: Vec<&str> = RunStatus::ALL.iter().map(|status| status.as_str()).collect();
        format!("it is one of {}", all.join(", "))
    })
}

pub(super) async fn run(global: &Global, config: &Config, args: &WorkflowsArgs) -> anyhow::Result<ExitCode> {
    let app = composition::open_viewer(config).await?;
    match &args.command {
        WorkflowsCommand::List {
            status,
            throttled,
            limit,
        } => list(global, &app, *status, *throttled, *limit).await?,
        WorkflowsCommand::Show { id } => show(global, &app, *id).await?,
        WorkflowsCommand::Definitions(args) => definitions::run(global, &app, args).await?,
        WorkflowsCommand::Cancel { id } => {
            let first = app.engine.cancel(*id, &who()).await?;
            print_line(if first {
                "The run is being cancelled."
            } else {
                "The run was being ended already."
            })?;
        }
        WorkflowsCommand::Retry { id } => {
            app.engine.retry(*id, &who()).await?;
            print_line("The run is tried again.")?;
        }
    }
    app.store.close().await?;
    Ok(ExitCode::SUCCESS)
}

/// Who gives the command, for the run's history.
fn who() -> String {
    let user = std::env::vars().find(|(name, _)| name == "USER").map(|(_, user)| user);
    format!("cli:{}", user.unwrap_or_else(|| "unknown".to_owned()))
}

async fn list(
    global: &Global,
    app: &App,
    status: Option<RunStatus>,
    throttled: bool,
    limit: usize,
) -> anyhow::Result<()> {
    let query = RunQuery {
        statuses: status.into_iter().collect(),
        throttled,
        limit,
        ..RunQuery::default()
    };
    let runs = app.engine.runs(query).await?.items;
    if global.json {
        let runs: Vec<_> = runs.iter().map(to_json).collect();
        return print_json(&runs);
    }
    if runs.is_empty() {
        return print_line("No runs.");
    }
    let mut table = table(&[
        "id",
        "workflow",
        "status",
        "throttled by",
        "started",
        "ended",
        "failure",
    ]);
    for run in &runs {
        table.add_row([
            run.id.to_string(),
            run.workflow.clone(),
            run.status.to_string(),
            or_dash(run.throttled.map(|throttled| throttled.limit)),
            run.created_at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            or_dash(run.finished_at.map(|at| at.strftime("%H:%M:%S").to_string())),
            or_dash(
                run.failure
                    .as_ref()
                    .or(None)
                    .map(ToString::to_string)
                    .or_else(|| run.blocked.clone()),
            ),
        ]);
    }
    print_line(&table.to_string())
}

fn to_json(run: &RunRow) -> serde_json::Value {
    serde_json::json!({
        "id": run.id, "workflow": run.workflow, "status": run.status, "input": run.input, "output": run.output,
        "failure": run.failure, "blocked": run.blocked, "createdAt": run.created_at, "finishedAt": run.finished_at,
        "wakesAt": run.due_at, "flowKey": run.flow_key,
        "throttled": run.throttled.map(|held| serde_json::json!({ "limit": held.limit, "since": held.since })),
    })
}

async fn show(global: &Global, app: &App, id: RunId) -> anyhow::Result<()> {
    let run = app
        .engine
        .run(id)
        .await?
        .with_context(|| format!("there is no run {id}"))?;
    let history = app.engine.history(id, Seq(0), HISTORY_SHOWN).await?;
    if global.json {
        let records: Vec<_> = history.iter().map(record_json).collect();
        let mut shown = to_json(&run);
        shown["history"] = serde_json::Value::Array(records);
        return print_json(&shown);
    }
    print_line(&format!("{} {} {}", run.workflow, run.id, run.status))?;
    if let Some(reason) = run
        .blocked
        .as_ref()
        .map(|reason| format!("blocked: {reason}"))
        .or_else(|| run.failure.as_ref().map(|failure| format!("failure: {failure}")))
    {
        print_line(&reason)?;
    }
    if let Some(throttled) = run.throttled {
        let since = throttled.since.strftime("%Y-%m-%d %H:%M:%S");
        print_line(&format!("throttled by {} since {since}", throttled.limit))?;
    }
    let mut table = table(&["", "time", "step", "what", "attempt", "detail"]);
    for stored in &history {
        table.add_row(record_cells(stored));
    }
    print_line(&table.to_string())
}

fn record_json(stored: &StoredRecord) -> serde_json::Value {
    let (record, row) = (&stored.record, stored.record.what.to_row());
    serde_json::json!({
        "seq": stored.seq, "phase": record.phase,
        "step": record.step.as_ref().map(|step| &step.name), "key": record.step.as_ref().map(|step| step.key.to_string()),
        "what": row.what, "attempt": row.attempt, "payload": row.payload, "detail": row.detail,
        "startedAt": record.started_at, "endedAt": record.ended_at, "worker": record.worker, "epoch": record.epoch,
    })
}

fn record_cells(stored: &StoredRecord) -> [String; 6] {
    let (record, row) = (&stored.record, stored.record.what.to_row());
    let attempt = if row.attempt > 0 {
        row.attempt.to_string()
    } else {
        String::new()
    };
    [
        stored.seq.0.to_string(),
        record.ended_at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        record.step.as_ref().map(|step| step.name.clone()).unwrap_or_default(),
        row.what.replace('_', " "),
        attempt,
        tell(&record.what),
    ]
}

/// What a record says beyond its name.
fn tell(what: &What) -> String {
    match what {
        What::AttemptFailed {
            error, next_at, reason, ..
        } => {
            format!("{error}; next at {} ({reason})", next_at.strftime("%H:%M:%S%.3f"))
        }
        What::Failed { failure, reason } => format!("{failure} ({reason})"),
        What::Opened { deadline } => format!("until {}", deadline.strftime("%Y-%m-%d %H:%M:%S")),
        What::Completed {
            payload: Some(payload), ..
        } => cut(payload.as_str()),
        What::Received { payload, .. } => cut(payload.as_str()),
        What::CancelRequested { by } | What::Resumed { by } => format!("by {by}"),
        What::Failing { failure } => failure.to_string(),
        _ => String::new(),
    }
}

fn cut(text: &str) -> String {
    const SHOWN: usize = 100;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
