//! The engine under test: what it is made of, its life and its deaths.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use super::plan::Plan;
use crate::clock::StoreClock;
use crate::deterministic::DeterministicRuntime;
use crate::engine::Engine;
use crate::runtime::Runtime;
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::worker::WorkerOptions;
use crate::workflow::{Definition, Overrides, Workflow};

/// Long, because its renewals are all that would happen in a day of waiting.
const LEASE: Duration = Duration::from_secs(30 * 24 * 3_600);

/// A process takes some time to come up, so that it is newer than the one before.
const BOOT: Duration = Duration::from_millis(1);

/// An engine in a test: see the [module](super) for how it behaves, and for an example.
///
/// Every method panics when what it is asked for cannot be had, and says why.
pub struct TestEngine {
    pub(super) runtime: DeterministicRuntime,
    pub(super) store: Arc<dyn Store>,
    memory: Option<Arc<MemoryStore>>,
    definitions: RefCell<BTreeMap<&'static str, Arc<Definition>>>,
    pub(super) plan: Arc<Plan>,
    /// The last process, alive or not.
    engine: RefCell<Option<Engine>>,
    alive: Cell<bool>,
    pub(super) crashes: Cell<usize>,
    pub(super) events: Cell<u64>,
}

impl Default for TestEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl TestEngine {
    /// An engine over an empty store in memory.
    #[must_use]
    pub fn new() -> Self {
        Self::seeded(1)
    }

    /// The same with other dice: jitter and ids differ from seed to seed, and only from seed to seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let runtime = DeterministicRuntime::new(seed);
        let memory = Arc::new(MemoryStore::new(clock(&runtime)));
        Self::made_of(runtime, memory.clone(), Some(memory))
    }

    /// An engine over a store of the caller's, which must answer inline and keep the clock that it
    /// is given: for workflows whose attachments are made for that store.
    #[must_use]
    pub fn over<S: Store>(store: impl FnOnce(StoreClock) -> S) -> Self {
        let runtime = DeterministicRuntime::new(1);
        let store = Arc::new(store(clock(&runtime)));
        Self::made_of(runtime, store, None)
    }

    fn made_of(runtime: DeterministicRuntime, store: Arc<dyn Store>, memory: Option<Arc<MemoryStore>>) -> Self {
        Self {
            runtime,
            store,
            memory,
            definitions: RefCell::default(),
            plan: Arc::default(),
            engine: RefCell::default(),
            alive: Cell::new(false),
            crashes: Cell::new(0),
            events: Cell::new(0),
        }
    }

    /// Adds a workflow. All are added before the first run is started.
    #[must_use]
    #[track_caller]
    pub fn register<W: Workflow>(self, workflow: W) -> Self {
        self.register_with(workflow, &Overrides::default())
    }

    /// Adds a workflow with other durations than it declares.
    #[must_use]
    #[track_caller]
    pub fn register_with<W: Workflow>(self, workflow: W, overrides: &Overrides) -> Self {
        assert!(
            self.engine.borrow().is_none(),
            "workflow {} comes too late: deploy it instead",
            W::NAME
        );
        let known = self.define(workflow, overrides);
        assert!(!known, "workflow {} is registered twice", W::NAME);
        self
    }

    /// The process dies, and the next one has this workflow, be it new or another version of one
    /// that there was.
    #[track_caller]
    pub fn deploy<W: Workflow>(&self, workflow: W) {
        self.define(workflow, &Overrides::default());
        self.restart();
    }

    /// True when there was one of this name.
    #[track_caller]
    fn define<W: Workflow>(&self, workflow: W, overrides: &Overrides) -> bool {
        let definition = Definition::read(workflow, overrides).unwrap_or_else(|problem| panic!("{problem}"));
        let former = self.definitions.borrow_mut().insert(W::NAME, Arc::new(definition));
        former.is_some()
    }

    /// The process dies: everything that is not in the store is gone. Nothing runs until
    /// [`restart`](Self::restart), but starts, events and cancels still reach the store.
    pub fn crash(&self) {
        self.engine();
        self.alive.set(false);
        self.runtime.drop_tasks();
        self.crashes.set(self.crashes.get() + 1);
    }

    /// A new process takes over what the store has. One that is still alive dies first.
    pub fn restart(&self) {
        if self.alive.get() {
            self.crash();
        }
        self.boot();
    }

    /// How many times the process has died.
    #[must_use]
    pub fn crashes(&self) -> usize {
        self.crashes.get()
    }

    /// The engine of the process that is alive, or of the one that died last.
    pub fn engine(&self) -> Engine {
        if self.engine.borrow().is_none() {
            self.boot();
        }
        let engine = self.engine.borrow();
        engine.clone().expect("it has been booted")
    }

    fn boot(&self) {
        let limit = self.runtime.elapsed() + BOOT;
        while self.runtime.pass_until(limit) {}
        let builder = Engine::builder(self.store.clone(), Arc::new(self.runtime.clone()))
            .with_definitions(self.definitions.borrow().clone())
            .intercept(self.plan.clone());
        let built = builder
            .build()
            .now_or_never()
            .expect("a store of a test answers inline");
        let engine = built.unwrap_or_else(|error| panic!("the engine could not be built: {error}"));
        let options = WorkerOptions {
            lease: LEASE,
            takeover: true,
            ..WorkerOptions::default()
        };
        let _goes_on_without_its_handle = engine.start_worker(options);
        *self.engine.borrow_mut() = Some(engine);
        self.alive.set(true);
    }

    /// The kit's clock, for what workflows and their steps need of time.
    #[must_use]
    pub fn runtime(&self) -> DeterministicRuntime {
        self.runtime.clone()
    }

    /// The store in memory, with what attachments have put there.
    #[must_use]
    #[track_caller]
    pub fn memory(&self) -> &MemoryStore {
        self.memory
            .as_deref()
            .expect("this kit was made over a store of the test's own")
    }
}

fn clock(runtime: &DeterministicRuntime) -> StoreClock {
    let runtime: Arc<dyn Runtime> = Arc::new(runtime.clone());
    StoreClock::of(runtime)
}

impl Drop for TestEngine {
    /// Tasks hold the engine, and the engine the runtime that holds them.
    fn drop(&mut self) {
        self.runtime.drop_tasks();
        if !std::thread::panicking() {
            self.plan.assert_crashes_came();
        }
    }
}
