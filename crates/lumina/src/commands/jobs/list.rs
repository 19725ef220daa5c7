//! Lookups in a table.

use std::process::ExitCode;

use lumina_enrichment::job::JobStatus;
use uuid::Uuid;

use super::super::Global;
use super::super::output::{is_narrow, keep_whole, moment, or_dash, print_json, print_line, print_next, table};
use crate::app::App;
use crate::records::{JobId, JobRow};

pub(super) async fn list(
    global: &Global,
    app: &App,
    status: Option<JobStatus>,
    limit: usize,
) -> anyhow::Result<ExitCode> {
    let jobs = app.records.jobs(status, limit).await?;
    show(global, &jobs)?;
    Ok(ExitCode::SUCCESS)
}

/// Fails when one of them is not there.
pub(super) async fn list_these(global: &Global, app: &App, ids: &[Uuid]) -> anyhow::Result<ExitCode> {
    let jobs = app.records.jobs_of(ids.iter().copied().map(JobId).collect()).await?;
    show(global, &jobs)?;
    let unknown: Vec<&Uuid> = ids
        .iter()
        .filter(|id| jobs.iter().all(|job| job.id.0 != **id))
        .collect();
    unknown
        .iter()
        .for_each(|id| eprintln!("lumina: there is no lookup {id}"));
    Ok(match unknown.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn show(global: &Global, jobs: &[JobRow]) -> anyhow::Result<()> {
    if global.json {
        return print_json(&jobs);
    }
    if jobs.is_empty() {
        return print_line("No lookups.");
    }
    print_line(&render(jobs))?;
    let next = next(jobs);
    let next: Vec<(&str, &str)> = next.iter().map(|(command, why)| (command.as_str(), *why)).collect();
    print_next(&next)
}

fn render(jobs: &[JobRow]) -> String {
    match is_narrow() {
        true => render_stacked(jobs),
        false => render_flat(jobs),
    }
}

fn render_flat(jobs: &[JobRow]) -> String {
    let mut table = table(&["id", "status", "email", "created", "reason"]);
    for job in jobs {
        table.add_row([
            job.id.0.to_string(),
            job.status.clone(),
            job.email.clone(),
            moment(job.created_at),
            or_dash(job.reason.as_ref()),
        ]);
    }
    keep_whole(&mut table, &[0, 1, 2, 3]);
    table.to_string()
}

fn render_stacked(jobs: &[JobRow]) -> String {
    let mut table = table(&["id, created", "status", "email, reason"]);
    for job in jobs {
        let reason = job.reason.as_ref().map(|reason| format!("\n{reason}"));
        table.add_row([
            format!("{}\n{}", job.id.0, moment(job.created_at)),
            job.status.clone(),
            format!("{}{}", job.email, reason.unwrap_or_default()),
        ]);
    }
    keep_whole(&mut table, &[0, 1]);
    table.to_string()
}

/// What can be done about those that need somebody, with the first of each kind.
fn next(jobs: &[JobRow]) -> Vec<(String, &'static str)> {
    let first = |status: JobStatus| jobs.iter().find(|job| job.status == status.as_str());
    let mut all = Vec::new();
    if let Some(job) = first(JobStatus::Stale) {
        let command = format!("lumina jobs retry {} --may-pay-twice", job.id.0);
        all.push((
            command,
            "a stale one may have been charged; a late answer settles it unasked",
        ));
    }
    if let Some(job) = first(JobStatus::Failed) {
        all.push((
            format!("lumina jobs retry {}", job.id.0),
            "makes a failed one pending again",
        ));
    }
    if let Some(job) = first(JobStatus::Pending) {
        let command = match (job.reason.is_some(), job.workflow_id) {
            (false, Some(run)) => (format!("lumina workflows show {run}"), "the run that has a pending one"),
            _ => ("lumina doctor".to_owned(), "why pending ones wait"),
        };
        all.push(command);
    }
    if let Some(run) = first(JobStatus::Submitted).and_then(|job| job.workflow_id) {
        all.push((format!("lumina credits show {run}"), "the batch that one is out with"));
    }
    if all.is_empty() {
        all.push(("lumina leads".to_owned(), "who was found"));
    }
    all
}
