//! Looking into the database file from outside, beside whoever works with it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::types::FromSql;
use rusqlite::{Connection, OpenFlags, Row};

/// Runs that look addresses up, for a FROM: those of housekeeping come and go beside them.
pub const LOOKUP_RUNS: &str = "workflow_run WHERE workflow IN ('subscriber-enrichment', 'late-answer')";

/// A database file.
#[derive(Clone)]
pub struct Database(pub PathBuf);

impl Database {
    /// For reading alone.
    pub fn open(&self) -> Connection {
        self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    /// For what only a test does to a database.
    pub fn open_to_write(&self) -> Connection {
        self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    fn connect(&self, flags: OpenFlags) -> Connection {
        let connection = Connection::open_with_flags(&self.0, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).unwrap();
        connection.busy_timeout(Duration::from_secs(20)).unwrap();
        connection
    }

    pub fn rows<T>(&self, sql: &str, read: impl Fn(&Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
        let connection = self.open();
        let mut find = connection.prepare(sql).unwrap();
        let rows = find.query_map([], |row| read(row)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// The first column of all rows.
    pub fn column<T: FromSql>(&self, sql: &str) -> Vec<T> {
        self.rows(sql, |row| row.get(0))
    }

    /// The one value that a query answers.
    #[track_caller]
    pub fn value<T: FromSql>(&self, sql: &str) -> T {
        let mut values = self.column(sql);
        assert_eq!(values.len(), 1, "{sql}");
        values.remove(0)
    }

    pub fn count(&self, what: &str) -> u64 {
        self.value(&format!("SELECT count(*) FROM {what}"))
    }

    /// How many jobs have each status.
    pub fn jobs(&self) -> BTreeMap<String, u64> {
        let rows = self.rows("SELECT status, count(*) FROM enrichment_job GROUP BY status", |row| {
            Ok((row.get(0)?, row.get(1)?))
        });
        rows.into_iter().collect()
    }

    /// Jobs that have not ended.
    pub fn open_jobs(&self) -> u64 {
        self.count("enrichment_job WHERE status IN ('pending', 'submitted')")
    }

    /// Each address that has a job, with the status of its last one.
    pub fn status_by_email(&self) -> BTreeMap<String, String> {
        let sql =
            "SELECT s.email, j.status FROM enrichment_job j JOIN subscriber s ON s.id = j.subscriber ORDER BY j.id";
        self.rows(sql, |row| Ok((row.get(0)?, row.get(1)?)))
            .into_iter()
            .collect()
    }

    /// The addresses of all leads.
    pub fn leads(&self) -> Vec<String> {
        self.column("SELECT s.email FROM lead l JOIN subscriber s ON s.id = l.subscriber ORDER BY s.email")
    }

    /// Something that grows with everything that is recorded of lookups.
    pub fn changes(&self) -> u64 {
        self.value(&format!(
            "SELECT (SELECT coalesce(sum(seq), 0) FROM {LOOKUP_RUNS}) + (SELECT count(*) FROM enrichment_answer)
                  + (SELECT count(*) FROM workflow_applied)"
        ))
    }

    /// How many records of a kind a step has, in all runs.
    pub fn records(&self, step: &str, what: &str) -> u64 {
        self.count(&format!("workflow_record WHERE step = '{step}' AND what = '{what}'"))
    }

    /// The statuses of all runs of the enrichment workflow, oldest first.
    pub fn runs(&self) -> Vec<String> {
        self.column("SELECT status FROM workflow_run WHERE workflow = 'subscriber-enrichment' ORDER BY id")
    }
}
