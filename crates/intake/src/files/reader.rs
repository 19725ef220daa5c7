use std::fmt;
use std::io::Read;

use super::delimiter::{Sample, directive};
use super::encoding;
use super::error::{FileError, RowCode, RowError};
use super::layout::Layout;
use super::limits::FileLimits;
use super::records::Records;
use super::text::{TextStream, read_opening};
use crate::IntakeRow;

/// How a file is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileOptions {
    /// Whether people whom the file's own columns call unsubscribed, bounced or deleted come in as well.
    pub include_unsubscribed: bool,
    /// How much is read at most.
    pub limits: FileLimits,
}

/// What was found out about a file, to be shown to whoever imports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileShape {
    /// The name of the encoding, such as `UTF-8` or `windows-1252`.
    pub encoding: &'static str,
    /// What parts the cells.
    pub delimiter: char,
    /// The column of the addresses, from 1.
    pub email_column: usize,
    /// What the file calls that column; `None` where its first line is data.
    pub email_name: Option<String>,
}

/// A file of subscribers, as an iterator over its rows.
///
/// A row that cannot be used is an error with its line, and reading goes on behind it; after an error whose
/// [`RowCode::ends_reading`] nothing more comes. Blank rows are passed over and not counted.
pub struct SubscriberFile<R> {
    records: Records<TextStream<R>>,
    layout: Layout,
    shape: FileShape,
    options: FileOptions,
    rows: u64,
    skipped: u64,
    line: u64,
    has_ended: bool,
}

impl<R: Read> SubscriberFile<R> {
    /// Looks at the beginning of a file and finds out how to read it.
    ///
    /// # Errors
    /// [`FileError`]: the file is empty, not text, has no column of addresses, or cannot be read.
    pub fn open(mut source: R, options: FileOptions) -> Result<Self, FileError> {
        let (opening, is_whole) = read_opening(&mut source).map_err(FileError::Read)?;
        let found = encoding::detect(&opening, is_whole).map_err(FileError::NotText)?;
        let text = TextStream::new(opening, source, found, options.limits.bytes);
        let mut records = Records::new(text, b',', options.limits);
        let sample = prepare(&mut records, options.limits).map_err(FileError::Header)?;
        let layout = Layout::of(&sample.rows)?;
        records.expect_columns(layout.columns);
        let shape = FileShape {
            encoding: found.encoding.name(),
            delimiter: char::from(sample.delimiter),
            email_column: layout.email + 1,
            email_name: layout
                .has_header
                .then(|| sample.rows[0][layout.email].trim().to_owned()),
        };
        let has_header = layout.has_header;
        let mut file = Self {
            records,
            layout,
            shape,
            options,
            rows: 0,
            skipped: 0,
            line: 0,
            has_ended: false,
        };
        if has_header {
            file.pass_header().map_err(FileError::Header)?;
        }
        Ok(file)
    }

    /// What was found out about the file.
    #[must_use]
    pub fn shape(&self) -> &FileShape {
        &self.shape
    }

    /// How many data rows were read so far, the bad and the skipped ones included.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How many rows were left out so far because the file says that their people have left or cannot be reached.
    #[must_use]
    pub fn skipped_unsubscribed(&self) -> u64 {
        self.skipped
    }

    /// The line on which the row that came last begins, from 1.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Goes past the row of names, which is the first that is not blank.
    fn pass_header(&mut self) -> Result<(), RowError> {
        while let Some(record) = self.records.read()? {
            if !record.is_blank() {
                break;
            }
        }
        Ok(())
    }

    /// The next row that is wanted.
    fn read_row(&mut self) -> Option<Result<IntakeRow, RowError>> {
        loop {
            let record = match self.records.read() {
                Ok(Some(record)) if record.is_blank() => continue,
                Ok(Some(record)) => record,
                Ok(None) => return None,
                Err(error) => {
                    self.rows += u64::from(!error.code.ends_reading());
                    self.line = error.line;
                    return Some(Err(error));
                }
            };
            self.line = record.line;
            if self.rows == self.options.limits.rows {
                return Some(Err(too_many_rows(record.line, self.rows)));
            }
            self.rows += 1;
            if !self.options.include_unsubscribed && self.layout.leaves_out(&record) {
                self.skipped += 1;
                continue;
            }
            return Some(self.layout.row(&record));
        }
    }
}

impl<R: Read> Iterator for SubscriberFile<R> {
    type Item = Result<IntakeRow, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let row = self.read_row();
        self.has_ended = match &row {
            None => true,
            Some(Err(error)) => error.code.ends_reading(),
            Some(Ok(_)) => false,
        };
        row
    }
}

impl<R> fmt::Debug for SubscriberFile<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriberFile")
            .field("shape", &self.shape)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

fn too_many_rows(line: u64, limit: u64) -> RowError {
    RowError::new(
        line,
        RowCode::TooManyRows,
        format!("the file has more than {limit} rows; split it"),
    )
}

/// Settles line ends and delimiter, and returns the first rows.
fn prepare<R: Read>(records: &mut Records<TextStream<R>>, limits: FileLimits) -> Result<Sample, RowError> {
    let (text, _) = records.peek()?;
    if has_bare_returns(text) {
        records.treat_returns_as_line_ends();
    }
    let (text, _) = records.peek()?;
    let told = directive(text);
    if told.is_some() {
        records.skip_line()?;
    }
    let (text, is_whole) = records.peek()?;
    let whole_lines = if is_whole { text } else { up_to_last_line(text) };
    let sample = match told {
        Some(delimiter) => Sample::with(whole_lines, delimiter, limits),
        None => Sample::of(whole_lines, limits),
    };
    records.set_delimiter(sample.delimiter);
    match sample.first_error {
        Some(error) => Err(error),
        None => Ok(sample),
    }
}

/// Whether lines end in carriage returns alone. One at the very end may be the first half of a pair.
fn has_bare_returns(text: &[u8]) -> bool {
    let (_, before_last) = text.split_last().unwrap_or((&0, &[]));
    before_last.contains(&b'\r') && !text.contains(&b'\n')
}

fn up_to_last_line(text: &[u8]) -> &[u8] {
    text.iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(text, |at| &text[..=at])
}
