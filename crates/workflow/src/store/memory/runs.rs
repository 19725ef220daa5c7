//! The beginning of a run.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::state::{Admitted, Place, Run, State, later};
use crate::event::Target;
use crate::history::Phase;
use crate::id::{Epoch, Seq};
use crate::store::{NewRun, Outcome, RunRow, RunStatus};

impl State {
    /// The run that was started with this key before, or with this very id.
    pub fn existing(&self, new: &NewRun) -> Option<Outcome> {
        let by_key = new
            .start_key
            .as_ref()
            .and_then(|key| self.start_keys.get(&(new.workflow.clone(), key.clone())));
        let run = self.runs.get(by_key.unwrap_or(&new.id))?;
        Some(Outcome::Existing {
            run: run.row.id,
            same_input: run.row.input == new.input,
        })
    }

    /// Makes a run that does not exist.
    pub fn start(&mut self, new: &NewRun, now: Timestamp) -> Outcome {
        if let Some(existing) = self.existing(new) {
            return existing;
        }
        if let Some(key) = &new.start_key {
            self.start_keys.put((new.workflow.clone(), key.clone()), new.id);
        }
        let mut run = fresh(new, now);
        match new.delay.is_zero() {
            true => self.make_ready(&mut run, now),
            false => self.set_timer(&mut run, later(now, new.delay)),
        }
        self.save(run);
        self.adopt(&Target::Run(new.id), new.id, now);
        Outcome::Started
    }
}

fn fresh(new: &NewRun, now: Timestamp) -> Run {
    let row = RunRow {
        id: new.id,
        workflow: new.workflow.clone(),
        hash: new.hash,
        start_key: new.start_key.clone(),
        status: RunStatus::Pending,
        phase: Phase::Main,
        input: new.input.clone(),
        output: None,
        failure: None,
        failing_since: None,
        blocked: None,
        cancel_by: None,
        pause_by: None,
        paused_at: None,
        priority: new.priority,
        parent: new.parent,
        flow_key: new.flow_key.clone(),
        throttled: None,
        seq: Seq(0),
        inbox: 0,
        buffered: 0,
        epoch: Epoch(0),
        worker: None,
        due_at: None,
        created_at: now,
        begun_at: None,
        updated_at: now,
        finished_at: None,
    };
    Run {
        row,
        known_since: new.known_since,
        place: Place::Nowhere,
        misfits: BTreeSet::new(),
        any_hash: false,
        answered: 0,
        resume_at: None,
        admitted: Admitted::No,
    }
}
