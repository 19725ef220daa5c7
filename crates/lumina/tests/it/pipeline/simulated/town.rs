//! What is around the simulated processes of Lumina: subscribers, and the provider's sandbox.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, StatusCode};
use jiff::Timestamp;
use lumina::app::App;
use lumina::http::HttpState;
use lumina::records::{Channel, Records};
use lumina::workflows::{self, Context, PipelineSettings, Provider, RETENTION};
use lumina_enrichment::email::{Classifier, EmailAddress};
use lumina_enrichment::icp::IcpProfile;
use lumina_enrichment::subscriber::NewSubscriber;
use lumina_fullenrich::Client;
use lumina_fullenrich_sandbox::{CallbackSender, Clock, DeliveryError, Mood, Moods, Percent, Sandbox, SandboxConfig};
use lumina_workflow::{Engine, EngineBuilder, EngineError, Runtime, StoreClock};
use lumina_workflow_sim::{Boot, Dice, Who, World};

use super::ground::Ground;
use crate::pipeline::world::{InProcess, call, http_settings, read_value, settings};

const MINUTE: Duration = Duration::from_secs(60);

/// How many subscribe, each at a time of its own.
const PEOPLE: usize = 6;

/// They subscribe within this time, while things go wrong.
const BUSY: u64 = 180;

pub struct Town {
    seed: u64,
    ground: Ground,
    clock: StoreClock,
    folder: tempfile::TempDir,
    /// Of processes that have not built their engine yet.
    contexts: Mutex<BTreeMap<Who, Arc<Context>>>,
    outside: Mutex<Option<Arc<Outside>>>,
}

/// What there is once time passes.
struct Outside {
    runtime: Arc<Streets>,
    sandbox: Arc<Sandbox>,
}

impl Town {
    pub fn new(seed: u64, ground: Ground, clock: StoreClock) -> Self {
        Self {
            seed,
            ground,
            clock,
            folder: tempfile::tempdir().unwrap(),
            contexts: Mutex::default(),
            outside: Mutex::default(),
        }
    }

    /// Opens the sandbox.
    pub fn open(self: &Arc<Self>, world: &World) {
        let runtime = Arc::new(Streets {
            world: world.clone(),
            clock: self.clock.clone(),
            dice: Mutex::new(Dice::of(self.seed, "town", 0)),
        });
        let config = SandboxConfig {
            seed: self.seed,
            moods: moods_of(self.seed),
            ..SandboxConfig::default()
        };
        let post = Arc::new(Post(self.clone()));
        let sandbox = Sandbox::open(config, None, Arc::new(Hours(runtime.clone())), post).unwrap();
        *self.outside.lock().unwrap() = Some(Arc::new(Outside { runtime, sandbox }));
    }

    /// Lets everything go: town, sandbox and simulation hold each other.
    pub fn close(&self) {
        *self.outside.lock().unwrap() = None;
        self.contexts.lock().unwrap().clear();
    }

    fn outside(&self) -> Arc<Outside> {
        let outside = self.outside.lock().unwrap().clone();
        outside.expect("it was opened before anything began")
    }

    /// A process's engine, with everything that is registered.
    pub fn build(&self, boot: &Boot) -> EngineBuilder {
        let context = Arc::new(self.make_context(boot.runtime.clone()));
        let builder = workflows::register(boot.engine(), &context).unwrap();
        self.contexts.lock().unwrap().insert(boot.who, context);
        builder
    }

    pub fn attach(&self, boot: &Boot, engine: &Engine) {
        let context = self.contexts.lock().unwrap().remove(&boot.who);
        context.expect("it was made for this engine").attach_engine(engine);
    }

    fn make_context(&self, runtime: Arc<dyn Runtime>) -> Context {
        let sandbox = self.outside().sandbox.clone();
        let transport = Arc::new(InProcess(sandbox.router()));
        let (calls, transport) = self.ground.count_calls(sandbox.config(), &runtime, transport);
        let key = sandbox.config().api_key.expose().into();
        let provider = Provider {
            client: Client::new(transport, "http://sandbox.test/api/v2", &key, calls.limiter()).unwrap(),
            calls,
            callback: Some("http://lumina.test/api/webhooks/enrichment".to_owned()),
        };
        let records = Records::new(self.ground.database());
        Context::new(records, runtime, provider, quick(), IcpProfile::default())
    }

