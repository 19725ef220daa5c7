//! Reading Lumina's database from outside, beside whoever works with it.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

use super::cell::{Cell, Row, write_id};
use super::records::{Job, Known, Lead, Post, Records, Run, StoredAnswer};

/// A database, for reading alone.
pub struct Database(Kind);

enum Kind {
    Sqlite(Connection),
    Postgres(Runtime, Client),
}

/// Why it could not be read.
#[derive(Debug)]
pub struct Problem(pub(super) String);

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Problem {}

pub(super) type Read<T> = Result<T, Problem>;

fn told(error: impl std::fmt::Display) -> Problem {
    Problem(error.to_string())
}

impl Database {
    /// Opens a file.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open_file(path: &Path) -> Read<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(told)?;
        connection.busy_timeout(Duration::from_secs(20)).map_err(told)?;
        Ok(Self(Kind::Sqlite(connection)))
    }

    /// Opens a database on a server.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub fn open_server(address: &str) -> Read<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(told)?;
        let mut config: tokio_postgres::Config = address.parse().map_err(told)?;
        config.application_name("chaos").options("-c search_path=lumina");
        let (client, line) = runtime.block_on(config.connect(NoTls)).map_err(told)?;
        runtime.spawn(async move { drop(line.await) });
        Ok(Self(Kind::Postgres(runtime, client)))
    }

    /// Whether buying is paused for this reason.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn is_paused_for(&self, reason: &str) -> Read<bool> {
        let reasons = self.texts("SELECT reason FROM pause")?;
        Ok(reasons.iter().any(|known| known == reason))
    }

    /// How many lookups have not ended.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn count_open(&self) -> Read<u64> {
        let sql = "SELECT count(*) FROM enrichment_job WHERE status IN ('pending', 'submitted')";
        let counted = self.rows(sql, |row| row.count(0))?;
        Ok(counted.into_iter().next().unwrap_or_default())
    }

    /// What is not at rest, in words: nothing when everything is.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn find_unrest(&self) -> Read<Vec<String>> {
        let mut found = self.texts(
            "SELECT count(*) || ' lookups are ' || status FROM enrichment_job
             WHERE status IN ('pending', 'submitted') GROUP BY status",
        )?;
        found.extend(self.texts(
            "SELECT count(*) || ' runs of ' || workflow || ' are ' || status FROM workflow_run
             WHERE status NOT IN ('completed', 'failed', 'cancelled')
               AND (substr(coalesce(start_key, ''), 1, 9) <> 'schedule:' OR status = 'blocked')
             GROUP BY workflow, status",
        )?);
        found.extend(self.texts(
            "SELECT count(*) || ' batches are accepted and have no answer' FROM enrichment WHERE ended_at IS NULL
             HAVING count(*) > 0",
        )?);
        found.extend(self.texts("SELECT 'paused: ' || message FROM pause")?);
        Ok(found)
    }

    /// Everything that is judged.
    ///
    /// # Errors
    /// When the database cannot be read, or does not hold what it should.
    pub fn read(&self) -> Read<Records> {
        Ok(Records {
            subscribers: self.texts("SELECT lower(email) FROM subscriber ORDER BY id")?,
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
                id: row.id(0)?,
                email: row.text(1)?,
                status: row.text(2)?,
                reason: row.optional_text(3)?,
            })
        })
    }

    fn leads(&self) -> Read<Vec<(String, Lead)>> {
        let sql =
            "SELECT lower(s.email), l.full_name, l.linkedin_url FROM lead l JOIN subscriber s ON s.id = l.subscriber";
        self.rows(sql, |row| {
            let lead = Lead {
                full_name: row.optional_text(1)?,
                linkedin_url: row.optional_text(2)?,
            };
            Ok((row.text(0)?, lead))
        })
    }

    fn posts(&self) -> Read<Vec<Post>> {
        let sql =
            "SELECT run, attempt, state, posted_at, enrichment_id, jobs FROM enrichment_post ORDER BY run, attempt";
        self.rows(sql, |row| {
            Ok(Post {
                run: row.id(0)?,
                attempt: u32::try_from(row.int(1)?).map_err(told)?,
                state: row.text(2)?,
                posted_at: row.optional_time(3)?,
                enrichment: row.optional_text(4)?,
                jobs: row.bytes(5)?.chunks(16).map(write_id).collect(),
            })
        })
    }

    fn known(&self) -> Read<Vec<Known>> {
        self.rows(
            "SELECT id, registered_at, ended_at FROM enrichment ORDER BY registered_at",
            |row| {
                Ok(Known {
                    enrichment: row.text(0)?,
                    registered_at: row.time(1)?,
                    ended_at: row.optional_time(2)?,
                })
            },
        )
    }

    fn answers(&self) -> Read<Vec<StoredAnswer>> {
        let sql = "SELECT enrichment, body_hash, is_final, received_at FROM enrichment_answer ORDER BY id";
        self.rows(sql, |row| {
            Ok(StoredAnswer {
                enrichment: row.text(0)?,
                body_hash: row.text(1)?,
                is_final: row.flag(2)?,
                received_at: row.time(3)?,
            })
        })
    }

    fn runs(&self) -> Read<Vec<Run>> {
        let sql = "SELECT id, workflow, status, substr(coalesce(start_key, ''), 1, 9) = 'schedule:'
                   FROM workflow_run ORDER BY id";
        self.rows(sql, |row| {
            Ok(Run {
                id: row.id(0)?,
                workflow: row.text(1)?,
                status: row.text(2)?,
                scheduled: row.flag(3)?,
            })
        })
    }

    /// Which process has a run, by its number on its machine.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn find_process(&self, run: &str) -> Read<Option<u32>> {
        let all = self.rows(
            "SELECT r.id, w.pid FROM workflow_run r JOIN worker w ON w.id = r.worker",
            |row| Ok((row.id(0)?, row.count(1)?)),
        )?;
        let found = all.into_iter().find(|(id, _)| id == run);
        Ok(found.and_then(|(_, pid)| u32::try_from(pid).ok()))
    }

    /// The processes that execute runs, by their numbers on this machine.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn list_processes(&self) -> Read<Vec<u32>> {
        self.rows("SELECT pid FROM worker", |row| {
            u32::try_from(row.count(0)?).map_err(told)
        })
    }

    /// Cuts connections of Lumina's to a server, each with a chance of one in two; answers how many.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub fn cut_lines(&self) -> Read<u64> {
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE application_name LIKE 'lumina%' AND random() < 0.5";
        let cut = self.rows(sql, |row| row.count(0))?;
        Ok(cut.into_iter().next().unwrap_or_default())
    }

    /// The first column of all rows.
    fn texts(&self, sql: &str) -> Read<Vec<String>> {
        self.rows(sql, |row| row.text(0))
    }

    fn rows<T>(&self, sql: &str, read: impl Fn(&Row) -> Read<T>) -> Read<Vec<T>> {
        let rows = match &self.0 {
            Kind::Sqlite(connection) => rows_of_file(connection, sql).map_err(told)?,
            Kind::Postgres(runtime, client) => {
                let rows = runtime.block_on(client.query(sql, &[])).map_err(told)?;
                let cells = |row: &tokio_postgres::Row| (0..row.len()).map(|column| row.try_get(column)).collect();
                let rows: Result<Vec<Vec<Cell>>, _> = rows.iter().map(cells).collect();
                rows.map_err(told)?
            }
        };
        rows.into_iter().map(|cells| read(&Row(cells))).collect()
    }
}

fn rows_of_file(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<Vec<Cell>>> {
    let mut find = connection.prepare(sql)?;
    let columns = find.column_count();
    let cells = |row: &rusqlite::Row<'_>| (0..columns).map(|column| Ok(row.get_ref(column)?.into())).collect();
    find.query_map([], cells)?.collect()
}
