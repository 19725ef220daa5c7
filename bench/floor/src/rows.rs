//! The floor of a whole pipeline: the rows that it left behind, written alone.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use crate::database::Database;
use crate::{FloorError, Throughput, monotonic, rate};

/// Rows that share a commit.
const ROWS_PER_COMMIT: usize = 1_000;

/// The rows of one table, in the order of its key.
struct Table {
    name: String,
    rows: Vec<Vec<Value>>,
}

/// Measures how long the rows of the database at `source` take when nothing is done but to write them: into the same
/// tables with the same indices, each row once, as it is in the end, table by table in the order of the tables' keys,
/// a thousand to a durable commit. They are read before, so the reading is not measured. Answers units a
/// second, of which the rows stand for `units`. `path` must not exist yet.
///
/// # Errors
/// [`FloorError`], also when the database does not hold exactly these rows afterwards.
pub fn rows_floor(path: &Path, source: &Path, units: usize) -> Result<Throughput, FloorError> {
    crate::error::at_least_one("units", units)?;
    let (schema, tables) = read(source)?;
    let database = Database::create(path, &schema)?;
    let begun = monotonic();
    let mut commits = 0;
    for table in &tables {
        commits += write(&database, table)?;
    }
    let speed = Throughput {
        per_second: rate(units, begun),
        commits,
        wal_pages: database.wal_pages(),
    };
    verify(&database, &tables)?;
    database.close()?;
    Ok(speed)
}

/// What makes the tables and indices, and what is in them.
fn read(source: &Path) -> Result<(String, Vec<Table>), FloorError> {
    let connection = Connection::open_with_flags(source, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    // Tables go before the indices on them.
    let made = list(
        &connection,
        "SELECT sql FROM sqlite_schema WHERE type IN ('table', 'index') AND sql IS NOT NULL
         AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY type = 'index', rowid",
    )?;
    let names = list(
        &connection,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY rowid",
    )?;
    let tables = names.into_iter().map(|name| read_table(&connection, name));
    Ok((made.join(";\n") + ";", tables.collect::<Result<_, _>>()?))
}

fn list(connection: &Connection, query: &str) -> Result<Vec<String>, FloorError> {
    let mut statement = connection.prepare(query)?;
    let texts = statement.query_map([], |row| row.get(0))?;
    Ok(texts.collect::<rusqlite::Result<_>>()?)
}

/// A scan of a table is in the order of its key.
fn read_table(connection: &Connection, name: String) -> Result<Table, FloorError> {
    let mut statement = connection.prepare(&format!("SELECT * FROM \"{name}\" NOT INDEXED"))?;
    let columns = statement.column_count();
    let read = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column)).collect();
    let rows = statement
        .query_map([], read)?
        .collect::<rusqlite::Result<Vec<Vec<Value>>>>()?;
    Ok(Table { name, rows })
}

/// Writes a table's rows; answers how many commits that took.
fn write(database: &Database, table: &Table) -> Result<usize, FloorError> {
    let connection = database.connection();
    let Some(columns) = table.rows.first().map(Vec::len) else {
        return Ok(0);
    };
    let marks = vec!["?"; columns].join(", ");
    let mut insert = connection.prepare(&format!("INSERT INTO \"{}\" VALUES ({marks})", table.name))?;
    let mut commits = 0;
    for rows in table.rows.chunks(ROWS_PER_COMMIT) {
        let transaction = connection.unchecked_transaction()?;
        for row in rows {
            insert.execute(params_from_iter(row))?;
        }
        transaction.commit()?;
        database.keep_log_short();
        commits += 1;
    }
    Ok(commits)
}

fn verify(database: &Database, tables: &[Table]) -> Result<(), FloorError> {
    for table in tables {
        let found = database.count(&format!("SELECT count(*) FROM \"{}\"", table.name))?;
        if found != table.rows.len() {
            return Err(FloorError::Miscounted {
                what: "rows of one of the tables",
                expected: table.rows.len(),
                found,
            });
        }
    }
    Ok(())
}
