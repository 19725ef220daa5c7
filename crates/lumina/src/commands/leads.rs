//! `lumina leads`: the best leads, in a table.

use std::process::ExitCode;

use clap::Args;

use super::output::{or_dash, print_json, print_line, table};
use super::{Global, composition};
use crate::app::App;
use crate::config::Config;
use crate::records::{Lead, LeadQuery};

#[derive(Args)]
pub(super) struct LeadsArgs {
    /// Only leads with at least this score.
    #[arg(long, value_name = "SCORE", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    min_score: u8,
    /// At most this many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

pub(super) async fn run(global: &Global, config: &Config, args: &LeadsArgs) -> anyhow::Result<ExitCode> {
    let app = composition::open_viewer(config).await?;
    let query = LeadQuery {
        min_score: args.min_score,
        after: None,
        limit: args.limit,
    };
    let leads = app.records.leads(query).await?;
    match global.json {
        true => print_json(&leads)?,
        false => print_line(&render(&leads))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// All leads with at least this score, page by page.
pub(super) async fn read_all(
    app: &App,
    min_score: u8,
    mut take: impl FnMut(Vec<Lead>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    const PAGE: usize = 500;
    let mut after = None;
    loop {
        let page = app
            .records
            .leads(LeadQuery {
                min_score,
                after,
                limit: PAGE,
            })
            .await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some((last.icp_score, last.id));
        take(page)?;
    }
}

pub(super) fn render(leads: &[Lead]) -> String {
    if leads.is_empty() {
        return "No leads yet.".to_owned();
    }
    let mut table = table(&["score", "gem", "name", "title", "company", "headcount", "email"]);
    for lead in leads {
        let headcount = lead.company.headcount.map(|count| count.to_string());
        table.add_row([
            lead.icp_score.to_string(),
            if lead.hidden_gem { "*".to_owned() } else { String::new() },
            or_dash(lead.full_name.as_ref()),
            or_dash(lead.title.as_ref()),
            or_dash(lead.company.name.as_ref()),
            or_dash(headcount.or_else(|| lead.company.headcount_range.clone())),
            lead.email.clone(),
        ]);
    }
    table.to_string()
}
