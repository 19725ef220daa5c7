//! Stores that break a promise: the simulator finds each within a few seeds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use lumina_workflow::store::{
    Advance, Attachment, Change, Claim, Claimed, FlowQuery, FlowRow, Hint, Inbox, InboxQuery, Lease, Member,
    MemberResult, Page, Purge, RunQuery, RunRow, ScheduleQuery, ScheduleRow, Store, StoreError, StoredRecord,
};
use lumina_workflow::{Epoch, RunId, Seq, StoreClock, What};
use lumina_workflow_sim::{Backend, Cells, MemoryBackend, Play, StoreKind};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    /// An event that was consumed stays in the inbox.
    ConsumesNothing,
    /// The inbox counter is not compared.
    GuardsNothing,
    /// The epoch is not compared.
    FencesNothing,
    /// Leases end at once.
    KeepsNoLease,
    /// What an attempt came to is not recorded.
    ForgetsAttempts,
    /// A claim does not bring the newest record.
    ReadsLate,
    /// Keys are not registered.
    HoldsNoKeys,
    /// A parked run's timer is not kept.
    SetsNoTimer,
}

/// The reference store with a bug.
struct Broken {
    inner: Arc<MemoryBackend>,
    bug: Bug,
    epochs: Arc<Mutex<BTreeMap<RunId, Epoch>>>,
}

struct BrokenStore {
    inner: Arc<dyn Store>,
    bug: Bug,
    epochs: Arc<Mutex<BTreeMap<RunId, Epoch>>>,
}

impl Broken {
    fn new(clock: StoreClock, bug: Bug) -> Self {
        Self {
            inner: Arc::new(MemoryBackend::new(clock)),
            bug,
            epochs: Arc::default(),
        }
    }
}

impl Backend for Broken {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(BrokenStore {
            inner: self.inner.store(),
            bug: self.bug,
            epochs: self.epochs.clone(),
        })
    }
}

impl Cells for Broken {
    fn count(&self, cell: &str) -> Attachment {
        self.inner.count(cell)
    }

    fn refuse(&self, cell: &str) -> Attachment {
        self.inner.refuse(cell)
    }

    fn read(&self, cell: &str) -> u64 {
        self.inner.read(cell)
    }
}

impl BrokenStore {
    fn damage(&self, member: &Member) -> Member {
        let mut member = member.clone();
        if let Change::Advance(advance) = &mut member.change {
            self.damage_advance(advance);
        }
        member
    }

    fn damage_advance(&self, advance: &mut Advance) {
        match self.bug {
            Bug::ConsumesNothing => advance.consumed.clear(),
            Bug::GuardsNothing => advance.guard = None,
            Bug::FencesNothing => {
                let epochs = self.epochs.lock().expect("nobody panics while holding it");
                advance.lease.epoch = epochs.get(&advance.lease.run).copied().unwrap_or(advance.lease.epoch);
            }
            Bug::ForgetsAttempts => {
                for record in &mut advance.records {
                    if matches!(record.what, What::AttemptFailed { .. }) {
                        record.what = What::Abandoned;
                    }
                }
            }
            Bug::HoldsNoKeys => advance.keys.clear(),
            Bug::SetsNoTimer => {
                if let lumina_workflow::store::Next::Park { wake_at } = &mut advance.next {
                    *wake_at = None;
                }
            }
            Bug::KeepsNoLease | Bug::ReadsLate => {}
        }
    }
}

impl Store for BrokenStore {
    fn commit(&self, batch: Arc<[Member]>) -> BoxFuture<'_, Result<Vec<MemberResult>, StoreError>> {
        let damaged: Vec<Member> = batch.iter().map(|member| self.damage(member)).collect();
        self.inner.commit(damaged.into())
    }

    fn claim(&self, mut claim: Claim) -> BoxFuture<'_, Result<Vec<Claimed>, StoreError>> {
        Box::pin(async move {
            claim.takeover |= self.bug == Bug::KeepsNoLease;
            let mut claimed = self.inner.claim(claim).await?;
            let mut epochs = self.epochs.lock().expect("nobody panics while holding it");
            for claimed in &mut claimed {
                epochs.insert(claimed.lease.run, claimed.lease.epoch);
                if self.bug == Bug::ReadsLate {
                    claimed.records.pop();
                }
            }
            Ok(claimed)
        })
    }

    fn renew(&self, held: Vec<Lease>, lease: Duration) -> BoxFuture<'_, Result<Vec<RunId>, StoreError>> {
        self.inner.renew(held, lease)
    }

    fn history(&self, run: RunId, after: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<StoredRecord>, StoreError>> {
        self.inner.history(run, after, limit)
    }

    fn runs(&self, query: RunQuery) -> BoxFuture<'_, Result<Page<RunRow>, StoreError>> {
        self.inner.runs(query)
    }

    fn inbox(&self, query: InboxQuery) -> BoxFuture<'_, Result<Inbox, StoreError>> {
        self.inner.inbox(query)
    }

    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        self.inner.next_due()
    }

    fn now(&self) -> BoxFuture<'_, Result<Timestamp, StoreError>> {
        self.inner.now()
    }

    fn purge(&self, purge: Purge) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.inner.purge(purge)
    }

    fn schedules(&self, query: ScheduleQuery) -> BoxFuture<'_, Result<Vec<ScheduleRow>, StoreError>> {
        self.inner.schedules(query)
    }

    fn flows(&self, query: FlowQuery) -> BoxFuture<'_, Result<Vec<FlowRow>, StoreError>> {
        self.inner.flows(query)
    }

    fn hints(&self) -> BoxStream<'static, Hint> {
        self.inner.hints()
    }
}

/// Seeds in which a bug must show.
const SEEDS: u64 = 200;

#[test]
fn a_broken_store_is_found() {
    let bugs = [
        Bug::ConsumesNothing,
        Bug::GuardsNothing,
        Bug::FencesNothing,
        Bug::KeepsNoLease,
        Bug::ForgetsAttempts,
        Bug::ReadsLate,
        Bug::HoldsNoKeys,
        Bug::SetsNoTimer,
    ];
    for bug in bugs {
        let play = |seed| Play::new(seed, StoreKind::Memory).run_over(|clock| Broken::new(clock, bug));
        let found = (0..SEEDS).map(play).find(|report| !report.is_good());
        assert!(found.is_some(), "{bug:?} was not found in {SEEDS} seeds");
    }
}
