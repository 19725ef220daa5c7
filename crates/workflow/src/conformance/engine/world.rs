//! A backend, a runtime, and the processes that live and die on them.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::{Either, select};

use super::ledger::Ledger;
use super::script::Script;
use super::wire::Wire;
use super::{Make, SharedBackend};
use crate::conformance::Act;
use crate::deterministic::DeterministicRuntime;
use crate::engine::{Engine, EngineBuilder, EngineError, StartOptions, Started};
use crate::error::Failure;
use crate::event::{NewEvent, StoredEvent, Target};
use crate::history::{Record, What};
use crate::id::{RunId, Seq};
use crate::payload::Payload;
use crate::runtime::Runtime;
use crate::schedule::Schedule;
use crate::store::{Attachment, Delivery, InboxQuery, RunQuery, RunRow, RunStatus, ScheduleQuery, ScheduleRow, Store};
use crate::told::tell;
use crate::worker::{Worker, WorkerOptions};
use crate::workflow::{Overrides, Workflow};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);

/// What schedules start runs with.
pub(super) const TICKED: u64 = 7;

/// No case takes longer; what does has come to a standstill.
const PATIENCE: Duration = Duration::from_secs(72 * 3_600);

/// One case's world.
pub(super) struct World {
    pub runtime: DeterministicRuntime,
    pub backend: SharedBackend,
    pub ledger: Ledger,
    pub wire: Arc<Wire>,
    alive: Mutex<Option<Arc<Process>>>,
    schedules: Mutex<Vec<Schedule>>,
}

/// A process: an engine, and a worker on it.
pub(super) struct Process {
    pub engine: Engine,
    pub worker: Worker,
}

/// An event as tests write it: its id is its payload's text.
pub(super) fn event(id: &str, target: impl Into<Target>, name: &str, value: u64) -> NewEvent {
    NewEvent::new(id, target, name, number(value))
}

pub(super) fn number(value: u64) -> Payload {
    Payload::encode(&value).expect("a number has a JSON form")
}

/// The options of an ordinary worker.
pub(super) fn options() -> WorkerOptions {
    WorkerOptions::default()
}

impl World {
    pub fn new(make: Make<'_>) -> Self {
        let runtime = DeterministicRuntime::new(1);
        let backend = make(runtime.clone());
        let wire = Wire::new(backend.store());
        let ledger = Ledger::new(runtime.clone());
        Self {
            runtime,
            backend,
            ledger,
            wire,
            alive: Mutex::new(None),
            schedules: Mutex::default(),
        }
    }

