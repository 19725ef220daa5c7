//! Stores in folders of their own, and what is put into them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use lumina_workflow::codec::AesGcmCodec;
use lumina_workflow::store::{
    Advance, Attachment, Change, Claim, Claimed, Hint, InboxQuery, Lease, Member, MemberResult, NewRun, Next, Outcome,
    RunQuery, RunRow, Store,
};
use lumina_workflow::{
    DefinitionHash, NewEvent, Payload, Phase, Record, RunId, Seq, StepKey, StepKind, StepRef, Target, What, WorkerId,
};
use lumina_workflow_sqlite::{AttachError, Mode, Options, Role, SqliteStore, Tx, attach};
use tempfile::TempDir;
use uuid::Uuid;

pub const HASH: DefinitionHash = DefinitionHash(0xfeed_beef_0000_0001);
pub const WORKFLOW: &str = "order";
pub const MODES: [Mode; 2] = [Mode::Inline, Mode::Threads];

/// An answer that does not come within this time will not come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A line of a key file, and another.
pub const FIRST_KEY: &str = "first 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
pub const SECOND_KEY: &str = "second ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM=";

pub struct Folder {
    dir: TempDir,
}

impl Folder {
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// In memory where the system has such files, for what plays thousands of commits on a
    /// virtual clock, and dies by forgetting its tasks.
    pub fn light() -> Self {
        let in_memory = Path::new("/dev/shm");
        let dir = if in_memory.is_dir() {
            tempfile::tempdir_in(in_memory)
        } else {
            tempfile::tempdir()
        };
        Self { dir: dir.unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn options(&self) -> Options {
        Options::new(self.path("lumina.db"))
    }

    /// A codec with the keys of these lines; the first encrypts.
    pub fn codec(&self, lines: &[&str]) -> Arc<AesGcmCodec> {
        let path = self.path("lumina.keys");
        std::fs::write(&path, lines.join("\n")).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        Arc::new(AesGcmCodec::open(&path).unwrap())
    }

    pub fn executor(&self, mode: Mode) -> SqliteStore {
        SqliteStore::open(self.options().mode(mode)).unwrap()
    }

    pub fn client(&self) -> SqliteStore {
        SqliteStore::open(self.options().role(Role::Client)).unwrap()
    }
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

pub fn bulky(number: u128, bytes: usize) -> NewRun {
    NewRun {
        input: Payload::from_stored(format!("\"{}\"", "x".repeat(bytes))),
        ..new_run(number)
    }
}

pub fn claim() -> Claim {
    Claim {
        worker: WorkerId(Uuid::from_u128(1)),
        lease: Duration::from_secs(15),
        limit: 100,
        definitions: Arc::from([(WORKFLOW.to_owned(), HASH)]),
        flows: Arc::new([]),
        known_since: moment(),
        takeover: false,
    }
}

/// One completed step.
pub fn step(lease: Lease, seq: u64, next: Next) -> Advance {
    let record = Record {
        phase: Phase::Main,
        step: Some(StepRef {
            ordinal: u32::try_from(seq).unwrap() + 1,
            name: "submit".to_owned(),
            key: StepKey::Given(seq.to_string()),
            kind: StepKind::Action,
        }),
        what: What::Completed {
            attempt: 1,
            payload: Some(Payload::from_stored("7")),
        },
        started_at: moment(),
        ended_at: moment(),
        worker: WorkerId(Uuid::from_u128(1)),
        epoch: lease.epoch,
    };
    Advance {
        lease,
        seq: Seq(seq),
        records: vec![record],
        consumed: vec![],
        keys: vec![],
        starts: vec![],
        emits: vec![],
        guard: None,
        next,
    }
}

pub fn event(id: &str, target: impl Into<Target>) -> NewEvent {
    NewEvent::new(id, target, "paid", Payload::from_stored("{}"))
}

pub fn nothing(number: u128) -> Change {
    Change::Nothing {
        id: Uuid::from_u128(number),
    }
}

pub fn with(change: Change, writes: Attachment) -> Member {
    Member {
        change,
        attach: Some(writes),
    }
}

/// An attachment that executes these statements.
pub fn executing(sql: &'static str) -> Attachment {
    attach(move |tx: &Tx<'_>| -> Result<Payload, AttachError> {
        tx.connection().execute_batch(sql)?;
        Ok(Payload::null())
    })
}

pub async fn apply(store: &SqliteStore, member: impl Into<Member>) -> MemberResult {
    store.commit(Arc::new([member.into()])).await.unwrap().remove(0)
}

pub async fn start(store: &SqliteStore, number: u128) -> RunId {
    assert_eq!(apply(store, Change::Start(new_run(number))).await, Ok(Outcome::Started));
    run_id(number)
}

pub async fn claimed(store: &SqliteStore) -> Vec<Claimed> {
    store.claim(claim()).await.unwrap()
}

/// Starts a run and claims it, and nothing else.
pub async fn running(store: &SqliteStore, number: u128) -> Lease {
    let run = start(store, number).await;
    let claimed = claimed(store).await;
    assert_eq!(
        claimed.iter().map(|claimed| claimed.lease.run).collect::<Vec<_>>(),
        [run]
    );
    claimed[0].lease
}

pub async fn runs(store: &SqliteStore) -> Vec<RunRow> {
    let query = RunQuery {
        limit: 1_000,
        ..RunQuery::default()
    };
    store.runs(query).await.unwrap().items
}

pub async fn inbox_ids(store: &SqliteStore, run: Option<RunId>) -> Vec<String> {
    let inbox = store
        .inbox(InboxQuery {
            run,
            after: 0,
            limit: 100,
        })
        .await
        .unwrap();
    inbox.events.into_iter().map(|event| event.id).collect()
}

/// Waits until this hint comes; others may come before.
pub async fn hear(hints: &mut (impl StreamExt<Item = Hint> + Unpin), hint: Hint) {
    let heard = async { while hints.next().await != Some(hint) {} };
    tokio::time::timeout(PATIENCE, heard)
        .await
        .unwrap_or_else(|_| panic!("{hint:?} did not come"));
}
