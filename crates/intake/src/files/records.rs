//! Text to records: cells, the line they begin on, and a way on after an unclosed quote.

use std::borrow::Cow;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::encoding::FALLBACK;
use super::error::{RowCode, RowError};
use super::limits::FileLimits;
use super::text::{TextEnd, TextSource};

/// How many bytes are read a second time, in all, because a quote before them was not closed. A few such rows in a
/// file are slips; a file that needs more is not CSV, and reading on would take time that grows with its square.
const MAX_REREAD_BYTES: usize = 16 * 1024 * 1024;

/// What is in the buffer moves to its front when less than this is left behind it, so that reads stay large.
const LEAST_READ_BYTES: usize = 4 * 1024;

/// The records of a text, one after another, in memory that does not grow.
pub(super) struct Records<T> {
    text: T,
    parser: Reader,
    delimiter: u8,
    limits: FileLimits,
    /// Text that was read. Holds a whole record, so that it can be read again line by line.
    buffer: Box<[u8]>,
    /// Where the next record begins in the buffer, and where the text in it ends.
    start: usize,
    end: usize,
    /// The line in the file on which the next record begins.
    line: u64,
    is_over: bool,
    has_bare_returns: bool,
    expected_columns: Option<usize>,
    reread: usize,
    cells: Box<[u8]>,
    ends: Box<[usize]>,
}

/// One record; its cells are as written, without their quotes.
pub(super) struct Record<'a> {
    pub(super) line: u64,
    cells: &'a [u8],
    ends: &'a [usize],
}

impl<'a> Record<'a> {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The bytes of a cell; nothing where the record has fewer cells.
    pub(super) fn bytes(&self, column: usize) -> &'a [u8] {
        let Some(end) = self.ends.get(column) else {
            return &[];
        };
        let start = column.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.cells[start..*end]
    }

    /// A cell as text. Bytes that are not UTF-8 are read in the encoding that legacy exports mostly have.
    pub(super) fn text(&self, column: usize) -> Cow<'a, str> {
        let bytes = self.bytes(column);
        match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => FALLBACK.decode_without_bom_handling(bytes).0,
        }
    }

    /// Whether there is nothing in any cell, as in the rows below a spreadsheet's table.
    pub(super) fn is_blank(&self) -> bool {
        self.cells.iter().all(u8::is_ascii_whitespace)
    }
}

/// How far a record reached.
struct Scanned {
    /// Where the record ended in the buffer, its line end included.
    to: usize,
    cells: usize,
    ends: usize,
    spans_lines: bool,
}

impl<T: TextSource> Records<T> {
    pub(super) fn new(text: T, delimiter: u8, limits: FileLimits) -> Self {
        let limits = limits.usable();
        Self {
            text,
            parser: parser(delimiter),
            delimiter,
            limits,
            buffer: vec![0; 2 * limits.row_bytes.max(super::text::WINDOW_BYTES)].into(),
            start: 0,
            end: 0,
            line: 1,
            is_over: false,
            has_bare_returns: false,
            expected_columns: None,
            reread: 0,
            // One more than allowed: a full one cannot be told from one that is too small.
            cells: vec![0; limits.row_bytes + 1].into(),
            ends: vec![0; limits.columns + 1].into(),
        }
    }

    pub(super) fn set_delimiter(&mut self, delimiter: u8) {
        self.delimiter = delimiter;
        self.parser = parser(delimiter);
    }

    /// From now on a record of several lines with another number of cells counts as one whose quote was not closed.
    pub(super) fn expect_columns(&mut self, columns: usize) {
        self.expected_columns = Some(columns);
    }

    /// Lines end in a carriage return alone, as old spreadsheets write them.
    pub(super) fn treat_returns_as_line_ends(&mut self) {
        self.has_bare_returns = true;
        line_feeds_for_returns(&mut self.buffer[self.start..self.end]);
    }

    /// The text ahead, as much of it as a decision is made on, and whether it is all there is.
    pub(super) fn peek(&mut self) -> Result<(&[u8], bool), RowError> {
        while !self.is_over && self.end - self.start < super::text::WINDOW_BYTES {
            self.refill()?;
        }
        Ok((&self.buffer[self.start..self.end], self.is_over))
    }

    /// Goes past the line at hand, whatever it holds.
    pub(super) fn skip_line(&mut self) -> Result<(), RowError> {
        loop {
            if let Some(length) = line_length(&self.buffer[self.start..self.end]) {
                self.start += length;
                self.line += 1;
                return Ok(());
            }
            self.start = self.end;
            if self.is_over {
                return Ok(());
            }
            self.refill()?;
        }
    }

