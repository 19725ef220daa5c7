//! `lumina migrate`: brings the database's tables up to date, which every other command does at its start as well.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use lumina_workflow_postgres::PostgresStore;
use lumina_workflow_sqlite::Look;
use serde::Serialize;

use super::output::{print_json, print_line, print_next};
use super::{Global, composition};
use crate::config::{Config, Database};
use crate::database::{SCHEMA_OWNER, file_scripts, server_scripts};

#[derive(Args)]
pub(super) struct MigrateArgs {
    /// Only says what would be applied; the exit code is 1 when something would be.
    #[arg(long)]
    check: bool,
}

#[derive(Serialize)]
struct Report {
    database: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    applied: Option<Vec<String>>,
}

pub(super) async fn run(global: &Global, config: &Config, args: &MigrateArgs) -> anyhow::Result<ExitCode> {
    let (database, missing) = look(config).await?;
    let is_up_to_date = missing.is_empty();
    let mut report = Report {
        database,
        missing: None,
        applied: None,
    };
    if args.check {
        report.missing = Some(missing);
    } else {
        let app = composition::open_viewer(config).await?;
        app.database.close().await?;
        report.applied = Some(missing);
    }
    match global.json {
        true => print_json(&report)?,
        false => show(&report)?,
    }
    Ok(match args.check && !is_up_to_date {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// What the database is called, and which scripts it lacks.
async fn look(config: &Config) -> anyhow::Result<(String, Vec<String>)> {
    match &config.database {
        Database::Sqlite { path } => {
            let missing = match path.exists() {
                true => missing_in(path)?,
                // As an empty one lacks all of them.
                false => missing_in(tempfile::NamedTempFile::new()?.path())?,
            };
            Ok((path.display().to_string(), missing))
        }
        Database::Postgres { url } => {
            let store = PostgresStore::look(composition::server(config, url, "lumina")?).await?;
            let missing = store.missing_scripts(SCHEMA_OWNER, &server_scripts()).await?;
            Ok((store.name().to_owned(), missing))
        }
    }
}

fn missing_in(path: &Path) -> anyhow::Result<Vec<String>> {
    Ok(Look::at(path, |look| {
        look.missing_scripts(SCHEMA_OWNER, &file_scripts())
    })??)
}

fn show(report: &Report) -> anyhow::Result<()> {
    let scripts = report.missing.as_ref().or(report.applied.as_ref());
    let Some(scripts) = scripts.filter(|scripts| !scripts.is_empty()) else {
        return print_line(&format!("{} is up to date", report.database));
    };
    let verb = if report.missing.is_some() {
        "would be applied"
    } else {
        "applied"
    };
    for script in scripts {
        print_line(&format!("{script} {verb}"))?;
    }
    match report.missing.is_some() {
        true => print_next(&[("lumina migrate", "applies them, as any other command does at its start")]),
        false => Ok(()),
    }
}
