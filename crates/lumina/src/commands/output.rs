//! What commands print: tables for people, JSON for programs, logs to standard error.

use std::io::{IsTerminal, Write};

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde::Serialize;
use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// How wide a date is: what a time is broken after where room is short.
pub(super) const DATE_WIDTH: u16 = 10;

/// Logs go to standard error, so that what is printed can be piped.
pub(super) fn start_logs(config: &LogConfig) {
    let filter = EnvFilter::try_new(&config.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Whoever set logs up before, as a test does, keeps them.
    let _ = match config.format {
        LogFormat::Json => logs.json().try_init(),
        LogFormat::Text => logs.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
}

/// Prints a value as one line of JSON.
pub(super) fn print_json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    print_line(&serde_json::to_string(value)?)
}

/// Prints a line. A reader that has gone, such as `head`, is no failure.
pub(super) fn print_line(line: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{line}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// A table with a header, without lines.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    if !std::io::stdout().is_terminal() {
        table.set_width(200);
    }
    table.set_header(header.to_vec());
    table
}

/// Whether there is no room for an id, an address and a sentence side by side.
pub(super) fn is_narrow() -> bool {
    const ROOM: u16 = 130;
    table(&[]).width().is_some_and(|width| width < ROOM)
}

/// Never breaks what is in these columns, such as an id that is to be copied, over lines.
pub(super) fn keep_whole(table: &mut Table, columns: &[usize]) {
    for place in columns {
        if let Some(column) = table.column_mut(*place) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
}

/// Breaks what is in a column between its words alone, of which none is longer than this.
pub(super) fn break_at_blanks(table: &mut Table, column: usize, longest_word: u16) {
    const PADDING: u16 = 2;
    if let Some(column) = table.column_mut(column) {
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(longest_word + PADDING)));
    }
}

/// Lets the last digits of these columns' numbers stand below each other.
pub(super) fn align_right(table: &mut Table, columns: &[usize]) {
    for place in columns {
        if let Some(column) = table.column_mut(*place) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// What to type next: commands, and what each is for.
pub(super) fn print_next(commands: &[(&str, &str)]) -> anyhow::Result<()> {
    commands
        .iter()
        .try_for_each(|(command, why)| print_line(&format!("Next: {command}  ({why})")))
}

/// A time, to the second.
pub(super) fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A progress bar on a terminal; nothing elsewhere.
pub(super) fn progress(length: Option<u64>, what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = length.map_or_else(ProgressBar::no_length, ProgressBar::new);
    let style = match length {
        Some(_) => ProgressStyle::with_template("{msg} [{bar:40}] {human_pos}/{human_len} {elapsed}"),
        None => ProgressStyle::with_template("{msg} {spinner} {human_pos} {per_sec} {elapsed}"),
    };
    bar.set_style(style.expect("the template is a constant that works"));
    bar.set_message(what);
    bar
}

/// What is shown for something that is not known.
pub(super) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// A number with its thousands apart.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
