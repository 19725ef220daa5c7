//! The file that is moved.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lumina_workflow_sqlite::{Options, Role, SqliteStore};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::{MoveError, SourceError, reading};
use super::tables::{Here, Table};
use crate::database::{SCHEMA_OWNER, file_scripts};

/// What begins the names of the triggers that keep a file closed.
const GUARD: &str = "moved_";

/// The table that says where a file's rows are: it alone can be written when it is closed.
const STAMP: &str = "stamp";

/// How long somebody who writes to the file is waited for.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// What a file says whose rows were moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Closed {
    /// What the server knows the move by.
    pub id: Uuid,
    /// The server and the database, without a password.
    pub target: String,
    pub at: Timestamp,
}

/// A file that nobody else executes or writes to.
pub(super) struct Source {
    connection: Connection,
    /// Holds the lock of the executing process.
    _store: SqliteStore,
}

impl Source {
    /// Takes it, and brings its tables up to date first.
    pub async fn open(path: &Path) -> Result<Self, MoveError> {
        if !path.is_file() {
            return Err(MoveError::NoFile(PathBuf::from(path)));
        }
        let store = SqliteStore::open(Options::new(path).role(Role::Executor)).map_err(SourceError::Open)?;
        let migrated = store.migrate(SCHEMA_OWNER, &file_scripts()).await;
        migrated.map_err(SourceError::Migrate)?;
        let connection = Connection::open(path).map_err(reading("opening it"))?;
        connection.busy_timeout(PATIENCE).map_err(reading("opening it"))?;
        connection
            .execute_batch("PRAGMA synchronous = FULL; BEGIN IMMEDIATE")
            .map_err(reading("waiting for whoever writes to it"))?;
        Ok(Self {
            connection,
            _store: store,
        })
    }

    /// Whether, and for which move, it was closed.
    pub fn closed(&self) -> Result<Option<Closed>, MoveError> {
        find_closed(&self.connection)
    }

    /// The move that closed it must be ended where it was begun.
    pub fn refuse_other_target(&self, closed: &Closed, wanted: &str) -> Result<(), MoveError> {
        match closed.target == wanted {
            true => Ok(()),
            false => Err(MoveError::Elsewhere {
                begun: closed.target.clone(),
                wanted: wanted.to_owned(),
            }),
        }
    }

    /// Takes back that it was closed, in the same transaction as all that follows.
    pub fn reopen(&self) -> Result<(), MoveError> {
        const WHAT: &str = "opening it again";
        let names = self.list_names("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name GLOB 'moved_*'")?;
        for name in names {
            let drop = format!("DROP TRIGGER {name}");
            self.connection.execute_batch(&drop).map_err(reading(WHAT))?;
        }
        let forget = "DELETE FROM stamp WHERE name = 'moved'";
        self.connection.execute(forget, []).map(drop).map_err(reading(WHAT))
    }

    /// Closes it for good, and commits that: every write is refused from here on, by whatever program.
    pub fn close(&self, closed: &Closed) -> Result<(), MoveError> {
        const WHAT: &str = "closing it";
        for table in self.tables()?.iter().filter(|table| table.name != STAMP) {
            let guards = guards(&table.name, &closed.target);
            self.connection.execute_batch(&guards).map_err(reading(WHAT))?;
        }
        let note = serde_json::to_string(closed).expect("its parts have texts");
        let insert = "INSERT INTO stamp (name, value) VALUES ('moved', ?)";
        self.connection.execute(insert, [note]).map_err(reading(WHAT))?;
        self.connection.execute_batch("COMMIT").map_err(reading(WHAT))
    }

    /// Its tables.
    pub fn tables(&self) -> Result<Vec<Here>, MoveError> {
        let names = self.list_names(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*' ORDER BY name",
        )?;
        let with_columns = |name: String| {
            let columns = self.list_names(&format!("SELECT name FROM pragma_table_info('{name}')"))?;
            Ok(Here { name, columns })
        };
        names.into_iter().map(with_columns).collect()
    }