    pub fn shared_runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(self.runtime.clone())
    }

    /// Waits, in virtual time.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let future = std::pin::pin!(future);
        let patience = self.runtime.sleep(PATIENCE);
        match self.runtime.block_on(select(future, patience)) {
            Ok(Either::Left((value, _))) => value,
            _ => panic!("nothing came of it in {PATIENCE:?} of virtual time"),
        }
    }

    pub fn pass(&self, time: Duration) {
        self.run(self.runtime.sleep(time));
    }

    /// Lets everything happen that can happen now.
    pub fn settle(&self) {
        self.pass(Duration::from_millis(1));
    }

    pub fn elapsed(&self) -> Duration {
        self.runtime.elapsed()
    }

    /// A process of this workflow on the world's own line. It is the one that the world's other methods use.
    pub fn boot<W: Workflow>(&self, workflow: W) -> Arc<Process> {
        self.boot_with(workflow, options())
    }

    /// The same for a script with limits or a deadline.
    pub fn boot_overridden(&self, script: Script) -> Arc<Process> {
        let overrides = script.overrides();
        let builder = self.builder_with(script, &overrides, self.wire.clone());
        let engine = self.run(builder.build()).expect("the store answers");
        let worker = engine.start_worker(options());
        let process = Arc::new(Process { engine, worker });
        self.set_alive(Some(process.clone()));
        process
    }

    pub fn boot_with<W: Workflow>(&self, workflow: W, options: WorkerOptions) -> Arc<Process> {
        let engine = self.engine(workflow, self.wire.clone());
        let worker = engine.start_worker(options);
        let process = Arc::new(Process { engine, worker });
        self.set_alive(Some(process.clone()));
        process
    }

    /// An engine without a worker. The world's other methods use it.
    pub fn boot_idle<W: Workflow>(&self, workflow: W) -> Engine {
        let engine = self.engine(workflow, self.wire.clone());
        let idle = engine.start_worker(WorkerOptions {
            max_in_flight: 0,
            ..options()
        });
        self.set_alive(Some(Arc::new(Process {
            engine: engine.clone(),
            worker: idle,
        })));
        engine
    }

    /// One more process, on a line of its own.
    pub fn boot_beside<W: Workflow>(&self, workflow: W) -> (Process, Arc<Wire>) {
        let wire = Wire::new(self.backend.store());
        let engine = self.engine(workflow, wire.clone());
        let worker = engine.start_worker(options());
        (Process { engine, worker }, wire)
    }

    fn engine<W: Workflow>(&self, workflow: W, store: Arc<dyn Store>) -> Engine {
        self.run(self.builder(workflow, store).build())
            .expect("the store answers")
    }

    /// An engine of this workflow that declares the world's schedules, which start it with
    /// [`TICKED`].
    pub fn builder<W: Workflow>(&self, workflow: W, store: Arc<dyn Store>) -> EngineBuilder {
        self.builder_with(workflow, &Overrides::default(), store)
    }

    pub fn builder_with<W: Workflow>(
        &self,
        workflow: W,
        overrides: &Overrides,
        store: Arc<dyn Store>,
    ) -> EngineBuilder {
        let builder = Engine::builder(store, self.shared_runtime())
            .register_with(workflow, overrides)
            .expect("the steps are sound");
        let input = serde_json::from_value(TICKED.into()).ok();
        self.schedules().iter().fold(builder, |builder, schedule| {
            let input = input.as_ref().expect("workflows with a schedule take a number");
            let declared = builder.schedule::<W>(schedule.clone(), input);
            declared.expect("the schedule is sound")
        })
    }

    fn schedules(&self) -> MutexGuard<'_, Vec<Schedule>> {
        self.schedules.lock().expect("nobody panics while holding it")
    }

    /// What the engines that are built from now on declare.
    pub fn declare(&self, schedules: impl Into<Vec<Schedule>>) {
        *self.schedules() = schedules.into();
    }

    pub fn schedule(&self, name: &str) -> ScheduleRow {
        let query = ScheduleQuery {
            name: Some(name.to_owned()),
            limit: 1,
            ..ScheduleQuery::default()
        };
        let rows = self.run(self.store().schedules(query)).expect("the store answers");
        rows.into_iter().next().expect("the schedule is there")
    }

    fn set_alive(&self, process: Option<Arc<Process>>) {
        *self.alive.lock().expect("nobody panics while holding it") = process;
    }

    /// Every process dies.
    pub fn kill(&self) {
        self.set_alive(None);
        self.runtime.drop_tasks();
    }

    pub fn alive(&self) -> Arc<Process> {
        self.alive
            .lock()
            .expect("nobody panics while holding it")
            .clone()
            .expect("a process is alive")
    }

    pub fn start(&self, input: u64) -> RunId {
        self.start_as(input, StartOptions::default()).run()
    }

    pub fn start_as(&self, input: u64, options: StartOptions) -> Started {
        self.run(self.alive().engine.start::<Script>(&input, options))
            .expect("the run starts")
    }

    pub fn emit(&self, event: NewEvent) -> Delivery {
        self.run(self.alive().engine.emit(event)).expect("the event is stored")
    }

    pub fn cancel(&self, run: RunId) -> Result<bool, EngineError> {
        self.run(self.alive().engine.cancel(run, "ada"))
    }

    /// How the run ends.
    pub fn end(&self, run: RunId) -> Result<u64, Failure> {
        let end = self
            .run(self.alive().engine.wait_for_end(run))
            .expect("the run is there");
        end.map(|output| output.decode().expect("scripts end with a number"))
    }

    pub fn store(&self) -> Arc<dyn Store> {
        self.backend.store()
    }

    pub fn row(&self, run: RunId) -> RunRow {
        let query = RunQuery {
            id: Some(run),
            limit: 1,
            ..RunQuery::default()
        };
        let page = self.run(self.store().runs(query)).expect("the store answers");
        page.items.into_iter().next().expect("the run is there")
    }

    pub fn status(&self, run: RunId) -> RunStatus {
        self.row(run).status
    }

    /// How long after the start of the world the run ended.
    pub fn ended_after(&self, run: RunId) -> Duration {
        let ended = self.row(run).finished_at.expect("the run has ended");
        let start = self
            .runtime
            .now()
            .saturating_sub(self.runtime.elapsed())
            .expect("the clock's start is a time");
        Duration::try_from(ended.duration_since(start)).expect("nothing ends before the start")
    }

    pub fn all_runs(&self) -> Vec<RunRow> {
        let query = RunQuery {
            limit: 10_000,
            ..RunQuery::default()
        };
        self.run(self.store().runs(query)).expect("the store answers").items
    }

    pub fn history(&self, run: RunId) -> Vec<Record> {
        let stored = self
            .run(self.store().history(run, Seq(0), 100_000))
            .expect("the store answers");
        stored.into_iter().map(|stored| stored.record).collect()
    }

    /// The history in short: `a: done 1`, `! clean: done 1` of an error handler.
    pub fn told(&self, run: RunId) -> Vec<String> {
        self.history(run).iter().map(tell).collect()
    }

    pub fn inbox(&self, run: Option<RunId>) -> Vec<StoredEvent> {
        let query = InboxQuery {
            run,
            after: 0,
            limit: 10_000,
        };
        self.run(self.store().inbox(query)).expect("the store answers").events
    }

    pub fn attach(&self, acts: impl Into<Vec<Act>>) -> Attachment {
        self.backend.attach(acts.into())
    }

    /// The number in a cell of the application.
    pub fn cell(&self, name: &str) -> u64 {
        self.backend
            .get(name)
            .map_or(0, |value| value.decode().expect("cells hold numbers"))
    }

    /// What holds for every history, whatever happened.
    pub fn check_histories(&self) {
        for row in self.all_runs() {
            check_history(&row, &self.history(row.id));
        }
    }
}

