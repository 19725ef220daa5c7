//! The file: JSON lines, only ever appended to.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::record::Record;
use crate::error::{LedgerError, OpenError};

/// The open ledger. Records are staged in memory and become durable together.
///
/// Without a file it keeps nothing: the sandbox's memory is all there is.
#[derive(Debug)]
pub(crate) struct Ledger {
    file: Option<File>,
    staged: Vec<u8>,
    failure: Option<LedgerError>,
}

impl Ledger {
    /// A ledger that is forgotten with its sandbox.
    pub(crate) fn in_memory() -> Self {
        Self {
            file: None,
            staged: Vec::new(),
            failure: None,
        }
    }

    /// Opens or creates the file, locks it, and hands every record in it to `replay`, which may object.
    pub(crate) fn open(path: &Path, mut replay: impl FnMut(Record) -> Result<(), String>) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io {
            path: path.to_path_buf(),
            source,
        };
        let mut file = open_locked(path)?;
        let whole = read_records(path, &file, &mut replay)?;
        // What follows the last newline was being written when the sandbox died. Nobody has been told of it.
        file.set_len(whole).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        sync_folder(path);
        Ok(Self {
            file: Some(file),
            staged: Vec::new(),
            failure: None,
        })
    }

    /// Takes a record up for the next [`flush`](Self::flush) or [`sync`](Self::sync).
    pub(crate) fn stage(&mut self, record: &Record) {
        if self.file.is_some() {
            serde_json::to_writer(&mut self.staged, record).expect("a record is plain data");
            self.staged.push(b'\n');
        }
    }

    /// Hands what is staged to the system: it survives the death of this process.
    pub(crate) fn flush(&mut self) -> Result<(), LedgerError> {
        self.write_out(false)
    }

    /// Makes what is staged survive the death of the machine.
    pub(crate) fn sync(&mut self) -> Result<(), LedgerError> {
        self.write_out(true)
    }

    /// Whether the ledger can still be relied upon.
    pub(crate) fn check(&self) -> Result<(), LedgerError> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// After a failed write nobody knows how much of it arrived, so the ledger is never written again.
    fn write_out(&mut self, durable: bool) -> Result<(), LedgerError> {
        self.check()?;
        let Some(file) = &mut self.file else { return Ok(()) };
        if self.staged.is_empty() {
            return Ok(());
        }
        let written = file
            .write_all(&self.staged)
            .and_then(|()| if durable { file.sync_data() } else { Ok(()) });
        self.staged.clear();
        written.map_err(|error| {
            tracing::error!(%error, "the sandbox's ledger could not be written; nothing more is accepted");
            self.failure.insert(LedgerError(error.to_string())).clone()
        })
    }
}

fn open_locked(path: &Path) -> Result<File, OpenError> {
    let path_owned = || PathBuf::from(path);
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    let file = opened.map_err(|source| OpenError::Io {
        path: path_owned(),
        source,
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Held { path: path_owned() }),
        Err(TryLockError::Error(source)) => Err(OpenError::Io {
            path: path_owned(),
            source,
        }),
    }
}

/// Replays every complete line and returns how many bytes they take.
fn read_records(
    path: &Path,
    file: &File,
    replay: &mut impl FnMut(Record) -> Result<(), String>,
) -> Result<u64, OpenError> {
    let mut reader = BufReader::new(file);
    let (mut whole, mut number, mut line) = (0, 0, Vec::new());
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line).map_err(|source| OpenError::Io {
            path: path.into(),
            source,
        })?;
        if !line.ends_with(b"\n") {
            return Ok(whole);
        }
        number += 1;
        whole += length as u64;
        let read = serde_json::from_slice(&line)
            .map_err(|error| error.to_string())
            .and_then(&mut *replay);
        read.map_err(|reason| OpenError::Corrupt {
            path: path.into(),
            line: number,
            reason,
        })?;
    }
}

/// Makes a new file's name durable, where the system knows such a thing.
fn sync_folder(path: &Path) {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let synced: io::Result<()> = File::open(folder).and_then(|folder| folder.sync_all());
    if let Err(error) = synced {
        tracing::debug!(%error, "the ledger's folder could not be synced");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_that_failed_once_is_never_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        std::fs::write(&path, "").unwrap();
        let mut ledger = Ledger {
            file: Some(File::open(&path).unwrap()),
            ..Ledger::in_memory()
        };
        let record = || Record::Credits {
            at: jiff::Timestamp::UNIX_EPOCH,
            added: 1,
        };
        ledger.stage(&record());
        assert!(ledger.sync().is_err(), "the file was opened for reading");
        ledger.file = Some(OpenOptions::new().append(true).open(&path).unwrap());
        ledger.stage(&record());
        assert!(ledger.sync().is_err() && ledger.flush().is_err());
        assert!(
            ledger
                .check()
                .unwrap_err()
                .to_string()
                .contains("start the sandbox again")
        );
        assert_eq!(
            std::fs::read(&path).unwrap(),
            b"",
            "what was lost may have been half a line"
        );
    }

    #[test]
    fn a_folder_or_a_path_that_leads_nowhere_is_no_ledger() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_path_buf(), folder.path().join("nowhere/ledger")] {
            let error = Ledger::open(&path, |_| Ok(())).expect_err("it is no file");
            assert!(
                matches!(error, OpenError::Io { .. }) && error.to_string().contains(&*path.to_string_lossy()),
                "{error}"
            );
        }
    }
}
