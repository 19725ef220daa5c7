//! `lumina answers`: what the provider said, and what became of it.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use uuid::Uuid;

use super::{Global, composition};
use crate::app::App;
use crate::config::Config;
use crate::records::{AnswerId, ListedAnswer};

mod list;
mod replay;
mod show;

#[derive(Args)]
pub(super) struct AnswersArgs {
    #[command(subcommand)]
    command: AnswersCommand,
}

#[derive(Subcommand)]
enum AnswersCommand {
    /// Lists stored answers, newest first.
    List {
        /// Only those that no batch of ours is known for.
        #[arg(long)]
        unclaimed: bool,
        /// At most this many.
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Shows an answer: its status, its cost, and the people in it.
    Show {
        /// The answer's id.
        id: Uuid,
        /// Prints the body as it came, and nothing else.
        #[arg(long)]
        raw: bool,
    },
    /// Routes an answer anew, as if it came in again: for one that nobody claimed.
    Replay {
        /// The answer's id.
        id: Uuid,
    },
}

pub(super) async fn run(global: &Global, config: &Config, args: &AnswersArgs) -> anyhow::Result<ExitCode> {
    let app = composition::open_viewer(config).await?;
    let code = obey(global, &app, &args.command).await?;
    app.database.close().await?;
    Ok(code)
}

async fn obey(global: &Global, app: &App, command: &AnswersCommand) -> anyhow::Result<ExitCode> {
    match command {
        AnswersCommand::List { unclaimed, limit } => list::list(global, app, *unclaimed, *limit).await?,
        AnswersCommand::Show { id, raw: true } => show::print_raw(app, AnswerId(*id)).await?,
        AnswersCommand::Show { id, raw: false } => show::show(global, app, AnswerId(*id)).await?,
        AnswersCommand::Replay { id } => return replay::replay(global, app, AnswerId(*id)).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn find(app: &App, id: AnswerId) -> anyhow::Result<ListedAnswer> {
    let found = app.records.listed_answer(id).await?;
    found.with_context(|| missing(id))
}

/// What is kept is deleted after a while.
fn missing(id: AnswerId) -> String {
    format!(
        "there is no answer {}; `lumina answers list` shows those that are kept (retention.raw)",
        id.0
    )
}
