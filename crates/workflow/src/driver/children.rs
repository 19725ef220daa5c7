//! Runs that a step has started and waits for.
//!
//! A child begins in the transaction that records the step, and in the transaction that ends it
//! its parent is sent an event. So the parent is a row meanwhile, like any other that waits.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Driver, Flow};
use crate::board::{ChildPlan, Fault, Op};
use crate::error::{Failure, FailureKind};
use crate::event::{NewEvent, StoredEvent, Target};
use crate::history::What;
use crate::id::RunId;
use crate::payload::Payload;
use crate::run::lock;
use crate::store::{Change, Command, CommandKind, NewRun};

/// The event by which a child tells its parent of its end; its key is the child's id.
pub(super) const CHILD_ENDED: &str = "workflow.child-ended";

/// A child whose end has not come.
pub(super) struct OpenChild {
    pub run: RunId,
    pub started_at: Timestamp,
}

impl OpenChild {
    pub fn takes(&self, event: &StoredEvent) -> bool {
        event.name == CHILD_ENDED && event.key.as_ref().is_some_and(|key| *key == self.run.to_string())
    }
}

/// How a child ended, as its parent is told.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ChildEnd {
    Completed(Payload),
    Failed { workflow: String, failure: Failure },
}

impl Driver {
    /// A child that history does not have begins when its turn comes.
    pub(super) fn note_child(&mut self, ordinal: u32, plan: &ChildPlan, known: Option<RunId>) -> Result<(), Fault> {
        let (workflow, started_at) = (plan.workflow, self.now());
        if let Some(run) = known {
            self.children.insert(ordinal, OpenChild { run, started_at });
        } else if self.shell.definitions.contains_key(workflow) {
            self.unborn.insert(ordinal);
        } else {
            return Err(Fault::Wrong(format!(
                "no workflow named {workflow} is registered here, so no child of it starts"
            )));
        }
        Ok(())
    }

    /// Children that were reached begin with the next commit, as attempts do: not in a run that was asked to stop.
    pub(super) fn begin_children(&mut self) {
        for ordinal in std::mem::take(&mut self.unborn) {
            let Op::Child(plan) = lock(&self.board).slot(ordinal).op.clone() else {
                unreachable!("only a child is noted as one")
            };
            let started_at = self.now();
            let new = self.make_child(plan);
            let run = new.id;
            self.starts.push(new);
            self.record(ordinal, What::ChildStarted { run }, started_at);
            self.children.insert(ordinal, OpenChild { run, started_at });
        }
    }

    fn make_child(&self, plan: ChildPlan) -> NewRun {
        let workflow = plan.workflow;
        NewRun {
            id: RunId(self.shell.runtime.new_id()),
            workflow: workflow.to_owned(),
            hash: self.shell.definitions[workflow].hash,
            start_key: None,
            input: plan
                .input
                .expect("an input that cannot be stored is a fault of its step"),
            priority: plan.options.priority,
            delay: Duration::ZERO,
            known_since: self.shell.known_since,
            parent: Some(self.row.id),
            flow_key: plan.options.flow_key,
        }
    }

    /// Children that were to begin with the next commit do not.
    pub(super) fn hold_starts(&mut self) {
        let new: Vec<u32> = self.children.keys().copied().collect();
        let held = new.into_iter().filter(|ordinal| self.forget_start(*ordinal));
        let held: Vec<u32> = held.collect();
        self.unborn.extend(held);
    }

    /// Takes a child back whose beginning is not durable. False when it is, or there is none.
    pub(super) fn forget_start(&mut self, ordinal: u32) -> bool {
        let Some(run) = self.children.get(&ordinal).map(|child| child.run) else {
            return false;
        };
        if self.is_begun(ordinal) {
            return false;
        }
        self.children.remove(&ordinal);
        self.starts.retain(|new| new.id != run);
        self.pending.retain(|record| record.what != What::ChildStarted { run });
        true
    }

    pub(super) fn is_begun(&self, ordinal: u32) -> bool {
        self.begun.contains_key(&ordinal)
    }

    /// What is pending is durable now.
    pub(super) fn note_durable_children(&mut self) {
        let begun = self
            .pending
            .iter()
            .filter_map(|record| match (&record.step, &record.what) {
                (Some(step), What::ChildStarted { run }) => Some((step.ordinal, (step.clone(), *run))),
                _ => None,
            });
        self.begun.extend(begun);
    }

