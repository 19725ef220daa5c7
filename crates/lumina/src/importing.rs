//! Files in: what a file would bring, and bringing it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context as _, bail};
use lumina_enrichment::email::Classifier;
use lumina_enrichment::subscriber::NewSubscriber;
use lumina_intake::IntakeRow;
use lumina_intake::files::{FileOptions, RowError, SubscriberFile};
use serde::Serialize;

use crate::app::App;
use crate::ingest::{ROWS_PER_TRANSACTION, ingest};
use crate::records::{Channel, IntakeReport};

/// Errors beyond this many are counted, not listed.
pub const ERRORS_LISTED: usize = 1_000;

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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportPreview {
    /// Personal addresses that are not in the database.
    pub new_personal: u64,
}

type Rows = SubscriberFile<BufReader<File>>;

fn open(file: &Path, options: &ImportOptions) -> anyhow::Result<Rows> {
    let source = File::open(file).with_context(|| format!("{} cannot be opened", file.display()))?;
    let options = FileOptions {
        include_unsubscribed: options.include_unsubscribed,
        ..FileOptions::default()
    };
    let rows = SubscriberFile::open(BufReader::with_capacity(256 * 1024, source), options);
    rows.with_context(|| format!("{} cannot be imported", file.display()))
}

fn make_subscriber(row: IntakeRow, default_source: &str, classifier: &Classifier) -> NewSubscriber {
    let source = row.source.as_deref().unwrap_or(default_source);
    NewSubscriber::new(row.email, source, classifier)
        .with_name(row.name.as_deref())
        .with_metadata(row.metadata)
}

/// Reads a file without storing anything of it.
///
/// # Errors
/// When the file cannot be read or has no addresses, or the database cannot be read.
pub async fn preview(app: &App, file: &Path, options: &ImportOptions) -> anyhow::Result<ImportPreview> {
    let mut rows = open(file, options)?;
    let mut seen = BTreeSet::new();
    let mut preview = ImportPreview::default();
    loop {
        let keys: Vec<String> = rows
            .by_ref()
            .filter_map(Result::ok)
            .map(|row| (app.classifier.classify(&row.email), row.email))
            .filter(|(class, _)| class.is_looked_up())
            .map(|(_, email)| email.dedupe_key().as_str().to_owned())
            .filter(|key| seen.insert(fold(key)))
            .take(ROWS_PER_TRANSACTION)
            .collect();
        if keys.is_empty() {
            return Ok(preview);
        }
        preview.new_personal += app.records.count_unknown(keys).await?;
    }
}

/// 64 bits that stand for a key: a collision among a million keys is unlikely, and costs
/// nothing but a count that is one too low.
fn fold(key: &str) -> u64 {
    key.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
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
    let mut rows = open(file, options)?;
    let mut tally = Tally::default();
    loop {
        let chunk = read_chunk(app, &mut rows, options, &mut tally.problems);
        if chunk.is_empty() {
            break;
        }
        let left = options.lookups - tally.jobs;
        let report = ingest(app, chunk, left, Channel::File, None).await;
        tally.add(&report.with_context(|| format!("the rows up to line {} are not stored", rows.line()))?);
        progress(rows.rows());
    }
    if let Some(end) = &tally.problems.ended {
        bail!(
            "{} could not be read to its end: {end}; what came before line {} is stored",
            file.display(),
            rows.line()
        );
    }
    Ok((tally.summarize(&rows), tally.jobs))
}

fn read_chunk(app: &App, rows: &mut Rows, options: &ImportOptions, problems: &mut Problems) -> Vec<NewSubscriber> {
    let mut chunk = Vec::with_capacity(ROWS_PER_TRANSACTION);
    while chunk.len() < ROWS_PER_TRANSACTION {
        match rows.next() {
            Some(Ok(row)) => chunk.push(make_subscriber(row, &options.source, &app.classifier)),
            Some(Err(error)) => problems.note(&error),
            None => break,
        }
    }
    chunk
}

#[derive(Default)]
struct Tally {
    created: u64,
    known: u64,
    jobs: u64,
    problems: Problems,
}

impl Tally {
    fn add(&mut self, report: &IntakeReport) {
        self.created += report.created;
        self.known += report.known;
        self.jobs += report.jobs;
    }

    fn summarize(&self, rows: &Rows) -> ImportSummary {
        ImportSummary {
            total_rows: rows.rows(),
            new_subscribers: self.created,
            duplicates_skipped: self.known,
            skipped_unsubscribed: rows.skipped_unsubscribed(),
            errors: self.problems.list(),
        }
    }
}

#[derive(Default)]
struct Problems {
    listed: Vec<RowProblem>,
    more: u64,
    last_line: u64,
    /// Why nothing further was read.
    ended: Option<String>,
}

impl Problems {
    fn note(&mut self, error: &RowError) {
        self.last_line = error.line;
        if error.code.ends_reading() {
            self.ended = Some(error.message.clone());
        }
        if self.listed.len() == ERRORS_LISTED {
            self.more += 1;
            return;
        }
        let (code, message) = (error.code.as_str().to_owned(), error.message.clone());
        self.listed.push(RowProblem {
            line: error.line,
            code,
            message,
        });
    }

    fn list(&self) -> Vec<RowProblem> {
        let more = (self.more > 0).then(|| RowProblem {
            line: self.last_line,
            code: "MORE".to_owned(),
            message: format!(
                "{} more rows were left out, the last in line {}",
                self.more, self.last_line
            ),
        });
        self.listed.iter().cloned().chain(more).collect()
    }
}
