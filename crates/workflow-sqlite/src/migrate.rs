//! Schema changes: forward only, by name, under the write lock.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use sha2::{Digest, Sha256};

/// One schema change. It runs once per database, in a transaction with its note.
///
/// ```
/// use lumina_workflow_sqlite::Script;
/// const SCRIPTS: &[Script] = &[
///     Script { name: "0001_invoice", sql: "CREATE TABLE invoice (number INTEGER PRIMARY KEY) STRICT" },
///     Script { name: "0002_paid", sql: "ALTER TABLE invoice ADD COLUMN paid_at INTEGER" },
/// ];
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Script {
    /// Its name, such as `0002_leads`; applied in the order they are given.
    pub name: &'static str,
    /// Its statements. Never edited once released.
    pub sql: &'static str,
}

/// A database whose tables this program cannot work with, or that it could not change.
///
/// An example is at [`SqliteStore`](crate::SqliteStore).
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// There are tables in it, and none of them is ours.
    #[error("{} is a database of some other program (it has a table `{table}`); name another file", path.display())]
    Foreign {
        /// The database.
        path: PathBuf,
        /// One of its tables.
        table: String,
    },
    /// A newer program has been here.
    #[error("{} was changed by a newer version of this program (`{owner}/{name}`); use that version", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Whose scripts.
        owner: String,
        /// The first script that this program does not know.
        name: String,
    },
    /// A script is not the one that was applied under its name, or not in its place.
    #[error(
        "`{owner}/{name}` is not what was applied to {}: {problem}. Released scripts are never edited or reordered",
        path.display()
    )]
    Changed {
        /// The database.
        path: PathBuf,
        /// Whose scripts.
        owner: String,
        /// The script.
        name: String,
        /// What differs.
        problem: &'static str,
    },
    /// A statement failed; nothing of this call was applied.
    #[error("{}: {what} failed ({error})", path.display())]
    Failed {
        /// The database.
        path: PathBuf,
        /// What was done.
        what: String,
        /// What SQLite said.
        error: rusqlite::Error,
    },
    /// The store was closed meanwhile.
    #[error("{} was closed", path.display())]
    Closed {
        /// The database.
        path: PathBuf,
    },
}

const ENGINE: &str = "workflow";

const ENGINE_SCRIPTS: &[Script] = &[
    Script {
        name: "0001_engine",
        sql: include_str!("../migrations/0001_engine.sql"),
    },
    Script {
        name: "0002_control",
        sql: include_str!("../migrations/0002_control.sql"),
    },
    Script {
        name: "0003_flow",
        sql: include_str!("../migrations/0003_flow.sql"),
    },
    Script {
        name: "0004_schedules",
        sql: include_str!("../migrations/0004_schedules.sql"),
    },
    Script {
        name: "0005_history_view",
        sql: include_str!("../migrations/0005_history_view.sql"),
    },
    Script {
        name: "0006_ready_by_code",
        sql: include_str!("../migrations/0006_ready_by_code.sql"),
    },
];

const TRACK: &str = "CREATE TABLE workflow_migration (
    owner      TEXT    NOT NULL,
    place      INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    hash       TEXT    NOT NULL,
    applied_at INTEGER NOT NULL,
    PRIMARY KEY (owner, place)
) STRICT, WITHOUT ROWID";

/// Refuses a database of some other program, before anything about it is changed.
pub(crate) fn refuse_foreign(conn: &Connection, path: &Path) -> Result<(), MigrateError> {
    let failed = |error| MigrateError::Failed {
        path: path.to_owned(),
        what: "looking at its tables".to_owned(),
        error,
    };
    recognise(conn, path).map(|_| ()).map_err(|e| e.unwrap_or_else(failed))
}

/// Brings the engine's own tables up to date, in a new database or in one of ours.
pub(crate) fn engine(conn: &mut Connection, path: &Path, now: i64) -> Result<(), MigrateError> {
    apply(conn, path, now, ENGINE, ENGINE_SCRIPTS).map(|_| ())
}

