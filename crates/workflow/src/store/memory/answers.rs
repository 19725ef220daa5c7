//! Questions about runs.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::state::{Place, Run, State};
use crate::history::{Record, What};
use crate::id::{RunId, Seq};
use crate::replay::superseded;
use crate::store::{Page, RunQuery, RunRow, StoredRecord};

impl State {
    pub fn history(&self, run: RunId, after: Seq, limit: usize) -> Vec<StoredRecord> {
        let gone = self.superseded(run);
        let range = (run, Seq(after.0.saturating_add(1)))..=(run, Seq(u64::MAX));
        let stored = self.records.range(range).map(|((_, seq), record)| StoredRecord {
            seq: *seq,
            record: record.clone(),
            superseded: gone.contains(seq),
        });
        stored.take(limit).collect()
    }

    fn superseded(&self, run: RunId) -> BTreeSet<Seq> {
        let all = self.records.range((run, Seq(0))..=(run, Seq(u64::MAX)));
        let all: Vec<Record> = all.map(|(_, record)| record.clone()).collect();
        match all.iter().any(|record| matches!(record.what, What::Rewound { .. })) {
            true => superseded(&all),
            false => BTreeSet::new(),
        }
    }

    pub fn runs_page(&self, query: &RunQuery) -> Page<RunRow> {
        let end = query.before.map_or(Bound::Unbounded, Bound::Excluded);
        let fitting = self.runs.range((Bound::Unbounded, end)).rev().map(|(_, run)| run);
        let mut fitting = fitting.filter(|run| self.is_asked_for(run, query));
        let items: Vec<_> = fitting.by_ref().take(query.limit).map(|run| self.shown(run)).collect();
        let next = items.last().map(|run| run.id).filter(|_| fitting.next().is_some());
        Page { items, next }
    }

    fn shown(&self, run: &Run) -> RunRow {
        RunRow {
            throttled: self.throttled(run),
            ..run.view()
        }
    }

    fn is_asked_for(&self, run: &Run, query: &RunQuery) -> bool {
        let row = &run.row;
        let holds = |key| self.keys.get(key) == Some(&row.id);
        query.id.is_none_or(|id| id == row.id)
            && query.key.as_ref().is_none_or(holds)
            && query.parent.is_none_or(|parent| row.parent == Some(parent))
            && query.workflow.as_ref().is_none_or(|workflow| *workflow == row.workflow)
            && !query.without.contains(&row.workflow)
            && (!query.throttled || matches!(run.place, Place::Held { .. }))
            && (query.statuses.is_empty() || query.statuses.contains(&row.status))
    }
}
