//! One batch of the ledger.

use anyhow::bail;
use uuid::Uuid;

use super::super::Global;
use super::super::output::{keep_whole, moment, or_dash, print_json, print_line, print_next, table, thousands};
use super::batches::outcome;
use crate::app::App;
use crate::records::{BatchAddress, BatchDetail, LedgerBatch};

pub(super) async fn show(global: &Global, app: &App, run: Uuid) -> anyhow::Result<()> {
    let Some(batch) = app.records.batch(run).await? else {
        bail!("no batch was made by a run {run}; `lumina credits batches` lists them");
    };
    if global.json {
        return print_json(&batch);
    }
    print_line(&format!("Batch of run {run}\n"))?;
    batch.posts.iter().try_for_each(|post| print_line(&render_post(post)))?;
    print_line(&render_addresses(&batch.addresses))?;
    print_next(&next(&batch).each_ref().map(|(command, why)| (command.as_str(), *why)))
}

/// A line for each thing to say, since a batch is sent twice at most.
fn render_post(post: &LedgerBatch) -> String {
    let ended = post.ended_at.map(|at| format!(", ended {} UTC", moment(at)));
    let sent = post.posted_at.map(|at| format!("{} UTC", moment(at)));
    let lines = [
        ("sent", or_dash(sent)),
        ("outcome", format!("{}{}", outcome(post), ended.unwrap_or_default())),
        ("addresses", thousands(post.addresses)),
        ("estimated", format!("at most {} credits", thousands(post.estimated))),
        (
            "actual",
            post.actual
                .map_or_else(|| "not known".to_owned(), |paid| format!("{} credits", thousands(paid))),
        ),
        ("enrichment id", or_dash(post.enrichment_id.as_ref())),
    ];
    let told = lines.map(|(name, value)| format!("  {name:<15}{value}\n")).concat();
    format!("Sent as no. {}\n{told}", post.attempt)
}

fn render_addresses(addresses: &[BatchAddress]) -> String {
    let mut table = table(&["address", "status", "no.", "person", "reason"]);
    for address in addresses {
        let attempts: Vec<String> = address.attempts.iter().map(u32::to_string).collect();
        table.add_row([
            address.email.clone(),
            address.status.clone(),
            attempts.join(", "),
            or_dash(address.full_name.as_ref()),
            or_dash(address.reason.as_ref()),
        ]);
    }
    keep_whole(&mut table, &[0, 1]);
    table.to_string()
}

fn next(batch: &BatchDetail) -> [(String, &'static str); 2] {
    let run = batch.workflow_id;
    let stale = batch.addresses.iter().find(|address| address.status == "stale");
    let job = stale.or(batch.addresses.first());
    let id = job.map_or_else(String::new, |address| format!(" {}", address.job.0));
    [
        (format!("lumina workflows show {run}"), "everything that happened to it"),
        (format!("lumina jobs list{id}"), "one of its lookups"),
    ]
}
