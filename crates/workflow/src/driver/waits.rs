//! Waits and sleeps: matching events, deadlines.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Driver, Flow, loading};
use crate::board::Filter;
use crate::event::{Event, StoredEvent};
use crate::history::{TakenEvent, What};
use crate::payload::Payload;
use crate::replay::Opened;
use crate::step::Matching;
use crate::store::{Inbox, Next};

/// A wait whose event has not come.
pub(super) struct OpenWait {
    matching: Matching,
    filters: Vec<Filter>,
    pub deadline: Timestamp,
    opened_at: Timestamp,
    recorded: bool,
}

type Unseen = BTreeMap<u64, StoredEvent>;

impl Filter {
    fn takes(&self, event: &StoredEvent) -> bool {
        event.name == self.event && (self.key.is_none() || event.key == self.key)
    }
}

impl OpenWait {
    pub fn new(matching: Matching, filters: Vec<Filter>, opened: Opened, recorded: bool) -> Self {
        Self {
            matching,
            filters,
            deadline: opened.deadline,
            opened_at: opened.at,
            recorded,
        }
    }

    /// The events that would end it now, in the order of its filters.
    fn find(&self, inbox: &Unseen) -> Option<Vec<u64>> {
        match self.matching {
            Matching::One | Matching::Any => {
                let fits = |event: &StoredEvent| self.filters.iter().any(|filter| filter.takes(event));
                let first = inbox.values().find(|event| fits(event))?;
                Some(vec![first.seq])
            }
            Matching::All => self.find_all(inbox),
        }
    }

    /// One for each filter, the lowest that is left. Those with a key choose first: what they take, the others
    /// can replace.
    fn find_all(&self, inbox: &Unseen) -> Option<Vec<u64>> {
        let mut taken = vec![0; self.filters.len()];
        let keyed = |choosing: bool| move |(_, filter): &(usize, &Filter)| filter.key.is_some() == choosing;
        let filters = || self.filters.iter().enumerate();
        for (place, filter) in filters().filter(keyed(true)).chain(filters().filter(keyed(false))) {
            let free = |event: &&StoredEvent| filter.takes(event) && !taken.contains(&event.seq);
            taken[place] = inbox.values().find(free)?.seq;
        }
        Some(taken)
    }

    fn payload(&self, events: &[StoredEvent]) -> Payload {
        let told: Vec<Event> = events.iter().cloned().map(Event::from).collect();
        let text = match (self.matching, &told[..]) {
            (Matching::One, [event]) => return event.payload.clone(),
            (Matching::Any, [event]) => serde_json::to_string(event),
            _ => serde_json::to_string(&told),
        };
        Payload::from_stored(text.expect("events have a JSON form"))
    }
}

impl Driver {
    /// Writes down the deadlines of waits that did not find their event at once.
    pub(super) fn record_open_waits(&mut self) {
        let fresh: Vec<_> = self
            .waits
            .iter()
            .filter(|(_, wait)| !wait.recorded)
            .map(|(ordinal, _)| *ordinal)
            .collect();
        for ordinal in fresh {
            let wait = self.waits.get_mut(&ordinal).expect("it was just found there");
            wait.recorded = true;
            let (deadline, opened_at) = (wait.deadline, wait.opened_at);
            self.record(ordinal, What::Opened { deadline }, opened_at);
        }
    }

    /// Gives the lowest event that some step takes to the step that was reached first. Which
    /// one that is follows from the inbox alone, so the record may wait for the next commit.
    pub(super) fn take_event(&mut self) -> bool {
        if self.events.is_empty() {
            return false;
        }
        let of_waits = self.waits.iter().filter_map(|(ordinal, wait)| {
            let seqs = wait.find(&self.events)?;
            Some((*seqs.iter().min()?, *ordinal, seqs))
        });
        let of_children = self.children.iter().filter_map(|(ordinal, child)| {
            let event = self.events.values().find(|event| child.takes(event))?;
            Some((event.seq, *ordinal, vec![event.seq]))
        });
        let Some((_, ordinal, seqs)) = of_waits.chain(of_children).min() else {
            return false;
        };
        self.take(ordinal, &seqs);
        true
    }

