//! How a process begins its life.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lumina_workflow::store::Store;
use lumina_workflow::{Engine, EngineBuilder, Runtime, WorkerOptions};

use crate::dice::Dice;
use crate::life::{Life, ProcessRuntime};
use crate::line::Line;
use crate::stage::Stage;
use crate::watch::Who;
use crate::world::World;

/// Groups that a process commits at once, where it is more than one.
const SEVERAL: NonZeroUsize = NonZeroUsize::new(3).unwrap();

/// Between two tries of a process to reach its store.
const REACH_AGAIN: Duration = Duration::from_secs(1);

/// A process that is about to build its engine.
#[derive(Clone)]
pub struct Boot {
    /// Which life of which process.
    pub who: Who,
    /// The process's own line to the shared store, on which calls fail.
    pub store: Arc<dyn Store>,
    /// The process's own runtime, whose tasks die with it.
    pub runtime: Arc<dyn Runtime>,
    /// What outlives it.
    pub world: World,
}

impl Boot {
    /// Begins an engine on the process's own line and runtime. One process of three commits several groups at
    /// once.
    #[must_use]
    pub fn engine(&self) -> EngineBuilder {
        let builder = Engine::builder(self.store.clone(), self.runtime.clone());
        let is_third = self.who.process % 3 == 2;
        let at_once = if is_third { SEVERAL } else { NonZeroUsize::MIN };
        builder.commits_at_once(at_once).crowd(1)
    }
}

pub(crate) type MakeEngine = Box<dyn Fn(&Boot) -> EngineBuilder + Send + Sync>;
pub(crate) type MakeOptions = Box<dyn Fn(&Boot) -> WorkerOptions + Send + Sync>;

pub(crate) type WithEngine = Box<dyn Fn(&Boot, &Engine) + Send + Sync>;

/// What every process does when it begins.
pub(crate) struct Builder {
    pub engine: MakeEngine,
    pub built: WithEngine,
    pub worker: MakeOptions,
}

impl Stage {
    /// A process begins a life.
    pub fn boot(self: &Arc<Self>, process: usize) {
        let mut slot = self.slot(process);
        if slot.life.is_some() {
            return;
        }
        slot.lives += 1;
        let number = slot.lives;
        let life = Arc::new(Life::new(process, number, self.shuffle(process, number)));
        let line = Line::new(self.clone(), life.clone(), self.backend().store(), self.manner.hints);
        let runtime = Arc::new(ProcessRuntime {
            root: self.root.clone(),
            life: life.clone(),
            wall: slot.wall.clone(),
            dice: Mutex::new(self.dice_of("random", process, number)),
        });
        slot.life = Some(life);
        slot.line = Some(line.clone());
        drop(slot);
        let who = Who { process, life: number };
        self.tell(|| format!("{who} begins"));
        let boot = Boot {
            who,
            store: line,
            runtime: runtime.clone(),
            world: World::new(self.clone(), self.dice_of("world", process, number)),
        };
        runtime.spawn(Box::pin(live(self.clone(), boot)));
    }

    fn shuffle(&self, process: usize, number: u32) -> Option<(Dice, u64)> {
        let every = self.manner.shuffle;
        (every > 0).then(|| (self.dice_of("shuffle", process, number), every))
    }

    fn dice_of(&self, purpose: &str, process: usize, life: u32) -> Dice {
        Dice::of(self.seed, purpose, (process as u64) << 32 | u64::from(life))
    }
}

async fn live(stage: Arc<Stage>, boot: Boot) {
    let builder = stage
        .builder
        .get()
        .expect("a simulation has a builder before it begins");
    let engine = loop {
        match (builder.engine)(&boot).build().await {
            Ok(engine) => break engine,
            Err(_) => boot.runtime.sleep(REACH_AGAIN).await,
        }
    };
    (builder.built)(&boot, &engine);
    let worker = engine.start_worker((builder.worker)(&boot));
    let mut slot = stage.slot(boot.who.process);
    if slot.lives == boot.who.life && slot.life.is_some() {
        slot.engine = Some(engine);
        slot.worker = Some(Arc::new(worker));
    }
}