    /// The application around an engine of some process.
    fn app(&self, engine: Engine) -> App {
        let context = Arc::new(self.make_context(self.outside().runtime.clone()));
        context.attach_engine(&engine);
        App {
            engine,
            records: context.records.clone(),
            context,
            classifier: Arc::new(Classifier::new()),
            database: self.ground.database(),
        }
    }

    /// Everybody subscribes, and is told so.
    pub async fn live(self: &Arc<Self>, world: &World) {
        let mut dice = Dice::of(self.seed, "people", 0);
        let mut times: Vec<u64> = (0..PEOPLE).map(|_| dice.below(BUSY)).collect();
        times.sort_unstable();
        for (number, at) in times.into_iter().enumerate() {
            world
                .sleep(Duration::from_secs(at).saturating_sub(world.elapsed()))
                .await;
            let town = self.clone();
            let subscribe = move |engine| -> BoxFuture<'static, Result<(), EngineError>> {
                let app = town.app(engine);
                Box::pin(async move {
                    let email = EmailAddress::parse(&format!("person{number}@gmail.com")).unwrap();
                    let person = NewSubscriber::new(email, "test", &app.classifier);
                    let taken = lumina::ingest::ingest(&app, vec![person], 1, Channel::Webhook, None);
                    taken.await.map(drop)
                })
            };
            if let Err(error) = world.ask(subscribe).await {
                world.blame(format!("person {number} was not taken in: {error}"));
            }
        }
        self.keep_runs(world).await;
        self.settle(world).await;
    }

    /// The simulator asks at the end for every run that was started, also for those that are kept for an hour only.
    async fn keep_runs(&self, world: &World) {
        let hold = |engine: Engine| -> BoxFuture<'static, Result<(), EngineError>> {
            Box::pin(async move { engine.pause_schedule(RETENTION, "town").await.map(drop) })
        };
        // It is there when a worker has declared it.
        while let Err(error) = world.ask(hold).await {
            if world.elapsed() > 30 * MINUTE {
                return world.blame(format!("retention could not be held: {error}"));
            }
            world.sleep(MINUTE).await;
        }
    }

    /// Until no lookup is open.
    async fn settle(&self, world: &World) {
        while self.count("SELECT count(*) FROM lumina.enrichment_job WHERE status IN ('pending', 'submitted')") > 0 {
            world.sleep(MINUTE).await;
        }
    }

    fn count(&self, sql: &str) -> u64 {
        let database = self.ground.database();
        let answer = read_value::<i64>(&database, sql).now_or_never();
        u64::try_from(answer.expect("an inline store answers at once")).unwrap()
    }

    /// Whether a run of this address has sent it a second time, after an unknown outcome and a whole window.
    fn was_sent_again(&self, email: &str) -> bool {
        let place = self.ground.place_of_job();
        let sql = format!(
            "SELECT count(*) FROM lumina.enrichment_job AS j JOIN lumina.subscriber AS s ON s.id = j.subscriber \
             JOIN lumina.enrichment_post AS p ON {place} > 0 WHERE s.email = '{email}' AND p.attempt = 2"
        );
        self.count(&sql) > 0
    }

    /// Nobody is lost; nobody is paid for twice, but after an unknown outcome and a whole window; who was found is a
    /// lead, and who is none is on record as not answered.
    pub fn check(&self, world: &World) {
        let people = self.count("SELECT count(*) FROM lumina.subscriber");
        let ended =
            self.count("SELECT count(*) FROM lumina.enrichment_job WHERE status NOT IN ('pending', 'submitted')");
        let [leads, stale] = [
            "SELECT count(*) FROM lumina.lead",
            "SELECT count(*) FROM lumina.enrichment_job WHERE status = 'stale'",
        ]
        .map(|sql| self.count(sql));
        let ledger = self.outside().sandbox.report();
        let twice: Vec<&String> = ledger
            .charged_twice
            .iter()
            .filter(|email| !self.was_sent_again(email))
            .collect();
        let forged = self.count("SELECT count(*) FROM lumina.lead WHERE full_name LIKE '%forged%'");
        let charged = ledger.addresses.iter().filter(|line| line.charges > 0).count() as u64;
        let rules = [
            (people == PEOPLE as u64, "everybody who was told so is stored"),
            (ended == PEOPLE as u64, "every lookup ends"),
            (twice.is_empty(), "nobody is paid for twice without need"),
            (leads <= charged, "leads are people who were found"),
            (forged == 0, "nobody is believed who does not sign"),
            (
                charged <= leads + stale,
                "who was paid for is a lead, or known as not answered",
            ),
        ];
        for (_, rule) in rules.iter().filter(|(holds, _)| !holds) {
            world.blame(format!(
                "{rule}: {people} people, {ended} ended, {leads} leads, {stale} stale, {charged} charged, {twice:?} twice"
            ));
        }
    }
}

