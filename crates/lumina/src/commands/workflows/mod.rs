//! `lumina workflows`: runs and definitions, and what a person can do with them.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use lumina_workflow::store::{RunQuery, RunStatus};
use lumina_workflow::{MayRepeat, RestartFrom, RunId, StepKey};

use super::{Global, composition};
use crate::app::App;
use crate::config::Config;
use crate::workflows::HOUSEKEEPING;

mod check;
mod control;
mod definitions;
mod events;
mod list;
mod show;
mod timeline;

#[derive(Args)]
pub(super) struct WorkflowsArgs {
    #[command(subcommand)]
    command: WorkflowsCommand,
}

#[derive(Subcommand)]
enum WorkflowsCommand {
    /// Lists runs, newest first; those of housekeeping only with --all.
    List(ListArgs),
    /// Shows a run and its timeline.
    Show {
        /// The run's id.
        id: RunId,
    },
    /// Lists the workflows, their steps and limits, and what is in flight; pauses and resumes a whole workflow.
    Definitions(definitions::DefinitionsArgs),
    /// Ends a run; its jobs are taken care of.
    Cancel {
        /// The run's id.
        id: RunId,
    },
    /// Holds a run: what it does now ends, and nothing more begins until it is resumed.
    Pause {
        /// The run's id.
        id: RunId,
    },
    /// Lets a paused run go on, or a blocked one try again.
    Resume {
        /// The run's id.
        id: RunId,
    },
    /// Lets a failed run try again from the step it failed in, or a blocked one.
    Retry {
        /// The run's id.
        id: RunId,
        /// What it has done outside, or may have, may happen once more.
        #[arg(long)]
        may_repeat_effects: bool,
    },
    /// Does a run again from a step, whatever became of it. Pause it first if it is running.
    Restart {
        /// The run's id.
        id: RunId,
        /// The step [default: the first line of the workflow].
        #[arg(long, value_name = "STEP")]
        from: Option<String>,
        /// Which of the steps of that name: `#2` for the second, or its key.
        #[arg(long, value_name = "KEY", requires = "from", value_parser = parse_key)]
        key: Option<StepKey>,
        /// What it has done outside, or may have, may happen once more.
        #[arg(long)]
        may_repeat_effects: bool,
    },
    /// Sends an event to a run by hand.
    Emit(events::EmitArgs),
    /// Lists events that no run has claimed, or gives one to a run.
    Unrouted(events::UnroutedArgs),
    /// Tells which open runs the code of this very program does not fit. Changes nothing; exits with 1 if there are any.
    Check,
}

#[derive(Args)]
struct ListArgs {
    /// Only with this status: pending, running, waiting, paused, blocked, completed, failed or cancelled.
    #[arg(long, value_parser = parse_status)]
    status: Option<RunStatus>,
    /// Only runs of this workflow.
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// Only those that a limit of their workflow, or its pause, keeps from beginning.
    #[arg(long)]
    throttled: bool,
    /// Only runs that this one has started.
    #[arg(long, value_name = "ID")]
    parent: Option<RunId>,
    /// At most this many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Also the runs of housekeeping: sweeps, probes, retention.
    #[arg(long)]
    all: bool,
}

fn parse_status(word: &str) -> Result<RunStatus, String> {
    RunStatus::parse(word).ok_or_else(|| {
        let all: Vec<&str> = RunStatus::ALL.iter().map(|status| status.as_str()).collect();
        format!("it is one of {}", all.join(", "))
    })
}

fn parse_key(text: &str) -> Result<StepKey, String> {
    match text.strip_prefix('#') {
        Some(number) => number
            .parse()
            .map(StepKey::Occurrence)
            .map_err(|_| "behind # stands a number, such as #2".to_owned()),
        None => Ok(StepKey::Given(text.to_owned())),
    }
}

pub(super) async fn run(global: &Global, config: &Config, args: &WorkflowsArgs) -> anyhow::Result<ExitCode> {
    let app = composition::open_viewer(config).await?;
    let code = obey(global, &app, &args.command).await?;
    app.database.close().await?;
    Ok(code)
}

async fn obey(global: &Global, app: &App, command: &WorkflowsCommand) -> anyhow::Result<ExitCode> {
    match command {
        WorkflowsCommand::List(args) => list::list(global, app, args.query()).await?,
        WorkflowsCommand::Show { id } => show::show(global, app, *id).await?,
        WorkflowsCommand::Definitions(args) => definitions::run(global, app, args).await?,
        WorkflowsCommand::Cancel { id } => control::cancel(global, app, *id).await?,
        WorkflowsCommand::Pause { id } => control::pause(global, app, *id).await?,
        WorkflowsCommand::Resume { id } => control::resume(global, app, *id).await?,
        WorkflowsCommand::Retry { id, may_repeat_effects } => {
            control::retry(global, app, *id, may_repeat(*may_repeat_effects)).await?;
        }
        WorkflowsCommand::Restart {
            id,
            from,
            key,
            may_repeat_effects,
        } => {
            let from = restart_from(from.as_deref(), key.as_ref());
            control::restart(global, app, *id, &from, may_repeat(*may_repeat_effects)).await?;
        }
        WorkflowsCommand::Emit(args) => events::emit(global, app, args).await?,
        WorkflowsCommand::Unrouted(args) => events::unrouted(global, app, args).await?,
        WorkflowsCommand::Check => return check::check(global, app).await,
    }
    Ok(ExitCode::SUCCESS)
}

impl ListArgs {
    fn query(&self) -> RunQuery {
        // Whoever names a workflow wants to see it.
        let all = self.all || self.workflow.is_some();
        RunQuery {
            without: if all {
                Vec::new()
            } else {
                HOUSEKEEPING.map(str::to_owned).into()
            },
            statuses: self.status.into_iter().collect(),
            workflow: self.workflow.clone(),
            parent: self.parent,
            throttled: self.throttled,
            limit: self.limit,
            ..RunQuery::default()
        }
    }
}

fn may_repeat(effects: bool) -> MayRepeat {
    match effects {
        true => MayRepeat::Effects,
        false => MayRepeat::Nothing,
    }
}

fn restart_from(step: Option<&str>, key: Option<&StepKey>) -> RestartFrom {
    match step {
        None => RestartFrom::Beginning,
        Some(name) => RestartFrom::Step {
            name: name.to_owned(),
            key: key.cloned(),
        },
    }
}

/// Who gives the command, for the history of what it is about.
pub(super) fn who() -> String {
    let user = std::env::vars().find(|(name, _)| name == "USER").map(|(_, user)| user);
    format!("cli:{}", user.unwrap_or_else(|| "unknown".to_owned()))
}
