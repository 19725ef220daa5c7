//! What parts the cells of a file from each other.

use lumina_enrichment::email::EmailAddress;

use super::error::RowError;
use super::limits::FileLimits;
use super::records::Records;

/// The delimiters that exports use, in the order in which a tie is decided.
const CANDIDATES: [u8; 4] = [b',', b';', b'\t', b'|'];

/// How many rows a decision is made on.
const SAMPLE_ROWS: usize = 100;

/// The first rows of a file, as a delimiter parts them.
pub(super) struct Sample {
    pub(super) delimiter: u8,
    pub(super) rows: Vec<Vec<String>>,
    /// What is wrong with the very first row, which is then not among the rows.
    pub(super) first_error: Option<RowError>,
}

impl Sample {
    /// Parts the text by the delimiter that makes the most sense of it.
    pub(super) fn of(text: &[u8], limits: FileLimits) -> Self {
        let is_void = |byte: &u8| byte.is_ascii_whitespace() || CANDIDATES.contains(byte);
        if text.iter().all(is_void) {
            return Self {
                delimiter: CANDIDATES[0],
                rows: Vec::new(),
                first_error: None,
            };
        }
        let samples = CANDIDATES.map(|delimiter| Self::with(text, delimiter, limits));
        let mut best: Option<(Merit, Self)> = None;
        for sample in samples {
            let merit = sample.merit();
            if best.as_ref().is_none_or(|(other, _)| merit > *other) {
                best = Some((merit, sample));
            }
        }
        best.map(|(_, sample)| sample).expect("there are candidates")
    }

    /// Parts the text by a delimiter that is known.
    pub(super) fn with(text: &[u8], delimiter: u8, limits: FileLimits) -> Self {
        let mut records = Records::new(text, delimiter, limits);
        let mut sample = Self {
            delimiter,
            rows: Vec::new(),
            first_error: None,
        };
        for _ in 0..SAMPLE_ROWS {
            match records.read() {
                Ok(Some(record)) if record.is_blank() => {}
                Ok(Some(record)) => {
                    sample
                        .rows
                        .push((0..record.len()).map(|n| record.text(n).into_owned()).collect());
                }
                Ok(None) => break,
                Err(error) if sample.rows.is_empty() && sample.first_error.is_none() => {
                    sample.first_error = Some(error);
                }
                // A later row that cannot be read is reported when the file itself is read.
                Err(_) => {}
            }
        }
        sample
    }

    fn merit(&self) -> Merit {
        let columns = self.rows.first().map_or(0, Vec::len);
        let share = |holds: &dyn Fn(&Vec<String>) -> bool| {
            let holding = self.rows.iter().filter(|row| holds(row)).count();
            holding * 1000 / self.rows.len().max(1)
        };
        let is_address = |cell: &String| EmailAddress::parse(cell).is_ok();
        Merit {
            with_address: share(&|row| row.iter().any(is_address)),
            parts_the_header: columns > 1,
            with_equal_length: share(&|row| row.len() == columns),
            columns,
        }
    }
}

/// How much sense a delimiter makes, the weightiest first: a wrong one leaves addresses with something else in one
/// cell, does not part the header, or parts rows differently.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Merit {
    with_address: usize,
    parts_the_header: bool,
    with_equal_length: usize,
    columns: usize,
}

/// The delimiter that a first line such as `sep=;` sets, as spreadsheets write it.
pub(super) fn directive(text: &[u8]) -> Option<u8> {
    let line = text.split(|byte| *byte == b'\n' || *byte == b'\r').next()?;
    let bare = line
        .strip_prefix(b"\"")
        .map_or(line, |rest| rest.strip_suffix(b"\"").unwrap_or(rest));
    let (name, value) = bare.split_at_checked(4)?;
    let is_directive = name.eq_ignore_ascii_case(b"sep=");
    match value {
        [delimiter] if is_directive && is_possible(*delimiter) => Some(*delimiter),
        b"\\t" if is_directive => Some(b'\t'),
        _ => None,
    }
}

fn is_possible(delimiter: u8) -> bool {
    delimiter == b'\t' || (delimiter.is_ascii_punctuation() && !b"\"@.-_+'".contains(&delimiter)) || delimiter == b' '
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read() {
        let rows: [(&[u8], Option<u8>); 9] = [
            (b"sep=;\nemail", Some(b';')),
            (b"SEP=,\r\nemail", Some(b',')),
            (b"\"sep=|\"\n", Some(b'|')),
            (b"sep=\t\n", Some(b'\t')),
            (b"sep=\\t\n", Some(b'\t')),
            (b"sep=\n", None),
            (b"sep=a\n", None),
            (b"separator;email", None),
            (b"", None),
        ];
        for (text, expected) in rows {
            assert_eq!(directive(text), expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn delimiters_are_found() {
        let rows = [
            ("email,name\na@b.co,A\n", b','),
            ("email;name\na@b.co;\"Dev, A\"\nb@b.co;Dev, B\n", b';'),
            ("email\tname, first\na@b.co\tA\n", b'\t'),
            ("name|email\nA, B|a@b.co\n", b'|'),
            ("email\na@b.co\n", b','),
            ("a@b.co\nb@b.co\n", b','),
            ("email;first,last;note\n", b';'),
            ("", b','),
        ];
        for (text, expected) in rows {
            let sample = Sample::of(text.as_bytes(), FileLimits::default());
            assert_eq!(sample.delimiter as char, expected as char, "{text:?}");
        }
    }
}
