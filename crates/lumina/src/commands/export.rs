//! `lumina export`: all leads to a file.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::composition;
use super::leads::read_all;
use crate::config::Config;
use crate::records::Lead;

#[derive(Args)]
pub(super) struct ExportArgs {
    /// Where to write to [default: standard output].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The file's format.
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// Only leads with at least this score.
    #[arg(long, value_name = "SCORE", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    min_score: u8,
    /// Writes cells as they are, even those that a spreadsheet takes for formulas.
    #[arg(long)]
    no_formula_guard: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For spreadsheets and CRMs.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

const COLUMNS: [&str; 16] = [
    "Email",
    "Full Name",
    "Job Title",
    "Seniority",
    "Company Name",
    "Company Domain",
    "Number of Employees",
    "Headcount Range",
    "Industry",
    "LinkedIn URL",
    "ICP Score",
    "ICP Reasons",
    "Hidden Gem",
    "Source",
    "Enriched At",
    "Lead ID",
];

pub(super) async fn run(config: &Config, args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let app = composition::open_viewer(config).await?;
    match &args.output {
        Some(path) => {
            let file = std::fs::File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
            let mut file = std::io::BufWriter::new(file);
            write(&app, args, &mut file).await?;
            file.flush()
                .with_context(|| format!("{} was not written in full", path.display()))?;
        }
        None => write(&app, args, &mut std::io::stdout().lock()).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn write(app: &crate::app::App, args: &ExportArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    match args.format {
        Format::Jsonl => {
            read_all(app, args.min_score, |leads| {
                leads
                    .iter()
                    .try_for_each(|lead| Ok(writeln!(out, "{}", serde_json::to_string(lead)?)?))
            })
            .await
        }
        Format::Csv => {
            let mut writer = csv::Writer::from_writer(out);
            writer.write_record(COLUMNS)?;
            let guard = !args.no_formula_guard;
            read_all(app, args.min_score, |leads| {
                leads
                    .iter()
                    .try_for_each(|lead| Ok(writer.write_record(cells(lead).map(|cell| guarded(cell, guard)))?))
            })
            .await?;
            Ok(writer.flush()?)
        }
    }
}

fn cells(lead: &Lead) -> [String; 16] {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    [
        lead.email.clone(),
        text(&lead.full_name),
        text(&lead.title),
        text(&lead.seniority),
        text(&lead.company.name),
        text(&lead.company.domain),
        lead.company
            .headcount
            .map(|count| count.to_string())
            .unwrap_or_default(),
        text(&lead.company.headcount_range),
        text(&lead.company.industry),
        text(&lead.linkedin_url),
        lead.icp_score.to_string(),
        lead.icp_reasons.join("; "),
        lead.hidden_gem.to_string(),
        lead.source.clone(),
        lead.enriched_at.to_string(),
        lead.id.to_string(),
    ]
}

/// Spreadsheets take a cell that begins so for a formula; an apostrophe makes it text.
fn guarded(cell: String, guard: bool) -> String {
    match guard && cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{cell}"),
        false => cell,
    }
}
