//! A store whose connections break, and which still answers what has become of each call.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use lumina_workflow::store::{
    Change, Claim, Claimed, FlowQuery, FlowRow, Hint, Inbox, InboxQuery, Lease, Member, MemberResult, Page, Purge,
    RunQuery, RunRow, ScheduleQuery, ScheduleRow, Store, StoreError, StoredRecord,
};
use lumina_workflow::{RunId, Seq};
use lumina_workflow_postgres::PostgresStore;

use super::cut::{Reach, Scissors};

/// Whether the server still has a transaction of a connection that was cut: until it has noticed, others are kept from
/// what that had in hand, and what they find would hang on how fast it is.
const OPEN: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
     AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND xact_start IS NOT NULL";

pub(super) struct Guarded {
    store: PostgresStore,
    scissors: Scissors,
}

impl Guarded {
    pub(super) fn new(store: PostgresStore, scissors: Scissors) -> Self {
        Self { store, scissors }
    }

    pub(super) fn plain(&self) -> &PostgresStore {
        &self.store
    }

    /// Makes a call, and once more while nobody knows what has become of it: it must be one that may be repeated.
    async fn call<T>(
        &self,
        reach: Reach,
        make: impl Fn() -> BoxFuture<'static, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.scissors.draw(reach);
        loop {
            let answer = make().await;
            if self.scissors.rest() {
                self.settle().await?;
            }
            match answer {
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

/// What can break so that the simulator still hears what was applied. A group that may be applied in parts, or a start
/// that is made again, has another answer the second time.
fn reach_of(batch: &[Member]) -> Reach {
    let whole = batch.len() == 1 || batch.iter().all(|member| member.attach.is_none());
    let steps = batch.iter().all(|member| matches!(member.change, Change::Advance(_)));
    match (whole, steps) {
        (true, true) => Reach::All,
        (true, false) => Reach::Commit,
        (false, _) => Reach::None,
    }
}

impl Store for Guarded {
    fn commit(&self, batch: Arc<[Member]>) -> BoxFuture<'_, Result<Vec<MemberResult>, StoreError>> {
        let (store, reach) = (self.store.clone(), reach_of(&batch));
        let make = move || -> BoxFuture<'static, _> {
            let (store, batch) = (store.clone(), batch.clone());
            Box::pin(async move { store.commit(batch).await })
        };
        Box::pin(self.call(reach, make))
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Vec<Claimed>, StoreError>> {
        let store = self.store.clone();
        let make = move || -> BoxFuture<'static, _> {
            let (store, claim) = (store.clone(), claim.clone());
            Box::pin(async move { store.claim(claim).await })
        };
        Box::pin(self.call(Reach::Statements, make))
    }

    fn renew(&self, held: Vec<Lease>, lease: Duration) -> BoxFuture<'_, Result<Vec<RunId>, StoreError>> {
        let store = self.store.clone();
        let make = move || -> BoxFuture<'static, _> {
            let (store, held) = (store.clone(), held.clone());
            Box::pin(async move { store.renew(held, lease).await })
        };
        Box::pin(self.call(Reach::All, make))
    }

    fn history(&self, run: RunId, after: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<StoredRecord>, StoreError>> {
        self.store.history(run, after, limit)
    }

    fn runs(&self, query: RunQuery) -> BoxFuture<'_, Result<Page<RunRow>, StoreError>> {
        self.store.runs(query)
    }

    fn inbox(&self, query: InboxQuery) -> BoxFuture<'_, Result<Inbox, StoreError>> {
        self.store.inbox(query)
    }

    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        self.store.next_due()
    }

    fn now(&self) -> BoxFuture<'_, Result<Timestamp, StoreError>> {
        self.store.now()
    }

    fn purge(&self, purge: Purge) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.store.purge(purge)
    }

    fn schedules(&self, query: ScheduleQuery) -> BoxFuture<'_, Result<Vec<ScheduleRow>, StoreError>> {
        self.store.schedules(query)
    }

    fn flows(&self, query: FlowQuery) -> BoxFuture<'_, Result<Vec<FlowRow>, StoreError>> {
        self.store.flows(query)
    }

    fn hints(&self) -> BoxStream<'static, Hint> {
        self.store.hints()
    }
}
