//! Where the provider's rules are kept: books, queue, calls and ledger under one lock.

mod lookups;
mod moods;
mod notes;

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::api::Order;
use crate::config::{SandboxConfig, UnpayableBatch};
use crate::error::{LedgerError, OpenError};
use crate::ledger::{BatchRecord, BatchStatus, FORMAT, ItemRecord, Ledger, Record};
use crate::moods::{Mood, Temper};
use crate::workspace::{Books, CallCounts, Contact, LookupQueue};

/// Everything that changes, in one place.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) books: Books,
    pub(crate) queue: LookupQueue,
    pub(crate) calls: CallCounts,
    pub(crate) ledger: Ledger,
    pub(crate) temper: Temper,
}

/// What has to be done outside the lock after a change.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Effects {
    /// Moments at which look-ups are done.
    pub(crate) alarms: Vec<Timestamp>,
    /// Callbacks that have become due.
    pub(crate) callbacks: Vec<Addressee>,
}

/// Whose callback: a batch by its place, or one contact of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addressee {
    pub(crate) batch: usize,
    pub(crate) item: Option<usize>,
}

/// A batch that has been accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) id: Uuid,
    /// The how many-th of this ledger, from 0.
    pub(crate) place: usize,
    /// How long it is from here to the answer.
    pub(crate) answer_after: Duration,
    /// What becomes of the answer, if anything.
    pub(crate) mood: Option<Mood>,
}

impl Desk {
    /// Opens the books from the ledger, or anew.
    pub(crate) fn open(config: &SandboxConfig, path: Option<&Path>, now: Timestamp) -> Result<Self, OpenError> {
        let mut books = Books::default();
        let ledger = match path {
            Some(path) => Ledger::open(path, |record| books.apply(record))?,
            None => Ledger::in_memory(),
        };
        let temper = Temper::new(config.seed, config.moods.clone(), books.history().chances());
        let mut desk = Self {
            temper,
            books,
            queue: LookupQueue::default(),
            calls: CallCounts::default(),
            ledger,
        };
        if desk.books.opened().is_none() {
            desk.record(Record::Opened {
                format: FORMAT,
                at: now,
                credits: config.credits,
            });
            desk.ledger.sync().map_err(|error| unwritable(path, &error))?;
        }
        Ok(desk)
    }

    /// Takes up again what an earlier sandbox on this ledger left: contacts not looked up, callbacks not delivered.
    pub(crate) fn resume(&mut self, config: &SandboxConfig, now: Timestamp) -> Result<Effects, LedgerError> {
        self.books.forget(now, config.results_kept);
        self.end_complete(now);
        let mut callbacks = Vec::new();
        for (place, batch) in self.books.batches().iter().enumerate() {
            if batch.ended.is_none() {
                batch
                    .waiting()
                    .for_each(|item| self.queue.push(Contact { batch: place, item }));
            }
            callbacks.extend(
                batch
                    .undelivered(config.callback_retries)
                    .map(|item| Addressee { batch: place, item }),
            );
        }
        let mut effects = self.settle(config, now)?;
        callbacks.append(&mut effects.callbacks);
        Ok(Effects { callbacks, ..effects })
    }

    /// Ends batches whose last look-up is the last line that their sandbox could write.
    fn end_complete(&mut self, now: Timestamp) {
        let complete = |place: &usize| {
            let batch = self.books.batch(*place);
            batch.ended.is_none() && batch.looked_up == batch.contacts
        };
        let places: Vec<usize> = (0..self.books.batches().len()).filter(complete).collect();
        for place in places {
            // Whoever is still to be told is found among the undelivered.
            self.end(place, now, BatchStatus::Finished);
        }
    }

    /// Accepts a batch, payable or not. The answer to one that was held has no mood of its own.
    pub(crate) fn accept(
        &mut self,
        config: &SandboxConfig,
        order: Order,
        held: bool,
        now: Timestamp,
    ) -> Result<(Accepted, Effects), LedgerError> {
        self.books.forget(now, config.results_kept);
        let place = self.books.batches().len();
        let batch = self.batch_record(config, order, now);
        let accepted = Accepted {
            id: batch.id,
            place,
            answer_after: self.answer_latency(config, place),
            mood: if held { None } else { self.draw_answer(now) },
        };
        self.record(Record::Batch(batch));
        for item in self.books.batch(place).waiting() {
            self.queue.push(Contact { batch: place, item });
        }
        // Accepted is accepted: the line is durable before anyone hears of it.
        self.ledger.sync()?;
        Ok((accepted, self.settle(config, now)?))
    }

    fn batch_record(&mut self, config: &SandboxConfig, order: Order, now: Timestamp) -> BatchRecord {
        let moods = self.choose_moods(config, &order);
        let items: Vec<ItemRecord> = order
            .contacts
            .into_iter()
            .enumerate()
            .map(|(item, contact)| ItemRecord {
                free: self.books.is_known(&contact.email, now, config.results_kept),
                email: contact.email,
                custom: contact.custom,
                mood: self.choose_record_mood(item),
            })
            .collect();
        let payable = items.iter().filter(|item| !item.free).count() as u64;
        BatchRecord {
            id: self.next_id(config.seed),
            at: now,
            seed: config.seed,
            name: order.name,
            webhook_url: order.webhook_url,
            contact_url: order.contact_url,
            doomed: config.unpayable == UnpayableBatch::FailsWhole && payable > self.books.balance(),
            moods,
            items,
        }
    }

    /// No randomness: an id follows from the seed, the ledger's opening and the batch's number.
    fn next_id(&self, seed: u64) -> Uuid {
        let opened = self.books.opened().expect("the books were opened first");
        let number = self.books.batches().len();
        Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{seed}/{opened}/{number}").as_bytes())
    }

    /// Adds credits and returns the balance.
    pub(crate) fn add_credits(&mut self, added: u64, now: Timestamp) -> Result<u64, LedgerError> {
        self.record(Record::Credits { at: now, added });
        self.ledger.sync()?;
        Ok(self.books.balance())
    }

    fn record(&mut self, record: Record) {
        self.ledger.stage(&record);
        self.books
            .apply(record)
            .expect("the desk only records what its own books allow");
    }
}

fn unwritable(path: Option<&Path>, error: &LedgerError) -> OpenError {
    OpenError::Io {
        path: path.unwrap_or(Path::new("")).into(),
        source: std::io::Error::other(error.0.clone()),
    }
}
