//! What one simulation's parts share: the clock, the processes, the plan of faults.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use lumina_workflow::deterministic::DeterministicRuntime;
use lumina_workflow::store::StoreError;
use lumina_workflow::{Engine, Runtime, Worker};

use crate::backend::Backend;
use crate::boot::Builder;
use crate::dice::Dice;
use crate::fault::{CallFault, Faults, Plan};
use crate::life::{Life, shifted};
use crate::line::{Line, Method, unavailable};
use crate::trace::{Trace, lock};
use crate::watch::Watch;

/// One process, whichever life it is in.
pub(crate) struct Slot {
    pub life: Option<Arc<Life>>,
    pub line: Option<Arc<Line>>,
    pub engine: Option<Engine>,
    pub worker: Option<Arc<Worker>>,
    pub lives: u32,
    calls: u64,
    /// For what befalls it: how long it is dead, how late its store answers.
    dice: Dice,
    frozen_until: Duration,
    pub cut_until: Duration,
    pub deaf_until: Duration,
    /// How long each call takes, and until when.
    pub drag: (Duration, Duration),
    pub wall: Arc<Mutex<i64>>,
}

/// How a simulation goes on between its faults.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// Each call may take up to so many milliseconds, before and after it is applied.
    pub latency: u64,
    /// Every so manieth turn of a task is put off; 0 for never.
    pub shuffle: u64,
    /// Hints that come at all, of a hundred.
    pub hints: u64,
}

/// Shared by all parts of a simulation.
pub(crate) struct Stage {
    pub seed: u64,
    pub root: DeterministicRuntime,
    pub backend: OnceLock<Arc<dyn Backend>>,
    pub trace: Trace,
    pub watch: Watch,
    pub faults: Faults,
    pub manner: Manner,
    pub builder: OnceLock<Builder>,
    pub plan: Plan,
    left_out: LeftOut,
    hit: Mutex<BTreeSet<u32>>,
    calm: AtomicBool,
    slots: Vec<Mutex<Slot>>,
    pub store_skew: Arc<Mutex<i64>>,
}

/// Which numbered faults do not happen.
#[derive(Debug, Clone, Default)]
pub(crate) struct LeftOut {
    pub without: BTreeSet<u32>,
    pub only: Option<BTreeSet<u32>>,
}

impl LeftOut {
    fn has(&self, number: u32) -> bool {
        self.without.contains(&number) || self.only.as_ref().is_some_and(|only| !only.contains(&number))
    }
}

pub(crate) struct Setting {
    pub seed: u64,
    pub root: DeterministicRuntime,
    pub store_skew: Arc<Mutex<i64>>,
    pub processes: usize,
    pub faults: Faults,
    pub manner: Manner,
    pub left_out: LeftOut,
    pub traced: bool,
}

impl Stage {
    pub fn new(setting: Setting) -> Arc<Self> {
        let Setting {
            seed,
            root,
            store_skew,
            processes,
            faults,
            manner,
            left_out,
            traced,
        } = setting;
        Arc::new(Self {
            seed,
            root,
            backend: OnceLock::new(),
            trace: Trace::new(traced),
            watch: Watch::default(),
            faults,
            manner,
            builder: OnceLock::new(),
            plan: Plan::draw(seed, processes, &faults),
            left_out,
            hit: Mutex::default(),
            calm: AtomicBool::new(false),
            slots: (0..processes)
                .map(|process| Mutex::new(Slot::new(seed, process)))
                .collect(),
            store_skew,
        })
    }

