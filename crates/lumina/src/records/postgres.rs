//! The records on PostgreSQL.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use jiff::Timestamp;
use lumina_workflow::store::{Delivery, NewRun, Outcome, RunStatus};
use lumina_workflow::{NewEvent, RunId};
use lumina_workflow_postgres::tokio_postgres::Row as PostgresRow;
use lumina_workflow_postgres::tokio_postgres::types::{ToSql, Type};
use lumina_workflow_postgres::{Parameter, PostgresStore};
use uuid::Uuid;

use super::db::{Db, Each, Failure, Got, Lock, Row, Sql, Tx, Value, values};

/// The application's migrations, in order.
pub const MIGRATIONS: &[(&str, &str)] = &[
    (
        "0001_first_light",
        include_str!("../../migrations/postgres/0001_first_light.sql"),
    ),
    (
        "0002_money_safe",
        include_str!("../../migrations/postgres/0002_money_safe.sql"),
    ),
    (
        "0003_workers",
        include_str!("../../migrations/postgres/0003_workers.sql"),
    ),
    (
        "0004_shared_calls",
        include_str!("../../migrations/postgres/0004_shared_calls.sql"),
    ),
    (
        "0005_leaving",
        include_str!("../../migrations/postgres/0005_leaving.sql"),
    ),
];

/// Who asks the server, and how.
trait Ask {
    async fn ask(&self, sql: &str, values: &[Value<'_>]) -> Got<Vec<PostgresRow>>;

    /// About many at once: the values are columns of theirs.
    async fn ask_each(&self, sql: &str, columns: Vec<Each>) -> Got<Vec<PostgresRow>>;
}

/// A database that is read. Each statement sees what was committed when it began.
pub(super) struct Reading<'s>(pub &'s PostgresStore);

impl Reading<'_> {
    async fn read(&self, sql: &str, params: Vec<Parameter>) -> Got<Vec<PostgresRow>> {
        let read = self.0.read(sql, &params).await;
        read.map_err(|error| Failure::Unavailable(error.to_string()))
    }
}

impl Ask for Reading<'_> {
    async fn ask(&self, sql: &str, values: &[Value<'_>]) -> Got<Vec<PostgresRow>> {
        let params = values.iter().copied().map(Value::into_parameter).collect();
        self.read(sql, params).await
    }

    async fn ask_each(&self, sql: &str, columns: Vec<Each>) -> Got<Vec<PostgresRow>> {
        self.read(sql, columns.into_iter().map(Each::into_parameter).collect())
            .await
    }
}

/// An attachment's transaction.
pub(super) struct Writing<'t>(pub &'t lumina_workflow_postgres::Tx<'t>);

impl Ask for Writing<'_> {
    async fn ask(&self, sql: &str, values: &[Value<'_>]) -> Got<Vec<PostgresRow>> {
        Ok(self.0.query(sql, &typed(values)).await?)
    }

    async fn ask_each(&self, sql: &str, columns: Vec<Each>) -> Got<Vec<PostgresRow>> {
        let params: Vec<_> = columns.iter().map(Each::typed).collect();
        Ok(self.0.query(sql, &params).await?)
    }
}

impl<A: Ask> Db for A {
    async fn list<T>(&self, sql: &Sql, values: &[Value<'_>], read: impl Fn(&Row<'_>) -> Got<T>) -> Got<Vec<T>> {
        let rows = self.ask(sql.postgres(), values).await?;
        rows.iter().map(|row| read(&Row::Postgres(row))).collect()
    }

    async fn find<T>(&self, sql: &Sql, values: &[Value<'_>], read: impl Fn(&Row<'_>) -> Got<T>) -> Got<Option<T>> {
        let rows = self.ask(sql.postgres(), values).await?;
        rows.first().map(|row| read(&Row::Postgres(row))).transpose()
    }

    async fn find_each<T, const N: usize>(
        &self,
        sql: &Sql,
        each: &[[Value<'_>; N]],
        read: impl Fn(&Row<'_>) -> Got<T>,
    ) -> Got<Vec<Option<T>>> {
        if each.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.ask_each(sql.postgres_each(N), Each::columns(each)?).await?;
        place(&rows, each.len(), read)
    }
}

impl Tx for Writing<'_> {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn execute(&self, sql: &Sql, values: &[Value<'_>]) -> Got<u64> {
        Ok(self.0.execute(sql.postgres(), &typed(values)).await?)
    }

