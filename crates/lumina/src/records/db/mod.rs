//! What the records ask of a database: that of SQLite and that of PostgreSQL are the same to them.
//!
//! The rules about money exist once, as functions over [`Db`] and [`Tx`]. A statement is written once as well, as
//! [`Sql`]. Every method is async, because PostgreSQL is on the other end of a line; SQLite answers before it returns.

use std::collections::BTreeSet;

use jiff::Timestamp;
use lumina_workflow::store::{Delivery, NewRun, Outcome, RunStatus};
use lumina_workflow::{NewEvent, RunId};
use uuid::Uuid;

mod failure;
mod param;
mod row;
mod statement;
mod value;

pub(super) use failure::{Failure, Got};
pub(super) use param::Each;
pub(super) use row::{Column, Row};
pub(super) use statement::{Sql, sql};
pub(super) use value::{Value, values};

/// A database that can be asked.
///
/// A row is read where it lies: `read` is lent it, and takes what it needs.
pub(super) trait Db {
    /// All rows of an answer.
    async fn list<T>(&self, sql: &Sql, values: &[Value<'_>], read: impl Fn(&Row<'_>) -> Got<T>) -> Got<Vec<T>>;

    /// The first row of an answer, if it has one.
    async fn find<T>(&self, sql: &Sql, values: &[Value<'_>], read: impl Fn(&Row<'_>) -> Got<T>) -> Got<Option<T>>;

    /// The first row of the answer for each of these, in their order. PostgreSQL is asked for all of them at once.
    async fn find_each<T, const N: usize>(
        &self,
        sql: &Sql,
        each: &[[Value<'_>; N]],
        read: impl Fn(&Row<'_>) -> Got<T>,
    ) -> Got<Vec<Option<T>>>;

    /// The first column of the row that there always is.
    async fn value<T: Column>(&self, sql: &Sql, values: &[Value<'_>]) -> Got<T> {
        let found = self.find(sql, values, |row| row.get(0)).await?;
        found.ok_or_else(|| Failure::Unreadable(format!("no row came of `{}`", sql.text())))
    }
}

/// A transaction, and what the engine does within it.
pub(super) trait Tx: Db {
    /// The store's time of this transaction.
    fn now(&self) -> Timestamp;

    /// Runs a statement; answers how many rows it changed.
    async fn execute(&self, sql: &Sql, values: &[Value<'_>]) -> Got<u64>;

    /// Runs it for each of these, in their order; answers how many rows each has changed. PostgreSQL is told all of
    /// them at once.
    async fn execute_each<const N: usize>(&self, sql: &Sql, each: &[[Value<'_>; N]]) -> Got<Vec<u64>>;

    /// Runs an `UPDATE` for each of these, which are about different rows. PostgreSQL is told all of them in one
    /// statement.
    async fn update_each<const N: usize>(&self, sql: &Sql, each: &[[Value<'_>; N]]) -> Got<()>;

    /// Inserts each of these rows, unless the statement's conflict is in the way; answers which of them are there now
    /// by it. The first value of a row is its id. PostgreSQL is told all of them in one statement.
    async fn insert_each<const N: usize>(&self, sql: &Sql, each: &[[Value<'_>; N]]) -> Got<Vec<bool>>;

    /// Waits for its turn to check something and then write what depends on it, and has it until the transaction ends.
    async fn lock(&self, lock: Lock) -> Got<()>;

    /// [`Lock::Run`] for each of these, in the order of their ids. PostgreSQL is asked for all of them at once.
    async fn lock_runs(&self, runs: &BTreeSet<Uuid>) -> Got<()>;

    /// Starts a run.
    async fn start(&self, new: &NewRun) -> Got<Outcome>;

    /// Stores an event and delivers it.
    async fn emit(&self, event: &NewEvent) -> Got<Delivery>;

    /// What a run is doing, as of this transaction; `None` when there is no such run.
    async fn run_status(&self, run: RunId) -> Got<Option<RunStatus>>;

    /// What each of these is doing. PostgreSQL is asked about all of them at once.
    async fn run_statuses(&self, runs: &[RunId]) -> Got<Vec<Option<RunStatus>>>;

    /// Makes a run ready before its time, if it waits for that. Answers whether it did anything.
    async fn make_due(&self, run: RunId) -> Got<bool>;
}

/// What one transaction at a time may go by. On SQLite all of them are had already: its writer is alone.
///
/// Whoever takes several takes them in this order, so that nobody waits in a circle: a run's own transactions hold
/// that run before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    /// What becomes of a run and of its batch. Its own transactions have it.
    Run(Uuid),
    /// The open batch of a channel.
    OpenBatch(&'static str),
    /// The lookups of a subscriber's address: one may be open.
    Address(Uuid),
    /// The places among what is out, and what may be spent. Whoever has it waits for nobody any more.
    Money,
}
