//! The server's database that it is moved to.

use bytes::Bytes;
use futures_util::{SinkExt, TryStreamExt, pin_mut};
use lumina_workflow_postgres::tokio_postgres::{Client, NoTls, Row};
use lumina_workflow_postgres::{Options, PostgresStore};

use super::column::{show_key, write_line};
use super::error::{MoveError, on_server, reading, tell};
use super::source::{Closed, Source, read_row};
use super::tables::{Table, There};
use crate::database::{SCHEMA_OWNER, server_scripts};

/// So much is sent at a time.
const CHUNK: usize = 256 * 1024;

/// So many rows are read back at a time, or as many as have so many bytes.
const ROWS: usize = 1_000;
const BYTES: usize = 4 * 1024 * 1024;

/// A database of a server, in the one transaction of the move.
pub(super) struct Target {
    client: Client,
    name: String,
}

impl Target {
    /// Connects, and makes its tables.
    pub async fn open(options: Options) -> Result<Self, MoveError> {
        let failed = |error: &dyn std::fmt::Display| MoveError::Open(error.to_string());
        let (config, name) = (options.config.clone(), options.name());
        let store = PostgresStore::open(options).await.map_err(|error| failed(&error))?;
        let migrated = store.migrate(SCHEMA_OWNER, &server_scripts()).await;
        store.close().await;
        migrated.map_err(|error| failed(&error))?;
        let (client, connection) = config.connect(NoTls).await.map_err(on_server("connecting"))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection to the server has ended");
            }
        });
        let begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
             SET LOCAL bytea_output = 'hex'; SET LOCAL search_path TO lumina; SET LOCAL lock_timeout = '30s'";
        client.batch_execute(begin).await.map_err(on_server("beginning"))?;
        Ok(Self { client, name })
    }

    /// The server and the database, without a password.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this move was committed here.
    pub async fn holds(&self, closed: &Closed) -> Result<bool, MoveError> {
        let find = "SELECT 1 FROM stamp WHERE name = 'moved_from' AND value = $1";
        let found = self.client.query_opt(find, &[&closed.id.to_string()]).await;
        Ok(found.map_err(on_server("looking for an earlier move"))?.is_some())
    }

    /// Its tables.
    pub async fn tables(&self) -> Result<Vec<There>, MoveError> {
        const TABLES: &str = "SELECT c.table_name::text, c.column_name::text, c.data_type::text,
                 EXISTS (SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
                         WHERE i.indisprimary AND i.indrelid = t.oid AND a.attname = c.column_name)
             FROM information_schema.columns c
             JOIN pg_class t ON t.relname = c.table_name AND t.relkind = 'r' AND t.relnamespace = 'lumina'::regnamespace
             WHERE c.table_schema = 'lumina' ORDER BY c.table_name, c.ordinal_position";
        let rows = self
            .client
            .query(TABLES, &[])
            .await
            .map_err(on_server("reading its tables"))?;
        let mut tables: Vec<There> = Vec::new();
        for row in &rows {
            add_column(&mut tables, row);
        }
        Ok(tables)
    }

    /// Keeps everybody else from writing to these tables, and looks whether all are empty.
    pub async fn take(&self, tables: &[Table]) -> Result<(), MoveError> {
        for table in tables {
            let lock = format!("LOCK TABLE {} IN EXCLUSIVE MODE", table.name);
            let what = format!("waiting for whoever writes to {}", table.name);
            self.client.batch_execute(&lock).await.map_err(on_server(what))?;
        }
        for table in tables {
            let rows = self.count(table).await?;
            if rows > 0 {
                return Err(MoveError::NotEmpty {
                    target: self.name.clone(),
                    table: table.name.clone(),
                    rows,
                });
            }
        }
        Ok(())
    }

    /// Sends all rows of a table; answers how many.
    pub async fn copy(&self, table: &Table, source: &Source) -> Result<u64, MoveError> {
        let what = || format!("copying {}", table.name);
        let sql = format!("COPY {} ({}) FROM STDIN", table.name, table.list());
        let sink = self.client.copy_in::<_, Bytes>(&sql).await.map_err(on_server(what()))?;
        pin_mut!(sink);
        let mut statement = source.rows(table)?;
        let mut rows = statement.query([]).map_err(reading("reading its rows"))?;
        let mut lines = String::new();
        while let Some(row) = rows.next().map_err(reading("reading its rows"))? {
            write_line(&read_row(table, row)?, &mut lines);
            if lines.len() >= CHUNK {
                let chunk = Bytes::from(std::mem::take(&mut lines));
                sink.send(chunk).await.map_err(on_server(what()))?;
            }
        }
        sink.send(Bytes::from(lines)).await.map_err(on_server(what()))?;
        sink.finish().await.map_err(on_server(what()))
    }

    /// Reads every row back by its key, and looks whether it is the same; and that there are no others.
    pub async fn compare(&self, table: &Table, source: &Source, copied: u64) -> Result<(), MoveError> {
        let sql = read_back(table);
        let mut statement = source.rows(table)?;
        let mut rows = statement.query([]).map_err(reading("reading its rows"))?;
        let (mut batch, mut bytes, mut read) = (Vec::new(), 0, 0);
        while let Some(row) = rows.next().map_err(reading("reading its rows"))? {
            let row = read_row(table, row)?;
            bytes += row.iter().flatten().map(String::len).sum::<usize>();
            batch.push(row);
            read += 1;
            if batch.len() >= ROWS || bytes >= BYTES {
                self.compare_batch(table, &sql, &batch).await?;
                batch.clear();
                bytes = 0;
            }
        }
        self.compare_batch(table, &sql, &batch).await?;
        let found = self.count(table).await?;
        match found == read && read == copied {
            true => Ok(()),
            false => Err(MoveError::Differs {
                table: table.name.clone(),
                key: "count".to_owned(),
                difference: format!("{read} rows here, {copied} were sent, {found} are there"),
            }),
        }
    }

    async fn compare_batch(&self, table: &Table, sql: &str, batch: &[Vec<Option<String>>]) -> Result<(), MoveError> {
        let keys: Vec<Vec<&Option<String>>> = table
            .key
            .iter()
            .map(|place| batch.iter().map(|row| &row[*place]).collect())
            .collect();
        let params = keys
            .iter()
            .map(|column| column as &(dyn lumina_workflow_postgres::tokio_postgres::types::ToSql + Sync));
        let found = self.client.query_raw(sql, params).await;
        let found = found.map_err(on_server(format!("reading {} back", table.name)))?;
        pin_mut!(found);
        let mut equal = 0;
        while let Some(row) = found
            .try_next()
            .await
            .map_err(on_server(format!("reading {} back", table.name)))?
        {
            compare_row(table, batch, &row)?;
            equal += 1;
        }
        match equal == batch.len() {
            true => Ok(()),
            false => Err(MoveError::Differs {
                table: table.name.clone(),
                key: format!("one of {}", batch.len()),
                difference: format!("{equal} were found"),
            }),
        }
    }

    /// What draws numbers goes on behind those that are there.
    pub async fn set_sequences(&self, last_event: i64) -> Result<(), MoveError> {
        let set = "SELECT setval('workflow_event_seq', $1), \
             setval(pg_get_serial_sequence('rejected_delivery', 'seq'), \
                 (SELECT coalesce(max(seq), 0) + 1 FROM rejected_delivery), false)";
        let set = self.client.query_one(set, &[&last_event]).await;
        set.map(drop).map_err(on_server("setting its sequences"))
    }

    /// Notes which move it is that put the rows here.
    pub async fn sign(&self, closed: &Closed) -> Result<(), MoveError> {
        let sign = "INSERT INTO stamp (name, value) VALUES ('moved_from', $1)";
        let signed = self.client.execute(sign, &[&closed.id.to_string()]).await;
        signed.map_err(on_server("noting the move"))?;
        // So that the first plans know how many rows there are.
        self.client
            .batch_execute("ANALYZE")
            .await
            .map_err(on_server("looking at the new rows"))
    }

    /// Commits all of it.
    pub async fn commit(&self) -> Result<(), MoveError> {
        let committed = self.client.batch_execute("COMMIT").await;
        committed.map_err(|error| MoveError::Unknown(tell(&error)))
    }

    async fn count(&self, table: &Table) -> Result<u64, MoveError> {
        let count = format!("SELECT count(*) FROM {}", table.name);
        let row = self.client.query_one(&count, &[]).await;
        let row = row.map_err(on_server(format!("counting {}", table.name)))?;
        Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or_default())
    }
}

