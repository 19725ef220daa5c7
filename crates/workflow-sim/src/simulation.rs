//! One simulation: a seed, processes on a shared store, a client, and what is looked at.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, join, select};
use lumina_workflow::deterministic::DeterministicRuntime;
use lumina_workflow::{Engine, EngineBuilder, Runtime, StoreClock, WorkerOptions};

use crate::backend::{Backend, MemoryBackend};
use crate::boot::{Boot, Builder, MakeEngine, MakeOptions, WithEngine};
use crate::dice::Dice;
use crate::fault::{Clocks, Faults};
use crate::inspect;
use crate::life::shifted;
use crate::report::Report;
use crate::stage::{LeftOut, Manner, Setting, Stage};
use crate::trace::lock;
use crate::world::World;

/// When nothing goes wrong any more, everything comes to an end within this time. The longest
/// waits of the random programs and a handler's hour are far shorter.
const PATIENCE: Duration = Duration::from_secs(4 * 3_600);

/// Between two looks whether something is wrong already, so that a seed that fails does not go on for hours.
const LOOK: Duration = Duration::from_secs(600);

/// After the last end, whoever still believes to have a run may try to write.
const AFTERWARDS: Duration = Duration::from_secs(90);

type Client = Box<dyn FnOnce(World) -> BoxFuture<'static, ()>>;
type Check = Box<dyn FnOnce(&World)>;

/// Builds a simulation. The defaults are drawn from the seed.
///
/// ```
/// use lumina_workflow::{Failure, Run, StartOptions, Step, StepError, Workflow};
/// use lumina_workflow_sim::Simulation;
///
/// const HELLO: Step = Step::action("hello");
/// struct Greeter;
/// impl Workflow for Greeter {
///     const NAME: &'static str = "greeter";
///     const STEPS: &'static [Step] = &[HELLO];
///     type Input = ();
///     type Output = u32;
///     async fn run(&self, run: &Run, (): ()) -> Result<u32, Failure> {
///         run.step(HELLO, |_| async { Ok::<u32, StepError>(7) }).await
///     }
/// }
///
/// let report = Simulation::new(42)
///     .processes(2)
///     .build_engine(|boot| boot.engine().register(Greeter).expect("the steps are sound"))
///     .client(|world| async move {
///         let options = StartOptions::keyed("once");
///         let start = move |engine: lumina_workflow::Engine| -> futures_util::future::BoxFuture<'static, _> {
///             let options = options.clone();
///             Box::pin(async move { engine.start::<Greeter>(&(), options).await })
///         };
///         world.ask(start).await.expect("the run starts");
///     })
///     .run();
/// assert!(report.violations.is_empty(), "{report}");
/// ```
pub struct Simulation {
    seed: u64,
    root: DeterministicRuntime,
    store_skew: Arc<Mutex<i64>>,
    processes: usize,
    faults: Faults,
    manner: Manner,
    left_out: LeftOut,
    traced: bool,
    backend: Option<Arc<dyn Backend>>,
    engine: Option<MakeEngine>,
    built: Option<WithEngine>,
    attachments_send: bool,
    worker: Option<MakeOptions>,
    client: Option<Client>,
    check: Option<Check>,
}

