//! A database with what tests do to it again and again.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lumina_workflow::store::{
    Advance, Change, Claim, Claimed, InboxQuery, Lease, Member, MemberResult, NewRun, Next, Outcome, RunQuery, RunRow,
    Store,
};
use lumina_workflow::{
    CorrelationKey, DefinitionHash, NewEvent, Payload, Phase, Record, RunId, Seq, StepKey, StepKind, StepRef, Target,
    What, WorkerId,
};
use lumina_workflow_postgres::testing::Database;
use lumina_workflow_postgres::{Hook, Options, PostgresStore};
use tokio::task::JoinHandle;
use uuid::Uuid;

pub const WORKFLOW: &str = "order";
pub const HASH: DefinitionHash = DefinitionHash(7);

/// What does not happen within this time does not happen.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub async fn open(options: Options) -> PostgresStore {
    PostgresStore::open(options).await.unwrap()
}

/// A store, and another one on the same database whose connections a test has its hand in.
pub async fn two(hook: Hook) -> (Database, PostgresStore, PostgresStore) {
    let database = Database::empty("engine");
    let plain = open(database.options()).await;
    let hooked = open(database.options().hook(hook)).await;
    (database, plain, hooked)
}

pub fn moment() -> Timestamp {
    Timestamp::from_second(1_767_225_600).unwrap()
}

pub fn run_id(number: u128) -> RunId {
    RunId(Uuid::from_u128((0x0199_0000_0000 << 80) + number))
}

pub fn new_run(number: u128) -> NewRun {
    NewRun {
        id: run_id(number),
        workflow: WORKFLOW.to_owned(),
        hash: HASH,
        start_key: None,
        input: Payload::from_stored(number.to_string()),
        priority: 0,
        delay: Duration::ZERO,
        known_since: moment(),
        parent: None,
        flow_key: None,
    }
}

pub fn key(text: &str) -> CorrelationKey {
    CorrelationKey::new("shop", text)
}

pub fn claim() -> Claim {
    Claim {
        worker: WorkerId(Uuid::from_u128(1)),
        // Longer than any test on a busy machine: the clock is the database's own.
        lease: Duration::from_secs(3_600),
        limit: 100,
        definitions: Arc::from([(WORKFLOW.to_owned(), HASH)]),
        flows: Arc::new([]),
        known_since: moment(),
        takeover: false,
    }
}

pub fn bare(lease: Lease, seq: u64, next: Next) -> Advance {
    Advance {
        lease,
        seq: Seq(seq),
        records: vec![],
        consumed: vec![],
        keys: vec![],
        starts: vec![],
        emits: vec![],
        guard: None,
        next,
    }
}

/// One completed step; without a payload the attachment computes it.
pub fn step(lease: Lease, seq: u64, payload: Option<Payload>, next: Next) -> Advance {
    let record = Record {
        phase: Phase::Main,
        step: Some(StepRef {
            ordinal: u32::try_from(seq).unwrap() + 1,
            name: "submit".to_owned(),
            key: StepKey::Given(seq.to_string()),
            kind: StepKind::Action,
        }),
        what: What::Completed { attempt: 1, payload },
        started_at: moment(),
        ended_at: moment(),
        worker: WorkerId(Uuid::from_u128(1)),
        epoch: lease.epoch,
    };
    Advance {
        records: vec![record],
        ..bare(lease, seq, next)
    }
}

pub fn registering(lease: Lease, text: &str) -> Change {
    Change::Advance(Advance {
        keys: vec![key(text)],
        ..bare(lease, 0, Next::Running)
    })
}

pub fn event(id: &str, target: impl Into<Target>) -> NewEvent {
    NewEvent::new(id, target, "paid", Payload::from_stored("{}"))
}

pub fn nothing(number: u128) -> Change {
    Change::Nothing {
        id: Uuid::from_u128(number),
    }
}

pub async fn apply(store: &PostgresStore, member: impl Into<Member>) -> MemberResult {
    store.commit(Arc::new([member.into()])).await.unwrap().remove(0)
}

/// Waits until it has ended, or for so long that it waits for somebody's lock.
pub async fn as_far_as_it_goes<T>(working: &JoinHandle<T>) {
    let ends = async {
        while !working.is_finished() {
            tokio::task::yield_now().await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(60), ends).await;
}

pub async fn start(store: &PostgresStore, number: u128) -> RunId {
    assert_eq!(apply(store, Change::Start(new_run(number))).await, Ok(Outcome::Started));
    run_id(number)
}

pub async fn claimed(store: &PostgresStore) -> Vec<Claimed> {
    store.claim(claim()).await.unwrap()
}

/// Starts a run and claims it, and nothing else.
pub async fn running(store: &PostgresStore, number: u128) -> Lease {
    let run = start(store, number).await;
    let claimed = claimed(store).await;
    assert_eq!(
        claimed.iter().map(|claimed| claimed.lease.run).collect::<Vec<_>>(),
        [run]
    );
    claimed[0].lease
}

pub async fn row(store: &PostgresStore, run: RunId) -> RunRow {
    let query = RunQuery {
        id: Some(run),
        limit: 1,
        ..RunQuery::default()
    };
    store.runs(query).await.unwrap().items.remove(0)
}

pub async fn runs(store: &PostgresStore) -> Vec<RunId> {
    let query = RunQuery {
        limit: 1_000,
        ..RunQuery::default()
    };
    store
        .runs(query)
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|row| row.id)
        .collect()
}

pub async fn inbox_ids(store: &PostgresStore, run: Option<RunId>) -> Vec<String> {
    let query = InboxQuery {
        run,
        after: 0,
        limit: 100,
    };
    let inbox = store.inbox(query).await.unwrap();
    inbox.events.into_iter().map(|event| event.id).collect()
}
