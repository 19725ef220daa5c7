//! `lumina metrics`: the dashboard's numbers.

use std::process::ExitCode;

use super::output::{moment, print_json, print_line, print_next, thousands};
use super::{Global, composition, credits};
use crate::config::Config;
use crate::records::{Metrics, PauseReason, ShownPause};

pub(super) async fn run(global: &Global, config: &Config) -> anyhow::Result<ExitCode> {
    let app = composition::open_viewer(config).await?;
    let view = app.context.settings.view(app.context.runtime.now());
    let metrics = app.records.metrics(view).await?;
    match global.json {
        true => print_json(&metrics)?,
        false => show(&metrics)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(metrics: &Metrics) -> anyhow::Result<()> {
    let rows = [
        ("subscribers", thousands(metrics.total_subscribers)),
        ("personal addresses", thousands(metrics.personal_email_count)),
        ("enriched", thousands(metrics.enriched_count)),
        ("pending", thousands(metrics.pending_count)),
        ("dark funnel lit", format!("{:.2} %", metrics.dark_funnel_percentage)),
        ("credits used", thousands(metrics.total_credits_used)),
        ("pending credits, at most", thousands(metrics.estimated_pending_credits)),
        ("budget today", credits::describe(&metrics.budget.day)),
        ("budget this month", credits::describe(&metrics.budget.month)),
    ];
    for (name, value) in rows {
        print_line(&format!("{name:<26}{value}"))?;
    }
    if metrics.pauses.is_empty() {
        return print_line(&format!("{:<26}no", "paused"));
    }
    metrics.pauses.iter().try_for_each(show_pause)
}

fn show_pause(pause: &ShownPause) -> anyhow::Result<()> {
    print_line(&format!("{:<26}{}", "paused", describe(pause)))?;
    print_next(&[advice(pause.reason)])
}

/// A pause in words.
pub(super) fn describe(pause: &ShownPause) -> String {
    format!(
        "{}: {} (since {} UTC, looked at again {} UTC)",
        pause.reason.as_str(),
        pause.message,
        moment(pause.since),
        moment(pause.next_look)
    )
}

/// What to type about a pause, and what for.
pub(super) fn advice(reason: PauseReason) -> (&'static str, &'static str) {
    match reason {
        PauseReason::Credits => (
            "lumina doctor",
            "what is left; with new credits lookups go on by themselves",
        ),
        PauseReason::Budget => (
            "lumina credits",
            "what was spent; lookups go on by themselves with the next day or month",
        ),
        PauseReason::Refused => (
            "lumina doctor",
            "what the provider says; put right, lookups go on by themselves",
        ),
    }
}
