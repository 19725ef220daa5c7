//! `lumina schedules`: what starts by itself, and when.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use lumina_workflow::store::ScheduleRow;

use super::output::{or_dash, print_json, print_line, table};
use super::workflows::who;
use super::{Global, composition};
use crate::app::App;
use crate::config::Config;

#[derive(Args)]
pub(super) struct SchedulesArgs {
    #[command(subcommand)]
    command: SchedulesCommand,
}

#[derive(Subcommand)]
enum SchedulesCommand {
    /// Lists all schedules with their next times. They are there once a `serve` or `worker` has started.
    List,
    /// Holds a schedule: nothing starts by it, and what it would have started meanwhile is not made up for.
    Pause {
        /// The schedule's name.
        name: String,
    },
    /// Lets a schedule go on with its next time.
    Resume {
        /// The schedule's name.
        name: String,
    },
    /// Starts a run of a schedule now. Its next time stays.
    Trigger {
        /// The schedule's name.
        name: String,
    },
}

pub(super) async fn run(global: &Global, config: &Config, args: &SchedulesArgs) -> anyhow::Result<ExitCode> {
    let app = composition::open_viewer(config).await?;
    match &args.command {
        SchedulesCommand::List => list(global, &app).await?,
        SchedulesCommand::Pause { name } => {
            let first = app.engine.pause_schedule(name, &who()).await?;
            let told = ["The schedule was held already.", "The schedule is held."];
            tell(global, name, first, told)?;
        }
        SchedulesCommand::Resume { name } => {
            let first = app.engine.resume_schedule(name, &who()).await?;
            let told = ["The schedule was not held.", "The schedule goes on."];
            tell(global, name, first, told)?;
        }
        SchedulesCommand::Trigger { name } => trigger(global, &app, name).await?,
    }
    app.database.close().await?;
    Ok(ExitCode::SUCCESS)
}

fn tell(global: &Global, name: &str, effective: bool, told: [&str; 2]) -> anyhow::Result<()> {
    match global.json {
        true => print_json(&serde_json::json!({"name": name, "effective": effective})),
        false => print_line(told[usize::from(effective)]),
    }
}

async fn trigger(global: &Global, app: &App, name: &str) -> anyhow::Result<()> {
    let run = app.engine.trigger_schedule(name, &who()).await?;
    match global.json {
        true => print_json(&serde_json::json!({"name": name, "workflowId": run})),
        false => print_line(&format!("Run {run} was started.")),
    }
}

async fn list(global: &Global, app: &App) -> anyhow::Result<()> {
    let rows = app.engine.schedules().await?;
    if global.json {
        return print_json(&rows.iter().map(to_json).collect::<Vec<_>>());
    }
    if rows.is_empty() {
        return print_line("No schedules. They are there once `lumina serve` or `lumina worker` has started.");
    }
    let mut table = table(&[
        "name",
        "when",
        "next",
        "last",
        "started",
        "skipped",
        "missed",
        "triggered",
        "state",
    ]);
    for row in &rows {
        table.add_row([
            row.name.clone(),
            row.spec.timing.to_string(),
            or_dash(row.next_at.filter(|_| row.is_live()).map(shown)),
            or_dash(row.last_tick.map(shown)),
            row.started.to_string(),
            row.skipped.to_string(),
            row.missed.to_string(),
            row.triggers.to_string(),
            state(row),
        ]);
    }
    print_line(&table.to_string())
}

fn shown(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn state(row: &ScheduleRow) -> String {
    match (&row.removed_at, &row.paused) {
        (Some(at), _) => format!("removed {}", shown(*at)),
        (None, Some(wish)) => format!("held by {} since {}", wish.by, shown(wish.at)),
        (None, None) if row.running => "running".to_owned(),
        (None, None) => "waiting".to_owned(),
    }
}

fn to_json(row: &ScheduleRow) -> serde_json::Value {
    serde_json::json!({
        "name": row.name, "workflow": row.workflow, "spec": row.spec, "nextAt": row.next_at, "paused": row.paused,
        "resumed": row.resumed, "triggered": row.triggered, "removedAt": row.removed_at, "running": row.running,
        "lastTick": row.last_tick, "lastRun": row.last_run, "started": row.started, "skipped": row.skipped,
        "missed": row.missed, "triggers": row.triggers,
    })
}
