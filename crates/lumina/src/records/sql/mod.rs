//! The rules of the records: functions over a [`Db`](super::db::Db), the same for every database. One file per concern;
//! each statement stands beside what it is for.

use jiff::Timestamp;
use uuid::Uuid;

mod answers;
mod applying;
mod asking;
mod batches;
mod calls;
mod checkup;
mod decisions;
mod deliveries;
mod intake;
mod jobs;
mod leads;
mod ledger;
mod money;
mod open_batch;
mod packing;
mod pauses;
mod places;
mod posts;
mod reads;
mod replays;
mod resends;
mod sent;
mod settling;
mod signs;
mod stamp;
mod subscribers;
mod sweep;
mod unapplied;
mod workers;

pub use answers::PackedAnswer;
pub(super) use checkup::check_up;
pub use sweep::{Sweep, Swept};

fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// A duration in microseconds, as far as a column can hold it.
fn span(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The ids of a batch's jobs, one after the other.
fn pack_jobs(jobs: &[Uuid]) -> Vec<u8> {
    jobs.iter().flat_map(|job| *job.as_bytes()).collect()
}

fn unpack_jobs(packed: &[u8]) -> Vec<Uuid> {
    packed
        .chunks_exact(16)
        .map(|id| Uuid::from_slice(id).expect("a chunk of 16 bytes is an id"))
        .collect()
}
