//! One batch and its contacts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use crate::ledger::{BatchRecord, BatchStatus, ItemRecord};

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
    pub(crate) callback: Delivery,
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
        }
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
        let told = self.contact_url.is_some();
        let looked_up = self
            .items
            .iter()
            .enumerate()
            .filter(move |(_, item)| told && item.found.is_some());
        let contacts = looked_up
            .filter(move |(_, item)| item.callback.is_open(retries))
            .map(|(place, _)| Some(place));
        let over = self.webhook_url.is_some() && self.ended.is_some() && !self.is_forgotten();
        let whole = (over && self.callback.is_open(retries)).then_some(None);
        contacts.chain(whole)
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
            callback: Delivery::default(),
        }
    }
}
