//! `lumina import FILE`: a file of subscribers in.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::output::{print_json, print_line, progress, thousands};
use super::{Global, composition, estimate};
use crate::app::App;
use crate::config::Config;
use crate::importing::{ImportOptions, ImportSummary, import, preview};

/// How many bad rows are printed; all of them are in the JSON.
const PROBLEMS_SHOWN: usize = 10;

#[derive(Args)]
pub(super) struct ImportArgs {
    /// A CSV file with a header row or a column of addresses.
    file: PathBuf,
    /// Where these subscribers come from [default: the file's name].
    #[arg(long)]
    source: Option<String>,
    /// Looks up at most this many of the new personal addresses; the others are stored alone.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Stores subscribers and looks nobody up.
    #[arg(long)]
    no_enrich: bool,
    /// Agrees to the lookups beforehand.
    #[arg(long)]
    yes: bool,
    /// Takes people who have unsubscribed as well.
    #[arg(long)]
    include_unsubscribed: bool,
    /// Ends with exit code 1 when rows were left out.
    #[arg(long)]
    strict: bool,
    /// Waits until all lookups have ended.
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(global: &Global, config: &Config, args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let app = composition::open_client(config).await?;
    let mut options = ImportOptions {
        source: args.source.clone().unwrap_or_else(|| default_source(args)),
        include_unsubscribed: args.include_unsubscribed,
        lookups: if args.no_enrich {
            0
        } else {
            args.limit.unwrap_or(u64::MAX)
        },
    };
    if options.lookups > 0 {
        options.lookups = settle_lookups(&app, config, args, &options).await?;
    }
    let bar = progress(None, "importing");
    let (summary, jobs) = import(&app, &args.file, &options, &|rows| bar.set_position(rows)).await?;
    bar.finish_and_clear();
    app.database.close().await?;
    show(global, &summary, jobs)?;
    if args.wait && jobs > 0 {
        super::enrich::follow(&composition::open_client(config).await?).await?;
    }
    Ok(if args.strict && !summary.errors.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn default_source(args: &ImportArgs) -> String {
    args.file
        .file_name()
        .map_or_else(|| "import".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Says what the file's lookups could cost, before anything is bought, and asks where it must.
async fn settle_lookups(app: &App, config: &Config, args: &ImportArgs, options: &ImportOptions) -> anyhow::Result<u64> {
    let found = preview(app, &args.file, options).await?;
    let lookups = found.new_personal.min(options.lookups);
    eprintln!(
        "{} new personal addresses; {} will be looked up.",
        thousands(found.new_personal),
        thousands(lookups)
    );
    if lookups == 0 {
        return Ok(0);
    }
    eprintln!("That takes {}.", estimate::describe(config, lookups));
    let otherwise =
        "with --no-enrich the subscribers are stored and nobody is looked up, with --limit N only so many are";
    match estimate::agree(lookups, args.yes, otherwise)? {
        true => Ok(lookups),
        false => {
            eprintln!("The subscribers are stored without lookups; `lumina enrich` creates them later.");
            Ok(0)
        }
    }
}

fn show(global: &Global, summary: &ImportSummary, jobs: u64) -> anyhow::Result<()> {
    if global.json {
        return print_json(summary);
    }
    print_line(&format!("totalRows            {}", thousands(summary.total_rows)))?;
    print_line(&format!("newSubscribers       {}", thousands(summary.new_subscribers)))?;
    print_line(&format!(
        "duplicatesSkipped    {}",
        thousands(summary.duplicates_skipped)
    ))?;
    print_line(&format!(
        "skippedUnsubscribed  {}",
        thousands(summary.skipped_unsubscribed)
    ))?;
    print_line(&format!(
        "errors               {}",
        thousands(summary.errors.len() as u64)
    ))?;
    for problem in summary.errors.iter().take(PROBLEMS_SHOWN) {
        eprintln!("  line {}: {} ({})", problem.line, problem.message, problem.code);
    }
    if summary.errors.len() > PROBLEMS_SHOWN {
        eprintln!(
            "  and {} more: see them with --json",
            summary.errors.len() - PROBLEMS_SHOWN
        );
    }
    if jobs > 0 {
        eprintln!(
            "{} lookups are pending; a running `lumina serve` works them off.",
            thousands(jobs)
        );
    }
    Ok(())
}
