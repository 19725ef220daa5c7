//! The ledger batch by batch.

use jiff::civil::Date;

use super::super::Global;
use super::super::output::{
    DATE_WIDTH, align_right, break_at_blanks, keep_whole, moment, or_dash, print_json, print_line, print_next, table,
    thousands,
};
use crate::app::App;
use crate::records::LedgerBatch;

/// How long the longest word for an outcome is.
const OUTCOME: u16 = 9;

pub(super) async fn list(global: &Global, app: &App, day: Option<Date>, limit: usize) -> anyhow::Result<()> {
    let batches = app.records.ledger(day, limit).await?;
    if global.json {
        return print_json(&batches);
    }
    let Some(first) = batches.first() else {
        return match day {
            Some(day) => print_line(&format!("No batches count on {day}.")),
            None => print_line("No batches yet."),
        };
    };
    print_line(&render(&batches))?;
    print_next(&[(
        &format!("lumina credits show {}", first.workflow_id),
        "a batch with its addresses",
    )])
}

fn render(batches: &[LedgerBatch]) -> String {
    let mut table = table(&["sent (UTC)", "run", "size", "est.", "paid", "outcome"]);
    for batch in batches {
        table.add_row([
            or_dash(batch.posted_at.map(moment)),
            batch.workflow_id.to_string(),
            thousands(batch.addresses),
            thousands(batch.estimated),
            or_dash(batch.actual.map(thousands)),
            match batch.attempt {
                1 => outcome(batch).to_owned(),
                attempt => format!("{} (no. {attempt})", outcome(batch)),
            },
        ]);
    }
    keep_whole(&mut table, &[1, 2, 3, 4]);
    break_at_blanks(&mut table, 0, DATE_WIDTH);
    break_at_blanks(&mut table, 5, OUTCOME);
    align_right(&mut table, &[2, 3, 4]);
    table.to_string()
}

/// What became of a batch, for people.
pub(super) fn outcome(batch: &LedgerBatch) -> &str {
    match batch.outcome.as_str() {
        "not_sent" => "not sent",
        "credits_insufficient" => "no credits",
        "canceled" => "cancelled",
        other => other,
    }
}
