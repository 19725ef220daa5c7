//! `lumina metrics`: the dashboard's numbers.

use std::process::ExitCode;

use super::output::{print_json, print_line, thousands};
use super::{Global, composition};
use crate::config::Config;

pub(super) async fn run(global: &Global, config: &Config) -> anyhow::Result<ExitCode> {
    let app = composition::open_viewer(config).await?;
    let metrics = app.records.metrics().await?;
    if global.json {
        print_json(&metrics)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = [
        ("subscribers", thousands(metrics.total_subscribers)),
        ("personal addresses", thousands(metrics.personal_email_count)),
        ("enriched", thousands(metrics.enriched_count)),
        ("pending", thousands(metrics.pending_count)),
        ("dark funnel lit", format!("{:.2} %", metrics.dark_funnel_percentage)),
        ("credits used", thousands(metrics.total_credits_used)),
        ("pending credits, at most", thousands(metrics.estimated_pending_credits)),
    ];
    for (name, value) in rows {
        print_line(&format!("{name:<26}{value}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
