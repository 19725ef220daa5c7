//! A store with what cases do to it again and again.

use std::cell::Cell;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::samples::ToMember;
use super::{Act, Backend, block_on, samples};
use crate::event::NewEvent;
use crate::id::{RunId, Seq};
use crate::payload::Payload;
use crate::store::{
    Advance, Attachment, Claim, Claimed, Delivery, Inbox, InboxQuery, Lease, Member, MemberResult, NewRun, Outcome,
    Purge, RunQuery, RunRow, ScheduleQuery, ScheduleRow, Store, StoredRecord,
};

/// Where a case plays: a backend, and ids that grow.
pub struct Stage<'a> {
    backend: &'a dyn Backend,
    store: Arc<dyn Store>,
    drawn: Cell<u64>,
}

/// The promise holds: what was found is what it says.
#[track_caller]
#[expect(
    clippy::needless_pass_by_value,
    reason = "what a case compares it mostly makes on the spot"
)]
pub(super) fn same<T: PartialEq + Debug>(promise: &str, found: T, promised: T) {
    assert!(
        found == promised,
        "this promise does not hold: {promise}\n   found: {found:?}\npromised: {promised:?}"
    );
}

pub(super) fn ids<const COUNT: usize>(ids: [&str; COUNT]) -> Vec<String> {
    ids.map(str::to_owned).into()
}

/// The promise holds.
#[track_caller]
pub(super) fn holds(promise: &str, claim: bool) {
    assert!(claim, "this promise does not hold: {promise}");
}

impl<'a> Stage<'a> {
    /// A stage over a new backend.
    pub fn new(backend: &'a dyn Backend) -> Self {
        Self {
            backend,
            store: backend.store(),
            drawn: Cell::new(0),
        }
    }

    pub(super) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// A UUIDv7, higher than all before.
    pub(super) fn id(&self) -> Uuid {
        self.drawn.set(self.drawn.get() + 1);
        let millis = 1_767_225_600_000 + self.drawn.get();
        uuid::Builder::from_unix_timestamp_millis(millis, &[7; 10]).into_uuid()
    }

    pub(super) fn run_id(&self) -> RunId {
        RunId(self.id())
    }

    pub(super) fn attach(&self, acts: impl Into<Vec<Act>>) -> Attachment {
        self.backend.attach(acts.into())
    }

    /// What the application's cell holds, as a number; 0 when there is none.
    pub(super) fn counted(&self, cell: &str) -> u64 {
        self.cell(cell)
            .map_or(0, |value| value.decode().expect("the cell holds a number"))
    }

    pub(super) fn cell(&self, cell: &str) -> Option<Payload> {
        self.backend.get(cell)
    }

    pub(super) fn pass(&self, time: Duration) {
        self.backend.advance_clock(time);
    }

    pub(super) fn now(&self) -> Timestamp {
        block_on(self.store.now()).expect("the store knows the time")
    }

    pub(super) fn group(&self, members: impl Into<Arc<[Member]>>) -> Vec<MemberResult> {
        let members = members.into();
        let count = members.len();
        let answers = block_on(self.store.commit(members.clone())).expect("the store commits");
        same("a commit answers for each member", answers.len(), count);
        let runs = members.iter().map(Member::executing);
        runs.zip(answers)
            .map(|(run, answer)| self.check_news(run, answer))
            .collect()
    }

    /// A store may bring news along: then they are the inbox. What is compared is the rest.
    fn check_news(&self, run: Option<RunId>, answer: MemberResult) -> MemberResult {
        let Ok(Outcome::Advanced { inbox, payload, news }) = answer else {
            return answer;
        };
        if let Some(news) = news {
            same("news are the inbox", *news, self.inbox(run));
        }
        Ok(Outcome::Advanced {
            inbox,
            payload,
            news: None,
        })
    }

    pub(super) fn apply(&self, member: impl ToMember) -> MemberResult {
        self.group([member.member()]).remove(0)
    }

    pub(super) fn apply_with(&self, member: impl ToMember, attach: Attachment) -> MemberResult {
        self.apply(Member {
            attach: Some(attach),
            ..member.member()
        })
    }

    pub(super) fn new_run(&self) -> NewRun {
        NewRun {
            id: self.run_id(),
            workflow: samples::WORKFLOW.to_owned(),
            hash: samples::HASH,
            start_key: None,
            input: samples::json(1),
            priority: 0,
            delay: Duration::ZERO,
            known_since: samples::moment(0),
            parent: None,
            flow_key: None,
        }
    }

    pub(super) fn start(&self, new: NewRun) -> RunId {
        let id = new.id;
        same(
            "a start with a new id makes a run",
            self.apply(new),
            Ok(Outcome::Started),
        );
        id
    }