    pub fn slot(&self, process: usize) -> MutexGuard<'_, Slot> {
        lock(&self.slots[process])
    }

    pub fn processes(&self) -> usize {
        self.slots.len()
    }

    pub fn backend(&self) -> &Arc<dyn Backend> {
        self.backend.get().expect("a simulation has a backend before it begins")
    }

    pub fn store_now(&self) -> Timestamp {
        lumina_workflow::truncate(shifted(self.root.now(), *lock(&self.store_skew)))
    }

    pub fn tell(&self, tell: impl FnOnce() -> String) {
        self.trace.line(self.root.elapsed(), tell);
    }

    /// The numbers of the core's own faults end here; a scene's begin above.
    pub fn last_number(&self) -> u32 {
        self.plan.last_number
    }

    /// From now on nothing goes wrong by itself.
    pub fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
        self.tell(|| "no more faults".to_owned());
    }

    fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// Whether this fault happens. If so, it is told.
    pub fn inject(&self, number: u32, tell: impl FnOnce() -> String) -> bool {
        let happens = !self.is_calm() && !self.left_out.has(number);
        if happens {
            self.tell_fault(number, tell);
        }
        happens
    }

    pub fn tell_fault(&self, number: u32, tell: impl FnOnce() -> String) {
        lock(&self.hit).insert(number);
        self.tell(|| format!("FAULT {number}: {}", tell()));
    }

    /// The numbers of the faults that have happened.
    pub fn hit(&self) -> Vec<u32> {
        lock(&self.hit).iter().copied().collect()
    }

    /// The number of a process's call, and the fault that it meets.
    pub fn next_call(&self, process: usize, method: Method) -> (u64, Option<(u32, CallFault)>) {
        let mut slot = self.slot(process);
        let nth = slot.calls;
        slot.calls += 1;
        drop(slot);
        let fault = self.plan.calls.get(&(process, nth)).copied();
        let fault = fault.filter(|(number, _)| !self.is_calm() && !self.left_out.has(*number));
        (nth, fault.map(|(number, fault)| (number, self.fit(method, fault))))
    }

    /// A connection that is dropped takes nothing along that is applied later.
    fn fit(&self, method: Method, fault: CallFault) -> CallFault {
        let detached = self.backend().dies_with_processes() || method == Method::Read;
        match fault {
            CallFault::CrashInFlight(_) if detached => CallFault::CrashAfter,
            other => other,
        }
    }

    /// What a timed fault makes of a call.
    pub fn trouble(&self, process: usize, method: Method) -> Option<StoreError> {
        let (slot, now) = (self.slot(process), self.root.elapsed());
        let deaf = method == Method::Renew && slot.deaf_until > now;
        (!self.is_calm() && (deaf || slot.cut_until > now)).then(unavailable)
    }

    /// The time that a call takes.
    pub async fn linger(&self, process: usize) {
        let time = self.latency(process);
        if !time.is_zero() {
            self.root.sleep(time).await;
        }
    }

    fn latency(&self, process: usize) -> Duration {
        let mut slot = self.slot(process);
        let (each, until) = slot.drag;
        if !self.is_calm() && until > self.root.elapsed() {
            return each / 2;
        }
        match self.manner.latency {
            0 => Duration::ZERO,
            most => slot.dice.millis(0, most),
        }
    }

    /// True so many times in a hundred.
    pub fn process_draws(&self, process: usize, percent: u64) -> bool {
        self.slot(process).dice.percent(percent)
    }

    /// A call that was on its way when its process died.
    pub fn apply_later<T: Send + 'static>(&self, later: Duration, apply: BoxFuture<'static, Result<T, StoreError>>) {
        let sleep = self.root.sleep(later);
        self.root.spawn(Box::pin(async move {
            sleep.await;
            drop(apply.await);
        }));
    }

    pub fn freeze(self: &Arc<Self>, life: &Arc<Life>, time: Duration) {
        let until = self.root.elapsed() + time;
        let mut slot = self.slot(life.process);
        slot.frozen_until = slot.frozen_until.max(until);
        drop(slot);
        life.freeze();
        let (stage, life) = (self.clone(), life.clone());
        self.root.spawn(Box::pin(async move {
            stage.root.sleep(time).await;
            if stage.root.elapsed() >= stage.slot(life.process).frozen_until {
                stage.tell(|| format!("p{}.{} thaws", life.process, life.number));
                life.thaw();
            }
        }));
    }

    /// The process dies, and is born again after a while. With a store that dies as well, all do.
    pub fn crash(self: &Arc<Self>, life: &Arc<Life>) {
        if life.is_dead() {
            return;
        }
        if !self.backend().dies_with_processes() {
            return self.bury(life.process);
        }
        (0..self.processes()).for_each(|process| self.bury(process));
        self.backend().reopen();
    }

    /// Ends a life, whatever it is doing, and has the next one begin later.
    pub fn bury(self: &Arc<Self>, process: usize) {
        let mut slot = self.slot(process);
        let Some(life) = slot.life.take() else { return };
        let line = slot.line.take();
        let engine = slot.engine.take();
        let worker = slot.worker.take();
        slot.frozen_until = Duration::ZERO;
        let rest = slot.dice.millis(0, 20_000);
        drop(slot);
        self.tell(|| format!("p{process}.{} is dead", life.number));
        life.kill();
        line.iter().for_each(|line| line.cut_for_good());
        drop((line, engine, worker));
        let stage = self.clone();
        self.root.spawn(Box::pin(async move {
            stage.root.sleep(rest).await;
            stage.boot(process);
        }));
    }

    /// Everything that holds on to everything else lets go.
    pub fn tear_down(&self) {
        for process in 0..self.processes() {
            let mut slot = self.slot(process);
            let life = slot.life.take();
            let line = slot.line.take();
            let kept = (slot.engine.take(), slot.worker.take());
            drop(slot);
            life.iter().for_each(|life| life.kill());
            line.iter().for_each(|line| line.cut_for_good());
            drop(kept);
        }
        self.root.drop_tasks();
    }
}

impl Slot {
    fn new(seed: u64, process: usize) -> Self {
        Self {
            life: None,
            line: None,
            engine: None,
            worker: None,
            lives: 0,
            calls: 0,
            dice: Dice::of(seed, "process", process as u64),
            frozen_until: Duration::ZERO,
            cut_until: Duration::ZERO,
            deaf_until: Duration::ZERO,
            drag: (Duration::ZERO, Duration::ZERO),
            wall: Arc::default(),
        }
    }
}