    /// The next record that has a cell; `None` at the end.
    ///
    /// After an error the next call goes on behind it, unless its code ends reading.
    pub(super) fn read(&mut self) -> Result<Option<Record<'_>>, RowError> {
        if !self.skip_blank_lines()? {
            return Ok(None);
        }
        let scanned = self.scan()?;
        if scanned.spans_lines && self.is_torn(&scanned) {
            return Err(self.give_up_row(scanned.to));
        }
        if scanned.ends > self.limits.columns {
            return Err(self.refuse_columns());
        }
        self.check_cells(&scanned)?;
        let line = self.line;
        self.pass(scanned.to);
        Ok(Some(Record {
            line,
            cells: &self.cells[..scanned.cells],
            ends: &self.ends[..scanned.ends],
        }))
    }

    /// Whether something is left.
    fn skip_blank_lines(&mut self) -> Result<bool, RowError> {
        loop {
            while self.start < self.end {
                match self.buffer[self.start] {
                    b'\n' => self.line += 1,
                    b'\r' => {}
                    _ => return Ok(true),
                }
                self.start += 1;
            }
            if self.is_over {
                return Ok(false);
            }
            self.refill()?;
        }
    }

    /// Parses from `start` to the end of the record.
    fn scan(&mut self) -> Result<Scanned, RowError> {
        self.parser.set_line(0);
        let (mut at, mut cells, mut ends) = (self.start, 0, 0);
        loop {
            if at == self.end && !self.is_over {
                if self.end - self.start > self.limits.row_bytes {
                    return Err(self.give_up_row(at));
                }
                // Refilling moves the record to the front of the buffer.
                let scanned = at - self.start;
                self.refill()?;
                at = self.start + scanned;
                continue;
            }
            let input = &self.buffer[at..self.end];
            let (result, read, cell_bytes, cell_ends) =
                self.parser
                    .read_record(input, &mut self.cells[cells..], &mut self.ends[ends..]);
            at += read;
            cells += cell_bytes;
            ends += cell_ends;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => return Err(self.give_up_row(at)),
                // Cells of many lines: a quote was left open, and others opened and closed behind it.
                ReadRecordResult::OutputEndsFull if self.parser.line() > 0 => return Err(self.give_up_row(at)),
                ReadRecordResult::OutputEndsFull => return Err(self.refuse_columns()),
                ReadRecordResult::Record | ReadRecordResult::End => {
                    let last = at.checked_sub(1).map(|last| self.buffer[last]);
                    let line_ends = u64::from(at > self.start && last == Some(b'\n'));
                    let spans_lines = self.parser.line() > line_ends;
                    return Ok(Scanned {
                        to: at,
                        cells,
                        ends,
                        spans_lines,
                    });
                }
            }
        }
    }

    /// Whether a record of several lines is rather one line whose quote was not closed, and the lines behind it: its
    /// quotes do not stand where a writer puts them, or it has not the number of cells that the others have.
    fn is_torn(&self, scanned: &Scanned) -> bool {
        let raw = &self.buffer[self.start..scanned.to];
        !is_well_quoted(raw, self.delimiter) || self.expected_columns.is_some_and(|columns| columns != scanned.ends)
    }

    fn check_cells(&mut self, scanned: &Scanned) -> Result<(), RowError> {
        let max = self.limits.cell_bytes;
        if scanned.cells <= max {
            return Ok(());
        }
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let mut lengths = starts.zip(&self.ends[..scanned.ends]).map(|(start, end)| end - start);
        if lengths.all(|length| length <= max) {
            return Ok(());
        }
        let message = format!("a cell of this row has more than {max} bytes; shorten it");
        let error = RowError::new(self.line, RowCode::RowTooLong, message);
        self.pass(scanned.to);
        Err(error)
    }

    fn refuse_columns(&mut self) -> RowError {
        let message = format!(
            "this row has more than {} cells; check the delimiter",
            self.limits.columns
        );
        let error = RowError::new(self.line, RowCode::TooManyColumns, message);
        self.leave_line().err().unwrap_or(error)
    }

    /// Leaves out the line on which the record began, and goes on with the line after it. The record was followed to
    /// `reached`, and what lies behind its first line is read again.
    fn give_up_row(&mut self, reached: usize) -> RowError {
        let first_line = line_length(&self.buffer[self.start..reached]);
        let error = match first_line {
            Some(length) if length <= self.limits.row_bytes => self.unclosed_quote(),
            _ => self.row_too_long(),
        };
        self.reread += reached - self.start;
        if self.reread > MAX_REREAD_BYTES {
            let message = "too many quotes are opened and not closed; export the file again with its quotes doubled";
            return RowError::new(self.line, RowCode::BrokenQuotes, message);
        }
        self.leave_line().err().unwrap_or(error)
    }

    fn unclosed_quote(&self) -> RowError {
        let message = "a quote is opened on this line and not closed; the line was left out";
        RowError::new(self.line, RowCode::UnclosedQuote, message)
    }

    fn row_too_long(&self) -> RowError {
        let message = format!("the row has more than {} bytes; it was left out", self.limits.row_bytes);
        RowError::new(self.line, RowCode::RowTooLong, message)
    }

    fn leave_line(&mut self) -> Result<(), RowError> {
        self.parser.reset();
        self.skip_line()
    }

    fn pass(&mut self, to: usize) {
        self.line += self.parser.line();
        self.start = to;
    }

    /// Reads more text behind what is in the buffer. There is room, because a record is given up before it fills
    /// half of it.
    fn refill(&mut self) -> Result<(), RowError> {
        if self.buffer.len() - self.end < LEAST_READ_BYTES {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let read = self
            .text
            .read_text(&mut self.buffer[self.end..])
            .map_err(|end| self.ended(end))?;
        let text = &mut self.buffer[self.end..self.end + read];
        if self.has_bare_returns {
            line_feeds_for_returns(text);
        }
        self.end += read;
        self.is_over = read == 0;
        Ok(())
    }

    fn ended(&self, end: TextEnd) -> RowError {
        match end {
            TextEnd::TooLarge => {
                let message = format!("the file has more than {} bytes; split it", self.limits.bytes);
                RowError::new(self.line, RowCode::FileTooLarge, message)
            }
            TextEnd::Failed(error) => RowError::new(
                self.line,
                RowCode::ReadFailed,
                format!("the file could not be read further: {error}"),
            ),
        }
    }
}

