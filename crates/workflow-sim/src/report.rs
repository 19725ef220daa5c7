//! What came of a simulation.

use std::fmt;
use std::time::Duration;

use crate::stage::Stage;
use crate::watch::tell::tell_ending;

/// What came of a simulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// What must not be and was; empty when all is well.
    pub violations: Vec<String>,
    /// The numbers of the faults that have happened.
    pub faults: Vec<u32>,
    /// How many runs there were.
    pub runs: usize,
    /// How much time has passed in it.
    pub elapsed: Duration,
    /// What happened, line by line, if it was kept.
    pub trace: String,
}

impl Report {
    pub(crate) fn of(stage: &Stage) -> Self {
        tell_ends(stage);
        Self {
            seed: stage.seed,
            violations: stage.watch.violations(),
            faults: stage.hit(),
            runs: stage.watch.runs().len(),
            elapsed: stage.root.elapsed(),
            trace: stage.trace.text(),
        }
    }

    /// Whether nothing was wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.violations.is_empty()
    }
}

fn tell_ends(stage: &Stage) {
    for run in stage.watch.runs() {
        let name = stage.watch.name(run);
        match stage.watch.ending(run) {
            Some(ending) => stage.tell(|| format!("end {name} {}", tell_ending(&ending))),
            None => stage.tell(|| format!("end {name} has not ended")),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.trace)?;
        let (seed, runs, faults, elapsed) = (self.seed, self.runs, self.faults.len(), self.elapsed);
        writeln!(
            f,
            "seed {seed}: {runs} runs, {faults} faults, {elapsed:?} of virtual time"
        )?;
        for violation in &self.violations {
            writeln!(f, "VIOLATION {violation}")?;
        }
        f.write_str(if self.is_good() { "good" } else { "BAD" })
    }
}