    /// What the parent learns of a child that has ended.
    pub(super) fn complete_child(&mut self, ordinal: u32, child: &OpenChild, event: &StoredEvent) {
        self.begun.remove(&ordinal);
        let what = match event.payload.decode() {
            Ok(ChildEnd::Completed(output)) => What::Completed {
                attempt: 0,
                payload: Some(output),
            },
            Ok(ChildEnd::Failed { workflow, failure }) => self.fail_child(ordinal, child, &workflow, &failure),
            Err(problem) => self.fail_child(
                ordinal,
                child,
                "its workflow",
                &Failure::new(format!("its end {problem}")),
            ),
        };
        self.complete(ordinal, what, child.started_at);
    }

    /// Only that an effect's outcome is unknown is passed on: whether the child was cancelled or late is
    /// its own matter.
    fn fail_child(&self, ordinal: u32, child: &OpenChild, workflow: &str, failure: &Failure) -> What {
        let mut own = Failure::new(format!("run {} of {workflow} has failed: {failure}", child.run));
        own.step = Some(lock(&self.board).slot(ordinal).step.name.clone());
        own.code = failure.code;
        if failure.is_unknown() {
            own.kind = FailureKind::Unknown;
        }
        let reason = "the child has ended so".to_owned();
        What::Failed { failure: own, reason }
    }

    /// The event for the parent that goes with the run's end. Nobody but the parent wants it, so it is not
    /// kept when the parent has ended.
    pub(super) fn tell_parent(&self, end: Result<&Payload, &Failure>) -> Vec<NewEvent> {
        let Some(parent) = self.row.parent else {
            return Vec::new();
        };
        let end = match end {
            Ok(output) => ChildEnd::Completed(output.clone()),
            Err(failure) => ChildEnd::Failed {
                workflow: self.definition.name.to_owned(),
                failure: failure.clone(),
            },
        };
        let payload = serde_json::to_string(&end).expect("an output and a failure have a JSON form");
        let own = self.row.id.to_string();
        vec![NewEvent {
            key: Some(own.clone()),
            kept_for: Duration::ZERO,
            ..NewEvent::new(
                format!("child-ended/{own}/{}", self.lease.epoch.0),
                Target::Run(parent),
                CHILD_ENDED,
                Payload::from_stored(payload),
            )
        }]
    }

    /// Whoever sent the run back may not have come to cancel what it left behind. Nothing is recorded before that
    /// is done.
    pub(super) async fn cancel_left_behind(&mut self) -> Flow<()> {
        let left = std::mem::take(&mut self.left_behind);
        self.cancel_runs(left.into_iter().collect()).await
    }

    /// Children whose steps the code has dropped are cancelled, and only then is that on record: whoever
    /// takes the run over does it again.
    pub(super) async fn cancel_left_children(&mut self) -> Flow<()> {
        let left = std::mem::take(&mut self.left);
        if left.is_empty() {
            return Ok(());
        }
        self.cancel_runs(left.iter().map(|(_, run)| *run).collect()).await?;
        for (ordinal, _) in left {
            self.begun.remove(&ordinal);
            self.record(ordinal, What::Abandoned, self.now());
        }
        Ok(())
    }

    /// All children that history has, because the run itself ends: whether the code came to them this time or not.
    pub(super) async fn cancel_children(&mut self) -> Flow<()> {
        self.children.clear();
        self.left.clear();
        let begun = std::mem::take(&mut self.begun);
        self.cancel_runs(begun.values().map(|(_, run)| *run).collect()).await?;
        for (step, _) in begun.into_values() {
            let record = self.make_record(Some(step), What::Abandoned, self.now());
            self.pending.push(record);
        }
        Ok(())
    }

    /// A child that has ended, or was asked before, is left alone. What they are cancelled for is durable first:
    /// code that is executed again must come to the same.
    async fn cancel_runs(&mut self, runs: Vec<RunId>) -> Flow<()> {
        if !runs.is_empty() && !self.pending.is_empty() {
            self.save().await?;
        }
        for run in runs {
            let command = Command {
                run,
                what: CommandKind::Cancel,
                by: format!("run {}", self.row.id),
            };
            while let Err(error) = self
                .shell
                .pipeline
                .submit(Change::Command(command.clone()).into())
                .await
            {
                self.pause_after(&error).await?;
            }
        }
        Ok(())
    }
}
