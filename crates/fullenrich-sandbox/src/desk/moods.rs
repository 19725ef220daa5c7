//! Which moods come, and when they show.

use std::time::Duration;

use jiff::Timestamp;

use super::{Addressee, Desk};
use crate::api::Order;
use crate::config::SandboxConfig;
use crate::dice::Dice;
use crate::error::LedgerError;
use crate::ledger::{BatchStatus, Record};
use crate::moods::{Mood, Moods, Trouble};
use crate::workspace::Contact;

impl Desk {
    /// The burst that a call comes into, or begins.
    pub(crate) fn meet_call(&mut self, now: Timestamp) -> Option<Trouble> {
        if let Some((mood, chance)) = self.temper.draw_burst() {
            self.note_mood(mood, Some(chance), now);
        }
        let trouble = self.temper.meet_burst()?;
        if matches!(trouble, Trouble::RateLimited { .. }) {
            self.calls.refuse_rate();
        }
        Some(trouble)
    }

    /// What a POST meets before it is accepted.
    pub(crate) fn meet_post(&mut self, now: Timestamp) -> Option<Trouble> {
        let mood = self.draw_first(&[Mood::RefusedBefore, Mood::ResetBefore], now)?;
        Some(if mood == Mood::ResetBefore {
            Trouble::Reset
        } else {
            Trouble::any_status(&mut self.temper.dice_now(mood))
        })
    }

    /// What a GET of a batch meets.
    pub(crate) fn meet_read(&mut self, now: Timestamp) -> Option<Trouble> {
        let mood = self.draw_first(&[Mood::ReadError], now)?;
        let mut dice = self.temper.dice_now(mood);
        Some(if dice.chance(40) {
            Trouble::Reset
        } else {
            Trouble::any_status(&mut dice)
        })
    }

    /// Whether a GET of a running batch is refused for that.
    pub(crate) fn meet_running(&mut self, now: Timestamp) -> bool {
        self.draw_first(&[Mood::InProgressError], now).is_some()
    }

    /// What becomes of the answer to a POST that is accepted.
    pub(super) fn draw_answer(&mut self, now: Timestamp) -> Option<Mood> {
        const MOODS: [Mood; 5] = [
            Mood::ErrorAfter,
            Mood::ResetAfter,
            Mood::AnswerLost,
            Mood::UnreadableAnswer,
            Mood::AnswerTrickled,
        ];
        self.draw_first(&MOODS, now)
    }

    /// The first of these moods that takes its chance.
    fn draw_first(&mut self, moods: &[Mood], now: Timestamp) -> Option<Mood> {
        let (mood, chance) = moods.iter().find_map(|mood| Some((*mood, self.temper.draw(*mood)?)))?;
        self.note_mood(mood, Some(chance), now);
        Some(mood)
    }

    /// An address was refused on purpose.
    pub(crate) fn note_unwelcome(&mut self, now: Timestamp) -> Result<(), LedgerError> {
        self.note_mood(Mood::InvalidAddresses, None, now);
        self.ledger.flush()
    }

    /// The moods of a batch that is being accepted. Of those that cannot go together the first one is taken.
    pub(super) fn choose_moods(&mut self, config: &SandboxConfig, order: &Order) -> Vec<Mood> {
        let mut chosen = Vec::new();
        self.choose(&mut chosen, &[Mood::InsufficientMidway, Mood::Canceled]);
        if order.contact_url.is_some() {
            self.choose(&mut chosen, &[Mood::EventsNever]);
        }
        if order.webhook_url.is_some() && !self.choose(&mut chosen, &[Mood::CallbackNever]) {
            self.choose_final(config, order, &mut chosen);
        }
        for mood in [
            Mood::CallbackDoubled,
            Mood::StatusUnknown,
            Mood::RecordsMissing,
            Mood::RecordsUnknown,
            Mood::BodiesTrickled,
        ] {
            self.choose(&mut chosen, &[mood]);
        }
        chosen
    }

