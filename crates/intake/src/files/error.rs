use std::fmt;
use std::io;

use lumina_enrichment::email::AddressError;

use super::encoding::NotText;

/// How many column names a message repeats, and how many characters of each.
const SHOWN_COLUMNS: usize = 12;
const SHOWN_CHARS: usize = 40;

/// Why a file cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Nothing but blanks.
    #[error("the file is empty; export the subscribers again and import that file")]
    Empty,
    /// Another format.
    #[error("{0}")]
    NotText(NotText),
    /// No column holds addresses.
    #[error(
        "no column holds e-mail addresses (columns: {}); name the column \"email\" in the first line",
        shown(.columns)
    )]
    NoAddressColumn {
        /// The cells of the first line.
        columns: Vec<String>,
    },
    /// The first line cannot be read.
    #[error("the first line cannot be read: {}", .0.message)]
    Header(RowError),
    /// The bytes could not be read.
    #[error("the file could not be read: {0}; check that it exists and may be read, and try again")]
    Read(#[source] io::Error),
}

impl FileError {
    /// The stable name of the error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "EMPTY_FILE",
            Self::NotText(_) => "NOT_TEXT",
            Self::NoAddressColumn { .. } => "NO_ADDRESS_COLUMN",
            Self::Header(_) => "BAD_HEADER",
            Self::Read(_) => "READ_FAILED",
        }
    }
}

fn shown(columns: &[String]) -> String {
    let name = |column: &String| format!("{:?}", column.chars().take(SHOWN_CHARS).collect::<String>());
    let mut names: Vec<String> = columns.iter().take(SHOWN_COLUMNS).map(name).collect();
    if columns.len() > SHOWN_COLUMNS {
        names.push(format!("and {} more", columns.len() - SHOWN_COLUMNS));
    }
    names.join(", ")
}

/// What is wrong with one row, or why reading ended before the end of the file.
///
/// The message holds nothing of the row, so that it can be logged: the line says where to look.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct RowError {
    /// The line in the file on which the row begins, from 1, blank lines counted.
    pub line: u64,
    /// The stable name of the error.
    pub code: RowCode,
    /// One sentence for a person.
    pub message: String,
}

impl RowError {
    pub(super) fn new(line: u64, code: RowCode, message: impl Into<String>) -> Self {
        Self {
            line,
            code,
            message: message.into(),
        }
    }

    pub(super) fn bad_address(line: u64, error: AddressError) -> Self {
        match error {
            AddressError::Empty => Self::missing_address(line),
            other => Self::new(
                line,
                RowCode::InvalidEmail,
                format!("this is not an e-mail address: {other}"),
            ),
        }
    }

    pub(super) fn missing_address(line: u64) -> Self {
        Self::new(line, RowCode::MissingEmail, "the address is missing")
    }
}

/// The stable names of what can be wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RowCode {
    /// The address is empty, or the row ends before it.
    MissingEmail,
    /// The address is none.
    InvalidEmail,
    /// A quote was opened and not closed; the row was left out and reading goes on with the next line.
    UnclosedQuote,
    /// The row, or a cell of it, is larger than [`FileLimits`](super::FileLimits) allow.
    RowTooLong,
    /// More cells than [`FileLimits`](super::FileLimits) allow.
    TooManyColumns,
    /// More rows than [`FileLimits`](super::FileLimits) allow. Reading ends.
    TooManyRows,
    /// More bytes than [`FileLimits`](super::FileLimits) allow. Reading ends.
    FileTooLarge,
    /// So many unclosed quotes that the file cannot be what it claims to be. Reading ends.
    BrokenQuotes,
    /// The bytes could not be read. Reading ends.
    ReadFailed,
}

impl RowCode {
    /// The stored and sent form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingEmail => "MISSING_EMAIL",
            Self::InvalidEmail => "INVALID_EMAIL",
            Self::UnclosedQuote => "UNCLOSED_QUOTE",
            Self::RowTooLong => "ROW_TOO_LONG",
            Self::TooManyColumns => "TOO_MANY_COLUMNS",
            Self::TooManyRows => "TOO_MANY_ROWS",
            Self::FileTooLarge => "FILE_TOO_LARGE",
            Self::BrokenQuotes => "BROKEN_QUOTES",
            Self::ReadFailed => "READ_FAILED",
        }
    }

    /// Whether the rest of the file was not read.
    #[must_use]
    pub const fn ends_reading(self) -> bool {
        matches!(
            self,
            Self::TooManyRows | Self::FileTooLarge | Self::BrokenQuotes | Self::ReadFailed
        )
    }
}

impl fmt::Display for RowCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