fn parser(delimiter: u8) -> Reader {
    ReaderBuilder::new().delimiter(delimiter).build()
}

fn line_feeds_for_returns(text: &mut [u8]) {
    text.iter_mut()
        .filter(|byte| **byte == b'\r')
        .for_each(|byte| *byte = b'\n');
}

/// The length of the first line with its end, if its end is there.
fn line_length(text: &[u8]) -> Option<usize> {
    text.iter().position(|byte| *byte == b'\n').map(|at| at + 1)
}

/// Whether every quoted cell ends where a writer would end it: its closing quote is followed by a delimiter or the
/// end of the record.
fn is_well_quoted(record: &[u8], delimiter: u8) -> bool {
    let mut rest = record;
    loop {
        let Some(quoted) = rest.strip_prefix(b"\"") else {
            // Up to the next delimiter; quotes inside an unquoted cell mean nothing.
            match rest.iter().position(|byte| *byte == delimiter) {
                Some(at) => rest = &rest[at + 1..],
                None => return true,
            }
            continue;
        };
        let Some(after) = after_closing_quote(quoted) else {
            return false;
        };
        match after.split_first() {
            None => return true,
            Some((b'\r' | b'\n', _)) => return true,
            Some((byte, next)) if *byte == delimiter => rest = next,
            Some(_) => return false,
        }
    }
}

/// What follows the quote that closes a cell; doubled quotes stand for one.
fn after_closing_quote(quoted: &[u8]) -> Option<&[u8]> {
    let mut rest = quoted;
    loop {
        let at = rest.iter().position(|byte| *byte == b'"')?;
        rest = &rest[at + 1..];
        match rest.strip_prefix(b"\"") {
            Some(next) => rest = next,
            None => return Some(rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_quoted_records_are_told_from_torn_ones() {
        let rows: [(&[u8], bool); 9] = [
            (b"a,b\n", true),
            (b"\"a\nb\",c\r\n", true),
            (b"a,\"b\n\"\"c\"\"\"", true),
            (b"a,b\"c,d", true),
            (b"", true),
            (b"\"a,b\nc,d", false),
            (b"\"a,b\n\"c,d\n", false),
            (b"\"a\n\" ,b", false),
            (b"a,\"", false),
        ];
        for (record, expected) in rows {
            assert_eq!(
                is_well_quoted(record, b','),
                expected,
                "{}",
                String::from_utf8_lossy(record)
            );
        }
    }
}
