//! The records on SQLite.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use lumina_workflow::store::{Delivery, NewRun, Outcome, RunStatus};
use lumina_workflow::{NewEvent, RunId};
use lumina_workflow_sqlite::AttachError;
use rusqlite::{Connection, params_from_iter};
use uuid::Uuid;

use super::db::{Db, Failure, Got, Lock, Row, Sql, Tx, Value};
use super::{Checkup, View, sql};

/// The application's migrations, in order.
pub const MIGRATIONS: &[(&str, &str)] = &[
    (
        "0001_first_light",
        include_str!("../../migrations/sqlite/0001_first_light.sql"),
    ),
    (
        "0002_money_safe",
        include_str!("../../migrations/sqlite/0002_money_safe.sql"),
    ),
    ("0003_workers", include_str!("../../migrations/sqlite/0003_workers.sql")),
    (
        "0004_shared_calls",
        include_str!("../../migrations/sqlite/0004_shared_calls.sql"),
    ),
    ("0005_leaving", include_str!("../../migrations/sqlite/0005_leaving.sql")),
];

/// Looks at everything at this time. The connection need not be a store's, so that nothing is changed by looking.
///
/// # Errors
/// When the database cannot be read.
pub fn check_up(connection: &Connection, view: View, reconcile_window: Duration) -> rusqlite::Result<Checkup> {
    let looked = ready(sql::check_up(&Reading(connection), view, reconcile_window));
    looked.map_err(|failure| match failure {
        Failure::Sqlite(AttachError::Sql(error)) => error,
        failure => rusqlite::Error::ToSqlConversionFailure(failure.to_string().into()),
    })
}

/// What the work comes to. It waits for nothing but its statements, and SQLite has executed one when its call returns.
pub(super) fn ready<T>(work: impl Future<Output = T>) -> T {
    let done = work.now_or_never();
    done.expect("on SQLite nothing is waited for: every statement is executed by its call")
}

/// A connection that is read on.
pub(super) struct Reading<'c>(pub &'c Connection);

impl Db for Reading<'_> {
    async fn list<T>(&self, sql: &Sql, values: &[Value<'_>], read: impl Fn(&Row<'_>) -> Got<T>) -> Got<Vec<T>> {
        let mut statement = self.0.prepare_cached(sql.text())?;
        let mut rows = statement.query(params_from_iter(values))?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(read(&Row::Sqlite(row))?);
        }
        Ok(all)
    }

    async fn find<T>(&self, sql: &Sql, values: &[Value<'_>], read: impl Fn(&Row<'_>) -> Got<T>) -> Got<Option<T>> {
        let mut statement = self.0.prepare_cached(sql.text())?;
        let mut rows = statement.query(params_from_iter(values))?;
        rows.next()?.map(|row| read(&Row::Sqlite(row))).transpose()
    }

    async fn find_each<T, const N: usize>(
        &self,
        sql: &Sql,
        each: &[[Value<'_>; N]],
        read: impl Fn(&Row<'_>) -> Got<T>,
    ) -> Got<Vec<Option<T>>> {
        let mut statement = self.0.prepare_cached(sql.text())?;
        let mut all = Vec::with_capacity(each.len());
        for values in each {
            let mut rows = statement.query(params_from_iter(values))?;
            all.push(rows.next()?.map(|row| read(&Row::Sqlite(row))).transpose()?);
        }
        Ok(all)
    }
}

/// An attachment's transaction.
pub(super) struct Writing<'t, 'g> {
    tx: &'t lumina_workflow_sqlite::Tx<'g>,
    reading: Reading<'t>,
}

impl<'t, 'g> Writing<'t, 'g> {
    pub fn new(tx: &'t lumina_workflow_sqlite::Tx<'g>) -> Self {
        let reading = Reading(tx.connection());
        Self { tx, reading }
    }
}

impl Db for Writing<'_, '_> {
    async fn list<T>(&self, sql: &Sql, values: &[Value<'_>], read: impl Fn(&Row<'_>) -> Got<T>) -> Got<Vec<T>> {
        self.reading.list(sql, values, read).await
    }

    async fn find<T>(&self, sql: &Sql, values: &[Value<'_>], read: impl Fn(&Row<'_>) -> Got<T>) -> Got<Option<T>> {
        self.reading.find(sql, values, read).await
    }

    async fn find_each<T, const N: usize>(
        &self,
        sql: &Sql,
        each: &[[Value<'_>; N]],
        read: impl Fn(&Row<'_>) -> Got<T>,
    ) -> Got<Vec<Option<T>>> {
        self.reading.find_each(sql, each, read).await
    }
}

impl Tx for Writing<'_, '_> {
    fn now(&self) -> Timestamp {
        self.tx.now()
    }

    async fn execute(&self, sql: &Sql, values: &[Value<'_>]) -> Got<u64> {
        let mut statement = self.reading.0.prepare_cached(sql.text())?;
        Ok(statement.execute(params_from_iter(values))? as u64)
    }

    async fn execute_each<const N: usize>(&self, sql: &Sql, each: &[[Value<'_>; N]]) -> Got<Vec<u64>> {
        let mut statement = self.reading.0.prepare_cached(sql.text())?;
        let mut changed = Vec::with_capacity(each.len());
        for values in each {
            changed.push(statement.execute(params_from_iter(values))? as u64);
        }
        Ok(changed)
    }

    async fn update_each<const N: usize>(&self, sql: &Sql, each: &[[Value<'_>; N]]) -> Got<()> {
        self.execute_each(sql, each).await.map(drop)
    }

    async fn insert_each<const N: usize>(&self, sql: &Sql, each: &[[Value<'_>; N]]) -> Got<Vec<bool>> {
        let inserted = self.execute_each(sql, each).await?;
        Ok(inserted.into_iter().map(|rows| rows > 0).collect())
    }

    async fn lock(&self, _: Lock) -> Got<()> {
        Ok(())
    }

    async fn lock_runs(&self, _: &BTreeSet<Uuid>) -> Got<()> {
        Ok(())
    }

    async fn start(&self, new: &NewRun) -> Got<Outcome> {
        Ok(self.tx.start(new)?)
    }

    async fn emit(&self, event: &NewEvent) -> Got<Delivery> {
        Ok(self.tx.emit(event)?)
    }

    async fn run_status(&self, run: RunId) -> Got<Option<RunStatus>> {
        Ok(self.tx.run_status(run)?)
    }

    async fn run_statuses(&self, runs: &[RunId]) -> Got<Vec<Option<RunStatus>>> {
        runs.iter().map(|run| Ok(self.tx.run_status(*run)?)).collect()
    }

    async fn make_due(&self, run: RunId) -> Got<bool> {
        Ok(self.tx.make_due(run)?)
    }
}
