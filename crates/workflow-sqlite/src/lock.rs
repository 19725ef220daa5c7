//! One executing process per file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::options::OpenError;

/// A process id has at most ten digits; anything longer was not written by us.
const PID_LIMIT: u64 = 20;

/// Held as long as this value lives; the system lets it go when the process dies.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "the open file is the lock")] File);

/// Takes the lock of a database, or says who has it.
pub(crate) fn acquire(database: &Path) -> Result<Lock, OpenError> {
    let path = lock_path(database);
    let refuse = |error| OpenError::Lock {
        path: path.clone(),
        error,
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(refuse)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(OpenError::InUse {
                path: database.to_owned(),
                pid: holder(&mut file),
            });
        }
        Err(TryLockError::Error(error)) => return Err(refuse(error)),
    }
    sign(&mut file).map_err(refuse)?;
    Ok(Lock(file))
}

/// The process that holds the lock of a database, as far as can be told. Nobody is kept from taking it: it is only
/// tried where the process that signed it last still lives.
pub(crate) fn find_holder(database: &Path) -> Option<u32> {
    let mut file = File::open(lock_path(database)).ok()?;
    let pid: u32 = holder(&mut file).parse().ok()?;
    (is_alive(pid) && matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))).then_some(pid)
}

/// One that belongs to somebody else lives as well.
fn is_alive(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH)))
}

fn lock_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn sign(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(PID_LIMIT).read_to_string(&mut text);
    match read.ok().and_then(|_| text.trim().parse::<u32>().ok()) {
        Some(pid) => pid.to_string(),
        None => "(unknown)".to_owned(),
    }
}
