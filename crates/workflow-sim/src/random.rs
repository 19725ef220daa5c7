//! Random workflow programs: drawn from the seed, given to their runs as input, executed by one
//! interpreter, and compared with a sequential model of themselves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use lumina_workflow::{StoreClock, WorkerOptions};

use crate::backend::{Cells, MemoryBackend, PostgresBackend, SqliteBackend};
use crate::boot::Boot;
use crate::dice::Dice;
use crate::fault::Clocks;
use crate::report::Report;
use crate::simulation::Simulation;

mod client;
mod draw;
mod interpret;
mod judge;
mod model;
mod outside;
mod perform;
mod program;
mod rewind;
mod sight;
#[cfg(test)]
mod tests;

use interpret::Interpreter;
use outside::Outside;

/// Over which store a random program is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// The reference model.
    Memory,
    /// Inline SQLite.
    Sqlite,
    /// Inline PostgreSQL, on the tests' server.
    Postgres,
}

/// What is played, and what of it is left out.
#[derive(Debug, Clone)]
pub struct Play {
    /// The seed.
    pub seed: u64,
    /// Over which store.
    pub store: StoreKind,
    /// Faults that do not happen.
    pub without: BTreeSet<u32>,
    /// The only faults that happen, when given.
    pub only: Option<BTreeSet<u32>>,
    /// Whether the trace is kept.
    pub traced: bool,
}

impl Play {
    /// A seed with all its faults and without a trace.
    #[must_use]
    pub fn new(seed: u64, store: StoreKind) -> Self {
        Self {
            seed,
            store,
            without: BTreeSet::new(),
            only: None,
            traced: false,
        }
    }

    /// Plays it.
    #[must_use]
    pub fn run(&self) -> Report {
        match self.store {
            StoreKind::Memory => self.run_over(MemoryBackend::new),
            StoreKind::Sqlite => self.run_over(SqliteBackend::new),
            StoreKind::Postgres => self.run_over(|clock| PostgresBackend::new(self.seed, clock)),
        }
    }

    /// Plays it over another store than its own, which is made with the simulation's clock.
    #[must_use]
    pub fn run_over<B: Cells>(&self, make: impl FnOnce(StoreClock) -> B) -> Report {
        let mut simulation = Simulation::new(self.seed)
            .traced(self.traced)
            .without(self.without.clone());
        if let Some(only) = &self.only {
            simulation = simulation.only(only.clone());
        }
        let backend = Arc::new(make(simulation.store_clock()));
        if backend.dies_with_processes() {
            simulation = simulation.processes(processes_of_a_file(self.seed));
        }
        play(simulation, self.seed, backend)
    }
}

fn processes_of_a_file(seed: u64) -> usize {
    let processes = Dice::of(seed, "sqlite", 0).within(1, 2);
    usize::try_from(processes).expect("processes are few")
}

fn play<B: Cells>(mut simulation: Simulation, seed: u64, backend: Arc<B>) -> Report {
    let scene = Arc::new(draw::scene(seed));
    if scene.versions {
        // Which code is newer is told by when its process has started, in the store's time: while a clock that
        // was set back catches up, a process that has just started does not count as newer.
        simulation = simulation.clocks(Clocks::Forwards);
    }
    let cells: Arc<dyn Cells> = backend.clone();
    let outside = Arc::new(Outside::new(scene.clone(), cells));
    let (built, judged) = (outside.clone(), outside.clone());
    let options = draw_options(seed, backend.dies_with_processes());
    simulation
        .over(backend)
        .build_engine(move |boot| build(boot, &built))
        .worker(move |boot| options(boot))
        .client(move |world| client::wish(world, scene))
        .check(move |world| judge::judge(world, &judged))
        .run()
}

/// Every other life has newer code: another step is declared, which no program reaches.
fn build(boot: &Boot, outside: &Arc<Outside>) -> lumina_workflow::EngineBuilder {
    let newer = outside.scene.versions && (boot.who.process + boot.who.life as usize).is_multiple_of(2);
    let built = match newer {
        false => boot.engine().register(Interpreter::<false>::new(boot, outside)),
        true => boot.engine().register(Interpreter::<true>::new(boot, outside)),
    };
    built.expect("the steps are sound")
}

/// Leases and how many runs a worker takes. The only process of a file takes its own leases over.
fn draw_options(seed: u64, dies_with_processes: bool) -> impl Fn(&Boot) -> WorkerOptions {
    let mut dice = Dice::of(seed, "worker", 0);
    let max_in_flight = *dice.pick(&[1, 2, 4, 256]);
    let lease = Duration::from_secs(*dice.pick(&[5, 15, 15, 15, 30]));
    let alone = dies_with_processes && processes_of_a_file(seed) == 1;
    move |_| WorkerOptions {
        max_in_flight,
        lease,
        takeover: alone,
    }
}
