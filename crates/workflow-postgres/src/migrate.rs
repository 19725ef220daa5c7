//! Schema changes: forward only, by name, one process at a time.

use sha2::{Digest, Sha256};
use tokio_postgres::error::SqlState;

use crate::column::{flag, optional_string, string};
use crate::fault::{Fault, tell};
use crate::param::params;
use crate::session::Session;

/// One schema change. It runs once per database, in a transaction with its note. What it names without a schema is in
/// the schema `lumina`.
///
/// ```
/// use lumina_workflow_postgres::Script;
/// const SCRIPTS: &[Script] = &[
///     Script { name: "0001_invoice", sql: "CREATE TABLE invoice (number bigint PRIMARY KEY)" },
///     Script { name: "0002_paid", sql: "ALTER TABLE invoice ADD COLUMN paid_at bigint" },
/// ];
/// # let _ = SCRIPTS;
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
/// An example is at [`PostgresStore`](crate::PostgresStore).
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The schema is there, and it is not ours.
    #[error(
        "the schema `lumina` of {database} belongs to some other program (it has `{table}`); name another database"
    )]
    Foreign {
        /// The database.
        database: String,
        /// One of its tables.
        table: String,
    },
    /// A newer program has been here.
    #[error("{database} was changed by a newer version of this program (`{owner}/{name}`); use that version")]
    Newer {
        /// The database.
        database: String,
        /// Whose scripts.
        owner: String,
        /// The first script that this program does not know.
        name: String,
    },
    /// A script is not the one that was applied under its name, or not in its place.
    #[error(
        "`{owner}/{name}` is not what was applied to {database}: {problem}. Released scripts are never edited or reordered"
    )]
    Changed {
        /// The database.
        database: String,
        /// Whose scripts.
        owner: String,
        /// The script.
        name: String,
        /// What differs.
        problem: &'static str,
    },
    /// A statement failed; nothing of this call was applied.
    #[error("{database}: {what} failed ({problem})")]
    Failed {
        /// The database.
        database: String,
        /// What was done.
        what: String,
        /// What the server said.
        problem: String,
    },
    /// The store was closed meanwhile.
    #[error("{database} was closed")]
    Closed {
        /// The database.
        database: String,
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

const TRACK: &str = "CREATE SCHEMA IF NOT EXISTS lumina; CREATE TABLE lumina.workflow_migration (
    owner      text   COLLATE \"C\" NOT NULL,
    place      bigint NOT NULL,
    name       text   COLLATE \"C\" NOT NULL,
    hash       text   NOT NULL,
    applied_at bigint NOT NULL,
    PRIMARY KEY (owner, place)
)";

/// One process changes a database's tables at a time; the others wait, and find it done. The settings end with the
/// transaction. Whoever waits for a table that is in use keeps everybody else from it, so nobody waits for long; and
/// whoever is stopped in the middle of it does not keep all others from starting.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL idle_in_transaction_session_timeout = '3s'; \
     SELECT pg_advisory_xact_lock(7453010365873215); SET LOCAL search_path TO lumina; SET LOCAL lock_timeout = '5s'";

/// Brings the engine's own tables up to date, in a new database or in one of ours.
pub(crate) async fn engine(db: &Session, database: &str) -> Result<(), MigrateError> {
    apply(db, database, ENGINE, ENGINE_SCRIPTS).await.map(|_| ())
}

/// Applies those of an owner's scripts that are new; answers their names.
pub(crate) async fn apply(
    db: &Session,
    database: &str,
    owner: &str,
    scripts: &[Script],
) -> Result<Vec<&'static str>, MigrateError> {
    let failed = Failing { database };
    db.begin(BEGIN)
        .await
        .map_err(failed.at("waiting for others who change its tables"))?;
    let applied = apply_in(db, database, owner, scripts).await;
    match applied {
        Ok(names) => db
            .commit(&())
            .await
            .map_err(failed.at("committing its new tables"))
            .map(|()| names),
        Err(error) => {
            db.roll_back().await;
            Err(error)
        }
    }
}

impl MigrateError {
    pub(crate) fn failed(database: &str, what: &str, fault: Fault) -> Self {
        Self::Failed {
            database: database.to_owned(),
            what: what.to_owned(),
            problem: match fault {
                Fault::Sql(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                    format!("{}; GRANT CREATE ON DATABASE lets its user", tell(&error))
                }
                Fault::Sql(error) => tell(&error),
                Fault::Overtaken => "others were faster".to_owned(),
                Fault::Lost(problem) | Fault::Broken(problem) => problem,
            },
        }
    }
}

/// Says what was done when a statement failed.
#[derive(Clone, Copy)]
struct Failing<'d> {
    database: &'d str,
}

