//! Files in: what a file would bring, and bringing it.

use std::path::Path;

use serde::Serialize;

use crate::app::App;

/// How a file is taken in.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Where its subscribers come from; a row's own source goes before.
    pub source: String,
    /// Takes unsubscribed and bounced people as well.
    pub include_unsubscribed: bool,
    /// At most this many lookups are created; 0 stores subscribers alone.
    pub lookups: u64,
}

/// A row that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowProblem {
    /// Its line in the file, from 1.
    pub line: u64,
    /// What is wrong, as a word for programs.
    pub code: String,
    /// What is wrong, for people.
    pub message: String,
}

/// What a file brought. These keys, and no others, are what `--json` and `POST /api/upload` show of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportSummary {
    /// Rows of the file, its header aside.
    pub total_rows: u64,
    /// Subscribers that were not there before.
    pub new_subscribers: u64,
    /// Rows whose subscriber was there already, or came earlier in the file.
    pub duplicates_skipped: u64,
    /// Rows of people who have unsubscribed or whose mail bounces.
    pub skipped_unsubscribed: u64,
    /// Rows that were left out; at most 1,000, then one `MORE` with the count.
    pub errors: Vec<RowProblem>,
}

/// What a file would bring, and what looking it up could cost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportPreview {
    /// Personal addresses that are not in the database.
    pub new_personal: u64,
}

/// Reads a file without storing anything of it.
///
/// # Errors
/// When the file cannot be read or has no addresses, or the database cannot be read.
pub async fn preview(app: &App, file: &Path, options: &ImportOptions) -> anyhow::Result<ImportPreview> {
    let _ = (app, file, options);
    anyhow::bail!("not there yet")
}

/// Stores a file's subscribers, a thousand a transaction, and creates lookups as allowed. Answers
/// what it brought and how many lookups were created. `progress` is told the rows so far.
///
/// # Errors
/// When the file cannot be read or has no addresses, or the database does not take it. What
/// was stored until then stays; importing the file again goes on where it stopped.
pub async fn import(
    app: &App,
    file: &Path,
    options: &ImportOptions,
    progress: &(dyn Fn(u64) + Sync),
) -> anyhow::Result<(ImportSummary, u64)> {
    let _ = (app, file, options, progress);
    anyhow::bail!("not there yet")
}