    /// Claims what there is, and expects exactly this run.
    pub(super) fn take(&self, run: RunId) -> Lease {
        let claimed = self.claim_as(samples::claim());
        let ids: Vec<_> = claimed.iter().map(|claimed| claimed.lease.run).collect();
        same("a ready run is claimed, and no other", ids, vec![run]);
        claimed[0].lease
    }

    /// A new run that was claimed; other ready runs are left alone.
    pub(super) fn running(&self) -> Lease {
        let run = self.start(NewRun {
            priority: i16::MAX,
            ..self.new_run()
        });
        let claimed = self.claim_as(Claim {
            limit: 1,
            ..samples::claim()
        });
        let ids: Vec<_> = claimed.iter().map(|claimed| claimed.lease.run).collect();
        same("the run with the highest priority is claimed first", ids, vec![run]);
        claimed[0].lease
    }

    /// A new run that waits for something to come in.
    pub(super) fn parked(&self) -> Lease {
        let lease = self.running();
        self.advanced(samples::park(lease));
        lease
    }

    /// Applies a step forward that is in order. Answers the inbox counter afterwards.
    #[expect(clippy::needless_pass_by_value, reason = "a case mostly makes it on the spot")]
    pub(super) fn advanced(&self, advance: Advance) -> u64 {
        match self.apply(advance.clone()) {
            Ok(Outcome::Advanced { inbox, .. }) => inbox,
            other => panic!("this promise does not hold: a change in order is applied; {advance:?} gave {other:?}"),
        }
    }

    pub(super) fn emit(&self, event: NewEvent) -> Delivery {
        match self.apply(event) {
            Ok(Outcome::Emitted(delivery)) => delivery,
            other => panic!("this promise does not hold: an event is stored; found {other:?}"),
        }
    }

    pub(super) fn claim_as(&self, claim: Claim) -> Vec<Claimed> {
        block_on(self.store.claim(claim)).expect("the store hands runs out")
    }

    pub(super) fn claim_ids(&self, claim: Claim) -> Vec<RunId> {
        self.claim_as(claim)
            .into_iter()
            .map(|claimed| claimed.lease.run)
            .collect()
    }

    pub(super) fn find(&self, run: RunId) -> Option<RunRow> {
        let query = RunQuery {
            id: Some(run),
            limit: 1,
            ..RunQuery::default()
        };
        block_on(self.store.runs(query))
            .expect("the store shows runs")
            .items
            .pop()
    }

    pub(super) fn row(&self, run: RunId) -> RunRow {
        self.find(run).expect("a run that was started is shown")
    }

    pub(super) fn history(&self, run: RunId) -> Vec<StoredRecord> {
        block_on(self.store.history(run, Seq(0), 10_000)).expect("the store shows histories")
    }

    pub(super) fn inbox(&self, run: Option<RunId>) -> Inbox {
        let query = InboxQuery {
            run,
            after: 0,
            limit: 10_000,
        };
        block_on(self.store.inbox(query)).expect("the store shows inboxes")
    }

    pub(super) fn inbox_ids(&self, run: RunId) -> Vec<String> {
        self.inbox(Some(run)).events.into_iter().map(|event| event.id).collect()
    }

    pub(super) fn unrouted_ids(&self) -> Vec<String> {
        self.inbox(None).events.into_iter().map(|event| event.id).collect()
    }

    /// The place of an event in a run's inbox.
    pub(super) fn place(&self, run: RunId, id: &str) -> u64 {
        let found = self.inbox(Some(run)).events.into_iter().find(|event| event.id == id);
        found.expect("an event that came in is in the inbox").seq
    }

    pub(super) fn schedules(&self) -> Vec<ScheduleRow> {
        self.schedules_as(ScheduleQuery {
            limit: 1_000,
            ..ScheduleQuery::default()
        })
    }

    pub(super) fn schedules_as(&self, query: ScheduleQuery) -> Vec<ScheduleRow> {
        block_on(self.store.schedules(query)).expect("the store shows schedules")
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        block_on(self.store.next_due()).expect("the store knows what is due")
    }

    pub(super) fn purge(&self, before: Timestamp, limit: usize) -> usize {
        self.purge_as(Purge {
            before,
            workflow: None,
            limit,
        })
    }

    pub(super) fn purge_as(&self, purge: Purge) -> usize {
        block_on(self.store.purge(purge)).expect("the store forgets")
    }

    pub(super) fn renew(&self, held: &[Lease], lease: Duration) -> Vec<RunId> {
        block_on(self.store.renew(held.to_vec(), lease)).expect("the store renews")
    }
}
