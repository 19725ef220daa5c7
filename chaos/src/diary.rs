//! What happens in a run, with the time since its beginning: on the terminal, and in the run's folder.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::clock::monotonic;

/// A run's diary.
#[derive(Debug)]
pub struct Diary {
    began: Instant,
    file: Mutex<File>,
}

impl Diary {
    /// Begins one.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub fn begin(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(Self {
            began: monotonic(),
            file: Mutex::new(file),
        })
    }

    /// Writes a line into the file.
    pub fn note(&self, what: &str) {
        let line = format!(
            "{:8.3} {} {what}\n",
            self.began.elapsed().as_secs_f64(),
            crate::clock::now()
        );
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // A diary that cannot be written is no reason to end a run.
        let _ = file.write_all(line.as_bytes());
    }

    /// Writes a line into the file, and shows it.
    pub fn tell(&self, what: &str) {
        self.note(what);
        eprintln!("{:6.1} s  {what}", self.began.elapsed().as_secs_f64());
    }
}
