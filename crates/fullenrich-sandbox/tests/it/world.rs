//! A world with one sandbox in it, one thread, and a clock that is moved by hand.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::{HeaderMap, Request, StatusCode};
use jiff::Timestamp;
use lumina_fullenrich_sandbox::{
    BatchLine, BoxFuture, CallbackSender, Clock, DeliveryError, LedgerTotals, Mood, OpenError, Reset, SIGNATURE_HEADER,
    Sandbox, SandboxConfig, Trickle, sign,
};
use serde_json::{Value, json};
use tower::ServiceExt;

pub const KEY: &str = "test-api-key-not-real";
pub const BULK: &str = "/api/v2/contact/reverse/email/bulk";

/// The provider's defaults with the vector's key, and everybody found.
pub fn config() -> SandboxConfig {
    SandboxConfig {
        api_key: lumina_fullenrich_sandbox::ApiKey::new(KEY),
        not_found_percent: 0,
        ..SandboxConfig::default()
    }
}

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Time {
    now: Timestamp,
    next_sleeper: u64,
    sleepers: BTreeMap<(Timestamp, u64), Waker>,
    spawned: Vec<BoxFuture<'static, ()>>,
}

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub struct VirtualClock(Arc<Mutex<Time>>);

struct Sleep {
    clock: VirtualClock,
    until: Timestamp,
    key: Option<(Timestamp, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut time = clock.0.lock().unwrap();
        if time.now >= self.until {
            return Poll::Ready(());
        }
        time.next_sleeper += 1;
        let key = self.key.unwrap_or((self.until, time.next_sleeper));
        time.sleepers.insert(key, context.waker().clone());
        self.key = Some(key);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.clock.0.lock().unwrap().sleepers.remove(&key);
        }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().now
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        Box::pin(Sleep {
            clock: self.clone(),
            until: self.now() + span,
            key: None,
        })
    }

    fn spawn(&self, work: BoxFuture<'static, ()>) {
        self.0.lock().unwrap().spawned.push(work);
    }
}

/// A callback as it arrived.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub at: Timestamp,
    pub url: String,
    pub signature: Option<String>,
    pub headers: HeaderMap,
    pub trickle: Option<Trickle>,
    pub body: Bytes,
}

impl Arrival {
    pub fn is_genuine(&self) -> bool {
        self.signature == Some(sign(KEY, &self.body))
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

type Answering = Box<dyn FnMut(usize) -> Option<u16> + Send>;

/// Callbacks whose signature is checked and whose body is kept: all, except in a test with half a gigabyte of them.
const KEPT_BODIES: usize = 1_000;

/// What a receiver does that hangs.
const HANGS: Option<u16> = Some(0);

/// Takes callbacks in, checks their signature, and answers as told.
pub struct Inbox {
    clock: VirtualClock,
    arrivals: Mutex<Vec<Arrival>>,
    answer: Mutex<Answering>,
}

impl CallbackSender for Inbox {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<StatusCode, DeliveryError>> {
        let url = request.uri().to_string();
        assert_eq!(request.method(), "POST");
        assert_eq!(request.headers()["content-type"], "application/json");
        let mut arrivals = self.arrivals.lock().unwrap();
        let signature = request.headers().get(SIGNATURE_HEADER);
        let signature = signature.map(|signature| signature.to_str().unwrap().to_owned());
        let (trickle, headers) = (request.extensions().get().copied(), request.headers().clone());
        let mut body = Bytes::new();
        if arrivals.len() < KEPT_BODIES {
            body = request.into_body();
        }
        arrivals.push(Arrival {
            at: self.clock.now(),
            url: url.clone(),
            signature,
            headers,
            trickle,
            body,
        });
        let answer = match (self.answer.lock().unwrap())(arrivals.len()) {
            HANGS => return Box::pin(std::future::pending()),
            Some(status) => Ok(StatusCode::from_u16(status).unwrap()),
            None => Err(DeliveryError::NoAnswer {
                url,
                reason: "nobody is there".into(),
            }),
        };
        Box::pin(async { answer })
    }
}

/// What a call was answered with.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<String>,
    /// Whether it stands for a connection that was reset.
    pub reset: bool,
    pub content_type: Option<String>,
    pub bytes: Bytes,
    pub json: Value,
}

/// A call that was begun.
#[derive(Default)]
pub struct Pending(Arc<Mutex<Option<Answer>>>);

impl Pending {
    pub fn answer(&self) -> Option<Answer> {
        self.0.lock().unwrap().take()
    }
}

async fn answer_of(router: axum::Router, request: Request<Body>) -> Answer {
    let response = router.oneshot(request).await.unwrap();
    let reset = Reset::is_meant(&response);
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    Answer {
        status: parts.status.as_u16(),
        retry_after: header("retry-after"),
        content_type: header("content-type"),
        reset,
        json: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        bytes,
    }
}

pub struct World {
    pub clock: VirtualClock,
    pub inbox: Arc<Inbox>,
    sandbox: Option<Arc<Sandbox>>,
    config: SandboxConfig,
    ledger: Option<PathBuf>,
    tasks: FuturesUnordered<BoxFuture<'static, ()>>,
    ready: Arc<Flag>,
}

impl World {
    pub fn new(config: SandboxConfig) -> Self {
        Self::on(config, None)
    }

