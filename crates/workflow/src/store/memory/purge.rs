//! Forgetting what is over.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::state::State;
use crate::clock::truncate;
use crate::id::{RunId, Seq};
use crate::store::{Purge, ScheduleRow};

/// How long the answer to a change without a subject is kept at least.
const ANSWER_KEPT: Duration = Duration::from_secs(24 * 3_600);

impl State {
    /// A run counts as one row, with all that belongs to it.
    pub fn purge(&mut self, purge: &Purge, now: Timestamp) -> usize {
        let runs = self.purge_runs(purge);
        match purge.workflow {
            Some(_) => runs,
            None => {
                runs + self.purge_events(purge.limit, now)
                    + self.purge_answers(purge.limit, now)
                    + self.purge_schedules(purge)
                    + self.purge_flows(purge.before, purge.limit, now)
            }
        }
    }

    fn purge_runs(&mut self, purge: &Purge) -> usize {
        let old = self.ended.range(..(purge.before, RunId(Uuid::nil())));
        let of_workflow = |id: &RunId| {
            let run = self.runs.get(id);
            purge.workflow.is_none() || run.map(|run| &run.row.workflow) == purge.workflow.as_ref()
        };
        let old = old.map(|(key, ())| *key).filter(|(_, id)| of_workflow(id));
        let old: Vec<_> = old.take(purge.limit).collect();
        old.iter().for_each(|key| self.delete_run(*key));
        old.len()
    }

    fn purge_schedules(&mut self, purge: &Purge) -> usize {
        let old = |row: &ScheduleRow| row.removed_at.is_some_and(|at| at < purge.before);
        let over = self.schedules.iter().filter(|(_, row)| old(row));
        let over: Vec<_> = over.take(purge.limit).map(|(name, _)| name.clone()).collect();
        over.iter().for_each(|name| drop(self.schedules.remove(name)));
        over.len()
    }

    fn delete_run(&mut self, ended: (Timestamp, RunId)) {
        let id = ended.1;
        self.ended.remove(&ended);
        let run = self.runs.remove(&id).expect("an index names runs that exist");
        if let Some(key) = run.row.start_key {
            self.start_keys.remove(&(run.row.workflow, key));
        }
        for place in self.records.keys((id, Seq(0))..=(id, Seq(u64::MAX))) {
            self.records.remove(&place);
        }
        for key in self.keys_known(id) {
            self.keys_of.remove(&(id, key));
        }
        for key in self.consumed.keys((id, 0)..=(id, u64::MAX)) {
            self.consumed.remove(&key);
            self.delete_event(key.1);
        }
    }

    fn purge_events(&mut self, limit: usize, now: Timestamp) -> usize {
        let over: Vec<_> = self
            .expiring
            .range(..=(now, u64::MAX))
            .take(limit)
            .map(|((_, seq), ())| *seq)
            .collect();
        over.iter().for_each(|seq| self.delete_unrouted(*seq));
        over.len()
    }

    fn purge_answers(&mut self, limit: usize, now: Timestamp) -> usize {
        let end = truncate(now.checked_sub(ANSWER_KEPT).unwrap_or(Timestamp::MIN));
        let over = self.answers_by_age.range(..=(end, Uuid::max()));
        let over: Vec<_> = over.take(limit).map(|(key, ())| *key).collect();
        for key in &over {
            self.answers_by_age.remove(key);
            self.answers.remove(&key.1);
        }
        over.len()
    }
}