/// Applies those of an owner's scripts that are new; answers their names.
pub(crate) fn apply(
    conn: &mut Connection,
    path: &Path,
    now: i64,
    owner: &str,
    scripts: &[Script],
) -> Result<Vec<&'static str>, MigrateError> {
    let failed = |what: &str| {
        let what = what.to_owned();
        move |error| MigrateError::Failed {
            path: path.to_owned(),
            what,
            error,
        }
    };
    let tx = conn
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed("taking the write lock"))?;
    let known = recognise(&tx, path).map_err(|e| e.unwrap_or_else(failed("looking at its tables")))?;
    if !known {
        tx.execute_batch(TRACK).map_err(failed("making its first table"))?;
    }
    let applied = applied(&tx, owner).map_err(failed("reading which scripts were applied"))?;
    check(path, owner, scripts, &applied)?;
    let new = &scripts[applied.len()..];
    for (place, script) in new.iter().enumerate() {
        let place = applied.len() + place + 1;
        run(&tx, owner, place, script, now).map_err(failed(&format!("the script `{owner}/{}`", script.name)))?;
    }
    tx.commit().map_err(failed("committing its new tables"))?;
    Ok(new.iter().map(|script| script.name).collect())
}

/// Which scripts a database lacks, the engine's and an owner's, as `owner/name`.
pub(crate) fn missing(
    conn: &Connection,
    path: &Path,
    owner: &str,
    scripts: &[Script],
) -> Result<Vec<String>, MigrateError> {
    let failed = |error| MigrateError::Failed {
        path: path.to_owned(),
        what: "reading which scripts were applied".to_owned(),
        error,
    };
    let known = recognise(conn, path).map_err(|e| e.unwrap_or_else(failed))?;
    let mut missing = Vec::new();
    for (owner, scripts) in [(ENGINE, ENGINE_SCRIPTS), (owner, scripts)] {
        let applied = match known {
            true => applied(conn, owner).map_err(failed)?,
            false => Vec::new(),
        };
        check(path, owner, scripts, &applied)?;
        missing.extend(
            scripts[applied.len()..]
                .iter()
                .map(|script| format!("{owner}/{}", script.name)),
        );
    }
    Ok(missing)
}

/// What SQLite said, or what is wrong with the database itself.
enum Problem {
    Sql(rusqlite::Error),
    Found(MigrateError),
}

impl Problem {
    fn unwrap_or_else(self, failed: impl FnOnce(rusqlite::Error) -> MigrateError) -> MigrateError {
        match self {
            Self::Sql(error) => failed(error),
            Self::Found(error) => error,
        }
    }
}

/// Whether scripts were applied to it; an error when it belongs to somebody else.
fn recognise(tx: &Connection, path: &Path) -> Result<bool, Problem> {
    const SQL: &str = "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         ORDER BY name = 'workflow_migration' DESC, name LIMIT 1";
    let mut statement = tx.prepare(SQL).map_err(Problem::Sql)?;
    let mut names = statement
        .query_map([], |row| row.get::<_, String>(0))
        .map_err(Problem::Sql)?;
    match names.next().transpose().map_err(Problem::Sql)? {
        None => Ok(false),
        Some(name) if name == "workflow_migration" => Ok(true),
        Some(table) => Err(Problem::Found(MigrateError::Foreign {
            path: path.to_owned(),
            table,
        })),
    }
}

fn applied(tx: &Connection, owner: &str) -> rusqlite::Result<Vec<(String, String)>> {
    const SQL: &str = "SELECT name, hash FROM workflow_migration WHERE owner = ?1 ORDER BY place";
    tx.prepare(SQL)?
        .query_map([owner], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

fn check(path: &Path, owner: &str, scripts: &[Script], applied: &[(String, String)]) -> Result<(), MigrateError> {
    let (path, owner) = (path.to_owned(), owner.to_owned());
    let unknown = applied
        .iter()
        .find(|(name, _)| scripts.iter().all(|script| script.name != name));
    if let Some((name, _)) = unknown {
        return Err(MigrateError::Newer {
            path,
            owner,
            name: name.clone(),
        });
    }
    for (script, (name, hash)) in scripts.iter().zip(applied) {
        let problem = match () {
            () if script.name != name => "another script was applied in its place",
            () if hash_of(script.sql) != *hash => "its text has changed since",
            () => continue,
        };
        return Err(MigrateError::Changed {
            path,
            owner,
            name: script.name.to_owned(),
            problem,
        });
    }
    Ok(())
}

fn run(tx: &Transaction<'_>, owner: &str, place: usize, script: &Script, now: i64) -> rusqlite::Result<()> {
    const NOTE: &str =
        "INSERT INTO workflow_migration (owner, place, name, hash, applied_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    tx.execute_batch(script.sql)?;
    let place = i64::try_from(place).unwrap_or(i64::MAX);
    tx.execute(NOTE, params![owner, place, script.name, hash_of(script.sql), now])?;
    Ok(())
}

/// Line ends aside, so that a checkout with other ones has the same scripts.
fn hash_of(sql: &str) -> String {
    let digest = Sha256::digest(sql.replace("\r\n", "\n"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