    pub fn on(config: SandboxConfig, ledger: Option<PathBuf>) -> Self {
        let now = "2026-08-03T10:00:00Z".parse().unwrap();
        let time = Time {
            now,
            next_sleeper: 0,
            sleepers: BTreeMap::new(),
            spawned: Vec::new(),
        };
        let clock = VirtualClock(Arc::new(Mutex::new(time)));
        let inbox = Arc::new(Inbox {
            clock: clock.clone(),
            arrivals: Mutex::default(),
            answer: Mutex::new(Box::new(|_| Some(200))),
        });
        let mut world = Self {
            clock,
            inbox,
            sandbox: None,
            config,
            ledger,
            tasks: FuturesUnordered::new(),
            ready: Arc::default(),
        };
        world.open().unwrap();
        world
    }

    fn open(&mut self) -> Result<(), OpenError> {
        let (clock, inbox) = (Arc::new(self.clock.clone()), Arc::clone(&self.inbox));
        self.sandbox = Some(Sandbox::open(self.config.clone(), self.ledger.clone(), clock, inbox)?);
        self.run_ready();
        Ok(())
    }

    /// The sandbox dies with everything it was about to do.
    pub fn kill(&mut self) {
        self.tasks.clear();
        self.clock.0.lock().unwrap().spawned.clear();
        self.sandbox = None;
    }

    pub fn kill_and_open(&mut self, change: impl FnOnce(&mut SandboxConfig)) {
        self.kill();
        change(&mut self.config);
        self.open().unwrap();
    }

    pub fn try_open(&mut self) -> Result<(), OpenError> {
        self.open()
    }

    pub fn sandbox(&self) -> &Arc<Sandbox> {
        self.sandbox.as_ref().unwrap()
    }

    pub fn totals(&self) -> LedgerTotals {
        self.sandbox().totals()
    }

    /// From now on the `n`-th callback of this world is answered so; `None` is no answer.
    pub fn answer_callbacks(&self, answer: impl FnMut(usize) -> Option<u16> + Send + 'static) {
        *self.inbox.answer.lock().unwrap() = Box::new(answer);
    }

    /// From now on no callback is answered, and no connection refused.
    pub fn hang_callbacks(&self) {
        self.answer_callbacks(|_| HANGS);
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn clock_second(&self) -> i64 {
        self.clock.now().as_second()
    }

    /// The callbacks that came to this URL. All of them are genuine.
    pub fn arrivals(&self, url: &str) -> Vec<Arrival> {
        let arrivals = self.arrivals_of_any_kind(url);
        let kept = arrivals.iter().filter(|arrival| !arrival.body.is_empty());
        assert!(kept.into_iter().all(Arrival::is_genuine), "{arrivals:?}");
        arrivals
    }

    pub fn arrivals_of_any_kind(&self, url: &str) -> Vec<Arrival> {
        self.inbox
            .arrivals
            .lock()
            .unwrap()
            .iter()
            .filter(|arrival| arrival.url == url)
            .cloned()
            .collect()
    }

    fn run_ready(&mut self) {
        let waker = Waker::from(Arc::clone(&self.ready));
        loop {
            self.tasks
                .extend(std::mem::take(&mut self.clock.0.lock().unwrap().spawned));
            self.ready.0.store(false, Ordering::SeqCst);
            while self.tasks.poll_next_unpin(&mut Context::from_waker(&waker)) == Poll::Ready(Some(())) {}
            let idle = !self.ready.0.load(Ordering::SeqCst) && self.clock.0.lock().unwrap().spawned.is_empty();
            if idle {
                return;
            }
        }
    }

    /// Moves the clock to the next sleeper's moment, if that is not after `limit`.
    fn step(&mut self, limit: Timestamp) -> bool {
        let mut time = self.clock.0.lock().unwrap();
        let Some((&(moment, _), _)) = time
            .sleepers
            .first_key_value()
            .filter(|((moment, _), _)| *moment <= limit)
        else {
            return false;
        };
        time.now = time.now.max(moment);
        let later = time.sleepers.split_off(&(moment, u64::MAX));
        let due = std::mem::replace(&mut time.sleepers, later);
        drop(time);
        due.into_values().for_each(Waker::wake);
        self.run_ready();
        true
    }

    /// Lets time pass.
    pub fn advance(&mut self, span: Duration) {
        let target = self.clock.now() + span;
        self.run_ready();
        while self.step(target) {}
        self.clock.0.lock().unwrap().now = target;
        self.run_ready();
    }

    /// Runs something to its end, letting as much time pass as it needs.
    pub fn block_on<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let woken = Arc::<Flag>::default();
        let waker = Waker::from(Arc::clone(&woken));
        loop {
            woken.0.store(false, Ordering::SeqCst);
            if let Poll::Ready(output) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
                self.run_ready();
                return output;
            }
            self.run_ready();
            let goes_on = woken.0.load(Ordering::SeqCst) || self.step(Timestamp::MAX);
            assert!(goes_on, "nothing is left that could end this");
        }
    }

