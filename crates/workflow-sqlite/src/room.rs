//! Room in the file of the write-ahead log, made ahead of the commits that need it.
//!
//! Where a commit makes the file longer, its flush has to write down as well where the new blocks are and how long
//! the file is now, which takes about as long again as the flush itself. In a file that is long enough already the
//! log is only written over. What is behind the log's end counts for nothing: it carries no checksum of this log.

use std::fs::{File, OpenOptions};
use std::io::{Result, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A log that was never longer than this is left as it is: a new database's tables are in it, and most commands write
/// little.
const SMALL: u64 = 1024 * 1024;

/// Room for so much is made at least, and as soon as only half of it is left.
const LEAST: u64 = 1024 * 1024;

/// And for so much at most: the next flush writes the zeros too.
const MOST: u64 = 8 * 1024 * 1024;

/// A log begins anew at half of this or soon after. It is less than the file is cut down to when that happens.
const ENOUGH: u64 = 60 * 1024 * 1024;

pub(crate) struct Room {
    path: PathBuf,
    /// How long the file is, as far as known.
    end: u64,
}

impl Room {
    pub(crate) fn beside(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        Self {
            path: path.into(),
            end: 0,
        }
    }

    /// How long the file should be for a log of so many bytes, if it is not so long.
    pub(crate) fn wanted(&self, log: u64) -> Option<u64> {
        let wanted = (log + log.clamp(LEAST, MOST)).min(ENOUGH);
        let short = log > SMALL && log + LEAST / 2 > self.end;
        (short && wanted > self.end).then_some(wanted)
    }

    /// Makes the file so long. Nobody may be writing to it meanwhile: the caller holds the database's write lock.
    /// When there is no room on the disk, or the file cannot be written, it is not asked again for so much: commits
    /// make their own room, or say why they cannot.
    pub(crate) fn make(&mut self, wanted: u64) -> Result<()> {
        self.end = wanted;
        let mut file = OpenOptions::new().write(true).open(&self.path)?;
        let end = file.seek(SeekFrom::End(0))?;
        fill(&mut file, wanted.saturating_sub(end))
    }
}

fn fill(file: &mut File, mut bytes: u64) -> Result<()> {
    let zeros = vec![0; 64 * 1024];
    while bytes > 0 {
        let part = bytes.min(zeros.len() as u64);
        file.write_all(&zeros[..usize::try_from(part).unwrap_or(zeros.len())])?;
        bytes -= part;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small logs get no room, then ever more at once up to a limit, and none beyond the end.
    #[test]
    fn room_is_made_in_steps() {
        const MIB: u64 = 1024 * 1024;
        let rows = [
            (0, 0, None),
            (SMALL, 0, None),
            (SMALL + 1, 0, Some(2 * (SMALL + 1))),
            (2 * MIB, 3 * MIB, None),
            (3 * MIB, 3 * MIB, Some(6 * MIB)),
            (20 * MIB, 20 * MIB, Some(28 * MIB)),
            (55 * MIB, 55 * MIB, Some(ENOUGH)),
            (59 * MIB + LEAST, 60 * MIB, None),
            (70 * MIB, 60 * MIB, None),
        ];
        for (log, end, wanted) in rows {
            let room = Room {
                end,
                ..Room::beside(Path::new("lumina.db"))
            };
            assert_eq!(room.wanted(log), wanted, "a log of {log} in a file of {end}");
        }
    }

    /// What is there stays, and the file only grows.
    #[test]
    fn room_is_made_behind_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let mut room = Room::beside(&folder.path().join("lumina.db"));
        let path = folder.path().join("lumina.db-wal");
        assert!(room.make(10).is_err(), "there is no log");
        std::fs::write(&path, b"log").unwrap();
        room.make(70_000).unwrap();
        room.make(5).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!((&bytes[..3], bytes.len()), (&b"log"[..], 70_000));
        assert!(bytes[3..].iter().all(|byte| *byte == 0));
    }
}
