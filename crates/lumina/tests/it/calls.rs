//! The limit of calls a minute, kept by two processes on one PostgreSQL database.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use jiff::Timestamp;
use lumina::calls::{Calls, NoPermit};
use lumina::database::{SCHEMA_OWNER, server_scripts};
use lumina_fullenrich::{CallKind, Transport, TransportError};
use lumina_workflow::{Runtime, StoreClock};
use lumina_workflow_postgres::testing::Database;
use lumina_workflow_postgres::{Options, PostgresStore};

use crate::support::{NOW, TestRuntime};

const MINUTE: Duration = Duration::from_secs(60);

/// A process that counts with others.
struct Process {
    calls: Calls,
    transport: Arc<dyn Transport>,
}

struct Fleet {
    processes: [Process; 2],
    clock: Arc<Clock>,
    _database: Database,
}

impl Fleet {
    async fn start(says: fn() -> http::response::Builder) -> Self {
        let (database, clock) = (Database::empty("calls"), Arc::new(Clock::new()));
        let processes = [
            Process::start(&database, &clock, says).await,
            Process::start(&database, &clock, says).await,
        ];
        Self {
            processes,
            clock,
            _database: database,
        }
    }

    /// So many ask at once, of both processes in turn; answers how many were granted, and how long the others are to
    /// wait.
    async fn ask(&self, kind: CallKind, many: usize) -> (usize, Vec<Duration>) {
        let asking = self.processes.iter().cycle().take(many);
        let asked = join_all(asking.map(|process| process.calls.permit(kind, self.clock.now()))).await;
        let granted = asked.iter().filter(|permit| permit.is_ok()).count();
        let waits = asked
            .into_iter()
            .filter_map(Result::err)
            .map(|none: NoPermit| none.after);
        (granted, waits.collect())
    }
}

impl Process {
    async fn start(database: &Database, clock: &Arc<Clock>, says: fn() -> http::response::Builder) -> Self {
        let options = Options::new(&database.address()).unwrap();
        let store = PostgresStore::open(options.clock(StoreClock::of(clock.clone())))
            .await
            .unwrap();
        store.migrate(SCHEMA_OWNER, &server_scripts()).await.unwrap();
        let sixty = NonZeroU32::new(60).unwrap();
        let (calls, transport) = Calls::shared(Arc::new(store), clock.clone(), sixty, Arc::new(Says(says)));
        Self { calls, transport }
    }
}

/// A provider that always says the same.
struct Says(fn() -> http::response::Builder);

impl Transport for Says {
    fn send(
        &self,
        _: http::Request<bytes::Bytes>,
    ) -> lumina_fullenrich::BoxFuture<'_, Result<http::Response<bytes::Bytes>, TransportError>> {
        Box::pin(async { Ok((self.0)().body(bytes::Bytes::new()).unwrap()) })
    }
}

/// A wall clock that is set by hand.
struct Clock {
    tokio: TestRuntime,
    seconds: AtomicI64,
}

impl Clock {
    fn new() -> Self {
        let noon: Timestamp = NOW.parse().unwrap();
        Self {
            tokio: TestRuntime::new(),
            seconds: AtomicI64::new(noon.as_second()),
        }
    }

    fn go_on(&self, by: i64) {
        self.seconds.fetch_add(by, Ordering::SeqCst);
    }
}

impl Runtime for Clock {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.tokio.spawn(task);
    }

    fn blocking(&self, code: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        self.tokio.blocking(code)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.tokio.sleep(duration)
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.seconds.load(Ordering::SeqCst)).unwrap()
    }

    fn monotonic(&self) -> Duration {
        self.tokio.monotonic()
    }

    fn random(&self) -> u64 {
        self.tokio.random()
    }
}

fn fine() -> http::response::Builder {
    http::Response::builder().status(200)
}

fn too_often() -> http::response::Builder {
    http::Response::builder().status(429)
}

fn too_often_for_long() -> http::response::Builder {
    too_often().header("retry-after", "90")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_minute_has_more_calls_than_it_may() {
    let fleet = Fleet::start(fine).await;
    for _ in 0..3 {
        let (granted, waits) = fleet.ask(CallKind::Submit, 150).await;
        assert_eq!(granted, 60);
        assert!(waits.iter().all(|wait| *wait == MINUTE), "{waits:?}");
        fleet.clock.go_on(45);
        let (granted, waits) = fleet.ask(CallKind::Submit, 10).await;
        assert_eq!((granted, waits), (0, vec![Duration::from_secs(15); 10]));
        fleet.clock.go_on(15);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_leaves_to_the_others_what_is_theirs() {
    let fleet = Fleet::start(fine).await;
    let mut granted = Vec::new();
    for kind in [CallKind::Poll, CallKind::Account, CallKind::Submit] {
        granted.push(fleet.ask(kind, 80).await.0);
    }
    assert_eq!(granted, [45, 10, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_says_to_one_holds_the_other() {
    let fleet = Fleet::start(too_often_for_long).await;
    let [one, other] = &fleet.processes;
    let permit = |process: &Process| {
        let (calls, now) = (process.calls.clone(), fleet.clock.now());
        async move { calls.permit(CallKind::Submit, now).await }
    };
    assert!(permit(other).await.is_ok());
    one.transport.send(http::Request::default()).await.unwrap();
    assert_eq!(permit(other).await.unwrap_err().after, Duration::from_secs(90));
    fleet.clock.go_on(89);
    assert_eq!(permit(other).await.unwrap_err().after, Duration::from_secs(1));
    fleet.clock.go_on(1);
    assert!(permit(other).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_time_it_holds_until_the_next_minute() {
    let fleet = Fleet::start(too_often).await;
    fleet.clock.go_on(20);
    fleet.processes[0]
        .transport
        .send(http::Request::default())
        .await
        .unwrap();
    assert_eq!(
        fleet.ask(CallKind::Submit, 2).await,
        (0, vec![Duration::from_secs(40); 2])
    );
    fleet.clock.go_on(40);
    assert_eq!(fleet.ask(CallKind::Submit, 2).await.0, 2);
}

/// Nobody has to wait until it is as late again as it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_is_begun_anew() {
    let fleet = Fleet::start(too_often_for_long).await;
    fleet.processes[0]
        .transport
        .send(http::Request::default())
        .await
        .unwrap();
    assert_eq!(fleet.ask(CallKind::Submit, 1).await.0, 0);
    fleet.clock.go_on(-24 * 3_600);
    assert_eq!(fleet.ask(CallKind::Submit, 100).await.0, 60);
}
