//! What the first bytes of a file say about all of it: another format, or text in which encoding.

use std::fmt;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// A format that is not the text of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotText {
    /// A workbook, `.xlsx`.
    Workbook,
    /// A workbook of the old format, `.xls`.
    OldWorkbook,
    /// A workbook of LibreOffice, `.ods`.
    OpenDocument,
    /// A zip archive.
    Zip,
    /// Something compressed with gzip.
    Gzip,
    /// A PDF.
    Pdf,
    /// A web page or another XML document.
    Markup,
    /// JSON.
    Json,
    /// Bytes that are no text.
    Binary,
}

impl fmt::Display for NotText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, todo) = match self {
            Self::Workbook | Self::OldWorkbook => (
                "an Excel workbook",
                "open it in Excel, save it as \"CSV UTF-8\" and import that file",
            ),
            Self::OpenDocument => (
                "an OpenDocument workbook",
                "open it, save it as CSV and import that file",
            ),
            Self::Zip => (
                "a zip archive",
                "unpack it and import the CSV file of the subscribed people in it",
            ),
            Self::Gzip => ("compressed with gzip", "unpack it and import the CSV file in it"),
            Self::Pdf => ("a PDF", "export the subscribers as CSV and import that file"),
            Self::Markup => (
                "a web page or XML",
                "if it has a name like .xls, open it and save it as CSV; else export it as CSV",
            ),
            Self::Json => ("JSON", "export the subscribers as CSV and import that file"),
            Self::Binary => ("not text", "export the subscribers as CSV and import that file"),
        };
        write!(f, "this file is {what}, not CSV: {todo}")
    }
}

/// How the bytes of a file become text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TextEncoding {
    pub(super) encoding: &'static Encoding,
    /// How many bytes at the start are a byte order mark.
    pub(super) mark_bytes: usize,
}

impl TextEncoding {
    /// Whether the bytes are taken as they are. Rows that turn out not to be UTF-8 are then read as
    /// [`FALLBACK`], because an export may have its first accent far behind the bytes that were looked at.
    pub(super) fn is_utf8(self) -> bool {
        self.encoding == UTF_8
    }
}

/// What a byte means that is not UTF-8, in a file that otherwise is.
pub(super) const FALLBACK: &Encoding = WINDOWS_1252;

/// Looks at the first bytes of a file. `is_whole` says that nothing follows.
pub(super) fn detect(opening: &[u8], is_whole: bool) -> Result<TextEncoding, NotText> {
    if let Some((encoding, mark_bytes)) = Encoding::for_bom(opening) {
        return Ok(TextEncoding { encoding, mark_bytes });
    }
    if let Some(format) = magic(opening) {
        return Err(format);
    }
    let encoding = match by_nuls(opening)? {
        Some(encoding) => encoding,
        None if is_utf8(opening, is_whole) => UTF_8,
        None => guess(opening, is_whole),
    };
    Ok(TextEncoding {
        encoding,
        mark_bytes: 0,
    })
}

/// The formats that people upload in place of CSV, by their first bytes.
fn magic(opening: &[u8]) -> Option<NotText> {
    let holds = |needle: &[u8]| opening.windows(needle.len()).any(|window| window == needle);
    match opening {
        [b'P', b'K', 3, 4, ..] if holds(b"opendocument") => Some(NotText::OpenDocument),
        [b'P', b'K', 3, 4, ..] if holds(b"[Content_Types].xml") || holds(b"xl/") => Some(NotText::Workbook),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => Some(NotText::Zip),
        [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1, ..] => Some(NotText::OldWorkbook),
        [0x1f, 0x8b, ..] => Some(NotText::Gzip),
        [b'%', b'P', b'D', b'F', b'-', ..] => Some(NotText::Pdf),
        _ => documents(opening.trim_ascii_start()),
    }
}

fn documents(text: &[u8]) -> Option<NotText> {
    let begins = |tag: &[u8]| {
        text.get(..tag.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(tag))
    };
    let tags: [&[u8]; 5] = [b"<!doctype", b"<html", b"<?xml", b"<table", b"<head"];
    if tags.into_iter().any(begins) {
        return Some(NotText::Markup);
    }
    let after = text.get(1..).unwrap_or_default().trim_ascii_start().first();
    match (text.first(), after) {
        (Some(b'{'), Some(b'"' | b'}')) | (Some(b'['), Some(b'{' | b'"' | b'[' | b']')) => Some(NotText::Json),
        _ => None,
    }
}

