//! The database's files: how large they are, and how much room there is.

use std::path::Path;

use super::report::Check;

/// Some thousand batches with their answers.
const LITTLE: u64 = 1024 * MIB;

/// The write-ahead log alone may take this much.
const TOO_LITTLE: u64 = 128 * MIB;

const MIB: u64 = 1024 * 1024;

/// How large the file and its log are, in words.
pub(super) fn describe(path: &Path) -> String {
    let log = size(&with_ending(path, "-wal")).map_or_else(String::new, |bytes| format!(", log {}", in_words(bytes)));
    let file = size(path).map_or_else(|| "size not known".to_owned(), in_words);
    format!("{} ({file}{log})", path.display())
}

fn size(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|metadata| metadata.len())
}

fn with_ending(path: &Path, ending: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The room on the disk that the file is on.
pub(super) fn check_room(path: &Path) -> Check {
    const NAME: &str = "disk";
    let room = match rustix::fs::statvfs(path) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => return Check::unknown(NAME, format!("its free space is not known: {error}")),
    };
    let told = format!("{} free", in_words(room));
    let command = format!("df -h {}", path.display());
    match room {
        room if room < TOO_LITTLE => Check::problem(NAME, format!("{told}: what comes in is refused when it is full"))
            .next(command, "which disk it is"),
        room if room < LITTLE => Check::warning(NAME, told).next(command, "which disk it is"),
        _ => Check::ok(NAME, told),
    }
}

/// In the largest unit that leaves a whole part, with one decimal.
fn in_words(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.into_iter().find(|(size, _)| bytes >= *size);
    unit.map_or_else(
        || format!("{bytes} bytes"),
        |(size, name)| format!("{:.1} {name}", bytes as f64 / size as f64),
    )
}
