//! `lumina jobs`: lookups, and those that are tried again.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use lumina_enrichment::job::JobStatus;

use super::output::{or_dash, print_json, print_line, table};
use super::{Global, composition};
use crate::config::Config;
use crate::records::{JobId, JobRow, Records};

#[derive(Args)]
pub(super) struct JobsArgs {
    #[command(subcommand)]
    command: JobsCommand,
}

#[derive(Subcommand)]
enum JobsCommand {
    /// Lists lookups, newest first.
    List {
        /// Only with this status: pending, submitted, enriched, not_found, failed or stale.
        #[arg(long)]
        status: Option<JobStatus>,
        /// At most this many.
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Makes failed lookups pending again.
    Retry {
        /// These lookups [default: all that failed].
        ids: Vec<uuid::Uuid>,
        /// Takes stale ones as well: the provider may have charged for them already.
        #[arg(long)]
        may_pay_twice: bool,
    },
}

pub(super) async fn run(global: &Global, config: &Config, args: &JobsArgs) -> anyhow::Result<ExitCode> {
    let app = composition::open_viewer(config).await?;
    match &args.command {
        JobsCommand::List { status, limit } => {
            let jobs = app.records.jobs(*status, *limit).await?;
            match global.json {
                true => print_json(&jobs)?,
                false => print_line(&render(&jobs))?,
            }
        }
        JobsCommand::Retry { ids, may_pay_twice } => {
            let ids = ids.iter().copied().map(JobId).collect();
            let change = Records::retry_jobs(ids, *may_pay_twice);
            let retried: usize = app
                .engine
                .transact(app.context.runtime.new_id(), change)
                .await?
                .decode()?;
            match global.json {
                true => print_json(&serde_json::json!({ "retried": retried }))?,
                false => print_line(&format!(
                    "{retried} lookups are pending again; the next sweep starts them."
                ))?,
            }
        }
    }
    app.store.close().await?;
    Ok(ExitCode::SUCCESS)
}

fn render(jobs: &[JobRow]) -> String {
    if jobs.is_empty() {
        return "No lookups.".to_owned();
    }
    let mut table = table(&["id", "status", "email", "created", "reason"]);
    for job in jobs {
        table.add_row([
            job.id.0.to_string(),
            job.status.clone(),
            job.email.clone(),
            job.created_at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            or_dash(job.reason.as_ref()),
        ]);
    }
    table.to_string()
}
