//! The world that programs act on. It outlives all processes.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use lumina_workflow::RunId;

use super::draw::Scene;
use super::program::CHILDREN;
use super::sight::Execution;
use crate::backend::Cells;
use crate::trace::lock;
use crate::watch::PANIC;
use crate::world::World;

/// A run's cell of the application. One program may be several children's.
pub(super) fn cell(program: usize, run: RunId) -> String {
    match program {
        CHILDREN.. => format!("c{run}"),
        index => format!("c{index}"),
    }
}

/// What programs share, whichever process executes them.
pub(super) struct Outside {
    pub scene: Arc<Scene>,
    pub cells: Arc<dyn Cells>,
    pub executions: Mutex<Vec<Arc<Execution>>>,
    counts: Mutex<BTreeMap<(usize, &'static str, String), u64>>,
}

impl Outside {
    pub fn new(scene: Arc<Scene>, cells: Arc<dyn Cells>) -> Self {
        Self {
            scene,
            cells,
            executions: Mutex::default(),
            counts: Mutex::default(),
        }
    }

    pub fn count(&self, run: usize, what: &'static str, place: &str) -> u64 {
        let mut counts = lock(&self.counts);
        let count = counts.entry((run, what, place.to_owned())).or_default();
        *count += 1;
        *count
    }

    /// Panics when the plan says so.
    pub fn stumble(&self, world: &World, run: usize, execution: Option<&Execution>) {
        let outside_steps = execution.is_some();
        let what = if outside_steps { "workflow code" } else { "step code" };
        let nth = self.count(run, what, "");
        let planned = self
            .scene
            .panics
            .iter()
            .find(|panic| (panic.run, panic.nth, panic.outside_steps) == (run, nth, outside_steps));
        if let Some(panic) = planned
            && world.inject(panic.number, || format!("the {what} of run {run} panics"))
        {
            execution
                .iter()
                .for_each(|execution| execution.fell.store(true, Ordering::Relaxed));
            resume_unwind(Box::new(PANIC.to_owned()));
        }
    }
}
