//! The floor of an answer: how long one small durable commit takes when nothing shares it.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, params};

use crate::database::Database;
use crate::error::at_least_one;
use crate::key::Keys;
use crate::{FloorError, monotonic};

const SCHEMA: &str = "
CREATE TABLE run (id BLOB PRIMARY KEY, epoch INTEGER NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE record (run BLOB NOT NULL, seq INTEGER NOT NULL, payload BLOB NOT NULL, PRIMARY KEY (run, seq)) WITHOUT ROWID;
";

/// How long a single durable commit takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// Half of the commits were at least this fast.
    pub p50: Duration,
    /// Ninety-nine of a hundred commits were at least this fast.
    pub p99: Duration,
}

/// Measures `commits` commits, one after the other: a fenced update of one row and one row inserted, flushed to
/// the disk each time. `path` must not exist yet.
///
/// # Errors
/// [`FloorError`], also when a fenced update changed no row.
pub fn event_floor(path: &Path, commits: usize) -> Result<Latency, FloorError> {
    at_least_one("commits", commits)?;
    let database = Database::create(path, SCHEMA)?;
    let mut times = measure(database.connection(), commits)?;
    let found = database.count("SELECT count(*) FROM record")?;
    database.close()?;
    if found != commits {
        return Err(FloorError::Miscounted {
            what: "records",
            expected: commits,
            found,
        });
    }
    times.sort_unstable();
    Ok(Latency {
        p50: quantile(&times, 50),
        p99: quantile(&times, 99),
    })
}

/// The time of each commit, in the order they were made.
fn measure(connection: &Connection, commits: usize) -> Result<Vec<Duration>, FloorError> {
    let mut keys = Keys::new(0x0E7E_4715);
    let (id, payload) = (keys.key(Duration::ZERO), keys.payload(200));
    connection.execute("INSERT INTO run VALUES (?1, 1, 0)", params![id])?;
    let mut advance = connection.prepare("UPDATE run SET seq = seq + 1 WHERE id = ?1 AND epoch = 1 AND seq = ?2")?;
    let mut record = connection.prepare("INSERT INTO record VALUES (?1, ?2, ?3)")?;
    let mut times = Vec::with_capacity(commits);
    for seq in (0_i64..).take(commits) {
        let begun = monotonic();
        let transaction = connection.unchecked_transaction()?;
        if advance.execute(params![id, seq])? != 1 {
            return Err(FloorError::Fenced { transition: "commit" });
        }
        record.execute(params![id, seq + 1, payload])?;
        transaction.commit()?;
        times.push(monotonic().duration_since(begun));
    }
    Ok(times)
}

/// The nearest-rank quantile of sorted times: the least one that `percent` in a hundred do not exceed.
fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted[rank - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_nearest_rank() {
        let table = [
            (1, 50, 1),
            (1, 99, 1),
            (2, 50, 1),
            (2, 99, 2),
            (100, 50, 50),
            (100, 99, 99),
            (101, 99, 100),
        ];
        for (length, percent, expected) in table {
            let times: Vec<_> = (1..=length).map(Duration::from_millis).collect();
            assert_eq!(
                quantile(&times, percent),
                Duration::from_millis(expected),
                "{percent} % of {length}"
            );
        }
    }
}
