//! Steps that the code has reached or dropped since it was last looked at.

use jiff::Timestamp;

use super::waits::OpenWait;
use super::{Driver, children};
use crate::board::{Deadline, Fault, Filter, Op};
use crate::history::What;
use crate::replay::{Known, Opened};
use crate::run::lock;
use crate::step::{Matching, StepKind};

impl Driver {
    /// Gives each newly reached step its place among what is open.
    pub(super) fn note_opened(&mut self) -> Result<(), Fault> {
        self.note_patched();
        let opened = lock(&self.board).take_opened();
        for ordinal in opened {
            let board = lock(&self.board);
            let known = board.known(ordinal).cloned();
            let slot = board.slot(ordinal);
            let (op, kind, name) = (slot.op.clone(), slot.step.kind, slot.step.name.clone());
            let open = known.as_ref().is_none_or(Known::is_live) && board.is_open(ordinal);
            drop(board);
            if open {
                self.note_op(ordinal, op, kind, &name, known)?;
            } else if let Some(run) = known.filter(Known::is_live).and_then(|known| known.child) {
                // Dropped for what history has; whoever saw that first did not come to tell the child.
                self.left.push((ordinal, run));
            }
        }
        Ok(())
    }

    fn note_op(&mut self, ordinal: u32, op: Op, kind: StepKind, name: &str, known: Option<Known>) -> Result<(), Fault> {
        match op {
            Op::Wait {
                matching,
                filters,
                deadline,
            } => {
                let recorded = known.and_then(|known| known.opened);
                let wait = self.make_wait(name, (matching, filters), deadline, recorded);
                self.waits.insert(ordinal, wait);
            }
            Op::Sleep(deadline) => self.note_sleep(ordinal, deadline, known.and_then(|known| known.opened)),
            Op::Child(plan) => self.note_child(ordinal, &plan, known.and_then(|known| known.child))?,
            Op::Act { .. } | Op::InTx(_) => self.note_attempt(ordinal, kind, known),
        }
        Ok(())
    }

    /// What the code was told is written before what it does because of that.
    fn note_patched(&mut self) {
        let patched = lock(&self.board).take_patched();
        for name in patched {
            let record = self.make_record(None, What::Patched { name }, self.now());
            self.pending.push(record);
        }
    }

    fn make_wait(
        &self,
        name: &str,
        (matching, filters): (Matching, Vec<Filter>),
        deadline: Option<Deadline>,
        recorded: Option<Opened>,
    ) -> OpenWait {
        let plan = &self.definition.steps[name];
        let declared = Deadline::After(plan.timeout.expect("a wait is registered with a deadline"));
        let fresh = || self.open(deadline.unwrap_or(declared));
        let opened = recorded.unwrap_or_else(fresh);
        OpenWait::new(matching, filters, opened, recorded.is_some())
    }

    fn open(&self, deadline: Deadline) -> Opened {
        let at = self.now();
        Opened {
            at,
            deadline: resolve(deadline, at),
        }
    }

    fn note_sleep(&mut self, ordinal: u32, deadline: Deadline, recorded: Option<Opened>) {
        let opened = recorded.unwrap_or_else(|| self.open(deadline));
        if recorded.is_none() {
            self.record(
                ordinal,
                What::Opened {
                    deadline: opened.deadline,
                },
                opened.at,
            );
        }
        self.sleeps.insert(ordinal, opened);
    }

    /// Forgets what the code has dropped. An outside effect that acts goes on, and its end is
    /// recorded; a child is told first.
    pub(super) fn note_abandoned(&mut self) {
        let abandoned = lock(&self.board).take_abandoned();
        for ordinal in abandoned {
            if self.is_begun(ordinal)
                && let Some(children::OpenChild { run, .. }) = self.children.remove(&ordinal)
            {
                self.left.push((ordinal, run));
                continue;
            }
            // It may be open by its history alone: a process died before this was written.
            let was_open = self.is_open_in_history(ordinal)
                | self.forget_start(ordinal)
                | self.unborn.remove(&ordinal)
                | self.waits.remove(&ordinal).is_some()
                | self.sleeps.remove(&ordinal).is_some()
                | self.delays.remove(&ordinal).is_some()
                | self.to_start.remove(&ordinal);
            if was_open || self.stop_attempt(ordinal) {
                self.record(ordinal, What::Abandoned, self.now());
            }
        }
    }
}

impl Driver {
    fn is_open_in_history(&self, ordinal: u32) -> bool {
        let board = lock(&self.board);
        let known = board.known(ordinal);
        let is_open = known.is_some_and(|known| known.opened.is_some() && known.is_live());
        is_open && !self.ended_here.contains(&ordinal)
    }
}

fn resolve(deadline: Deadline, now: Timestamp) -> Timestamp {
    match deadline {
        Deadline::At(time) => crate::clock::truncate(time),
        Deadline::After(duration) => crate::clock::truncate(now.saturating_add(duration).unwrap_or(Timestamp::MAX)),
    }
}
