//! `lumina enrich`: lookups for personal subscribers who never had one, and runs for what is pending.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::output::{print_json, print_line, print_next, progress, thousands};
use super::{Global, composition, estimate};
use crate::app::App;
use crate::config::Config;
use crate::ingest::ROWS_PER_TRANSACTION;
use crate::records::{JobId, Records};
use crate::workflows::sweep;

mod dry_run;

#[derive(Args)]
pub(super) struct EnrichArgs {
    /// Creates at most this many lookups.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Agrees to the lookups beforehand.
    #[arg(long)]
    yes: bool,
    /// Says what it would do, and does nothing.
    #[arg(long)]
    dry_run: bool,
    /// Waits until all lookups have ended.
    #[arg(long)]
    wait: bool,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    never_looked_up: u64,
    lookups_created: u64,
    workflow_ids: Vec<uuid::Uuid>,
    jobs: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<String>,
    dry_run: bool,
    #[serde(flatten)]
    plan: Option<dry_run::Plan>,
}

pub(super) async fn run(global: &Global, config: &Config, args: &EnrichArgs) -> anyhow::Result<ExitCode> {
    if args.dry_run {
        dry_run::run(global, config, args.limit).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let app = composition::open_client(config).await?;
    let (missing, wanted) = count(config, &app, args.limit).await?;
    let mut report = Report {
        never_looked_up: missing,
        ..Report::default()
    };
    if estimate::agree(wanted, args.yes, "with --limit N only so many are")? {
        report.lookups_created = create(&app, wanted).await?;
    }
    let swept = sweep(&app.context).await?;
    (report.workflow_ids, report.jobs, report.paused) = (swept.started, swept.jobs, swept.paused);
    show(global, &report)?;
    if args.wait {
        follow(&app).await?;
    }
    app.database.close().await?;
    Ok(ExitCode::SUCCESS)
}

/// How many were never looked up, and how many of them are wanted; said with what that costs.
async fn count(config: &Config, app: &App, limit: Option<u64>) -> anyhow::Result<(u64, u64)> {
    let missing = app.records.count_never_looked_up().await?;
    let wanted = missing.min(limit.unwrap_or(u64::MAX));
    if wanted > 0 {
        eprintln!(
            "{} personal subscribers were never looked up; {} would be now: {}.",
            thousands(missing),
            thousands(wanted),
            estimate::describe(config, wanted)
        );
    }
    Ok((missing, wanted))
}

async fn create(app: &App, wanted: u64) -> anyhow::Result<u64> {
    let bar = progress(Some(wanted), "creating lookups");
    let mut created = 0;
    while created < wanted {
        let count = usize::try_from(wanted - created)
            .unwrap_or(usize::MAX)
            .min(ROWS_PER_TRANSACTION);
        let runtime = &app.context.runtime;
        let ids = (0..count).map(|_| JobId(runtime.new_id())).collect();
        let done: u64 = app
            .engine
            .transact(runtime.new_id(), Records::create_jobs(ids))
            .await?
            .decode()?;
        if done == 0 {
            break;
        }
        created += done;
        bar.set_position(created);
    }
    bar.finish_and_clear();
    Ok(created)
}

fn show(global: &Global, report: &Report) -> anyhow::Result<()> {
    if global.json {
        return print_json(report);
    }
    print_line(&format!("{} lookups created", thousands(report.lookups_created)))?;
    print_line(&format!(
        "{} jobs given to {} runs",
        thousands(report.jobs),
        report.workflow_ids.len()
    ))?;
    match &report.paused {
        Some(reason) => {
            print_line(&format!("nothing is bought now: {reason}"))?;
            print_next(&[("lumina doctor", "what is in the way, and what to do")])
        }
        None => print_next(&[(
            "lumina jobs list",
            "how far they are; a running `lumina serve` works them off",
        )]),
    }
}

/// Follows open lookups to their end.
pub(super) async fn follow(app: &App) -> anyhow::Result<()> {
    let open = app.records.census().await?.open_jobs();
    let bar = progress(Some(open), "looking up");
    loop {
        let left = app.records.census().await?.open_jobs();
        bar.set_position(open.saturating_sub(left));
        if left == 0 {
            bar.finish_and_clear();
            return Ok(());
        }
        app.context.runtime.sleep(Duration::from_millis(250)).await;
    }
}
