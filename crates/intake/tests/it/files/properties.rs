use std::io::{self, Read};

use lumina_intake::files::{FileError, FileLimits, FileOptions, SubscriberFile};
use proptest::prelude::*;

use super::{Outcome, drain};

/// Gives at most so many bytes at a time.
struct Dripping<'a> {
    bytes: &'a [u8],
    at_most: usize,
}

impl Read for Dripping<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.at_most.min(out.len());
        self.bytes.read(&mut out[..length])
    }
}

fn try_read(source: impl Read, options: FileOptions) -> Result<Outcome, FileError> {
    SubscriberFile::open(source, options).map(drain)
}

/// A row of a file, and what it must come out as.
#[derive(Debug, Clone)]
enum Row {
    Good { name: String },
    Bad,
    Blank,
    Gone,
}

fn row() -> impl Strategy<Value = Row> {
    prop_oneof![
        6 => "[A-Za-zäéß山 ,;\"\n]{0,12}".prop_map(|name| Row::Good { name }),
        1 => Just(Row::Bad),
        1 => Just(Row::Blank),
        1 => Just(Row::Gone),
    ]
}

fn quoted(cell: &str, delimiter: char) -> String {
    if cell.contains([delimiter, '"', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

/// Writes the rows as a file with these line ends, and what must come out of it.
fn write(rows: &[Row], delimiter: char, line_end: &str) -> (String, Outcome) {
    let mut file = format!("email{delimiter}name{delimiter}status{line_end}");
    let mut expected = Outcome::default();
    for (n, row) in rows.iter().enumerate() {
        let line = u64::try_from(file.matches('\n').count()).unwrap() + 1;
        let (email, name, status) = match row {
            Row::Good { name } => (format!("p{n}@example.com"), name.as_str(), "active"),
            Row::Bad => ("nobody".to_owned(), "", "active"),
            Row::Gone => ("gone@example.com".to_owned(), "", "unsubscribed"),
            Row::Blank => {
                file.push_str(line_end);
                continue;
            }
        };
        let cells = [&*email, name, status].map(|cell| quoted(cell, delimiter).replace('\n', line_end));
        file.push_str(&cells.join(&delimiter.to_string()));
        file.push_str(line_end);
        expected.rows += 1;
        match row {
            Row::Good { name } => {
                let name = lumina_enrichment::subscriber::tidy_name(name);
                expected.people.push((email, name));
            }
            Row::Gone => expected.skipped += 1,
            _ => expected.errors.push((line, "INVALID_EMAIL")),
        }
    }
    (file, expected)
}

/// What files are made of, whole and broken.
const PIECES: [&str; 16] = [
    "a@b.co",
    "b@b.co",
    "\"",
    "\"",
    "\"\"",
    ",",
    ",",
    ";",
    "\t",
    "\n",
    "\n",
    "\r\n",
    "é",
    "status",
    " ",
    "xxxxxxxxxxxxxxxxxxxx",
];

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..3_000)) {
        let _ = try_read(&*bytes, FileOptions::default());
    }

    #[test]
    fn nothing_that_looks_like_a_file_panics_or_depends_on_how_it_arrives(
        pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..200),
        header in prop::sample::select(vec!["", "email,name\n", "sep=;\nemail;note\n", "name|email\r\n"]),
        at_most in 1_usize..50,
        is_small in any::<bool>(),
    ) {
        let file = format!("{header}{}", pieces.concat());
        let limits = if is_small {
            FileLimits { bytes: 2_000, rows: 20, columns: 5, row_bytes: 0, cell_bytes: 0 }
        } else {
            FileLimits::default()
        };
        let options = FileOptions { limits, ..FileOptions::default() };
        let whole = try_read(file.as_bytes(), options);
        let dripped = try_read(Dripping { bytes: file.as_bytes(), at_most }, options);
        match (whole, dripped) {
            (Ok(whole), Ok(dripped)) => prop_assert_eq!(whole, dripped),
            (whole, dripped) => prop_assert_eq!(whole.map_err(|e| e.to_string()), dripped.map_err(|e| e.to_string())),
        }
    }

    #[test]
    fn what_was_written_is_read_with_its_lines(
        rows in prop::collection::vec(row(), 0..40),
        delimiter in prop::sample::select(vec![',', ';', '\t', '|']),
        line_end in prop::sample::select(vec!["\n", "\r\n"]),
        utf16 in any::<bool>(),
    ) {
        let (file, expected) = write(&rows, delimiter, line_end);
        let bytes = if utf16 {
            std::iter::once(0xfeff).chain(file.encode_utf16()).flat_map(u16::to_le_bytes).collect()
        } else {
            file.clone().into_bytes()
        };
        let outcome = try_read(&*bytes, FileOptions::default());
        prop_assert_eq!(outcome.map_err(|e| e.to_string()), Ok(expected), "{}", file);
    }

    #[test]
    fn an_unclosed_quote_anywhere_costs_one_row(count in 2_usize..200, torn in 0_usize..200) {
        let torn = torn % count;
        let row = |n: usize| {
            let quote = if n == torn { "\"" } else { "" };
            format!("{quote}p{n}@example.com,Somebody\n")
        };
        let file = format!("email,name\n{}", (0..count).map(row).collect::<String>());
        let outcome = try_read(file.as_bytes(), FileOptions::default()).unwrap();
        // The last row's quote is closed by the end of the file, with the rest of the row in one cell.
        let code = if torn == count - 1 { "INVALID_EMAIL" } else { "UNCLOSED_QUOTE" };
        prop_assert_eq!(outcome.people.len(), count - 1);
        prop_assert_eq!(outcome.errors, vec![(torn as u64 + 2, code)]);
    }
}
