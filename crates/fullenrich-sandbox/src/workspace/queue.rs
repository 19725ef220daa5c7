//! Which contacts are being looked up, which wait, and when the next ones are done.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;

use super::batch::Contact;

/// First come, first served, with a limit on how many are served at once.
#[derive(Debug, Default)]
pub(crate) struct LookupQueue {
    waiting: VecDeque<Contact>,
    /// By the moment they are done; those of one moment in the order of their start.
    due: BTreeMap<Timestamp, Vec<Contact>>,
    in_flight: usize,
    most_in_flight: usize,
    /// Moments for which an alarm is set.
    armed: BTreeSet<Timestamp>,
}

impl LookupQueue {
    pub(crate) fn push(&mut self, contact: Contact) {
        self.waiting.push_back(contact);
    }

    /// The next contact to start, if one waits and fewer than `limit` are being looked up.
    pub(crate) fn next(&mut self, limit: usize) -> Option<Contact> {
        if self.in_flight >= limit {
            None
        } else {
            self.waiting.pop_front()
        }
    }

    /// Starts a look-up that is done at `due`. Returns whether an alarm has to be set for that moment.
    #[must_use]
    pub(crate) fn start(&mut self, contact: Contact, due: Timestamp) -> bool {
        self.due.entry(due).or_default().push(contact);
        self.in_flight += 1;
        self.most_in_flight = self.most_in_flight.max(self.in_flight);
        self.armed.insert(due)
    }

    /// The contacts that are done by `now`, earliest first. Their places are free again.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Vec<Contact> {
        let mut done = Vec::new();
        while let Some(entry) = self.due.first_entry().filter(|entry| *entry.key() <= now) {
            done.extend(entry.remove());
        }
        while self.armed.first().is_some_and(|alarm| *alarm <= now) {
            self.armed.pop_first();
        }
        self.in_flight -= done.len();
        done
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(crate) fn most_in_flight(&self) -> usize {
        self.most_in_flight
    }
}
