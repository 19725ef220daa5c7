//! The reference model: plain code over ordered maps under one lock.
//!
//! What this store answers is what every other store must answer; the suite in `conformance`
//! compares them. It is complete as soon as a call's future is first polled, so that the
//! deterministic executor can use it, and it keeps nothing when the process ends.
//!
//! ```
//! use std::sync::Arc;
//! use lumina_workflow::store::{Change, Member, Outcome, Store, memory};
//! use lumina_workflow::{Payload, StoreClock, deterministic::DeterministicRuntime};
//! use uuid::Uuid;
//!
//! let runtime = DeterministicRuntime::new(1);
//! let store = memory::MemoryStore::new(StoreClock::of(Arc::new(runtime.clone())));
//! let attach = memory::attach(|tx| {
//!     tx.put("greeting", Payload::from_stored("\"hello\""));
//!     Ok(Payload::null())
//! });
//! let member = Member { change: Change::Nothing { id: Uuid::from_u128(1) }, attach: Some(attach) };
//! let answers = runtime.block_on(store.commit(Arc::new([member])))??;
//! assert_eq!(answers, [Ok(Outcome::Done { payload: Some(Payload::null()) })]);
//! assert_eq!(store.get("greeting"), Some(Payload::from_stored("\"hello\"")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use jiff::Timestamp;

use super::{
    Attachment, Claim, Claimed, FlowQuery, FlowRow, GROUP_MEMBERS, Hint, Hints, Inbox, InboxQuery, Lease, Member,
    MemberResult, Page, Purge, RunQuery, RunRow, ScheduleQuery, ScheduleRow, Store, StoreError, StoredRecord,
};
use crate::clock::StoreClock;
use crate::error::StepError;
use crate::id::{RunId, Seq};
use crate::payload::Payload;

mod advance;
mod answers;
mod claim;
mod commands;
mod events;
mod flow;
#[cfg(feature = "conformance")]
mod flow_check;
mod member;
mod purge;
mod runs;
mod schedules;
mod state;
mod table;
mod tx;

use state::State;
pub use tx::Tx;

