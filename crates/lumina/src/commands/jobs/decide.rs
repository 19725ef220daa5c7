//! Another try, or none.

use std::process::ExitCode;

use lumina_enrichment::job::JobStatus;
use lumina_workflow::store::Attachment;
use serde_json::json;
use uuid::Uuid;

use super::super::Global;
use super::super::output::{print_json, print_line, print_next, thousands};
use super::super::workflows::who;
use crate::app::App;
use crate::records::{Decided, JobId, KeptJob, Records, RetriedPage, Retrying};

/// How many lookups one transaction decides about: its answer says why each stays as it is.
const LOOKUPS_AT_ONCE: usize = 200;

const WATCH: (&str, &str) = (
    "lumina jobs list --status pending",
    "a running `lumina serve` starts them within a minute",
);

pub(super) async fn retry(global: &Global, app: &App, ids: &[Uuid], may_pay_twice: bool) -> anyhow::Result<ExitCode> {
    let how = retrying(app, may_pay_twice);
    let decided = decide(app, ids, |ids| Records::retry_jobs(ids, how)).await?;
    let retried = decided.changed.len();
    match global.json {
        true => print_json(&json!({ "retried": retried, "kept": decided.kept }))?,
        false => {
            print_line(&tell_retried(retried as u64))?;
            tell_kept(&decided.kept)?;
            print_next(match retried {
                0 => &[("lumina jobs list", "where lookups stand")],
                _ => &[WATCH],
            })?;
        }
    }
    Ok(code(&decided))
}

/// All that failed; with the leave to pay twice, the stale ones as well.
pub(super) async fn retry_all(global: &Global, app: &App, may_pay_twice: bool) -> anyhow::Result<ExitCode> {
    let retried = retry_page_by_page(app, retrying(app, may_pay_twice)).await?;
    let census = app.records.census().await?;
    let (failed, stale) = (census.of_status(JobStatus::Failed), census.of_status(JobStatus::Stale));
    match global.json {
        true => print_json(&json!({ "retried": retried, "failedLeft": failed, "staleLeft": stale }))?,
        false => {
            print_line(&tell_retried(retried))?;
            tell_left(retried, failed, stale)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn retry_page_by_page(app: &App, how: Retrying) -> anyhow::Result<u64> {
    let (mut retried, mut after) = (0, None);
    loop {
        let page: RetriedPage = transact(app, Records::retry_all(after, how)).await?;
        retried += page.retried;
        match page.last {
            Some(last) => after = Some(last),
            None => return Ok(retried),
        }
    }
}

/// Those that are not pending again, and what to type about them.
fn tell_left(retried: u64, failed: u64, stale: u64) -> anyhow::Result<()> {
    let mut next: Vec<_> = (retried > 0).then_some(WATCH).into_iter().collect();
    if stale > 0 {
        let stale = thousands(stale);
        print_line(&format!(
            "Stale lookups that stay so, because they may have been charged: {stale}."
        ))?;
        next.push((
            "lumina jobs list --status stale",
            "with --may-pay-twice they are retried",
        ));
    }
    if failed > 0 {
        print_line(&format!("Failed lookups that stay so: {}.", thousands(failed)))?;
        next.push(("lumina jobs list --status failed", "retried by its id, each says why"));
    }
    if next.is_empty() {
        next.push(("lumina jobs list", "where lookups stand"));
    }
    print_next(&next)
}

pub(super) async fn fail(global: &Global, app: &App, ids: &[Uuid], reason: Option<&str>) -> anyhow::Result<ExitCode> {
    let told = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let reason = format!("given up by {}{told}", who());
    let decided = decide(app, ids, |ids| Records::fail_jobs(ids, reason.clone())).await?;
    if global.json {
        print_json(&json!({ "failed": decided.changed.len(), "kept": decided.kept }))?;
        return Ok(code(&decided));
    }
    print_line(&match decided.changed.len() as u64 {
        1 => "1 lookup is given up.".to_owned(),
        count => format!("{} lookups are given up.", thousands(count)),
    })?;
    tell_kept(&decided.kept)?;
    match decided.changed.first() {
        Some(first) => print_next(&[(
            &format!("lumina jobs retry {}", first.0),
            "should it be looked up after all",
        )])?,
        None => print_next(&[("lumina jobs list --status pending", "those that can be given up")])?,
    }
    Ok(code(&decided))
}

fn retrying(app: &App, may_pay_twice: bool) -> Retrying {
    Retrying {
        may_pay_twice,
        refresh_after: app.context.settings.refresh_after,
    }
}

async fn decide(app: &App, ids: &[Uuid], make: impl Fn(Vec<JobId>) -> Attachment) -> anyhow::Result<Decided> {
    let mut all = Decided::default();
    for some in ids.chunks(LOOKUPS_AT_ONCE) {
        let decided: Decided = transact(app, make(some.iter().copied().map(JobId).collect())).await?;
        all.changed.extend(decided.changed);
        all.kept.extend(decided.kept);
    }
    Ok(all)
}

async fn transact<T: serde::de::DeserializeOwned>(app: &App, change: Attachment) -> anyhow::Result<T> {
    let done = app.engine.transact(app.context.runtime.new_id(), change).await?;
    Ok(done.decode()?)
}

fn tell_retried(retried: u64) -> String {
    match retried {
        0 => "No lookup is tried again.".to_owned(),
        1 => "1 lookup is pending again.".to_owned(),
        count => format!("{} lookups are pending again.", thousands(count)),
    }
}

fn tell_kept(kept: &[KeptJob]) -> anyhow::Result<()> {
    kept.iter().try_for_each(|job| {
        let status = job
            .status
            .as_ref()
            .map(|status| format!(" stays {status}"))
            .unwrap_or_default();
        print_line(&format!("{}{status}: {}.", job.id.0, job.why))
    })
}

/// Somebody who names lookups wants each of them.
fn code(decided: &Decided) -> ExitCode {
    match decided.kept.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
