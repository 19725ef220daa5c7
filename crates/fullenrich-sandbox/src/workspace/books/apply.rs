//! How each record changes the books.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Books, account_key};
use crate::ledger::{BatchRecord, BatchStatus, Digest, FORMAT, PostAnswer, Record, Sent};
use crate::workspace::batch::{Batch, Contact, Delivery};
use crate::workspace::history::Delivered;

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
                if delivered {
                    let sent = if item.is_some() { Sent::Contact } else { Sent::Final };
                    self.deliver(place, item, sent, sha256, at);
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
                let place = self.place(batch)?;
                self.deliver(place, item, sent, Some(sha256), at);
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
                mood,
                chance,
                batch,
                item,
                ..
            } => {
                if let (Some(batch), None) = (batch, item) {
                    let place = self.place(batch)?;
                    self.batches[place].shown.push(mood);
                }
                self.history.count(mood, chance);
                Ok(())
            }
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

    fn deliver(&mut self, batch: usize, item: Option<usize>, sent: Sent, sha256: Option<Digest>, at: Timestamp) {
        let reached = &mut self.batches[batch].reached;
        match sent {
            Sent::Final => reached.whole = true,
            Sent::Contact => reached.contact = true,
            Sent::Interim => reached.interim = true,
            Sent::Unsigned | Sent::Forged => {}
        }
        self.history.delivered.push(Delivered {
            batch,
            item,
            sent,
            sha256,
            at,
        });
    }

    /// Batches under way lose what they have not shown yet; those that have ended answer as they did.
    fn calm(&mut self) {
        for batch in &mut self.batches {
            let ended = batch.ended.is_some();
            batch.moods.retain(|mood| !mood.ends_when_calmed(ended));
            let unlooked = batch.items.iter_mut().filter(|item| item.found.is_none());
            unlooked.for_each(|item| item.mood = None);
        }
    }
}
