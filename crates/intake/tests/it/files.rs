//! Subscriber files.

mod damage;
mod encodings;
mod exports;
mod limits;
mod properties;
mod refusals;

use std::io::Read;

use lumina_intake::files::{FileOptions, SubscriberFile};

/// What came out of a file: addresses and names, and lines and codes of what is wrong.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    people: Vec<(String, Option<String>)>,
    errors: Vec<(u64, &'static str)>,
    rows: u64,
    skipped: u64,
}

impl Outcome {
    fn emails(&self) -> Vec<&str> {
        self.people.iter().map(|(email, _)| email.as_str()).collect()
    }
}

fn drain<R: Read>(mut file: SubscriberFile<R>) -> Outcome {
    let mut outcome = Outcome::default();
    for row in &mut file {
        match row {
            Ok(row) => outcome.people.push((row.email.as_str().to_owned(), row.name)),
            Err(error) => outcome.errors.push((error.line, error.code.as_str())),
        }
    }
    outcome.rows = file.rows();
    outcome.skipped = file.skipped_unsubscribed();
    outcome
}

fn read(bytes: impl AsRef<[u8]>) -> Outcome {
    drain(SubscriberFile::open(bytes.as_ref(), FileOptions::default()).unwrap())
}

fn emails(bytes: impl AsRef<[u8]>) -> Vec<String> {
    read(bytes).people.into_iter().map(|(email, _)| email).collect()
}