impl Simulation {
    /// Two to four processes on the reference store, and faults, as the seed has it.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::of(seed, "manner", 0);
        let manner = Manner {
            latency: *dice.pick(&[0, 0, 0, 5, 50, 1_000]),
            shuffle: *dice.pick(&[0, 0, 2, 4, 10]),
            hints: *dice.pick(&[100, 100, 100, 50, 0]),
        };
        Self {
            seed,
            root: DeterministicRuntime::new(seed),
            store_skew: Arc::default(),
            processes: usize::try_from(dice.within(2, 4)).expect("processes are few"),
            faults: Faults::draw(seed),
            manner,
            left_out: LeftOut::default(),
            traced: false,
            backend: None,
            engine: None,
            built: None,
            attachments_send: false,
            worker: None,
            client: None,
            check: None,
        }
    }

    /// So many processes, of which there is at least one.
    #[must_use]
    pub fn processes(mut self, processes: usize) -> Self {
        self.processes = processes.max(1);
        self
    }

    /// These faults instead of what the seed has drawn.
    #[must_use]
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// What clocks do, instead of what the seed has drawn, if they jump at all.
    #[must_use]
    pub fn clocks(mut self, clocks: Clocks) -> Self {
        if self.faults.clocks != Clocks::Steady {
            self.faults.clocks = clocks;
        }
        self
    }

    /// Faults with these numbers do not happen.
    #[must_use]
    pub fn without(mut self, numbers: impl IntoIterator<Item = u32>) -> Self {
        self.left_out.without.extend(numbers);
        self
    }

    /// Only faults with these numbers happen.
    #[must_use]
    pub fn only(mut self, numbers: impl IntoIterator<Item = u32>) -> Self {
        self.left_out.only = Some(numbers.into_iter().collect());
        self
    }

    /// Whether the trace is kept. It costs time.
    #[must_use]
    pub fn traced(mut self, traced: bool) -> Self {
        self.traced = traced;
        self
    }

    /// The clock of the shared store, which faults can make jump: give it to the backend.
    #[must_use]
    pub fn store_clock(&self) -> StoreClock {
        let (root, skew) = (self.root.clone(), self.store_skew.clone());
        StoreClock::from_fn(move || shifted(root.now(), *lock(&skew)))
    }

    /// Over this store, which has [`store_clock`](Self::store_clock).
    #[must_use]
    pub fn over(mut self, backend: Arc<dyn Backend>) -> Self {
        self.backend = Some(backend);
        self
    }

    /// How each process builds its engine, in each of its lives.
    #[must_use]
    pub fn build_engine(mut self, make: impl Fn(&Boot) -> EngineBuilder + Send + Sync + 'static) -> Self {
        self.engine = Some(Box::new(make));
        self
    }

    /// What each process does with its engine before its worker begins, in each of its lives.
    #[must_use]
    pub fn when_built(mut self, with: impl Fn(&Boot, &Engine) + Send + Sync + 'static) -> Self {
        self.built = Some(Box::new(with));
        self
    }

    /// The application's attachments send events. The simulator sees these only when they are consumed, so it can no
    /// longer tell one that nobody sent.
    #[must_use]
    pub fn attachments_send(mut self) -> Self {
        self.attachments_send = true;
        self
    }

    /// How each process's worker works, in each of its lives.
    #[must_use]
    pub fn worker(mut self, make: impl Fn(&Boot) -> WorkerOptions + Send + Sync + 'static) -> Self {
        self.worker = Some(Box::new(make));
        self
    }

    /// What the world wants of the processes. It runs outside of them; it ends when all that it
    /// wanted was acknowledged.
    #[must_use]
    pub fn client<F>(mut self, client: impl FnOnce(World) -> F + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.client = Some(Box::new(move |world| Box::pin(client(world))));
        self
    }

    /// What is looked at in the end, beside what the simulator looks at itself: what is wrong
    /// is told to [`World::blame`].
    #[must_use]
    pub fn check(mut self, check: impl FnOnce(&World) + 'static) -> Self {
        self.check = Some(Box::new(check));
        self
    }

    /// Plays it from beginning to end.
    ///
    /// # Panics
    /// When no engine was given.
    #[must_use]
    pub fn run(mut self) -> Report {
        let (client, check) = (self.client.take(), self.check.take());
        let stage = self.set_up();
        let played = catch_unwind(AssertUnwindSafe(|| play(&stage, client, check)));
        if let Err(panic) = played {
            stage
                .watch
                .blame(format!("something panicked: {}", tell_panic(&*panic)));
        }
        let report = Report::of(&stage);
        stage.tear_down();
        report
    }

    fn set_up(self) -> Arc<Stage> {
        let takeover = self.processes == 1
            && self
                .backend
                .as_ref()
                .is_some_and(|backend| backend.dies_with_processes());
        let backend = self
            .backend
            .clone()
            .unwrap_or_else(|| Arc::new(MemoryBackend::new(self.store_clock())));
        let stage = Stage::new(Setting {
            seed: self.seed,
            root: self.root,
            store_skew: self.store_skew,
            processes: self.processes,
            faults: self.faults,
            manner: self.manner,
            left_out: self.left_out,
            traced: self.traced,
        });
        let options = move |_: &Boot| WorkerOptions {
            takeover,
            ..WorkerOptions::default()
        };
        if self.attachments_send {
            stage.watch.let_attachments_send();
        }
        let builder = Builder {
            engine: self.engine.expect("a simulation is told how to build an engine"),
            built: self.built.unwrap_or_else(|| Box::new(|_, _| {})),
            worker: self.worker.unwrap_or_else(|| Box::new(options)),
        };
        // Nobody else has set them: the stage was made just now.
        let _ = stage.backend.set(backend);
        let _ = stage.builder.set(builder);
        stage
    }
}

fn play(stage: &Arc<Stage>, client: Option<Client>, check: Option<Check>) {
    let world = World::new(stage.clone(), Dice::of(stage.seed, "client", 0));
    (0..stage.processes()).for_each(|process| stage.boot(process));
    stage.schedule_faults();
    let client = client.map(|client| client(world.clone()));
    let life = stage.root.block_on(go_on(stage, client));
    if life.is_err() {
        stage
            .watch
            .blame("nothing is ready and no timer is set, and not everything has ended");
    }
    if !stage.watch.is_good() {
        return;
    }
    inspect::inspect(stage);
    check.into_iter().for_each(|check| check(&world));
}

/// Until everything has ended, or nothing will.
async fn go_on(stage: &Arc<Stage>, client: Option<BoxFuture<'static, ()>>) {
    let window = async {
        stage.root.sleep(stage.faults.window).await;
        stage.calm_down();
    };
    let wishes = async {
        if let Some(client) = client {
            client.await;
        }
    };
    let everything = async {
        join(window, wishes).await;
        end_for_good(stage).await;
    };
    match select(std::pin::pin!(everything), std::pin::pin!(run_out(stage))).await {
        Either::Left(_) => {}
        Either::Right(_) if stage.watch.is_good() => stage.watch.blame_stuck(),
        Either::Right(_) => {}
    }
}

/// A wish that was on its way for long may open again what has ended.
async fn end_for_good(stage: &Stage) {
    loop {
        stage.watch.all_ended().await;
        if !stage.watch.is_good() {
            return;
        }
        stage.root.sleep(AFTERWARDS).await;
        if stage.watch.open_runs() == 0 {
            return;
        }
    }
}

/// Ends when there is no more patience, or no more reason for it.
async fn run_out(stage: &Stage) {
    let end = stage.faults.window + PATIENCE;
    while stage.root.elapsed() < end && stage.watch.is_good() {
        stage.root.sleep(LOOK).await;
    }
}

fn tell_panic(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}