impl Drop for World {
    /// Tasks hold the store, and the store's files should go when the world goes.
    fn drop(&mut self) {
        self.kill();
    }
}

fn check_history(row: &RunRow, history: &[Record]) {
    assert_eq!(row.seq, Seq(history.len() as u64), "the sequence counts the records");
    let mut over = std::collections::BTreeSet::new();
    let mut open = std::collections::BTreeSet::new();
    let superseded = crate::superseded(history);
    let mut epoch = history.first().map(|record| record.epoch);
    for (seq, record) in (1..).map(Seq).zip(history) {
        assert!(Some(record.epoch) >= epoch, "epochs only grow: {}", tell(record));
        epoch = Some(record.epoch);
        let Some(step) = record.step.as_ref().filter(|_| !superseded.contains(&seq)) else {
            continue;
        };
        let place = (record.phase, step.ordinal);
        assert!(!over.contains(&place), "nothing follows a step's end: {}", tell(record));
        match &record.what {
            What::Opened { .. } => drop(open.insert(place)),
            What::Abandoned => drop(open.remove(&place)),
            _ => {}
        }
        if record.what.is_completion() {
            over.insert(place);
            open.remove(&place);
        }
    }
    let is_over = row.status == RunStatus::Completed;
    assert!(
        !is_over || open.is_empty(),
        "a wait is open for ever in {}: {open:?}",
        row.id
    );
}