    /// The last number that was given to an event.
    pub fn last_event(&self) -> Result<i64, MoveError> {
        let find = "SELECT max(last, 1) FROM workflow_event_seq";
        let last = self.connection.query_row(find, [], |row| row.get(0));
        last.map_err(reading("reading its last event"))
    }

    /// Every row of a table, one after the other.
    pub fn rows<'s>(&'s self, table: &'s Table) -> Result<rusqlite::Statement<'s>, MoveError> {
        let values: Vec<String> = table
            .columns
            .iter()
            .map(|(name, _)| select(&table.name, name))
            .collect();
        // Where its rows are is each side's own to say.
        let which = if table.name == STAMP {
            " WHERE name <> 'moved'"
        } else {
            ""
        };
        let sql = format!("SELECT {} FROM {}{which}", values.join(", "), table.name);
        self.connection.prepare(&sql).map_err(reading("reading its rows"))
    }

    fn list_names(&self, sql: &str) -> Result<Vec<String>, MoveError> {
        let list = || -> rusqlite::Result<Vec<String>> {
            let mut list = self.connection.prepare(sql)?;
            list.query_map([], |row| row.get(0))?.collect()
        };
        list().map_err(reading("reading its tables"))
    }
}

/// A row's values as texts.
pub(super) fn read_row(table: &Table, row: &Row<'_>) -> Result<Vec<Option<String>>, MoveError> {
    let mut values = Vec::with_capacity(table.columns.len());
    for (place, (name, kind)) in table.columns.iter().enumerate() {
        let value = row.get_ref(place).map_err(reading("reading its rows"))?;
        let column = || format!("{}.{name}", table.name);
        values.push(kind.write(&column(), value)?);
    }
    Ok(values)
}

/// What says where a file's rows are, if they were moved.
pub(super) fn find_new_place(path: &Path) -> Result<Option<String>, MoveError> {
    const WHAT: &str = "looking where its rows are";
    if !path.is_file() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(reading(WHAT))?;
    connection.busy_timeout(PATIENCE).map_err(reading(WHAT))?;
    let has_stamp = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'stamp'";
    let has_stamp = connection.prepare(has_stamp).and_then(|mut find| find.exists([]));
    match has_stamp.map_err(reading(WHAT))? {
        true => Ok(find_closed(&connection)?.map(|closed| closed.target)),
        false => Ok(None),
    }
}

fn find_closed(connection: &Connection) -> Result<Option<Closed>, MoveError> {
    let find = "SELECT value FROM stamp WHERE name = 'moved'";
    let found: Option<String> = connection
        .query_row(find, [], |row| row.get(0))
        .optional()
        .map_err(reading("looking where its rows are"))?;
    let Some(found) = found else { return Ok(None) };
    let closed = serde_json::from_str(&found).map_err(|error| SourceError::Value {
        column: "stamp.value".to_owned(),
        problem: error.to_string(),
    })?;
    Ok(Some(closed))
}

/// The triggers that refuse every write to a table.
fn guards(table: &str, target: &str) -> String {
    let told = format!("this database was moved to {target}").replace('\'', "''");
    let guard = |verb: &str| {
        format!(
            "CREATE TRIGGER {GUARD}{table}_{verb} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, '{told}'); END;"
        )
    };
    ["INSERT", "UPDATE", "DELETE"].map(guard).concat()
}

/// How a column is read. An event's target is a blob for a run and two texts for a key here, and always two texts
/// there.
fn select(table: &str, column: &str) -> String {
    let has_target = ["workflow_event_id", "workflow_inbox", "workflow_unrouted"].contains(&table);
    match column {
        "scope" if has_target => "CASE typeof(scope) WHEN 'blob' THEN 'r' ELSE 'k' || scope END".to_owned(),
        "scope_key" if has_target => {
            let part = |from: u8, many: u8| format!("substr(hex(scope), {from}, {many})");
            let parts = [part(1, 8), part(9, 4), part(13, 4), part(17, 4), part(21, 12)];
            format!(
                "CASE typeof(scope) WHEN 'blob' THEN lower({}) ELSE scope_key END",
                parts.join(" || '-' || ")
            )
        }
        column => column.to_owned(),
    }
}
