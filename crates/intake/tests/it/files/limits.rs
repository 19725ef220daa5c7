use std::io::{self, Read};

use lumina_intake::files::{FileLimits, FileOptions, SubscriberFile};

use super::{Outcome, drain};

fn read_within(limits: FileLimits, file: &str) -> Outcome {
    let options = FileOptions {
        limits,
        ..FileOptions::default()
    };
    drain(SubscriberFile::open(file.as_bytes(), options).unwrap())
}

fn table(rows: usize) -> String {
    let rows: String = (0..rows).map(|n| format!("person{n}@example.com,Somebody\n")).collect();
    format!("email,name\n{rows}")
}

#[test]
fn rows_are_counted_up_to_the_limit() {
    let limits = FileLimits {
        rows: 10,
        ..FileLimits::default()
    };
    assert_eq!(read_within(limits, &table(10)).errors, []);
    let outcome = read_within(limits, &table(12));
    assert_eq!((outcome.people.len(), outcome.rows), (10, 10));
    assert_eq!(outcome.errors, [(12, "TOO_MANY_ROWS")]);
}

#[test]
fn bytes_are_counted_up_to_the_limit() {
    let file = table(10_000);
    let bytes = u64::try_from(file.len()).unwrap();
    let limits = |bytes| FileLimits {
        bytes,
        ..FileLimits::default()
    };
    assert_eq!(read_within(limits(bytes), &file).people.len(), 10_000);
    let outcome = read_within(limits(bytes - 1), &file);
    assert_eq!(outcome.errors.len(), 1);
    assert_eq!(outcome.errors[0].1, "FILE_TOO_LARGE");
}

#[test]
fn long_cells_and_rows_are_left_out() {
    let limits = FileLimits {
        cell_bytes: 2_000,
        row_bytes: 4_000,
        ..FileLimits::default()
    };
    let cell = |length: usize| "x".repeat(length);
    let file = format!(
        "email,a,b\na@b.co,{},\nb@b.co,{},\nc@b.co,{},{}\nd@b.co,\"{}\n{}\",\ne@b.co,{},{}\n",
        cell(2_000),
        cell(2_001),
        cell(1_900),
        cell(1_900),
        cell(1_500),
        cell(1_500),
        cell(300_000),
        cell(300_000),
    );
    let outcome = read_within(limits, &format!("{file}z@b.co,,\n"));
    assert_eq!(outcome.emails(), ["a@b.co", "c@b.co", "z@b.co"]);
    assert_eq!(
        outcome.errors,
        [(3, "ROW_TOO_LONG"), (5, "ROW_TOO_LONG"), (7, "ROW_TOO_LONG")]
    );
}

#[test]
fn a_line_without_end_is_passed_over() {
    let file = format!("email\n{}\nz@b.co\n", "x".repeat(3_000_000));
    let outcome = read_within(FileLimits::default(), &file);
    assert_eq!(outcome.emails(), ["z@b.co"]);
    assert_eq!(outcome.errors, [(2, "ROW_TOO_LONG")]);
}

#[test]
fn columns_are_counted_up_to_the_limit() {
    let limits = FileLimits {
        columns: 4,
        ..FileLimits::default()
    };
    let file = "email,b,c,d\na@b.co,1,2,3\nb@b.co,1,2,3,4\n,,,,,,,\nc@b.co,1,2,3\n";
    let outcome = read_within(limits, file);
    assert_eq!(outcome.emails(), ["a@b.co", "c@b.co"]);
    assert_eq!(outcome.errors, [(3, "TOO_MANY_COLUMNS"), (4, "TOO_MANY_COLUMNS")]);
}

#[test]
fn limits_too_small_to_work_are_put_right() {
    let limits = FileLimits {
        columns: 0,
        row_bytes: 0,
        cell_bytes: 0,
        ..FileLimits::default()
    };
    assert_eq!(read_within(limits, "a@b.co\nb@b.co\n").emails(), ["a@b.co", "b@b.co"]);
}

/// Gives its bytes in pieces, is interrupted before each, and fails when they are used up.
struct Failing<'a> {
    bytes: &'a [u8],
    interrupted: bool,
}

impl Read for Failing<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if self.bytes.is_empty() {
            return Err(io::Error::other("the disk is gone"));
        }
        let length = out.len().min(777);
        (&mut self.bytes).take(length as u64).read(out)
    }
}

#[test]
fn a_failing_disk_ends_reading_and_loses_nothing_before() {
    let file = table(10_000);
    let source = Failing {
        bytes: file.as_bytes(),
        interrupted: false,
    };
    let mut file = SubscriberFile::open(source, FileOptions::default()).unwrap();
    let rows = (&mut file).take_while(Result::is_ok).count();
    assert_eq!(rows, 10_000);
    assert!(file.next().is_none(), "nothing comes after the end of reading");
}

#[test]
fn a_disk_that_fails_at_once_is_told() {
    let source = Failing {
        bytes: b"email\n",
        interrupted: false,
    };
    let error = SubscriberFile::open(source, FileOptions::default()).unwrap_err();
    assert_eq!(error.code(), "READ_FAILED");
    assert!(error.to_string().contains("the disk is gone"));
}
