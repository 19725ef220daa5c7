//! What is so because of all records until now.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::batch::{Batch, Contact, Delivery};
use super::history::{Delivered, History};
use super::report::CallbackTotals;
use crate::clock::later;
use crate::ledger::{BatchRecord, BatchStatus, FORMAT, PostAnswer, Record, Sent};
use crate::moods::Mood;

/// One address's account, whatever batches it came in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Account {
    pub(crate) lookups: u32,
    pub(crate) charges: u32,
    /// When the last look-up that was not a free repeat finished.
    pub(crate) finished: Option<Timestamp>,
}

/// Totals, kept as the records come, so that they cost nothing to show.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) bought: u64,
    pub(crate) charges: u64,
    pub(crate) lookups: u64,
    pub(crate) free_repeats: u64,
    pub(crate) charged_twice: u64,
    pub(crate) ended: u64,
    pub(crate) contacts: u64,
    pub(crate) callbacks: CallbackTotals,
    /// The most batches that were accepted and not at their end at one time.
    pub(crate) most_out: usize,
}

/// The books. They change only through [`Books::apply`], live and when a ledger is read again alike.
#[derive(Debug, Default)]
pub(crate) struct Books {
    opened: Option<Timestamp>,
    batches: Vec<Batch>,
    by_id: HashMap<Uuid, usize>,
    accounts: BTreeMap<String, Account>,
    /// Batches with results, by the order of their end.
    kept: VecDeque<usize>,
    balance: u64,
    totals: Totals,
    history: History,
}

impl Books {
    /// Takes a record in, or says why it cannot be.
    pub(crate) fn apply(&mut self, record: Record) -> Result<(), String> {
        if self.opened.is_none() != matches!(record, Record::Opened { .. }) {
            return Err("the opening is the first line and no other".into());
        }
        match record {
            Record::Opened { format, at, credits } => self.apply_opening(format, at, credits),
            Record::Batch(batch) => self.apply_batch(batch),
            Record::Lookup {
                batch,
                item,
                at,
                email,
                found,
                credits,
                free,
            } => {
                let contact = self.contact(batch, item)?;
                self.apply_lookup(contact, found, credits)?;
                self.apply_account(&email, at, credits, free);
                Ok(())
            }
            Record::Ended { batch, at, status } => self.apply_end(batch, at, status),
            Record::Callback {
                batch,
                item,
                at,
                attempt,
                delivered,
                sha256,
            } => {
                let place = self.place(batch)?;
                let delivery = Delivery {
                    attempts: attempt,
                    delivered,
                };
                self.apply_callback(place, item, delivery)?;
                let sent = if item.is_some() { Sent::Contact } else { Sent::Final };
                if delivered {
                    self.deliver(Delivered {
                        batch: place,
                        item,
                        sent,
                        sha256,
                        at,
                    });
                }
                Ok(())
            }
            Record::Extra {
                batch,
                item,
                at,
                sent,
                sha256,
            } => {
                let batch = self.place(batch)?;
                self.deliver(Delivered {
                    batch,
                    item,
                    sent,
                    sha256: Some(sha256),
                    at,
                });
                Ok(())
            }
            Record::Answered { batch, answer, .. } => {
                let place = self.place(batch)?;
                self.batches[place].answer = answer;
                self.batches[place].reached.answer |= answer == PostAnswer::Ok;
                Ok(())
            }
            Record::Read { batch, .. } => {
                let place = self.place(batch)?;
                self.batches[place].reached.read = true;
                Ok(())
            }
            Record::Mood {
                mood, chance, batch, ..
            } => self.apply_mood(mood, chance, batch),
            Record::Calmed { .. } => {
                self.calm();
                Ok(())
            }
            Record::Credits { added, .. } => {
                self.balance = self.balance.saturating_add(added);
                self.totals.bought = self.totals.bought.saturating_add(added);
                Ok(())
            }
        }
    }

    fn apply_opening(&mut self, format: u32, at: Timestamp, credits: u64) -> Result<(), String> {
        if format != FORMAT {
            return Err(format!(
                "it is of format {format}, and this program reads format {FORMAT}"
            ));
        }
        self.opened = Some(at);
        self.balance = credits;
        self.totals.bought = credits;
        Ok(())
    }

    fn apply_batch(&mut self, record: BatchRecord) -> Result<(), String> {
        if record.items.is_empty() {
            return Err(format!("batch {} has no contacts", record.id));
        }
        if self.by_id.insert(record.id, self.batches.len()).is_some() {
            return Err(format!("batch {} is there twice", record.id));
        }
        self.totals.contacts += record.items.len() as u64;
        self.batches.push(Batch::new(record));
        self.totals.most_out = self.totals.most_out.max(self.batches_out());
        Ok(())
    }

    fn apply_lookup(&mut self, contact: Contact, found: bool, credits: u32) -> Result<(), String> {
        let batch = &mut self.batches[contact.batch];
        let balance = self.balance.checked_sub(credits.into());
        self.balance = balance.ok_or("it costs more than there is")?;
        let item = &mut batch.items[contact.item];
        if item.found.replace(found).is_some() {
            return Err("this contact was looked up before".into());
        }
        item.credits = credits;
        batch.looked_up += 1;
        batch.credits += credits;
        Ok(())
    }

