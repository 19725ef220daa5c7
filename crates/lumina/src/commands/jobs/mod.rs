//! `lumina jobs`: lookups, and what a person decides about them.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use lumina_enrichment::job::JobStatus;
use uuid::Uuid;

use super::{Global, composition};
use crate::config::Config;

mod decide;
mod list;

#[derive(Args)]
pub(super) struct JobsArgs {
    #[command(subcommand)]
    command: JobsCommand,
}

#[derive(Subcommand)]
enum JobsCommand {
    /// Lists lookups, newest first.
    List {
        /// These lookups, in this order [default: all].
        ids: Vec<Uuid>,
        /// Only with this status: pending, submitted, enriched, not_found, failed or stale.
        #[arg(long, conflicts_with = "ids")]
        status: Option<JobStatus>,
        /// At most this many.
        #[arg(long, value_name = "N", default_value_t = 50, conflicts_with = "ids")]
        limit: usize,
    },
    /// Makes failed lookups pending again.
    Retry {
        /// These lookups [default: all that failed].
        ids: Vec<Uuid>,
        /// Takes stale ones as well: the provider may have charged for them already.
        #[arg(long)]
        may_pay_twice: bool,
    },
    /// Gives pending lookups up that were not sent.
    Fail {
        /// These lookups.
        #[arg(required = true)]
        ids: Vec<Uuid>,
        /// Why, for whoever asks later.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

pub(super) async fn run(global: &Global, config: &Config, args: &JobsArgs) -> anyhow::Result<ExitCode> {
    let app = composition::open_viewer(config).await?;
    let code = match &args.command {
        JobsCommand::List { ids, status, limit } if ids.is_empty() => list::list(global, &app, *status, *limit).await?,
        JobsCommand::List { ids, .. } => list::list_these(global, &app, ids).await?,
        JobsCommand::Retry { ids, may_pay_twice } if ids.is_empty() => {
            decide::retry_all(global, &app, *may_pay_twice).await?
        }
        JobsCommand::Retry { ids, may_pay_twice } => decide::retry(global, &app, ids, *may_pay_twice).await?,
        JobsCommand::Fail { ids, reason } => decide::fail(global, &app, ids, reason.as_deref()).await?,
    };
    app.database.close().await?;
    Ok(code)
}
