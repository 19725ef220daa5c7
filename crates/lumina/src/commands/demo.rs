//! `lumina demo`: everything in one process, with invented people.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use lumina_enrichment::email::AddressClass;
use lumina_enrichment::job::JobStatus;
use lumina_fullenrich_sandbox::{Sandbox, SandboxConfig};
use lumina_workflow::parse_duration;
use lumina_workflow::store::{RunQuery, RunStatus};
use serde::Serialize;
use tokio::net::TcpListener;

use super::output::{print_json, print_line, progress};
use super::serve::Server;
use super::{Global, composition, leads, sandbox, serve, shutdown};
use crate::app::App;
use crate::config::{Config, ConfigFile, Sources};
use crate::importing::{ImportOptions, import};
use crate::records::{Census, LeadQuery};
use crate::workflows::HOUSEKEEPING;

/// The subscribers that come along: invented, all of them.
const SUBSCRIBERS: &str = include_str!("../../data/demo-subscribers.csv");

/// How many leads are printed.
const LEADS_SHOWN: usize = 20;

/// The balance of the demo's sandbox: more than any file it is tried with costs.
const CREDITS: u64 = 10_000_000;

#[derive(Args)]
pub(super) struct DemoArgs {
    /// Your own file, instead of the invented subscribers that come along.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Ends when all lookups have ended.
    #[arg(long)]
    once: bool,
    /// How long each lookup takes.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = parse_duration)]
    sandbox_delay: Duration,
    /// Which people the sandbox invents.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The port of the API [default: 7878, with --once any that is free].
    #[arg(long)]
    port: Option<u16>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    subscribers: u64,
    personal: u64,
    corporate: u64,
    relay: u64,
    disposable: u64,
    enriched: u64,
    not_found: u64,
    failed: u64,
    stale: u64,
    credits_used: u64,
    hidden_gems: u64,
    workflows: Runs,
}

#[derive(Serialize)]
struct Runs {
    completed: u64,
    failed: u64,
}

/// The demo's configuration: nothing but its flags, so that it can never touch a real list or
/// a real key.
pub(super) fn load(flags: Vec<(String, String)>) -> anyhow::Result<Config> {
    let defaults = [
        ("database.url", "sqlite:./lumina-demo.db"),
        ("enrichment.budget.per_day", "unlimited"),
        ("log.filter", "warn"),
        // Until the sandbox's address is known: never the real provider's.
        ("fullenrich.base_url", "http://127.0.0.1:9/api/v2"),
    ];
    let mut all: Vec<_> = defaults
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    all.retain(|(key, _)| !flags.iter().any(|(given, _)| given == key));
    all.extend(flags);
    Ok(Config::load(Sources {
        file: ConfigFile::Nothing,
        environment: Vec::new(),
        flags: all,
    })?)
}

pub(super) async fn run(global: &Global, args: &DemoArgs, flags: Vec<(String, String)>) -> anyhow::Result<ExitCode> {
    let provider = serve::listen(([127, 0, 0, 1], 0).into()).await?;
    let listener = listen(args).await?;
    let config = load(complete(flags, &provider, &listener)?)?;
    let (sandbox, server) = start(args, &config, provider, listener).await?;
    take_in(&server.app, args).await?;
    follow(&server.app, args.once).await?;
    if args.once {
        finish(global, &server).await?;
        server.stop().await?;
        drop(sandbox);
        return Ok(ExitCode::SUCCESS);
    }
    print_leads(&server.app).await?;
    tell_more(&config, &server)?;
    let why = shutdown::due(&server.app).await?;
    server.stop().await?;
    why.conclude()
}

/// Where the sandbox and the server are goes before everything else.
fn complete(
    mut flags: Vec<(String, String)>,
    provider: &TcpListener,
    listener: &TcpListener,
) -> anyhow::Result<Vec<(String, String)>> {
    let callback = format!("http://{}/api/webhooks/enrichment", listener.local_addr()?);
    flags.push(("fullenrich.base_url".to_owned(), sandbox::base_url(provider)?));
    flags.push(("fullenrich.webhook_url".to_owned(), callback));
    flags.push((
        "fullenrich.api_key".to_owned(),
        SandboxConfig::default().api_key.expose().to_owned(),
    ));
    Ok(flags)
}

async fn listen(args: &DemoArgs) -> anyhow::Result<TcpListener> {
    const USUAL: u16 = 7878;
    let any = || serve::listen(([127, 0, 0, 1], 0).into());
    match args.port {
        Some(port) => serve::listen(([127, 0, 0, 1], port).into()).await,
        None if args.once => any().await,
        None => match TcpListener::bind(("127.0.0.1", USUAL)).await {
            Ok(listener) => Ok(listener),
            Err(_) => any().await,
        },
    }
}

