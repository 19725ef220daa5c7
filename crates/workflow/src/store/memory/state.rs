//! All rows, and the places where a claim looks for runs.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::flow::{Flow, FlowId, HeldKey, Lot, flow_key};
use super::table::{Table, Undo};
use crate::clock::truncate;
use crate::event::{CorrelationKey, StoredEvent, Target};
use crate::history::{Phase, Record};
use crate::id::{DefinitionHash, RunId, Seq};
use crate::payload::Payload;
use crate::store::{Hint, RunRow, RunStatus, ScheduleRow};

/// A run, with what its row does not show.
#[derive(Clone)]
pub(super) struct Run {
    pub row: RunRow,
    /// When the engine was built that has started it, or executed it last.
    pub known_since: Timestamp,
    pub place: Place,
    /// The definition hashes it was blocked under since it was last retried.
    pub misfits: BTreeSet<DefinitionHash>,
    /// Claimed by the next worker that has its workflow, whatever the hash.
    pub any_hash: bool,
    /// The inbox counter in the answer to its last advance.
    pub answered: u64,
    /// When its delayed start was due, while it is paused.
    pub resume_at: Option<Timestamp>,
    pub admitted: Admitted,
}

/// Whether a run has its place among those in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admitted {
    /// Not yet, or not any more: it has not begun, or has ended.
    No,
    /// Its counters count it.
    Counted,
    /// It began while its workflow had no limits.
    Uncounted,
}

impl Run {
    /// Its row as others see it. Who asked it to end is kept all along, and shown until the
    /// run has acted on it, and again when it has ended so.
    pub fn view(&self) -> RunRow {
        let mut row = self.row.clone();
        row.cancel_by = self.cancel_by();
        row
    }

    pub fn cancel_by(&self) -> Option<String> {
        let open = self.row.phase == Phase::Main && !self.row.status.is_end();
        let shown = open || self.row.status == RunStatus::Cancelled;
        self.row.cancel_by.clone().filter(|_| shown)
    }
}

/// Where a claim finds a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere: it waits for something that comes in, or has ended.
    Nowhere,
    /// Among the ready ones, by priority, then by rank. The rank is the time, made distinct, for
    /// those without a flow key.
    Ready { since: Timestamp, rank: i64 },
    /// Nowhere, until a counter has a place for it.
    Held { lot: Lot, rank: i64, since: Timestamp },
    /// Among those whose timer or lease is due at this time.
    Due(Timestamp),
    /// Among the blocked ones.
    Blocked,
}

/// An event, with what others do not see.
#[derive(Clone)]
pub(super) struct Event {
    pub stored: StoredEvent,
    pub expires_at: Timestamp,
}

pub(super) type ReadyKey = (Reverse<i16>, i64, RunId);

#[derive(Default)]
pub(super) struct State {
    pub runs: Table<RunId, Run>,
    pub records: Table<(RunId, Seq), Record>,
    pub start_keys: Table<(String, String), RunId>,
    pub keys: Table<CorrelationKey, RunId>,
    pub keys_of: Table<(RunId, CorrelationKey), ()>,

    pub ready: Table<ReadyKey, ()>,
    pub due: Table<(Timestamp, RunId), ()>,
    pub blocked: Table<RunId, ()>,
    pub ended: Table<(Timestamp, RunId), ()>,
    pub held: Table<HeldKey, ()>,
    pub flows: Table<FlowId, Flow>,

    pub events: Table<u64, Event>,
    pub event_ids: Table<(Target, String), u64>,
    pub inboxes: Table<(RunId, u64), ()>,
    pub consumed: Table<(RunId, u64), ()>,
    pub unrouted: Table<u64, ()>,
    pub awaited: Table<(Target, u64), ()>,
    pub expiring: Table<(Timestamp, u64), ()>,

    /// The answers to changes without a subject.
    pub answers: Table<Uuid, Option<Payload>>,
    pub answers_by_age: Table<(Timestamp, Uuid), ()>,
    pub app: Table<String, Payload>,

    /// By name. Whether one has a run that has not ended is looked up when it is asked for.
    pub schedules: Table<String, ScheduleRow>,

    pub hints: Vec<Hint>,
    kept_hints: usize,
    /// Numbers that a refused member has used are left out; nobody counts on their being dense.
    last_number: u64,
    last_rank: i64,
    kept_rank: i64,
}