impl<'d> Failing<'d> {
    fn at(self, what: &'d str) -> impl FnOnce(Fault) -> MigrateError + use<'d> {
        move |fault| MigrateError::failed(self.database, what, fault)
    }
}

/// Those of the engine's scripts and of this owner's that were not applied, as `owner/name`. Nothing is changed.
pub(crate) async fn missing(
    db: &Session,
    database: &str,
    owner: &str,
    scripts: &[Script],
) -> Result<Vec<String>, MigrateError> {
    let failed = Failing { database };
    let is_ours = is_ours(db, database).await?;
    let mut missing = Vec::new();
    for (owner, scripts) in [(ENGINE, ENGINE_SCRIPTS), (owner, scripts)] {
        let applied = match is_ours {
            true => read(db, owner).await,
            false => Ok(Vec::new()),
        };
        let applied = applied.map_err(failed.at("reading which scripts were applied"))?;
        check(database, owner, scripts, &applied)?;
        let new = scripts[applied.len()..].iter();
        missing.extend(new.map(|script| format!("{owner}/{}", script.name)));
    }
    Ok(missing)
}

async fn apply_in(
    db: &Session,
    database: &str,
    owner: &str,
    scripts: &[Script],
) -> Result<Vec<&'static str>, MigrateError> {
    let failed = Failing { database };
    if !is_ours(db, database).await? {
        db.batch(TRACK).await.map_err(failed.at("making its first table"))?;
    }
    let applied = read(db, owner)
        .await
        .map_err(failed.at("reading which scripts were applied"))?;
    check(database, owner, scripts, &applied)?;
    let new = &scripts[applied.len()..];
    for (place, script) in new.iter().enumerate() {
        let place = applied.len() + place + 1;
        let ran = run(db, owner, place, script).await;
        let what = format!("the script `{owner}/{}`", script.name);
        ran.map_err(|fault| MigrateError::failed(database, &what, fault))?;
    }
    Ok(new.iter().map(|script| script.name).collect())
}

/// Whether scripts were applied to it; an error when the schema belongs to somebody else.
async fn is_ours(db: &Session, database: &str) -> Result<bool, MigrateError> {
    const SQL: &str = "SELECT to_regclass('lumina.workflow_migration') IS NOT NULL, (SELECT min(c.relname::text) \
         FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = 'lumina')";
    let failed = Failing { database };
    let looked = async {
        let row = db.one(SQL, &[]).await?;
        Ok((flag(&row, 0)?, optional_string(&row, 1)?))
    };
    match looked.await.map_err(failed.at("looking at its tables"))? {
        (true, _) => Ok(true),
        (false, None) => Ok(false),
        (false, Some(table)) => Err(MigrateError::Foreign {
            database: database.to_owned(),
            table,
        }),
    }
}

async fn read(db: &Session, owner: &str) -> Result<Vec<(String, String)>, Fault> {
    const SQL: &str = "SELECT name, hash FROM lumina.workflow_migration WHERE owner = $1 ORDER BY place";
    let rows = db.query(SQL, params![owner]).await?;
    rows.iter().map(|row| Ok((string(row, 0)?, string(row, 1)?))).collect()
}

fn check(database: &str, owner: &str, scripts: &[Script], applied: &[(String, String)]) -> Result<(), MigrateError> {
    let (database, owner) = (database.to_owned(), owner.to_owned());
    let unknown = applied
        .iter()
        .find(|(name, _)| scripts.iter().all(|script| script.name != name));
    if let Some((name, _)) = unknown {
        return Err(MigrateError::Newer {
            database,
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
            database,
            owner,
            name: script.name.to_owned(),
            problem,
        });
    }
    Ok(())
}

async fn run(db: &Session, owner: &str, place: usize, script: &Script) -> Result<(), Fault> {
    const NOTE: &str = "INSERT INTO lumina.workflow_migration (owner, place, name, hash, applied_at) \
         VALUES ($1, $2, $3, $4, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)";
    db.batch(script.sql).await?;
    let place = i64::try_from(place).unwrap_or(i64::MAX);
    let hash = hash_of(script.sql);
    db.execute(NOTE, params![owner, place, script.name, hash.as_str()])
        .await?;
    Ok(())
}

/// Line ends aside, so that a checkout with other ones has the same scripts.
fn hash_of(sql: &str) -> String {
    let digest = Sha256::digest(sql.replace("\r\n", "\n"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Tells engine schemas apart.
#[cfg(feature = "testing")]
pub(crate) fn fingerprint() -> String {
    let all: Vec<&str> = ENGINE_SCRIPTS.iter().map(|script| script.sql).collect();
    hash_of(&all.concat())
}
