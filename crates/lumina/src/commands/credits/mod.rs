//! `lumina credits`: what was sent, what it cost, and what may still be spent.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::civil::Date;

use super::{Global, composition};
use crate::config::Config;
use crate::records::BudgetUse;

mod batches;
mod days;
mod show;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct CreditsArgs {
    #[command(subcommand)]
    command: Option<CreditsCommand>,
    #[command(flatten)]
    days: days::DaysArgs,
}

#[derive(Subcommand)]
enum CreditsCommand {
    /// Lists batches with what became of them, the last one that was sent first.
    Batches {
        /// Only those that count on this UTC day, such as 2026-08-31.
        #[arg(long, value_name = "DAY")]
        day: Option<Date>,
        /// At most this many.
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Shows a batch: its addresses, and each time that it was sent.
    Show {
        /// The id of its run.
        id: uuid::Uuid,
    },
}

pub(super) async fn run(global: &Global, config: &Config, args: &CreditsArgs) -> anyhow::Result<ExitCode> {
    let app = composition::open_viewer(config).await?;
    match &args.command {
        None => days::show(global, config, &app, &args.days).await?,
        Some(CreditsCommand::Batches { day, limit }) => batches::list(global, &app, *day, *limit).await?,
        Some(CreditsCommand::Show { id }) => show::show(global, &app, *id).await?,
    }
    app.database.close().await?;
    Ok(ExitCode::SUCCESS)
}

/// What is used of a budget, in words.
pub(super) fn describe(budget: &BudgetUse) -> String {
    use super::output::thousands;
    let held = match budget.reserved {
        0 => String::new(),
        reserved => format!(", {} of them held for unanswered batches", thousands(reserved)),
    };
    match (budget.limit, budget.left) {
        (Some(limit), Some(left)) => format!(
            "{} of {} credits used{held}; {} left",
            thousands(budget.used),
            thousands(limit),
            thousands(left)
        ),
        _ => format!("{} credits used{held}; unlimited", thousands(budget.used)),
    }
}
