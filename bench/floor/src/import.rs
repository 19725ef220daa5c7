//! The floor of an import: the rows that are there at its end, and nothing else.

use std::path::Path;
use std::time::Instant;

use rusqlite::{Statement, params};

use crate::database::Database;
use crate::error::at_least_one;
use crate::key::{Keys, milliseconds};
use crate::{Address, FloorError, Throughput, addresses, monotonic, rate};

/// Subscribers that share a commit, as in the comparison.
pub const ROWS_PER_COMMIT: usize = 1_000;

/// The class column: 1 is personal, 2 corporate. Job status: 1 is pending, 2 submitted.
const SCHEMA: &str = "
CREATE TABLE subscriber (
  id BLOB PRIMARY KEY, email TEXT NOT NULL, dedupe_key TEXT NOT NULL UNIQUE, class INTEGER NOT NULL,
  source TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE job (
  id BLOB PRIMARY KEY, subscriber BLOB NOT NULL, dedupe_key TEXT NOT NULL, email TEXT NOT NULL,
  status INTEGER NOT NULL, run BLOB, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX job_open ON job (dedupe_key) WHERE status IN (1, 2);
CREATE INDEX job_pending ON job (created_at, id) WHERE status = 1;
";

/// Measures an import of the first `rows` [`addresses`], every personal one with a pending job,
/// [`ROWS_PER_COMMIT`] to a durable commit. `path` must not exist yet.
///
/// # Errors
/// [`FloorError`], also when the database does not hold exactly these rows afterwards.
pub fn import_floor(path: &Path, rows: usize) -> Result<Throughput, FloorError> {
    at_least_one("rows", rows)?;
    let list: Vec<_> = addresses(rows).collect();
    let database = Database::create(path, SCHEMA)?;
    let begun = monotonic();
    let commits = import(&database, begun, &list)?;
    let speed = Throughput {
        per_second: rate(rows, begun),
        commits,
        wal_pages: database.wal_pages(),
    };
    verify(&database, rows)?;
    database.close()?;
    Ok(speed)
}

/// Writes the whole list; answers how many commits that took.
fn import(database: &Database, begun: Instant, list: &[Address]) -> Result<usize, FloorError> {
    let connection = database.connection();
    let mut writer = Writer {
        subscriber: connection.prepare("INSERT INTO subscriber VALUES (?1, ?2, ?2, ?3, 'import', ?4, ?4)")?,
        job: connection.prepare("INSERT INTO job VALUES (?1, ?2, ?3, ?3, 1, NULL, ?4, ?4)")?,
        keys: Keys::new(0x0C0D_E5ED),
        begun,
    };
    let mut commits = 0;
    for rows in list.chunks(ROWS_PER_COMMIT) {
        let transaction = connection.unchecked_transaction()?;
        for address in rows {
            writer.write(address)?;
        }
        transaction.commit()?;
        database.keep_log_short();
        commits += 1;
    }
    Ok(commits)
}

/// The two statements of an import, and what they are filled with.
struct Writer<'c> {
    subscriber: Statement<'c>,
    job: Statement<'c>,
    keys: Keys,
    begun: Instant,
}

impl Writer<'_> {
    fn write(&mut self, address: &Address) -> rusqlite::Result<()> {
        let since = monotonic().duration_since(self.begun);
        let (id, now) = (self.keys.key(since), milliseconds(since));
        let class = if address.personal { 1 } else { 2 };
        self.subscriber.execute(params![id, address.email, class, now])?;
        if address.personal {
            self.job
                .execute(params![self.keys.key(since), id, address.email, now])?;
        }
        Ok(())
    }
}

/// Counts what an import of `rows` must have left behind.
fn verify(database: &Database, rows: usize) -> Result<(), FloorError> {
    let personal = rows.div_ceil(2);
    let counts = [
        ("subscribers", "SELECT count(*) FROM subscriber", rows),
        (
            "personal subscribers",
            "SELECT count(*) FROM subscriber WHERE class = 1",
            personal,
        ),
        ("pending jobs", "SELECT count(*) FROM job WHERE status = 1", personal),
    ];
    for (what, query, expected) in counts {
        let found = database.count(query)?;
        if found != expected {
            return Err(FloorError::Miscounted { what, expected, found });
        }
    }
    Ok(())
}
