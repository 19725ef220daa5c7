//! What must hold of any store, whatever the model says.

use std::collections::BTreeSet;

use super::Walk;
use super::plan::KEYS;
use crate::conformance::samples::key;
use crate::conformance::snapshot::{Shown, Snapshot};
use crate::conformance::stage::holds;
use crate::history::What;
use crate::store::{RunQuery, RunStatus, ScheduleRow};

impl Walk<'_> {
    pub(super) fn check(&self, shown: &Snapshot) {
        let holds = |promise: &str, claim| holds(&format!("{}: {promise}", self.place), claim);
        for run in &shown.runs {
            holds("a run's row is sound", is_sound(run));
            if let Some(before) = self.shown.run(run.row.id) {
                holds(
                    "numbers only grow, and histories are only added to",
                    has_grown(before, run),
                );
                holds(
                    "an ended run does not change, unless somebody sends it back",
                    !before.row.status.is_end() || before.row == run.row || was_sent_back(before, run),
                );
            }
        }
        holds("an event is in one place", no_event_twice(shown));
        holds("a schedule's numbers only grow", have_grown(self, shown));
        for text in KEYS {
            let query = RunQuery {
                key: Some(key(text)),
                ..RunQuery::default()
            };
            let holders = self.subject.all_runs(query, 10);
            holds(
                "a key has one live holder",
                holders.len() <= 1 && holders.iter().all(|row| !row.status.is_end()),
            );
        }
    }
}

fn is_sound(run: &Shown) -> bool {
    let row = &run.row;
    let running = row.status == RunStatus::Running;
    let ended = row.status.is_end();
    run.history.len() as u64 == row.seq.0
        && run.history.iter().zip(1..).all(|(stored, place)| stored.seq.0 == place)
        && run.inbox.counter == row.inbox
        && run.inbox.cancel_by == row.cancel_by
        && run.inbox.pause_by == row.pause_by
        && run.inbox.events.len() as u64 == row.buffered
        && (row.status == RunStatus::Paused) == row.paused_at.is_some()
        && (row.status != RunStatus::Paused || (row.pause_by.is_some() && row.due_at.is_none()))
        && (!running || (row.due_at.is_some() && row.worker.is_some()))
        && (!ended || (row.due_at.is_none() && run.inbox.events.is_empty()))
        && ended == row.finished_at.is_some()
        && (row.status == RunStatus::Blocked) == row.blocked.is_some()
}

fn was_sent_back(before: &Shown, after: &Shown) -> bool {
    let later = after.history.iter().skip(before.history.len());
    let mut whats = later.map(|stored| &stored.record.what);
    whats.any(|what| matches!(what, What::Rewound { .. }))
}

fn has_grown(before: &Shown, after: &Shown) -> bool {
    let (old, new) = (&before.row, &after.row);
    old.epoch <= new.epoch
        && old.inbox <= new.inbox
        && old.updated_at <= new.updated_at
        && before.history.len() <= after.history.len()
        && before
            .history
            .iter()
            .zip(&after.history)
            .all(|(old, new)| old.record == new.record && old.superseded <= new.superseded)
}

/// Those that were removed and purged begin anew.
fn have_grown(walk: &Walk<'_>, shown: &Snapshot) -> bool {
    let grown = |old: &ScheduleRow, new: &ScheduleRow| {
        let counted = |row: &ScheduleRow| [row.revision, row.started, row.skipped, row.missed, row.triggers];
        old.created_at < new.created_at || counted(old).iter().zip(counted(new)).all(|(old, new)| *old <= new)
    };
    let before = |new: &ScheduleRow| walk.shown.schedules.iter().find(|old| old.name == new.name).cloned();
    shown
        .schedules
        .iter()
        .all(|new| before(new).is_none_or(|old| grown(&old, new)))
}

fn no_event_twice(shown: &Snapshot) -> bool {
    let inboxes = shown.runs.iter().map(|run| &run.inbox).chain([&shown.unrouted]);
    let mut seen = BTreeSet::new();
    inboxes
        .flat_map(|inbox| &inbox.events)
        .all(|event| seen.insert((event.target.clone(), event.id.clone())))
}
