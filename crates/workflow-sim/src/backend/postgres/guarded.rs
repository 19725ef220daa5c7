//! A store whose connections break, and which knows all the same what has become of each call.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use lumina_workflow::store::{
    Claim, Claimed, FlowQuery, FlowRow, Hint, Inbox, InboxQuery, Lease, Member, MemberResult, Page, Purge, RunQuery,
    RunRow, ScheduleQuery, ScheduleRow, Store, StoreError, StoredRecord,
};
use lumina_workflow::{RunId, Seq};
use lumina_workflow_postgres::PostgresStore;

use super::super::Lost;
use super::cut::Scissors;
use crate::trace::lock;

/// Whether the server still has a transaction of a connection that was cut: until it has noticed, others are kept from
/// what that had in hand, and what they find would hang on how fast it is.
const OPEN: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
     AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND xact_start IS NOT NULL";

pub(super) struct Guarded {
    store: PostgresStore,
    scissors: Scissors,
    lost: Mutex<Option<Lost>>,
}

impl Guarded {
    pub(super) fn new(store: PostgresStore, scissors: Scissors) -> Self {
        let lost = Mutex::default();
        Self { store, scissors, lost }
    }

    pub(super) fn plain(&self) -> &PostgresStore {
        &self.store
    }

    /// What the last call has done, if its answer was lost.
    pub(super) fn take_lost(&self) -> Option<Lost> {
        lock(&self.lost).take()
    }

    /// Makes a call, whose connection may break anywhere.
    async fn call<T>(&self, call: BoxFuture<'static, Result<T, StoreError>>) -> Result<T, StoreError> {
        self.scissors.draw();
        let answer = call.await;
        if self.scissors.rest() {
            self.settle().await?;
        }
        let unknown = matches!(answer, Err(StoreError::OutcomeUnknown(_)));
        *lock(&self.lost) = unknown.then(|| self.scissors.take_lost());
        answer
    }

    /// The same, and once more while nobody knows what has become of it: for what has the same answer again.
    async fn insist<T>(
        &self,
        make: impl Fn(PostgresStore) -> BoxFuture<'static, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        loop {
            match self.call(make(self.store.clone())).await {
                Err(StoreError::OutcomeUnknown(_)) => {}
                known => return known,
            }
        }
    }

    async fn settle(&self) -> Result<(), StoreError> {
        loop {
            let rows = self.store.read(OPEN, &[]).await?;
            if rows.first().is_none_or(|row| row.get::<_, i64>(0) == 0) {
                return Ok(());
            }
        }
    }
}

impl Store for Guarded {
    fn commit(&self, batch: Arc<[Member]>) -> BoxFuture<'_, Result<Vec<MemberResult>, StoreError>> {
        let store = self.store.clone();
        Box::pin(self.call(Box::pin(async move { store.commit(batch).await })))
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Vec<Claimed>, StoreError>> {
        let store = self.store.clone();
        Box::pin(self.call(Box::pin(async move { store.claim(claim).await })))
    }

    fn renew(&self, held: Vec<Lease>, lease: Duration) -> BoxFuture<'_, Result<Vec<RunId>, StoreError>> {
        Box::pin(self.insist(move |store| {
            let held = held.clone();
            Box::pin(async move { store.renew(held, lease).await })
        }))
    }

    fn history(&self, run: RunId, after: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<StoredRecord>, StoreError>> {
        let store = self.store.clone();
        Box::pin(self.call(Box::pin(async move { store.history(run, after, limit).await })))
    }

    fn runs(&self, query: RunQuery) -> BoxFuture<'_, Result<Page<RunRow>, StoreError>> {
        let store = self.store.clone();
        Box::pin(self.call(Box::pin(async move { store.runs(query).await })))
    }

    fn inbox(&self, query: InboxQuery) -> BoxFuture<'_, Result<Inbox, StoreError>> {
        let store = self.store.clone();
        Box::pin(self.call(Box::pin(async move { store.inbox(query).await })))
    }

    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        let store = self.store.clone();
        Box::pin(self.call(Box::pin(async move { store.next_due().await })))
    }

    fn now(&self) -> BoxFuture<'_, Result<Timestamp, StoreError>> {
        let store = self.store.clone();
        Box::pin(self.call(Box::pin(async move { store.now().await })))
    }

    fn purge(&self, purge: Purge) -> BoxFuture<'_, Result<usize, StoreError>> {
        let store = self.store.clone();
        Box::pin(self.call(Box::pin(async move { store.purge(purge).await })))
    }

    fn schedules(&self, query: ScheduleQuery) -> BoxFuture<'_, Result<Vec<ScheduleRow>, StoreError>> {
        let store = self.store.clone();
        Box::pin(self.call(Box::pin(async move { store.schedules(query).await })))
    }

    fn flows(&self, query: FlowQuery) -> BoxFuture<'_, Result<Vec<FlowRow>, StoreError>> {
        let store = self.store.clone();
        Box::pin(self.call(Box::pin(async move { store.flows(query).await })))
    }

    fn hints(&self) -> BoxStream<'static, Hint> {
        self.store.hints()
    }
}