    /// Begins a call and abandons it at once, as a client does that dies: what it has begun goes on.
    pub fn call_and_vanish(&mut self, request: Request<Body>) {
        let router = self.sandbox().router();
        let mut call = pin!(router.oneshot(request));
        let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending(), "the answer was to come later");
        self.run_ready();
    }

    pub fn send(&mut self, request: Request<Body>) -> Answer {
        let call = answer_of(self.sandbox().router(), request);
        self.block_on(call)
    }

    /// Begins a call that goes on while time passes.
    pub fn begin(&mut self, request: Request<Body>) -> Pending {
        let call = answer_of(self.sandbox().router(), request);
        let pending = Pending::default();
        let answer = Arc::clone(&pending.0);
        self.tasks.push(Box::pin(async move {
            let answered = call.await;
            *answer.lock().unwrap() = Some(answered);
        }));
        self.run_ready();
        pending
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.send(with_key("GET", path, Body::empty()))
    }

    pub fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.send(with_key("POST", path, Body::from(body.to_string())))
    }

    pub fn read(&mut self, id: &str) -> Answer {
        self.get(&format!("{BULK}/{id}"))
    }

    /// Starts a batch and returns its id.
    pub fn start(&mut self, body: &Value) -> String {
        let answer = self.post(BULK, body);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json["enrichment_id"].as_str().unwrap().to_owned()
    }

    pub fn start_for(&mut self, emails: &[&str]) -> String {
        self.start(&batch(emails))
    }

    /// How often a mood has occurred.
    pub fn occurred(&mut self, mood: Mood) -> u64 {
        let page = self.get("/sandbox/moods").json;
        page["occurred"][mood.name()].as_u64().unwrap()
    }

    /// The ledger's line of the how many-th batch.
    pub fn batch_line(&self, place: usize) -> BatchLine {
        self.sandbox().report().batches[place].clone()
    }

    /// How often an address was looked up, and charged.
    pub fn account(&self, email: &str) -> (u32, u32) {
        let report = self.sandbox().report();
        let line = report.addresses.iter().find(|line| line.email == email);
        line.map_or((0, 0), |line| (line.lookups, line.charges))
    }
}

pub fn with_key(method: &str, path: &str, body: Body) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json")
        .body(body)
        .unwrap()
}

/// A batch with both callbacks.
pub fn batch(emails: &[&str]) -> Value {
    let data: Vec<Value> = emails.iter().map(|email| json!({"email": email})).collect();
    json!({
        "name": "a batch",
        "webhook_url": "http://inbox.example/batch",
        "webhook_events": {"contact_finished": "http://inbox.example/contact"},
        "data": data,
    })
}

/// `many1@readers.example` and so on.
pub fn crowd(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n}@readers.example")).collect()
}

pub fn refs(emails: &[String]) -> Vec<&str> {
    emails.iter().map(String::as_str).collect()
}

pub const BATCH_URL: &str = "http://inbox.example/batch";
pub const CONTACT_URL: &str = "http://inbox.example/contact";
