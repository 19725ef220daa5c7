//! All rows, and the places where a claim looks for runs.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere: it waits for something that comes in, or has ended.
    Nowhere,
    /// Among the ready ones, by priority, then since when, then in which order.
    Ready { since: Timestamp, order: u64 },
    /// Among those whose timer or lease is due at this time.
    Due(Timestamp),
    /// Among the blocked ones.
    Blocked { since: Timestamp },
}

/// An event, with what others do not see.
#[derive(Clone)]
pub(super) struct Event {
    pub stored: StoredEvent,
    pub expires_at: Timestamp,
}

pub(super) type ReadyKey = (Reverse<i16>, Timestamp, u64, RunId);

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
}

impl State {
    fn tables(&mut self) -> [&mut dyn Undo; 20] {
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
    }

    /// What was done since the last [`keep`](Self::keep) is taken back.
    pub fn take_back(&mut self) {
        self.tables().into_iter().for_each(Undo::take_back);
        self.hints.truncate(self.kept_hints);
    }

    /// A number above all that were drawn before.
    pub fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
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
        match run.place {
            Place::Nowhere => None,
            Place::Ready { since, order } => self.ready.remove(&(Reverse(run.row.priority), since, order, id)),
            Place::Due(time) => self.due.remove(&(time, id)),
            Place::Blocked { .. } => self.blocked.remove(&id),
        };
    }

    fn take_place(&mut self, run: &Run) {
        let id = run.row.id;
        match run.place {
            Place::Nowhere => {}
            Place::Ready { since, order } => self.ready.put((Reverse(run.row.priority), since, order, id), ()),
            Place::Due(time) => self.due.put((time, id), ()),
            Place::Blocked { .. } => self.blocked.put(id, ()),
        }
    }

    /// Puts a run among the ready ones. One whose timer was due already keeps that turn, and
    /// one that is ready already keeps its own.
    pub fn make_ready(&mut self, run: &mut Run, now: Timestamp) {
        self.hints.push(Hint::Ready);
        let since = match run.place {
            Place::Ready { .. } => return,
            Place::Due(time) => time.min(now),
            Place::Nowhere | Place::Blocked { .. } => now,
        };
        run.row.due_at = None;
        run.place = Place::Ready {
            since,
            order: self.next_number(),
        };
    }

    /// Puts a run among those that go on by themselves at a time.
    pub fn set_timer(&mut self, run: &mut Run, time: Timestamp) {
        self.hints.push(Hint::Ready);
        run.row.due_at = Some(time);
        run.place = Place::Due(time);
    }
}

/// The time this much later, in whole microseconds; the end of time when it is beyond.
pub(super) fn later(now: Timestamp, by: Duration) -> Timestamp {
    truncate(now.checked_add(by).unwrap_or(Timestamp::MAX))
}