    /// What goes with a final callback.
    fn choose_final(&mut self, config: &SandboxConfig, order: &Order, chosen: &mut Vec<Mood>) {
        let free = self.queue.waiting() == 0 && self.queue.in_flight() < config.contacts_at_once.get() as usize;
        if !free || !self.choose(chosen, &[Mood::CallbackBeforeAnswer]) {
            self.choose(chosen, &[Mood::CallbackDelayed]);
        }
        self.choose(chosen, &[Mood::CallbackUnsigned]);
        self.choose(chosen, &[Mood::CallbackForged]);
        if order.contact_url.is_some() && !chosen.contains(&Mood::EventsNever) {
            self.choose(chosen, &[Mood::CallbacksOutOfOrder]);
        }
    }

    /// Chooses the first of these moods that is drawn. The batch's number is the chance's.
    fn choose(&mut self, chosen: &mut Vec<Mood>, moods: &[Mood]) -> bool {
        let place = self.books.batches().len().to_string();
        let drawn = moods.iter().find(|mood| self.temper.draw_at(**mood, &place));
        chosen.extend(drawn);
        drawn.is_some()
    }

    /// What is wrong with the fields of a contact's person.
    pub(super) fn choose_record_mood(&mut self, item: usize) -> Option<Mood> {
        let place = format!("{}/{item}", self.books.batches().len());
        [Mood::FieldsMissing, Mood::FieldsNull, Mood::FieldsMalformed]
            .into_iter()
            .find(|mood| self.temper.draw_at(*mood, &place))
    }

    /// A person was found whose fields are in a mood.
    pub(super) fn show_record(&mut self, contact: Contact, now: Timestamp) {
        let batch = self.books.batch(contact.batch);
        let item = &batch.items[contact.item];
        if let Some(mood) = item.mood.filter(|_| item.found == Some(true)) {
            let batch = Some(batch.id);
            self.record(Record::Mood {
                mood,
                at: now,
                chance: None,
                batch,
                item: Some(contact.item),
            });
        }
    }

    /// What is in a mood about the end of a batch.
    pub(super) fn show_end(&mut self, place: usize, now: Timestamp) {
        let batch = self.books.batch(place);
        let finished = batch.status() == BatchStatus::Finished;
        let silent = batch.webhook_url.is_some();
        let of_end = [
            (Mood::RecordsMissing, finished),
            (Mood::RecordsUnknown, finished),
            (Mood::CallbackNever, silent),
        ];
        for (mood, _) in of_end.into_iter().filter(|(_, shows)| *shows) {
            if self.books.batch(place).has(mood) {
                self.show(place, mood, now);
            }
        }
    }

    /// The events that waited for the final callback, which has been told or given up.
    pub(crate) fn events_at_last(&mut self, place: usize, retries: u32, now: Timestamp) -> Vec<Addressee> {
        let batch = self.books.batch(place);
        if !batch.events_come_last() {
            return Vec::new();
        }
        let events: Vec<Addressee> = batch
            .untold_contacts(retries)
            .map(|item| Addressee {
                batch: place,
                item: Some(item),
            })
            .collect();
        if !events.is_empty() {
            self.show(place, Mood::CallbacksOutOfOrder, now);
        }
        events
    }

    /// Ends all moods. Batches under way are finished as if they had none.
    pub(crate) fn calm(&mut self, now: Timestamp) -> Result<(), LedgerError> {
        self.temper.calm();
        self.record(Record::Calmed { at: now });
        self.ledger.sync()
    }

    pub(crate) fn set_moods(&mut self, moods: Moods) {
        self.temper.set(moods);
    }

    pub(super) fn answer_latency(&self, config: &SandboxConfig, place: usize) -> Duration {
        let mut dice = Dice::new(config.seed, "answer_latency", &place.to_string());
        config
            .answer_latency
            .draw(&mut dice, config.answer_min, config.answer_max)
    }

    pub(crate) fn read_latency(&mut self, config: &SandboxConfig) -> Duration {
        let mut dice = Dice::new(config.seed, "read_latency", &self.calls.reads().to_string());
        config.read_latency.draw(&mut dice, config.read_min, config.read_max)
    }
}