fn add_column(tables: &mut Vec<There>, row: &Row) {
    let (table, column, is_key): (String, String, bool) = (row.get(0), row.get(1), row.get(3));
    if tables.last().is_none_or(|last| last.name != table) {
        tables.push(There {
            name: table,
            columns: Vec::new(),
            key: Vec::new(),
        });
    }
    let last = tables.last_mut().expect("it was pushed if there was none");
    if is_key {
        last.key.push(column.clone());
    }
    last.columns.push((column, row.get(2)));
}

/// Finds rows by their keys, given as texts; first of each is its number.
fn read_back(table: &Table) -> String {
    let numbers = 1..=table.key.len();
    let given: Vec<String> = numbers.clone().map(|number| format!("${number}::text[]")).collect();
    let named: Vec<String> = numbers.map(|number| format!("k{number}")).collect();
    let equal: Vec<String> = (1..)
        .zip(&table.key)
        .map(|(number, place)| {
            let (column, kind) = &table.columns[*place];
            format!("t.{column} = k.k{number}::{}", kind.name())
        })
        .collect();
    let values: Vec<String> = table
        .columns
        .iter()
        .map(|(name, _)| format!("t.{name}::text"))
        .collect();
    format!(
        "SELECT k.number, {} FROM unnest({}) WITH ORDINALITY AS k ({}, number) JOIN {} t ON {}",
        values.join(", "),
        given.join(", "),
        named.join(", "),
        table.name,
        equal.join(" AND ")
    )
}

fn compare_row(table: &Table, batch: &[Vec<Option<String>>], found: &Row) -> Result<(), MoveError> {
    let number: i64 = found.get(0);
    let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    let wanted = place
        .and_then(|place| batch.get(place))
        .expect("it is the number of one of them");
    for (place, (column, _)) in table.columns.iter().enumerate() {
        let there: Option<&str> = found.get(place + 1);
        if there != wanted[place].as_deref() {
            return Err(MoveError::Differs {
                table: table.name.clone(),
                key: show_key(wanted, &table.key),
                difference: format!("its {column}"),
            });
        }
    }
    Ok(())
}
