//! Reading Lumina's database from outside, beside whoever works with it.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::types::FromSql;
use rusqlite::{Connection, OpenFlags, Row};

use super::records::{Job, Known, Lead, Post, Records, Run, StoredAnswer};

/// A database, for reading alone.
#[derive(Debug)]
pub struct Database(Connection);

type Read<T> = rusqlite::Result<T>;

impl Database {
    /// Opens it.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open(path: &Path) -> Read<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(Duration::from_secs(20))?;
        Ok(Self(connection))
    }

    /// Whether buying is paused for this reason.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn is_paused_for(&self, reason: &str) -> Read<bool> {
        let mut find = self.0.prepare("SELECT 1 FROM pause WHERE reason = ?")?;
        find.exists([reason])
    }

    /// How many lookups have not ended.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn count_open(&self) -> Read<u64> {
        let sql = "SELECT count(*) FROM enrichment_job WHERE status IN ('pending', 'submitted')";
        self.0.query_row(sql, [], |row| row.get(0))
    }

    /// What is not at rest, in words: nothing when everything is.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn find_unrest(&self) -> Read<Vec<String>> {
        let mut found = self.groups(
            "SELECT count(*) || ' lookups are ' || status FROM enrichment_job
             WHERE status IN ('pending', 'submitted') GROUP BY status",
        )?;
        found.extend(self.groups(
            "SELECT count(*) || ' runs of ' || workflow || ' are ' || status FROM workflow_run
             WHERE status NOT IN ('completed', 'failed', 'cancelled')
               AND (substr(coalesce(start_key, ''), 1, 9) <> 'schedule:' OR status = 'blocked')
             GROUP BY workflow, status",
        )?);
        found.extend(self.groups(
            "SELECT count(*) || ' batches are accepted and have no answer' FROM enrichment WHERE ended_at IS NULL
             HAVING count(*) > 0",
        )?);
        found.extend(self.groups("SELECT 'paused: ' || message FROM pause")?);
        Ok(found)
    }

    /// Everything that is judged.
    ///
    /// # Errors
    /// When the database cannot be read, or does not hold what it should.
    pub fn read(&self) -> Read<Records> {
        Ok(Records {
            subscribers: self.groups("SELECT lower(email) FROM subscriber ORDER BY id")?,
            jobs: self.jobs()?,
            leads: self.leads()?.into_iter().collect(),
            posts: self.posts()?,
            known: self.known()?,
            answers: self.answers()?,
            runs: self.runs()?,
        })
    }

    fn jobs(&self) -> Read<Vec<Job>> {
        let sql = "SELECT j.id, lower(s.email), j.status, j.reason
                   FROM enrichment_job j JOIN subscriber s ON s.id = j.subscriber ORDER BY j.id";
        self.rows(sql, |row| {
            Ok(Job {
                id: id(row, 0)?,
                email: row.get(1)?,
                status: row.get(2)?,
                reason: row.get(3)?,
            })
        })
    }

    fn leads(&self) -> Read<Vec<(String, Lead)>> {
        let sql =
            "SELECT lower(s.email), l.full_name, l.linkedin_url FROM lead l JOIN subscriber s ON s.id = l.subscriber";
        self.rows(sql, |row| {
            let lead = Lead {
                full_name: row.get(1)?,
                linkedin_url: row.get(2)?,
            };
            Ok((row.get(0)?, lead))
        })
    }

    fn posts(&self) -> Read<Vec<Post>> {
        let sql =
            "SELECT run, attempt, state, posted_at, enrichment_id, jobs FROM enrichment_post ORDER BY run, attempt";
        self.rows(sql, |row| {
            Ok(Post {
                run: id(row, 0)?,
                attempt: row.get(1)?,
                state: row.get(2)?,
                posted_at: optional_time(row, 3)?,
                enrichment: row.get(4)?,
                jobs: row.get::<_, Vec<u8>>(5)?.chunks(16).map(write_id).collect(),
            })
        })
    }

    fn known(&self) -> Read<Vec<Known>> {
        self.rows(
            "SELECT id, registered_at, ended_at FROM enrichment ORDER BY registered_at",
            |row| {
                Ok(Known {
                    enrichment: row.get(0)?,
                    registered_at: time(row, 1)?,
                    ended_at: optional_time(row, 2)?,
                })
            },
        )
    }

    fn answers(&self) -> Read<Vec<StoredAnswer>> {
        let sql = "SELECT enrichment, body_hash, is_final, received_at FROM enrichment_answer ORDER BY id";
        self.rows(sql, |row| {
            Ok(StoredAnswer {
                enrichment: row.get(0)?,
                body_hash: row.get(1)?,
                is_final: row.get(2)?,
                received_at: time(row, 3)?,
            })
        })
    }

    fn runs(&self) -> Read<Vec<Run>> {
        let sql = "SELECT id, workflow, status, substr(coalesce(start_key, ''), 1, 9) = 'schedule:'
                   FROM workflow_run ORDER BY id";
        self.rows(sql, |row| {
            Ok(Run {
                id: id(row, 0)?,
                workflow: row.get(1)?,
                status: row.get(2)?,
                scheduled: row.get(3)?,
            })
        })
    }

    /// The first column of all rows.
    fn groups<T: FromSql>(&self, sql: &str) -> Read<Vec<T>> {
        self.rows(sql, |row| row.get(0))
    }

    fn rows<T>(&self, sql: &str, read: impl Fn(&Row<'_>) -> Read<T>) -> Read<Vec<T>> {
        let mut find = self.0.prepare(sql)?;
        find.query_map([], |row| read(row))?.collect()
    }
}

/// An id of 16 bytes in its lower-case hyphenated form.
fn id(row: &Row<'_>, column: usize) -> Read<String> {
    let bytes: [u8; 16] = row.get(column)?;
    Ok(write_id(&bytes))
}

fn write_id(bytes: &[u8]) -> String {
    let hex = hex::encode(bytes);
    let ends = [8, 12, 16, 20, hex.len()];
    let mut from = 0;
    let parts = ends.map(|end| &hex[std::mem::replace(&mut from, end)..end]);
    parts.join("-")
}

fn time(row: &Row<'_>, column: usize) -> Read<Timestamp> {
    let micros = row.get(column)?;
    Timestamp::from_microsecond(micros).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Integer, Box::new(error))
    })
}

fn optional_time(row: &Row<'_>, column: usize) -> Read<Option<Timestamp>> {
    let is_there = row.get::<_, Option<i64>>(column)?.is_some();
    is_there.then(|| time(row, column)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_times_are_read_as_they_are_shown() {
        let connection = Connection::open_in_memory().unwrap();
        let sql = "SELECT x'0198a1b2c3d47e5f8091a2b3c4d5e6f7', 1700000000000000, NULL";
        let read = connection.query_row(sql, [], |row| Ok((id(row, 0)?, time(row, 1)?, optional_time(row, 2)?)));
        let (id, time, nothing) = read.unwrap();
        assert_eq!(id, "0198a1b2-c3d4-7e5f-8091-a2b3c4d5e6f7");
        assert_eq!((time.to_string().as_str(), nothing), ("2023-11-14T22:13:20Z", None));
    }
}