impl State {
    fn tables(&mut self) -> [&mut dyn Undo; 22] {
        [
            &mut self.runs,
            &mut self.records,
            &mut self.start_keys,
            &mut self.keys,
            &mut self.keys_of,
            &mut self.ready,
            &mut self.due,
            &mut self.blocked,
            &mut self.ended,
            &mut self.held,
            &mut self.flows,
            &mut self.events,
            &mut self.event_ids,
            &mut self.inboxes,
            &mut self.consumed,
            &mut self.unrouted,
            &mut self.awaited,
            &mut self.expiring,
            &mut self.answers,
            &mut self.answers_by_age,
            &mut self.app,
            &mut self.schedules,
        ]
    }

    /// What was done remains.
    pub fn keep(&mut self) {
        self.tables().into_iter().for_each(Undo::keep);
        self.kept_hints = self.hints.len();
        self.kept_rank = self.last_rank;
    }

    /// What was done since the last [`keep`](Self::keep) is taken back.
    pub fn take_back(&mut self) {
        self.tables().into_iter().for_each(Undo::take_back);
        self.hints.truncate(self.kept_hints);
        self.last_rank = self.kept_rank;
    }

    /// A number above all that were drawn before.
    pub fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// A place behind everything that became ready before, and behind `last`.
    pub fn next_rank(&mut self, now: Timestamp, last: i64) -> i64 {
        let behind = self.last_rank.max(last).saturating_add(1);
        self.last_rank = now.as_microsecond().max(behind);
        self.last_rank
    }

    pub fn run(&self, id: RunId) -> Option<Run> {
        self.runs.get(&id).cloned()
    }

    /// Writes a run's row, and moves it to its place.
    pub fn save(&mut self, run: Run) {
        if let Some(old) = self.run(run.row.id) {
            self.leave_place(&old);
        }
        self.take_place(&run);
        self.runs.put(run.row.id, run);
    }

    fn leave_place(&mut self, run: &Run) {
        let id = run.row.id;
        match &run.place {
            Place::Nowhere => None,
            Place::Ready { rank, .. } => self.ready.remove(&(Reverse(run.row.priority), *rank, id)),
            Place::Held { lot, rank, .. } => self.held.remove(&held_key(run, lot, *rank)),
            Place::Due(time) => self.due.remove(&(*time, id)),
            Place::Blocked => self.blocked.remove(&id),
        };
    }

    fn take_place(&mut self, run: &Run) {
        let id = run.row.id;
        match &run.place {
            Place::Nowhere => {}
            Place::Ready { rank, .. } => self.ready.put((Reverse(run.row.priority), *rank, id), ()),
            Place::Held { lot, rank, .. } => self.held.put(held_key(run, lot, *rank), ()),
            Place::Due(time) => self.due.put((*time, id), ()),
            Place::Blocked => self.blocked.put(id, ()),
        }
    }

    /// Puts a run among the ready ones. One whose timer was due already keeps that turn, and
    /// one that is ready already, or held, keeps its own. One with a flow key takes its turn among the keys.
    pub fn make_ready(&mut self, run: &mut Run, now: Timestamp) {
        self.hints.push(Hint::Ready);
        let since = match run.place {
            Place::Ready { .. } | Place::Held { .. } => return,
            Place::Due(time) => time.min(now),
            Place::Nowhere | Place::Blocked => now,
        };
        let rank = match flow_key(run) {
            Some(key) => self.fair_rank(run, key, now),
            None if run.place == Place::Due(since) => self.next_rank(now, i64::MIN).min(since.as_microsecond()),
            None => self.next_rank(now, i64::MIN),
        };
        run.row.due_at = None;
        run.place = Place::Ready { since, rank };
    }

    /// Puts a run among those that go on by themselves at a time.
    pub fn set_timer(&mut self, run: &mut Run, time: Timestamp) {
        self.hints.push(Hint::Ready);
        run.row.due_at = Some(time);
        run.place = Place::Due(time);
    }
}

fn held_key(run: &Run, lot: &Lot, rank: i64) -> HeldKey {
    let workflow = run.row.workflow.clone();
    (workflow, lot.clone(), Reverse(run.row.priority), rank, run.row.id)
}

/// The time this much later, in whole microseconds; the end of time when it is beyond.
pub(super) fn later(now: Timestamp, by: Duration) -> Timestamp {
    truncate(now.checked_add(by).unwrap_or(Timestamp::MAX))
}