    /// All are sent before the first is answered.
    async fn execute_each<const N: usize>(&self, sql: &Sql, each: &[[Value<'_>; N]]) -> Got<Vec<u64>> {
        let mut sent = Vec::with_capacity(each.len());
        for values in each {
            sent.push(self.execute(sql, values));
        }
        join_all(sent).await.into_iter().collect()
    }

    async fn update_each<const N: usize>(&self, sql: &Sql, each: &[[Value<'_>; N]]) -> Got<()> {
        if !each.is_empty() {
            self.ask_each(sql.postgres_many(N), Each::columns(each)?).await?;
        }
        Ok(())
    }

    /// The statement returns the ids of the rows that it has inserted.
    async fn insert_each<const N: usize>(&self, sql: &Sql, each: &[[Value<'_>; N]]) -> Got<Vec<bool>> {
        if each.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.ask_each(sql.postgres_many(N), Each::columns(each)?).await?;
        let inserted = rows.iter().map(|row| Row::Postgres(row).get(0));
        let inserted: BTreeSet<Uuid> = inserted.collect::<Got<_>>()?;
        let is_there = |row: &[Value<'_>; N]| matches!(row[0], Value::Id(Some(id)) if inserted.contains(&id));
        Ok(each.iter().map(is_there).collect())
    }

    async fn lock_runs(&self, runs: &BTreeSet<Uuid>) -> Got<()> {
        if !runs.is_empty() {
            let ids = Each::Ids(runs.iter().copied().map(Some).collect());
            let sql = "SELECT 1 FROM lumina.workflow_run WHERE id = ANY($1) ORDER BY id FOR UPDATE";
            self.ask_each(sql, vec![ids]).await?;
        }
        Ok(())
    }

    async fn lock(&self, lock: Lock) -> Got<()> {
        match lock {
            Lock::Run(run) => {
                // Its own transactions hold it by this row.
                let sql = "SELECT 1 FROM lumina.workflow_run WHERE id = $1 FOR UPDATE";
                self.ask(sql, &values![run]).await?;
            }
            Lock::Address(subscriber) => {
                let sql = "SELECT 1 FROM lumina.subscriber WHERE id = $1 FOR UPDATE";
                self.ask(sql, &values![subscriber]).await?;
            }
            Lock::OpenBatch(slot) => self.take_turn(&format!("open_batch.{slot}")).await?,
            Lock::Money => self.take_turn("money").await?,
        }
        Ok(())
    }

    async fn start(&self, new: &NewRun) -> Got<Outcome> {
        Ok(self.0.start(new).await?)
    }

    async fn emit(&self, event: &NewEvent) -> Got<Delivery> {
        Ok(self.0.emit(event).await?)
    }

    async fn run_status(&self, run: RunId) -> Got<Option<RunStatus>> {
        Ok(self.0.run_status(run).await?)
    }

    /// All are asked before the first is answered.
    async fn run_statuses(&self, runs: &[RunId]) -> Got<Vec<Option<RunStatus>>> {
        let asked = runs.iter().map(|run| self.run_status(*run));
        join_all(asked).await.into_iter().collect()
    }

    /// One that is executed is not waited for: its transaction may be waiting for this one.
    async fn make_due(&self, run: RunId) -> Got<bool> {
        let status = self.0.run_status(run).await?;
        match status {
            Some(RunStatus::Pending | RunStatus::Waiting) => Ok(self.0.make_due(run).await?),
            _ => Ok(false),
        }
    }
}

impl Writing<'_> {
    /// Whoever is the first to take turns in something makes its row, which nobody else can make meanwhile.
    async fn take_turn(&self, name: &str) -> Got<()> {
        let take = "SELECT 1 FROM lumina.turn WHERE name = $1 FOR UPDATE";
        if self.ask(take, &values![name]).await?.is_empty() {
            let make = "INSERT INTO lumina.turn (name) VALUES ($1) ON CONFLICT DO NOTHING";
            self.ask(make, &values![name]).await?;
            self.ask(take, &values![name]).await?;
        }
        Ok(())
    }
}

fn typed<'v>(values: &'v [Value<'_>]) -> Vec<(&'v (dyn ToSql + Sync), Type)> {
    values.iter().map(|value| (value as _, value.kind())).collect()
}

/// The rows that were found, each in the place of what it was found for: its last column.
fn place<T>(rows: &[PostgresRow], many: usize, read: impl Fn(&Row<'_>) -> Got<T>) -> Got<Vec<Option<T>>> {
    let mut all: Vec<Option<T>> = (0..many).map(|_| None).collect();
    for row in rows {
        let found = Row::Postgres(row);
        let number: usize = found.get(row.len() - 1)?;
        all[number - 1] = Some(read(&found)?);
    }
    Ok(all)
}