    fn take(&mut self, ordinal: u32, seqs: &[u64]) {
        let take = |seq| self.events.remove(seq).expect("it was just found there");
        let events: Vec<StoredEvent> = seqs.iter().map(take).collect();
        self.consumed.extend(seqs);
        if let Some(child) = self.children.remove(&ordinal) {
            self.complete_child(ordinal, &child, &events[0]);
            return;
        }
        let wait = self.waits.remove(&ordinal).expect("it was just found there");
        let payload = wait.payload(&events);
        let told = events.into_iter().map(|event| TakenEvent {
            id: event.id,
            by: event.by,
        });
        let events = told.collect();
        self.forget_opened(ordinal);
        self.complete(ordinal, What::Received { events, payload }, wait.opened_at);
    }

    /// That a wait was open need not be written once it has ended: then the next attempt need not wait for that.
    fn forget_opened(&mut self, ordinal: u32) {
        self.pending.retain(|record| {
            let of_wait = record.step.as_ref().is_some_and(|step| step.ordinal == ordinal);
            !(of_wait && matches!(record.what, What::Opened { .. }))
        });
    }

    /// Ends the wait or sleep that is due longest, if one is. The code sees it only after the
    /// commit, and the commit holds only if nothing came in meanwhile.
    pub(super) async fn expire(&mut self) -> Flow<bool> {
        let now = self.now();
        let waits = self.waits.iter().map(|(ordinal, wait)| (wait.deadline, *ordinal));
        let sleeps = self.sleeps.iter().map(|(ordinal, sleep)| (sleep.deadline, *ordinal));
        let due = waits.chain(sleeps).min().filter(|(deadline, _)| *deadline <= now);
        let Some((_, ordinal)) = due else { return Ok(false) };
        let (what, opened_at) = match self.sleeps.get(&ordinal) {
            Some(sleep) => (
                What::Completed {
                    attempt: 0,
                    payload: Some(Payload::null()),
                },
                sleep.at,
            ),
            None => (What::TimedOut, self.waits[&ordinal].opened_at),
        };
        self.record_open_waits();
        self.record(ordinal, what.clone(), opened_at);
        if !self.commit_guarded(Next::Running).await? {
            self.pending.pop();
            return Ok(true);
        }
        self.waits.remove(&ordinal);
        self.sleeps.remove(&ordinal);
        self.execution
            .completions
            .extend(crate::replay::completion(&what).map(|told| (ordinal, told)));
        Ok(true)
    }

    /// Reads what came in since.
    pub(super) async fn read_inbox(&mut self) -> Flow<()> {
        let seen = loop {
            match loading::read_inbox(&self.shell, self.lease.run).await {
                Ok(seen) => break seen,
                Err(error) => self.pause_after(&error).await?,
            }
        };
        self.take_news(seen);
        Ok(())
    }

    /// The inbox as it is now, but for what the code was told already.
    pub(super) fn take_news(&mut self, inbox: Inbox) {
        self.inbox = inbox.counter;
        self.inbox_stale = false;
        self.cancel_by = inbox.cancel_by;
        self.pause_by = inbox.pause_by;
        let unseen = inbox.events.into_iter();
        self.events = unseen
            .filter(|event| !self.consumed.contains(&event.seq))
            .map(|event| (event.seq, event))
            .collect();
    }

    /// The next time at which something ends or begins by itself.
    pub(super) fn next_time(&self) -> Option<Timestamp> {
        let waits = self.waits.values().map(|wait| wait.deadline);
        let sleeps = self.sleeps.values().map(|sleep| sleep.deadline);
        waits
            .chain(sleeps)
            .chain(self.delays.values().copied())
            .chain(self.deadline())
            .chain(self.handler_deadline())
            .min()
    }

    /// Something is open that can still end by itself or by an event.
    pub(super) fn has_open(&self) -> bool {
        !self.waits.is_empty() || !self.sleeps.is_empty() || !self.delays.is_empty() || !self.children.is_empty()
    }
}

#[cfg(test)]
mod tests;
