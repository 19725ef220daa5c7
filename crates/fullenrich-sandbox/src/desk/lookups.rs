//! Look-ups: begun, ended, charged.

use std::time::Duration;

use jiff::Timestamp;

use super::{Addressee, Desk, Effects};
use crate::clock::later;
use crate::config::SandboxConfig;
use crate::error::LedgerError;
use crate::invent;
use crate::ledger::{BatchStatus, Record};
use crate::moods::Mood;
use crate::workspace::Contact;

impl Desk {
    /// Brings everything up to `now`: look-ups that are done are charged, and others take their places.
    pub(crate) fn settle(&mut self, config: &SandboxConfig, now: Timestamp) -> Result<Effects, LedgerError> {
        let mut effects = Effects::default();
        loop {
            self.start_waiting(config, now, &mut effects);
            let done = self.queue.take_due(now);
            if done.is_empty() {
                break;
            }
            for contact in done {
                self.finish(config, contact, now, &mut effects);
            }
        }
        self.ledger.sync()?;
        effects.alarms.retain(|alarm| *alarm > now);
        Ok(effects)
    }

    fn start_waiting(&mut self, config: &SandboxConfig, now: Timestamp, effects: &mut Effects) {
        let limit = config.contacts_at_once.get() as usize;
        while let Some(contact) = self.queue.next(limit) {
            let batch = self.books.batch(contact.batch);
            if batch.ended.is_some() {
                continue;
            }
            let email = &batch.items[contact.item].email;
            let delay = if batch.has(Mood::CallbackBeforeAnswer) {
                Duration::ZERO
            } else {
                let (min, max) = (config.lookup_min, config.lookup_max);
                invent::lookup_delay(batch.seed, email, config.lookup_latency, min, max)
            };
            let due = later(now, delay);
            self.books.start(contact.batch);
            if self.queue.start(contact, due) {
                effects.alarms.push(due);
            }
        }
    }

    /// The end of one look-up: a charge, or the end of a batch that cannot be paid for or is stopped on purpose.
    fn finish(&mut self, config: &SandboxConfig, contact: Contact, now: Timestamp, effects: &mut Effects) {
        let place = contact.batch;
        let batch = self.books.batch(place);
        if batch.ended.is_some() {
            return;
        }
        let item = &batch.items[contact.item];
        if batch.doomed || (!item.free && self.books.balance() == 0) {
            return effects
                .callbacks
                .extend(self.end(place, now, BatchStatus::CreditsInsufficient));
        }
        if let Some((mood, status)) = batch.stops_now() {
            self.show(place, mood, now);
            return effects.callbacks.extend(self.end(place, now, status));
        }
        self.look_up(config, contact, now);
        effects.callbacks.extend(self.event(contact, now));
        let batch = self.books.batch(place);
        if batch.looked_up == batch.contacts {
            effects.callbacks.extend(self.end(place, now, BatchStatus::Finished));
        }
    }

    fn look_up(&mut self, config: &SandboxConfig, contact: Contact, now: Timestamp) {
        let batch = self.books.batch(contact.batch);
        let item = &batch.items[contact.item];
        let found = invent::is_found(batch.seed, &item.email, config.not_found_percent);
        let lookup = Record::Lookup {
            batch: batch.id,
            item: contact.item,
            at: now,
            email: item.email.clone(),
            found,
            credits: u32::from(found && !item.free),
            free: item.free,
        };
        self.record(lookup);
        self.show_record(contact, now);
    }

    /// The event of a contact that was looked up, if it is to be sent now.
    fn event(&mut self, contact: Contact, now: Timestamp) -> Option<Addressee> {
        let batch = self.books.batch(contact.batch);
        if batch.contact_url.is_none() || batch.events_come_last() {
            return None;
        }
        if batch.has(Mood::EventsNever) {
            self.show(contact.batch, Mood::EventsNever, now);
            return None;
        }
        Some(Addressee {
            batch: contact.batch,
            item: Some(contact.item),
        })
    }

    /// Ends a batch, and says whose callback is due then.
    pub(super) fn end(&mut self, place: usize, now: Timestamp, status: BatchStatus) -> Option<Addressee> {
        let batch = self.books.batch(place).id;
        self.record(Record::Ended { batch, at: now, status });
        self.show_end(place, now);
        self.books.batch(place).calls_back().then_some(Addressee {
            batch: place,
            item: None,
        })
    }
}
