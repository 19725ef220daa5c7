//! One batch and its contacts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use crate::dice::Dice;
use crate::ledger::{BatchRecord, BatchStatus, ItemRecord, PostAnswer};
use crate::moods::Mood;

/// A contact by its place: the batch's number in order of acceptance, and the item within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Contact {
    pub(crate) batch: usize,
    pub(crate) item: usize,
}

/// How far the delivery of one callback has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delivery {
    pub(crate) attempts: u32,
    pub(crate) delivered: bool,
}

/// One contact of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) email: String,
    pub(crate) custom: Option<BTreeMap<String, String>>,
    pub(crate) free: bool,
    /// Whether a person was found; nothing while it has not been looked at.
    pub(crate) found: Option<bool>,
    /// What it cost.
    pub(crate) credits: u32,
    pub(crate) mood: Option<Mood>,
    pub(crate) callback: Delivery,
}

/// By which ways the id of a batch has come to the other side.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reached {
    pub(crate) answer: bool,
    pub(crate) read: bool,
    pub(crate) interim: bool,
    pub(crate) contact: bool,
    pub(crate) whole: bool,
}

/// One accepted batch.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) id: Uuid,
    pub(crate) at: Timestamp,
    pub(crate) seed: u64,
    pub(crate) name: String,
    pub(crate) webhook_url: Option<String>,
    pub(crate) contact_url: Option<String>,
    pub(crate) doomed: bool,
    /// Emptied when the results are no longer kept.
    pub(crate) items: Vec<Item>,
    pub(crate) contacts: usize,
    pub(crate) looked_up: usize,
    pub(crate) credits: u32,
    pub(crate) started: bool,
    pub(crate) ended: Option<(Timestamp, BatchStatus)>,
    pub(crate) callback: Delivery,
    pub(crate) answer: PostAnswer,
    pub(crate) reached: Reached,
    /// The moods that it was accepted with.
    pub(crate) moods: Vec<Mood>,
    /// Those that it has shown.
    pub(crate) shown: Vec<Mood>,
}

impl Batch {
    pub(crate) fn new(record: BatchRecord) -> Self {
        Self {
            id: record.id,
            at: record.at,
            seed: record.seed,
            name: record.name,
            webhook_url: record.webhook_url,
            contact_url: record.contact_url,
            doomed: record.doomed,
            contacts: record.items.len(),
            items: record.items.into_iter().map(Item::new).collect(),
            looked_up: 0,
            credits: 0,
            started: false,
            ended: None,
            callback: Delivery::default(),
            answer: PostAnswer::default(),
            reached: Reached::default(),
            moods: record.moods,
            shown: Vec::new(),
        }
    }

    pub(crate) fn has(&self, mood: Mood) -> bool {
        self.moods.contains(&mood)
    }

    pub(crate) fn status(&self) -> BatchStatus {
        match self.ended {
            Some((_, status)) => status,
            None if self.started || self.looked_up > 0 => BatchStatus::InProgress,
            None => BatchStatus::Created,
        }
    }

    /// Whether its results have been thrown away.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.items.is_empty()
    }

    /// The contacts that wait for a look-up when the batch is accepted or taken up again. Of a doomed batch only
    /// one, whose time passes before the batch fails.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = usize> + '_ {
        let unlooked = self.items.iter().enumerate().filter(|(_, item)| item.found.is_none());
        let limit = if self.doomed { 1 } else { usize::MAX };
        unlooked.map(|(place, _)| place).take(limit)
    }
}

impl Batch {
    /// The callbacks that are due and neither delivered nor given up: contacts by their place, then the batch.
    pub(crate) fn undelivered(&self, retries: u32) -> impl Iterator<Item = Option<usize>> + '_ {
        let whole = self.ended.is_some() && self.calls_back() && self.callback.is_open(retries);
        let held_back = self.events_come_last() && (self.ended.is_none() || whole);
        let contacts = self.untold_contacts(retries).filter(move |_| !held_back);
        contacts.map(Some).chain(whole.then_some(None))
    }

    /// Whether there is a final callback, now or later.
    pub(crate) fn calls_back(&self) -> bool {
        self.webhook_url.is_some() && !self.is_forgotten() && !self.has(Mood::CallbackNever)
    }

    /// Whether the events of its contacts wait for the final callback.
    pub(crate) fn events_come_last(&self) -> bool {
        self.has(Mood::CallbacksOutOfOrder) && self.calls_back()
    }

    /// The contacts that were looked up, and whose events were neither delivered nor given up.
    pub(crate) fn untold_contacts(&self, retries: u32) -> impl Iterator<Item = usize> + '_ {
        let told = self.contact_url.is_some() && !self.has(Mood::EventsNever);
        let looked_up = self
            .items
            .iter()
            .enumerate()
            .filter(move |(_, item)| told && item.found.is_some());
        looked_up
            .filter(move |(_, item)| item.callback.is_open(retries))
            .map(|(place, _)| place)
    }

    /// Whether it is stopped on purpose before its next contact, by which mood, and how it ends then.
    pub(crate) fn stops_now(&self) -> Option<(Mood, BatchStatus)> {
        let stop = [
            (Mood::InsufficientMidway, BatchStatus::CreditsInsufficient),
            (Mood::Canceled, BatchStatus::Canceled),
        ]
        .into_iter()
        .find(|(mood, _)| self.has(*mood))?;
        (self.looked_up >= self.stops_after()).then_some(stop)
    }

    /// At least one contact and not all of them; of a single one none.
    fn stops_after(&self) -> usize {
        let among = self.contacts.saturating_sub(1) as u64;
        if among == 0 {
            return 0;
        }
        usize::try_from(self.dice("midway").between(1, among)).expect("it is below the number of contacts")
    }

    /// Chance about this batch, repeatable.
    pub(crate) fn dice(&self, purpose: &str) -> Dice {
        Dice::new(self.seed, purpose, &self.id.to_string())
    }

    pub(crate) fn callback_of(&self, item: Option<usize>) -> Delivery {
        item.map_or(self.callback, |item| self.items[item].callback)
    }
}

impl Delivery {
    fn is_open(self, retries: u32) -> bool {
        !self.delivered && self.attempts <= retries
    }
}

impl Item {
    fn new(record: ItemRecord) -> Self {
        Self {
            email: record.email,
            custom: record.custom,
            free: record.free,
            found: None,
            credits: 0,
            mood: record.mood,
            callback: Delivery::default(),
        }
    }
}