async fn start(
    args: &DemoArgs,
    config: &Config,
    provider: TcpListener,
    listener: TcpListener,
) -> anyhow::Result<(std::sync::Arc<Sandbox>, Server)> {
    let app = composition::open_executor(config, "lumina demo", config.fullenrich.callback_mode()).await?;
    let ledger = config.database.beside(".sandbox.jsonl");
    let settings = SandboxConfig {
        seed: args.seed,
        credits: CREDITS,
        ..SandboxConfig::default()
    };
    let sandbox = sandbox::open(settings.with_lookup_delay(args.sandbox_delay), ledger)?;
    tokio::spawn(sandbox.clone().serve(provider, std::future::pending()));
    let server = serve::start(config, app, listener).await?;
    Ok((sandbox, server))
}

/// Imports the file. What an earlier demo brought is found again.
async fn take_in(app: &App, args: &DemoArgs) -> anyhow::Result<()> {
    let bundled = tempfile::Builder::new()
        .prefix("lumina-demo")
        .suffix(".csv")
        .tempfile()?;
    std::fs::write(bundled.path(), SUBSCRIBERS)?;
    let (file, source): (&Path, &str) = match &args.file {
        Some(file) => (file, "file"),
        None => (bundled.path(), "demo"),
    };
    let options = ImportOptions {
        source: source.to_owned(),
        include_unsubscribed: false,
        lookups: u64::MAX,
    };
    let bar = progress(None, "importing");
    let (summary, jobs) = import(app, file, &options, &|rows| bar.set_position(rows)).await?;
    bar.finish_and_clear();
    eprintln!(
        "{} rows: {} new subscribers, {} known, {} unsubscribed, {} unreadable; {jobs} to look up.",
        summary.total_rows,
        summary.new_subscribers,
        summary.duplicates_skipped,
        summary.skipped_unsubscribed,
        summary.errors.len()
    );
    Ok(())
}

/// Until all lookups have ended; with `once` all runs as well.
async fn follow(app: &App, once: bool) -> anyhow::Result<()> {
    super::enrich::follow(app).await?;
    let open = vec![RunStatus::Pending, RunStatus::Running, RunStatus::Waiting];
    let query = RunQuery {
        without: HOUSEKEEPING.map(str::to_owned).into(),
        statuses: open,
        limit: 1,
        ..RunQuery::default()
    };
    while once && !app.engine.runs(query.clone()).await?.items.is_empty() {
        app.context.runtime.sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn finish(global: &Global, server: &Server) -> anyhow::Result<()> {
    if !global.json {
        return print_leads(&server.app).await;
    }
    let census = server.app.records.census().await?;
    let runs = Runs {
        completed: count_runs(&server.app, RunStatus::Completed).await?,
        failed: count_runs(&server.app, RunStatus::Failed).await?,
    };
    print_json(&make_outcome(&census, runs))
}

fn make_outcome(census: &Census, workflows: Runs) -> Outcome {
    Outcome {
        subscribers: census.classes.values().sum(),
        personal: census.of_class(AddressClass::Personal),
        corporate: census.of_class(AddressClass::Corporate),
        relay: census.of_class(AddressClass::Relay),
        disposable: census.of_class(AddressClass::Disposable),
        enriched: census.of_status(JobStatus::Enriched),
        not_found: census.of_status(JobStatus::NotFound),
        failed: census.of_status(JobStatus::Failed),
        stale: census.of_status(JobStatus::Stale),
        credits_used: census.credits_used,
        hidden_gems: census.hidden_gems,
        workflows,
    }
}

async fn count_runs(app: &App, status: RunStatus) -> anyhow::Result<u64> {
    let mut query = RunQuery {
        without: HOUSEKEEPING.map(str::to_owned).into(),
        statuses: vec![status],
        limit: 500,
        ..RunQuery::default()
    };
    let mut count = 0;
    loop {
        let page = app.engine.runs(query.clone()).await?;
        count += page.items.len() as u64;
        match page.next {
            Some(next) => query.before = Some(next),
            None => return Ok(count),
        }
    }
}

async fn print_leads(app: &App) -> anyhow::Result<()> {
    let census = app.records.census().await?;
    let best = app
        .records
        .leads(LeadQuery {
            limit: LEADS_SHOWN,
            ..LeadQuery::default()
        })
        .await?;
    print_line(&leads::render(&best))?;
    print_line(&format!(
        "\n{} leads from {} personal addresses, {} of them hidden gems (*); the best {} are shown. All people are invented.",
        census.of_status(JobStatus::Enriched),
        census.of_class(AddressClass::Personal),
        census.hidden_gems,
        best.len()
    ))
}

fn tell_more(config: &Config, server: &Server) -> anyhow::Result<()> {
    let token = config.server.token_file.display();
    print_line(&format!(
        "\nThe API: curl -H \"Authorization: Bearer $(cat {token})\" http://{}/api/leads\nPress Ctrl-C to end.",
        server.address
    ))
}
