//! Runs that a step has started and waits for.
//!
//! A child begins in the transaction that records the step, and in the transaction that ends it
//! its parent is sent an event. So the parent is a row meanwhile, like any other that waits.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Driver, Flow};
use crate::board::{ChildPlan, Fault};
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
    /// A child that history does not have begins with the next commit.
    pub(super) fn note_child(&mut self, ordinal: u32, plan: ChildPlan, known: Option<RunId>) -> Result<(), Fault> {
        let started_at = self.now();
        let run = match known {
            Some(run) => run,
            None => self.make_child(ordinal, plan, started_at)?,
        };
        self.children.insert(ordinal, OpenChild { run, started_at });
        Ok(())
    }

    fn make_child(&mut self, ordinal: u32, plan: ChildPlan, now: Timestamp) -> Result<RunId, Fault> {
        let workflow = plan.workflow;
        let unknown = || {
            Fault::Wrong(format!(
                "no workflow named {workflow} is registered here, so no child of it starts"
            ))
        };
        let definition = self.shell.definitions.get(workflow).ok_or_else(unknown)?;
        let new = NewRun {
            id: RunId(self.shell.runtime.new_id()),
            workflow: workflow.to_owned(),
            hash: definition.hash,
            start_key: None,
            input: plan
                .input
                .expect("an input that cannot be stored is a fault of its step"),
            priority: plan.options.priority,
            delay: Duration::ZERO,
            known_since: self.shell.known_since,
            parent: Some(self.row.id),
            flow_key: plan.options.flow_key,
        };
        let run = new.id;
        self.starts.push(new);
        self.record(ordinal, What::ChildStarted { run }, now);
        Ok(run)
    }

    /// The records of children that are left to code that fits take their starts with them.
    pub(super) fn keep_starts_of_pending(&mut self) {
        let kept = &self.pending;
        self.starts.retain(|new| {
            kept.iter()
                .any(|record| record.what == What::ChildStarted { run: new.id })
        });
    }

    /// What the parent learns of a child that has ended.
    pub(super) fn complete_child(&mut self, ordinal: u32, child: &OpenChild, event: &StoredEvent) {
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

    /// Children whose steps the code has dropped are cancelled, and only then is that on record: whoever
    /// takes the run over does it again.
    pub(super) async fn cancel_left_children(&mut self) -> Flow<()> {
        let left = std::mem::take(&mut self.left);
        if left.is_empty() {
            return Ok(());
        }
        self.cancel_runs(left.iter().map(|(_, run)| *run).collect()).await?;
        for (ordinal, _) in left {
            self.record(ordinal, What::Abandoned, self.now());
        }
        Ok(())
    }

    /// All children that are left, because the run itself ends.
    pub(super) async fn cancel_children(&mut self) -> Flow<()> {
        let children = std::mem::take(&mut self.children);
        self.cancel_runs(children.values().map(|child| child.run).collect())
            .await
    }

    /// A child that has ended, or was asked before, is left alone.
    async fn cancel_runs(&mut self, runs: Vec<RunId>) -> Flow<()> {
        if !runs.is_empty() && !self.starts.is_empty() {
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
