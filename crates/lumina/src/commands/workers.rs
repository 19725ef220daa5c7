//! `lumina workers`: the processes that execute runs.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::output::{align_right, moment, print_json, print_line, print_next, table};
use super::{Global, composition};
use crate::app::App;
use crate::config::Config;
use crate::presence::SILENT;
use crate::records::WorkerRow;

#[derive(Args)]
pub(super) struct WorkersArgs {
    #[command(subcommand)]
    command: WorkersCommand,
}

#[derive(Subcommand)]
enum WorkersCommand {
    /// Lists the processes that execute runs: where they are, when they were last heard of, and how many runs each has.
    List,
}

pub(super) async fn run(global: &Global, config: &Config, args: &WorkersArgs) -> anyhow::Result<ExitCode> {
    let app = composition::open_viewer(config).await?;
    match args.command {
        WorkersCommand::List => list(global, &app).await?,
    }
    app.database.close().await?;
    Ok(ExitCode::SUCCESS)
}

async fn list(global: &Global, app: &App) -> anyhow::Result<()> {
    let workers = app.records.workers().await?;
    // By the clock that they are noted by.
    let now = app.database.store().now().await?;
    if global.json {
        return print_json(&workers.iter().map(|worker| to_json(worker, now)).collect::<Vec<_>>());
    }
    if workers.is_empty() {
        print_line("No process executes runs.")?;
        return print_next(&[
            ("lumina serve", "HTTP and the engine"),
            ("lumina worker", "the engine alone"),
        ]);
    }
    let mut table = table(&[
        "worker", "host", "pid", "command", "version", "started", "seen", "runs", "state",
    ]);
    for worker in &workers {
        table.add_row([
            worker.sign.id.to_string(),
            worker.sign.host.clone(),
            worker.sign.pid.to_string(),
            worker.sign.command.clone(),
            worker.sign.version.clone(),
            moment(worker.started_at),
            format!("{} s ago", silence(worker, now).as_secs()),
            worker.runs.to_string(),
            state(worker, now).to_owned(),
        ]);
    }
    align_right(&mut table, &[2, 6, 7]);
    print_line(&table.to_string())
}

fn silence(worker: &WorkerRow, now: Timestamp) -> std::time::Duration {
    now.duration_since(worker.seen_at).try_into().unwrap_or_default()
}

fn state(worker: &WorkerRow, now: Timestamp) -> &'static str {
    match worker.draining_at {
        _ if silence(worker, now) > SILENT => "silent",
        Some(_) => "draining",
        None => "working",
    }
}

fn to_json(worker: &WorkerRow, now: Timestamp) -> serde_json::Value {
    serde_json::json!({
        "worker": worker.sign.id, "host": worker.sign.host, "pid": worker.sign.pid, "command": worker.sign.command,
        "version": worker.sign.version, "startedAt": worker.started_at, "seenAt": worker.seen_at,
        "drainingAt": worker.draining_at, "runs": worker.runs, "state": state(worker, now),
    })
}