/// UTF-16 without a mark shows as a NUL at every other byte, because delimiters and addresses are ASCII; the
/// detector never sees it. Other NULs mean that this is no text, unless they are stray.
fn by_nuls(opening: &[u8]) -> Result<Option<&'static Encoding>, NotText> {
    let count = |first: usize| opening.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (count(0), count(1));
    let half = (opening.len() / 2).max(1);
    let (is_many, is_few) = (|nuls: usize| nuls * 10 >= half * 4, |nuls: usize| nuls * 10 < half);
    if is_many(odd) && is_few(even) {
        return Ok(Some(UTF_16LE));
    }
    if is_many(even) && is_few(odd) {
        return Ok(Some(UTF_16BE));
    }
    if (even + odd) * 1000 > opening.len() {
        Err(NotText::Binary)
    } else {
        Ok(None)
    }
}

/// Whether the bytes are UTF-8, a character cut off at the end allowed. ISO-2022-JP looks like ASCII but for its
/// escapes, so that a file with escapes goes to the detector.
fn is_utf8(opening: &[u8], is_whole: bool) -> bool {
    const ESCAPE: u8 = 0x1b;
    let is_valid = match std::str::from_utf8(opening) {
        Ok(_) => true,
        Err(error) => !is_whole && error.error_len().is_none(),
    };
    is_valid && !opening.contains(&ESCAPE)
}

fn guess(opening: &[u8], is_whole: bool) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(opening, is_whole);
    detector.guess(None, Utf8Detection::Allow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        let rows: [(&[u8], NotText); 12] = [
            (b"PK\x03\x04....[Content_Types].xml....", NotText::Workbook),
            (
                b"PK\x03\x04....mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
                NotText::OpenDocument,
            ),
            (b"PK\x03\x04....subscribed_members.csv", NotText::Zip),
            (b"PK\x05\x06....", NotText::Zip),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1....", NotText::OldWorkbook),
            (b"\x1f\x8b\x08....", NotText::Gzip),
            (b"%PDF-1.7", NotText::Pdf),
            (b"\n<!DOCTYPE html>", NotText::Markup),
            (b"<?xml version=\"1.0\"?>", NotText::Markup),
            (b"{\"email\": 1}", NotText::Json),
            (b"[ {\"email\": 1}]", NotText::Json),
            (b"a\x00\x00\x00b\x00\x00\x00\x00\x00", NotText::Binary),
        ];
        for (bytes, expected) in rows {
            assert_eq!(detect(bytes, true), Err(expected), "{bytes:?}");
        }
    }

    #[test]
    fn encodings_are_told_by_mark_by_nuls_and_by_guess() {
        let rows: [(&[u8], &Encoding, usize); 9] = [
            (b"email\nfoo@example.com", UTF_8, 0),
            (b"\xef\xbb\xbfemail", UTF_8, 3),
            (b"\xff\xfee\0m\0", UTF_16LE, 2),
            (b"\xfe\xff\0e\0m", UTF_16BE, 2),
            (b"e\0m\0a\0i\0l\0\n\0", UTF_16LE, 0),
            (b"\0e\0m\0a\0i\0l\0\n", UTF_16BE, 0),
            ("email;name\nx@y.de;Müller".as_bytes(), UTF_8, 0),
            (b"email;name\nx@y.de;M\xfcller, Stra\xdfe", WINDOWS_1252, 0),
            (b"<sarah@example.com>\n[bob@example.com]", UTF_8, 0),
        ];
        for (bytes, encoding, mark_bytes) in rows {
            assert_eq!(
                detect(bytes, true),
                Ok(TextEncoding { encoding, mark_bytes }),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn a_character_cut_off_by_the_window_is_still_utf8() {
        assert!(is_utf8(b"email M\xc3", false));
        assert!(!is_utf8(b"email M\xc3", true));
    }
}
