//! Notes of what was told, and to whom.

use jiff::Timestamp;

use super::{Addressee, Desk};
use crate::error::LedgerError;
use crate::ledger::{Digest, PostAnswer, Record, Sent};
use crate::moods::Mood;

impl Desk {
    /// Notes an attempt at a callback, with the body's hash if it was delivered. Losing this note costs one more
    /// delivery, so the disk is not waited for.
    pub(crate) fn note_callback(
        &mut self,
        addressee: Addressee,
        attempt: u32,
        delivered: Option<Digest>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let batch = self.books.batch(addressee.batch).id;
        self.record(Record::Callback {
            batch,
            item: addressee.item,
            at: now,
            attempt,
            delivered: delivered.is_some(),
            sha256: delivered,
        });
        self.ledger.flush()
    }

    /// Notes a delivered callback beside the genuine one.
    pub(crate) fn note_extra(
        &mut self,
        addressee: Addressee,
        sent: Sent,
        sha256: Digest,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let batch = self.books.batch(addressee.batch).id;
        self.record(Record::Extra {
            batch,
            item: addressee.item,
            at: now,
            sent,
            sha256,
        });
        self.ledger.flush()
    }

    /// Notes what the caller of a POST is told.
    pub(crate) fn note_answer(&mut self, place: usize, answer: PostAnswer, now: Timestamp) -> Result<(), LedgerError> {
        let batch = self.books.batch(place).id;
        self.record(Record::Answered { batch, at: now, answer });
        self.ledger.flush()
    }

    /// Notes that a GET tells of a batch, the first time.
    pub(crate) fn note_read(&mut self, place: usize, now: Timestamp) -> Result<(), LedgerError> {
        let batch = self.books.batch(place);
        if batch.reached.read {
            return self.ledger.flush();
        }
        let batch = batch.id;
        self.record(Record::Read { batch, at: now });
        self.ledger.flush()
    }

    /// Notes that a callback was sent again on purpose.
    pub(crate) fn note_copy(&mut self, place: usize, now: Timestamp) -> Result<(), LedgerError> {
        self.show(place, Mood::CallbackDoubled, now);
        self.ledger.flush()
    }

    /// Notes a mood that a batch shows, once however often it does.
    pub(crate) fn show(&mut self, place: usize, mood: Mood, now: Timestamp) {
        let batch = self.books.batch(place);
        if batch.shown.contains(&mood) {
            return;
        }
        let batch = Some(batch.id);
        self.record(Record::Mood {
            mood,
            at: now,
            chance: None,
            batch,
            item: None,
        });
    }

    /// Notes a mood of a call.
    pub(super) fn note_mood(&mut self, mood: Mood, chance: Option<u64>, now: Timestamp) {
        self.record(Record::Mood {
            mood,
            at: now,
            chance,
            batch: None,
            item: None,
        });
    }
}
