//! All that the trait shows of a store.

use super::{Stage, block_on};
use crate::id::RunId;
use crate::store::{FlowQuery, FlowRow, Inbox, RunQuery, RunRow, ScheduleRow, StoredRecord};

/// The visible state at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Snapshot {
    pub runs: Vec<Shown>,
    pub unrouted: Inbox,
    pub schedules: Vec<ScheduleRow>,
    pub flows: Vec<FlowRow>,
}

/// All of one run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shown {
    pub row: RunRow,
    pub history: Vec<StoredRecord>,
    pub inbox: Inbox,
}

impl Stage<'_> {
    pub(super) fn snapshot(&self) -> Snapshot {
        let rows = self.all_runs(RunQuery::default(), 100);
        let runs = rows.into_iter().map(|row| Shown {
            history: self.history(row.id),
            inbox: self.inbox(Some(row.id)),
            row,
        });
        Snapshot {
            runs: runs.collect(),
            unrouted: self.inbox(None),
            schedules: self.schedules(),
            flows: self.all_flows(),
        }
    }

    /// The counters of all workflows, and of their keys.
    pub(super) fn all_flows(&self) -> Vec<FlowRow> {
        let mut all = self.flows(None);
        let mut workflows: Vec<_> = all.iter().map(|row| row.workflow.clone()).collect();
        workflows.extend(
            self.all_runs(RunQuery::default(), 100)
                .into_iter()
                .map(|run| run.workflow),
        );
        workflows.sort();
        workflows.dedup();
        for workflow in workflows {
            let of_keys = self.flows(Some(&workflow)).into_iter().filter(|row| row.key.is_some());
            all.extend(of_keys);
        }
        all
    }

    pub(super) fn flows(&self, workflow: Option<&str>) -> Vec<FlowRow> {
        let query = FlowQuery {
            workflow: workflow.map(str::to_owned),
            after: None,
            limit: 10_000,
        };
        block_on(self.store().flows(query)).expect("the store shows counters")
    }

    /// All pages of an answer.
    pub(super) fn all_runs(&self, query: RunQuery, limit: usize) -> Vec<RunRow> {
        let mut query = RunQuery { limit, ..query };
        let mut all = Vec::new();
        loop {
            let page = block_on(self.store().runs(query.clone())).expect("the store shows runs");
            all.extend(page.items);
            match page.next {
                Some(last) => query.before = Some(last),
                None => return all,
            }
        }
    }
}

impl Snapshot {
    /// Without the values of inbox sequences, which stores choose; their order remains.
    pub fn comparable(mut self) -> Self {
        let inboxes = self
            .runs
            .iter_mut()
            .map(|run| &mut run.inbox)
            .chain([&mut self.unrouted]);
        for inbox in inboxes {
            inbox
                .events
                .iter_mut()
                .zip(1..)
                .for_each(|(event, place)| event.seq = place);
        }
        self
    }

    pub fn run(&self, id: RunId) -> Option<&Shown> {
        self.runs.iter().find(|run| run.row.id == id)
    }
}
