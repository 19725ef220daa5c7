//! The line between an engine and its store, on which a test lets calls fail, hang or wait.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::id::{RunId, Seq};
use crate::store::{
    Claim, Claimed, FlowQuery, FlowRow, Hint, Inbox, InboxQuery, Lease, Member, MemberResult, Page, Purge, RunQuery,
    RunRow, ScheduleQuery, ScheduleRow, Store, StoreError, StoredRecord,
};

/// Which call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Commit,
    Claim,
    Renew,
    Read,
}

/// A call on its way to the store.
pub(super) struct Call<'a> {
    /// From 0.
    pub number: u64,
    pub method: Method,
    /// Of a commit.
    pub members: &'a [Member],
}

/// What becomes of a call.
pub(super) enum Verdict {
    Pass,
    /// It is not applied, and answers this.
    Refuse(StoreError),
    /// It is applied, and answers this.
    ApplyThenRefuse(StoreError),
    /// It is not applied, and the process dies.
    Die,
    /// It is applied, and the process dies.
    ApplyThenDie,
    /// It is applied when this has ended.
    After(BoxFuture<'static, ()>),
    /// It is applied at once, and its answer comes when this has ended.
    ApplyThenWait(BoxFuture<'static, ()>),
}

type Rule = Box<dyn FnMut(&Call<'_>) -> Verdict + Send>;

#[derive(Default)]
struct State {
    calls: u64,
    groups: Vec<Arc<[Member]>>,
    rule: Option<Rule>,
}

/// A store that obeys a rule before it obeys its caller.
pub(super) struct Wire {
    store: Arc<dyn Store>,
    state: Mutex<State>,
    died: Notify,
}

pub(super) fn unavailable() -> StoreError {
    StoreError::Unavailable("the test has cut the line".to_owned())
}

impl Wire {
    pub fn new(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            store,
            state: Mutex::default(),
            died: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a rule that panics ends its test")
    }

    /// From now on this decides about each call.
    pub fn rule(&self, rule: impl FnMut(&Call<'_>) -> Verdict + Send + 'static) {
        self.state().rule = Some(Box::new(rule));
    }

    /// From now on each call passes.
    pub fn clear(&self) {
        self.state().rule = None;
    }

    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// All groups that were to be committed.
    pub fn groups(&self) -> Vec<Arc<[Member]>> {
        self.state().groups.clone()
    }

    /// Ends when a call has met [`Verdict::Die`].
    pub async fn died(&self) {
        self.died.notified().await;
    }

    fn judge(&self, method: Method, members: &[Member]) -> Verdict {
        let mut state = self.state();
        let call = Call {
            number: state.calls,
            method,
            members,
        };
        state.calls += 1;
        match state.rule.as_mut() {
            Some(rule) => rule(&call),
            None => Verdict::Pass,
        }
    }

    async fn die<T>(&self) -> T {
        self.died.notify_one();
        std::future::pending().await
    }

    async fn call<T>(
        &self,
        method: Method,
        members: &[Member],
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        match self.judge(method, members) {
            Verdict::Pass => call.await,
            Verdict::Refuse(error) => Err(error),
            Verdict::ApplyThenRefuse(error) => {
                call.await?;
                Err(error)
            }
            Verdict::Die => self.die().await,
            Verdict::ApplyThenDie => {
                call.await?;
                self.die().await
            }
            Verdict::After(first) => {
                first.await;
                call.await
            }
            Verdict::ApplyThenWait(then) => {
                let answer = call.await;
                then.await;
                answer
            }
        }
    }
}

impl Store for Wire {
    fn commit(&self, batch: Arc<[Member]>) -> BoxFuture<'_, Result<Vec<MemberResult>, StoreError>> {
        self.state().groups.push(batch.clone());
        Box::pin(async move {
            self.call(Method::Commit, &batch, self.store.commit(batch.clone()))
                .await
        })
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Vec<Claimed>, StoreError>> {
        Box::pin(self.call(Method::Claim, &[], self.store.claim(claim)))
    }

    fn renew(&self, held: Vec<Lease>, lease: Duration) -> BoxFuture<'_, Result<Vec<RunId>, StoreError>> {
        Box::pin(self.call(Method::Renew, &[], self.store.renew(held, lease)))
    }

    fn history(&self, run: RunId, after: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<StoredRecord>, StoreError>> {
        Box::pin(self.call(Method::Read, &[], self.store.history(run, after, limit)))
    }

    fn runs(&self, query: RunQuery) -> BoxFuture<'_, Result<Page<RunRow>, StoreError>> {
        Box::pin(self.call(Method::Read, &[], self.store.runs(query)))
    }

    fn inbox(&self, query: InboxQuery) -> BoxFuture<'_, Result<Inbox, StoreError>> {
        Box::pin(self.call(Method::Read, &[], self.store.inbox(query)))
    }

    fn schedules(&self, query: ScheduleQuery) -> BoxFuture<'_, Result<Vec<ScheduleRow>, StoreError>> {
        Box::pin(self.call(Method::Read, &[], self.store.schedules(query)))
    }

    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        Box::pin(self.call(Method::Read, &[], self.store.next_due()))
    }

    fn now(&self) -> BoxFuture<'_, Result<Timestamp, StoreError>> {
        Box::pin(self.call(Method::Read, &[], self.store.now()))
    }

    fn flows(&self, query: FlowQuery) -> BoxFuture<'_, Result<Vec<FlowRow>, StoreError>> {
        Box::pin(self.call(Method::Read, &[], self.store.flows(query)))
    }

    fn purge(&self, purge: Purge) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(self.call(Method::Read, &[], self.store.purge(purge)))
    }

    fn hints(&self) -> BoxStream<'static, Hint> {
        self.store.hints()
    }
}