/// In every second town the provider has all its moods.
fn moods_of(seed: u64) -> Moods {
    if seed.is_multiple_of(2) {
        return Moods::default();
    }
    let often = |mood| match mood {
        // These are drawn for every call, and there are many of them.
        Mood::RateLimitedBurst | Mood::ServerErrorBurst | Mood::ReadError => 2.0,
        _ => 10.0,
    };
    Mood::ALL
        .into_iter()
        .filter(|mood| *mood != Mood::InvalidAddresses)
        .fold(Moods::default(), |moods, mood| {
            moods.with(mood, Percent::try_from(often(mood)).unwrap())
        })
}

/// Short times, so that what is lost is given up within an hour or two.
fn quick() -> PipelineSettings {
    PipelineSettings {
        deadline: 60 * MINUTE,
        reconcile_window: 20 * MINUTE,
        poll_first: 10 * MINUTE,
        poll_every: 10 * MINUTE,
        sweep_every: 5 * MINUTE,
        ..settings()
    }
}

/// The provider's way to Lumina: some process that lives.
struct Post(Arc<Town>);

impl CallbackSender for Post {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<StatusCode, DeliveryError>> {
        let town = self.0.clone();
        let world = town.outside().runtime.world.clone();
        Box::pin(async move {
            let deliver = move |engine| -> BoxFuture<'static, Result<StatusCode, EngineError>> {
                let (town, request) = (town.clone(), clone(&request));
                Box::pin(async move {
                    let key = town.outside().sandbox.config().api_key.expose().to_owned();
                    let state = HttpState::new(town.app(engine), http_settings(town.folder.path(), &key));
                    Ok(call(lumina::http::webhook_router(state), request).await.status())
                })
            };
            Ok(world.ask(deliver).await.expect("no store is asked"))
        })
    }
}

fn clone(request: &Request<Bytes>) -> Request<Bytes> {
    let mut copy = Request::new(request.body().clone());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// The runtime of what is nobody's process.
struct Streets {
    world: World,
    clock: StoreClock,
    dice: Mutex<Dice>,
}

impl Runtime for Streets {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.world.spawn(task);
    }

    fn blocking(&self, code: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        Box::pin(async move { code() })
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let world = self.world.clone();
        Box::pin(async move { world.sleep(duration).await })
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn monotonic(&self) -> Duration {
        self.world.elapsed()
    }

    fn random(&self) -> u64 {
        self.dice.lock().unwrap().below(u64::MAX)
    }
}

/// The sandbox's clock.
struct Hours(Arc<Streets>);

impl Clock for Hours {
    fn now(&self) -> Timestamp {
        Runtime::now(&*self.0)
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        Runtime::sleep(&*self.0, span)
    }

    fn spawn(&self, work: BoxFuture<'static, ()>) {
        Runtime::spawn(&*self.0, work);
    }
}
