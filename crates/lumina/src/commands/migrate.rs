//! `lumina migrate`: brings the database's tables up to date, which every other command does at its start as well; and
//! moves a file's to a server.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use lumina_workflow::{Runtime, TokioRuntime};
use lumina_workflow_postgres::PostgresStore;
use lumina_workflow_sqlite::Look;
use secrecy::SecretString;
use serde::Serialize;

use super::output::{align_right, print_json, print_line, print_next, progress, table, thousands};
use super::{Global, composition};
use crate::config::{Config, Database};
use crate::database::{SCHEMA_OWNER, file_scripts, server_scripts};
use crate::moving::{self, Moved, Stage};

#[derive(Args)]
pub(super) struct MigrateArgs {
    /// Only says what would be applied; the exit code is 1 when something would be.
    #[arg(long)]
    check: bool,
    /// Moves what is in the file to this database of a PostgreSQL server, which must be empty.
    #[arg(long, value_name = "URL", conflicts_with = "check")]
    to: Option<String>,
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
    if let Some(url) = &args.to {
        return move_up(global, config, url).await;
    }
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

/// Moves a file to a server. What is on its way goes on there.
async fn move_up(global: &Global, config: &Config, url: &str) -> anyhow::Result<ExitCode> {
    let Database::Sqlite { path } = &config.database else {
        bail!("only a file can be moved: name it with --database-url sqlite:PATH, and the server with --to");
    };
    let server = composition::server(config, &SecretString::from(url), "lumina migrate").context("--to")?;
    let name = server.name();
    let runtime = TokioRuntime::current();
    let bar = progress(None, "moving");
    let moved = moving::move_to(path, server, runtime.new_id(), runtime.now(), |stage| {
        if let Stage::Compared(_) = stage {
            bar.inc(1);
        }
        Ok(())
    });
    let moved = moved.await?;
    bar.finish_and_clear();
    match global.json {
        true => print_json(&moved)?,
        false => show_moved(&moved, &path.display().to_string(), &name)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show_moved(moved: &Moved, file: &str, server: &str) -> anyhow::Result<()> {
    if moved.is_repeated {
        print_line(&format!(
            "{file} was moved to {server} before; nothing is left to be done."
        ))?;
    } else {
        let mut table = table(&["table", "rows"]);
        for moved in moved.tables.iter().filter(|table| table.rows > 0) {
            table.add_row([moved.table.clone(), thousands(moved.rows)]);
        }
        align_right(&mut table, &[1]);
        print_line(&table.to_string())?;
        print_line(&format!(
            "Every row was read back from {server} and is the same. {file} takes no writes any more; keep it as a backup."
        ))?;
    }
    print_next(&[(
        "DATABASE_URL=postgres://... lumina serve",
        "what was on its way goes on",
    )])
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
