//! What is outside of all processes: clients, ledgers, and whoever looks on.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};
use lumina_workflow::store::Store;
use lumina_workflow::{Engine, EngineError, Runtime};

use crate::dice::Dice;
use crate::stage::Stage;
use crate::trace::lock;
use crate::watch::Watch;

/// A client that has no answer by then asks again, as clients do, and is more patient each time.
const PATIENCE: Duration = Duration::from_secs(5);

/// The world around the simulated processes. It survives them.
#[derive(Clone)]
pub struct World {
    stage: Arc<Stage>,
    dice: Arc<Mutex<Dice>>,
}

impl World {
    pub(crate) fn new(stage: Arc<Stage>, dice: Dice) -> Self {
        let dice = Arc::new(Mutex::new(dice));
        Self { stage, dice }
    }

    /// The simulation's seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.stage.seed
    }

    /// The time since the beginning, on the clock that only runs forwards.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.stage.root.elapsed()
    }

    /// Waits. Not for tasks of a process: they sleep on their own runtime.
    pub async fn sleep(&self, time: Duration) {
        self.stage.root.sleep(time).await;
    }

    /// Runs a task of nobody's process.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.stage.root.spawn(Box::pin(task));
    }

    /// The shared store itself, without faults and unwatched: for reading.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        self.stage.backend().store()
    }

    /// Sees everything that was committed.
    #[must_use]
    pub fn watch(&self) -> &Watch {
        &self.stage.watch
    }

    /// Adds a line to the trace.
    pub fn tell(&self, tell: impl FnOnce() -> String) {
        self.stage.tell(tell);
    }

    /// Notes something that must not be.
    pub fn blame(&self, what: impl Into<String>) {
        self.stage.watch.blame(what);
    }

    /// Whether a scene's fault with this number, from 1, happens now. If so, it is told. The numbers must be
    /// fixed by the seed, so that a fault can be left out.
    #[must_use]
    pub fn inject(&self, number: u32, tell: impl FnOnce() -> String) -> bool {
        self.stage.inject(self.stage.last_number() + number, tell)
    }

    /// An engine of some process that has one now.
    #[must_use]
    pub fn engine(&self) -> Option<Engine> {
        let processes = self.stage.processes();
        let first = usize::try_from(lock(&self.dice).below(processes as u64)).expect("processes are few");
        let order = (0..processes).map(|next| (first + next) % processes);
        order
            .into_iter()
            .find_map(|process| self.stage.slot(process).engine.clone())
    }

    /// Asks some process, and another one after a while when none answers or the store could
    /// not: as often as it takes, so the request must be one that may be repeated.
    ///
    /// # Errors
    /// What the engine answers, failures of its store aside.
    pub async fn ask<T>(
        &self,
        request: impl Fn(Engine) -> BoxFuture<'static, Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        let mut patience = PATIENCE;
        loop {
            if let Some(engine) = self.engine()
                && let Either::Left((answer, _)) = select(request(engine), self.stage.root.sleep(patience)).await
                && !matches!(answer, Err(EngineError::Store(_)))
            {
                return answer;
            }
            let pause = lock(&self.dice).millis(200, 2_000);
            self.stage.root.sleep(pause).await;
            patience += PATIENCE;
        }
    }
}
