//! The command line: one file a subcommand, and what they share.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, ConfigFile, Sources};

mod answers;
mod composition;
pub mod config;
mod credits;
mod demo;
mod doctor;
mod enrich;
mod estimate;
mod export;
mod import;
mod jobs;
mod leads;
mod metrics;
mod migrate;
mod output;
mod sandbox;
mod schedules;
mod serve;
mod shutdown;
mod worker;
mod workers;
mod workflows;

/// Lumina finds the people behind a newsletter's personal email addresses.
#[derive(Parser)]
#[command(name = "lumina", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Args, Clone)]
pub(crate) struct Global {
    /// The configuration file [default: ./lumina.toml, if it is there].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The database, such as sqlite:./lumina.db or postgres://lumina@localhost/lumina.
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// Prints JSON for programs.
    #[arg(long, global = true)]
    json: bool,
    /// Overrides a setting, such as enrichment.deadline=12h. Can be given several times.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Shows everything with invented people: a sandbox, a server and an import in one process.
    Demo(demo::DemoArgs),
    /// Serves HTTP and executes workflows.
    Serve(serve::ServeArgs),
    /// Executes workflows without HTTP: a file's as its one executor, which polls results; a server's beside any number
    /// of others.
    Worker,
    /// Lists the processes that execute workflows.
    Workers(workers::WorkersArgs),
    /// Takes in a file of subscribers.
    Import(import::ImportArgs),
    /// Looks up personal subscribers who never were.
    Enrich(enrich::EnrichArgs),
    /// Lists leads, best first.
    Leads(leads::LeadsArgs),
    /// Writes all leads to a file.
    Export(export::ExportArgs),
    /// Lists lookups, retries them and gives them up.
    Jobs(jobs::JobsArgs),
    /// Shows what was sent, what it cost, and what is used of the budget.
    Credits(credits::CreditsArgs),
    /// Lists the provider's answers, shows one, routes one anew.
    Answers(answers::AnswersArgs),
    /// Lists, shows, cancels and retries workflow runs.
    Workflows(workflows::WorkflowsArgs),
    /// Lists, holds and triggers what starts by itself.
    Schedules(schedules::SchedulesArgs),
    /// Prints the dashboard's numbers.
    Metrics,
    /// Looks at everything that lookups depend on, and says what to do where something is not well.
    Doctor,
    /// Brings the database's tables up to date, as every other command does at its start.
    Migrate(migrate::MigrateArgs),
    /// Checks or prints the configuration, makes keys.
    Config(config::ConfigArgs),
    /// Runs a local FullEnrich with invented people.
    Sandbox(sandbox::SandboxArgs),
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("lumina: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    #[cfg(feature = "sabotage")]
    for (_, guard) in std::env::vars().filter(|(name, _)| name == crate::guards::VARIABLE) {
        crate::guards::remove(&guard)?;
    }
    let global = cli.global;
    match cli.command {
        Command::Config(args) => config::run(&global, &args),
        Command::Doctor => doctor::run(&global),
        Command::Demo(args) => {
            let flags = flags(&global)?;
            start(&demo::load(flags.clone())?, demo::run(&global, &args, flags))
        }
        Command::Sandbox(args) => start(&load(&global)?, sandbox::run(&global, &args)),
        command => {
            let config = load(&global)?;
            start(&config, dispatch(&global, &config, command))
        }
    }
}

async fn dispatch(global: &Global, config: &Config, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => serve::run(config, &args).await,
        Command::Worker => worker::run(config).await,
        Command::Workers(args) => workers::run(global, config, &args).await,
        Command::Import(args) => import::run(global, config, &args).await,
        Command::Enrich(args) => enrich::run(global, config, &args).await,
        Command::Leads(args) => leads::run(global, config, &args).await,
        Command::Export(args) => export::run(config, &args).await,
        Command::Jobs(args) => jobs::run(global, config, &args).await,
        Command::Credits(args) => credits::run(global, config, &args).await,
        Command::Answers(args) => answers::run(global, config, &args).await,
        Command::Workflows(args) => workflows::run(global, config, &args).await,
        Command::Schedules(args) => schedules::run(global, config, &args).await,
        Command::Metrics => metrics::run(global, config).await,
        Command::Migrate(args) => migrate::run(global, config, &args).await,
        Command::Demo(_) | Command::Config(_) | Command::Doctor | Command::Sandbox(_) => {
            unreachable!("these are taken before the configuration is loaded")
        }
    }
}

/// Runs a command on a runtime of its own, with logs to standard error.
fn start(config: &Config, command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    output::start_logs(&config.log);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(command);
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    code
}

/// The configuration of a command, from file, environment and flags.
pub(crate) fn load(global: &Global) -> anyhow::Result<Config> {
    Ok(Config::load(sources(global)?)?)
}

fn sources(global: &Global) -> anyhow::Result<Sources> {
    let file = global.config.clone().map_or(ConfigFile::Nearby, ConfigFile::At);
    Ok(Sources {
        file,
        environment: environment(),
        flags: flags(global)?,
    })
}

fn environment() -> Vec<(String, String)> {
    let all = std::env::vars();
    #[cfg(feature = "sabotage")]
    let all = all.filter(|(name, _)| name != crate::guards::VARIABLE);
    all.collect()
}

fn flags(global: &Global) -> anyhow::Result<Vec<(String, String)>> {
    let pair = |text: &String| match text.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_owned(), value.trim().to_owned())),
        None => Err(anyhow::anyhow!(
            "--set {text}: write KEY=VALUE, such as --set enrichment.deadline=12h"
        )),
    };
    let mut flags = global.settings.iter().map(pair).collect::<anyhow::Result<Vec<_>>>()?;
    flags.extend(global.database_url.clone().map(|url| ("database.url".to_owned(), url)));
    Ok(flags)
}

/// Whether somebody sits there who can be asked.
fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}