    fn apply_account(&mut self, email: &str, at: Timestamp, credits: u32, free: bool) {
        let account = self.accounts.entry(account_key(email)).or_default();
        account.lookups += 1;
        account.charges += credits;
        if !free {
            account.finished = Some(at);
        }
        self.totals.lookups += 1;
        self.totals.charges += u64::from(credits);
        self.totals.free_repeats += u64::from(free);
        self.totals.charged_twice += u64::from(credits > 0 && account.charges == 2);
    }

    fn apply_end(&mut self, id: Uuid, at: Timestamp, status: BatchStatus) -> Result<(), String> {
        let place = self.place(id)?;
        if !status.is_end() || self.batches[place].ended.is_some() {
            return Err("a batch ends once, with an end status".into());
        }
        self.batches[place].ended = Some((at, status));
        self.kept.push_back(place);
        self.totals.ended += 1;
        Ok(())
    }

    fn apply_callback(&mut self, place: usize, item: Option<usize>, delivery: Delivery) -> Result<(), String> {
        let totals = &mut self.totals.callbacks;
        *(if delivery.delivered {
            &mut totals.delivered
        } else {
            &mut totals.failed_attempts
        }) += 1;
        match item {
            None => self.batches[place].callback = delivery,
            // Results that are no longer kept have nothing left to deliver.
            Some(_) if self.batches[place].is_forgotten() => {}
            Some(item) => {
                let batch = &mut self.batches[place];
                let of = batch.items.get_mut(item);
                of.ok_or_else(|| format!("batch {} has no contact {item}", batch.id))?
                    .callback = delivery;
            }
        }
        Ok(())
    }

    fn deliver(&mut self, delivered: Delivered) {
        let reached = &mut self.batches[delivered.batch].reached;
        match delivered.sent {
            Sent::Final => reached.whole = true,
            Sent::Contact => reached.contact = true,
            Sent::Interim => reached.interim = true,
            Sent::Unsigned | Sent::Forged => {}
        }
        self.history.delivered.push(delivered);
    }

    fn apply_mood(&mut self, mood: Mood, chance: Option<u64>, batch: Option<Uuid>) -> Result<(), String> {
        if let Some(batch) = batch {
            let place = self.place(batch)?;
            self.batches[place].shown.push(mood);
        }
        self.history.count(mood, chance);
        Ok(())
    }

    /// Batches under way lose what they have not shown yet.
    fn calm(&mut self) {
        for batch in self.batches.iter_mut().filter(|batch| batch.ended.is_none()) {
            batch.moods.retain(|mood| !mood.ends_when_calmed());
            let unlooked = batch.items.iter_mut().filter(|item| item.found.is_none());
            unlooked.for_each(|item| item.mood = None);
        }
    }

    fn place(&self, id: Uuid) -> Result<usize, String> {
        self.by_id
            .get(&id)
            .copied()
            .ok_or_else(|| format!("batch {id} is unknown"))
    }

    fn contact(&self, id: Uuid, item: usize) -> Result<Contact, String> {
        let batch = self.place(id)?;
        let known = item < self.batches[batch].items.len();
        known
            .then_some(Contact { batch, item })
            .ok_or_else(|| format!("batch {id} has no contact {item}"))
    }

    /// Throws away results that ended before `now` by more than `kept`.
    pub(crate) fn forget(&mut self, now: Timestamp, kept: Duration) {
        while let Some(&place) = self.kept.front() {
            let (ended, _) = self.batches[place].ended.expect("only ended batches are kept");
            if later(ended, kept) > now {
                return;
            }
            self.batches[place].items = Vec::new();
            self.kept.pop_front();
        }
    }

    /// Whether a look-up of this address has finished, at most `kept` ago.
    pub(crate) fn is_known(&self, email: &str, now: Timestamp, kept: Duration) -> bool {
        let finished = self
            .accounts
            .get(&account_key(email))
            .and_then(|account| account.finished);
        finished.is_some_and(|finished| later(finished, kept) > now)
    }

    /// Notes that a look-up of this batch has begun; after a restart that is found out anew.
    pub(crate) fn start(&mut self, batch: usize) {
        self.batches[batch].started = true;
    }

    pub(crate) fn opened(&self) -> Option<Timestamp> {
        self.opened
    }

    pub(crate) fn batch(&self, place: usize) -> &Batch {
        &self.batches[place]
    }

    pub(crate) fn place_of(&self, id: Uuid) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// The batches in order of acceptance.
    pub(crate) fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// The accounts by address, in lower case.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = (&str, &Account)> {
        self.accounts.iter().map(|(email, account)| (email.as_str(), account))
    }

    /// Batches that are accepted and not at their end.
    pub(crate) fn batches_out(&self) -> usize {
        self.batches.len() - usize::try_from(self.totals.ended).expect("no more end than there are")
    }

    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    pub(crate) fn account_count(&self) -> usize {
        self.accounts.len()
    }

    pub(crate) fn balance(&self) -> u64 {
        self.balance
    }

    pub(crate) fn totals(&self) -> &Totals {
        &self.totals
    }
}

/// Addresses that differ only in case are one account.
fn account_key(email: &str) -> String {
    email.to_lowercase()
}