/// The application's writes as this store keeps them.
type Writes = Box<dyn Fn(&mut Tx<'_>) -> Result<Payload, StepError> + Send + Sync>;

/// Makes an attachment for this store. When the code answers an error, or panics, the member
/// is refused and nothing that it did through the [`Tx`] remains.
///
/// ```
/// use lumina_workflow::store::memory;
/// use lumina_workflow::{Payload, StepError};
///
/// let once = memory::attach(|tx| match tx.get("seat-7") {
///     Some(_) => Err(StepError::fail("the seat is taken")),
///     None => {
///         tx.put("seat-7", Payload::null());
///         Ok(Payload::null())
///     }
/// });
/// # let kit = lumina_workflow::testing::TestEngine::new();
/// # let engine = kit.engine();
/// # let mut take = |id| kit.block_on(engine.transact(uuid::Uuid::from_u128(id), once.clone()));
/// # assert!(take(1).is_ok() && take(2).is_err());
/// ```
pub fn attach(writes: impl Fn(&mut Tx<'_>) -> Result<Payload, StepError> + Send + Sync + 'static) -> Attachment {
    let writes: Writes = Box::new(writes);
    Attachment::new(writes)
}

/// A store in memory.
///
/// ```
/// use lumina_workflow::store::memory::MemoryStore;
/// use lumina_workflow::StoreClock;
///
/// let store = MemoryStore::new(StoreClock::system());
/// assert_eq!(store.get("nothing"), None);
/// ```
pub struct MemoryStore {
    clock: StoreClock,
    hints: Hints,
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store with this clock.
    #[must_use]
    pub fn new(clock: StoreClock) -> Self {
        Self {
            clock,
            hints: Hints::new(),
            state: Mutex::new(State::default()),
        }
    }

    /// What an attachment has put there.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Payload> {
        self.lock().app.get(&key.to_owned()).cloned()
    }

    /// The runs that a claim would get if it had no limit, in their order, with what decides
    /// it: priority, and since when they are ready.
    #[cfg(feature = "conformance")]
    pub(crate) fn turns(&self, claim: &Claim) -> Vec<(i16, Timestamp, RunId)> {
        self.call(|state, now| {
            state
                .turns(claim, now, claim.limit)
                .into_iter()
                .map(|(priority, _, id)| (priority.0, state.since(id, now), id))
                .collect()
        })
    }

    /// What is held though the claimer could have it and there are places for it.
    #[cfg(feature = "conformance")]
    pub(crate) fn held_in_vain(&self, claim: &Claim) -> Vec<RunId> {
        self.call(|state, now| state.held_in_vain(claim, now))
    }

    /// Counters that do not say how many runs there are.
    #[cfg(feature = "conformance")]
    pub(crate) fn miscounted(&self) -> Vec<String> {
        self.call(|state, _| state.miscounted())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("an attachment's panic is caught, and nothing else panics while holding it")
    }

    /// One call: it sees the state alone, at one time, and all that it changed remains.
    fn call<T>(&self, work: impl FnOnce(&mut State, Timestamp) -> T) -> T {
        let mut state = self.lock();
        let answer = work(&mut state, self.clock.now());
        state.keep();
        let hints = std::mem::take(&mut state.hints);
        drop(state);
        hints.into_iter().for_each(|hint| self.hints.send(hint));
        answer
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryStore")
    }
}

impl Store for MemoryStore {
    fn commit(&self, batch: Arc<[Member]>) -> BoxFuture<'_, Result<Vec<MemberResult>, StoreError>> {
        Box::pin(async move {
            check(&batch)?;
            Ok(self.call(|state, now| state.apply_all(&batch, now)))
        })
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Vec<Claimed>, StoreError>> {
        Box::pin(async move { Ok(self.call(|state, now| state.claim(&claim, now))) })
    }

    fn renew(&self, held: Vec<Lease>, lease: Duration) -> BoxFuture<'_, Result<Vec<RunId>, StoreError>> {
        Box::pin(async move { Ok(self.call(|state, now| state.renew(&held, lease, now))) })
    }

    fn history(&self, run: RunId, after: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<StoredRecord>, StoreError>> {
        Box::pin(async move { Ok(self.call(|state, _| state.history(run, after, limit))) })
    }

    fn runs(&self, query: RunQuery) -> BoxFuture<'_, Result<Page<RunRow>, StoreError>> {
        Box::pin(async move { Ok(self.call(|state, _| state.runs_page(&query))) })
    }

    fn inbox(&self, query: InboxQuery) -> BoxFuture<'_, Result<Inbox, StoreError>> {
        Box::pin(async move { Ok(self.call(|state, _| state.inbox(&query))) })
    }

    fn schedules(&self, query: ScheduleQuery) -> BoxFuture<'_, Result<Vec<ScheduleRow>, StoreError>> {
        Box::pin(async move { Ok(self.call(|state, _| state.schedules_page(&query))) })
    }

    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        Box::pin(async move { Ok(self.call(|state, now| state.next_due(now))) })
    }

    fn now(&self) -> BoxFuture<'_, Result<Timestamp, StoreError>> {
        Box::pin(async move { Ok(self.clock.now()) })
    }

    fn flows(&self, query: FlowQuery) -> BoxFuture<'_, Result<Vec<FlowRow>, StoreError>> {
        Box::pin(async move { Ok(self.call(|state, _| state.flow_rows(&query))) })
    }

    fn purge(&self, purge: Purge) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(async move { Ok(self.call(|state, now| state.purge(&purge, now))) })
    }

    fn hints(&self) -> BoxStream<'static, Hint> {
        self.hints.listen()
    }
}

/// What only a caller's mistake can bring about is told before anything is applied.
fn check(batch: &[Member]) -> Result<(), StoreError> {
    if batch.len() > GROUP_MEMBERS {
        let count = batch.len();
        return Err(StoreError::Broken(format!(
            "a group has {count} members, {GROUP_MEMBERS} are allowed"
        )));
    }
    let mut subjects = BTreeSet::new();
    if let Some(run) = batch
        .iter()
        .filter_map(Member::subject)
        .find(|run| !subjects.insert(*run))
    {
        return Err(StoreError::Broken(format!(
            "run {run} is the subject of two members of one group"
        )));
    }
    let mut attachments = batch.iter().filter_map(|member| member.attach.as_ref());
    match attachments.all(|attach| attach.open::<Writes>().is_some()) {
        true => Ok(()),
        false => Err(StoreError::Broken(
            "an attachment was made for another kind of store".to_owned(),
        )),
    }
}
