//! What `GET /sandbox/ledger` shows.

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::books::{Account, Books};
use super::{Batch, CallCounts, LookupQueue};
use crate::ledger::BatchStatus;

/// The whole ledger: totals, and who was looked up and charged how often.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerReport {
    /// Everything in numbers.
    #[serde(flatten)]
    pub totals: LedgerTotals,
    /// Each address that was looked up, in lower case and alphabetical order.
    pub addresses: Vec<AddressLine>,
    /// Each batch, in order of acceptance.
    pub batches: Vec<BatchLine>,
    /// The addresses that were charged more than once, ever.
    pub charged_twice: Vec<String>,
}

/// The ledger in numbers.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerTotals {
    /// Credits left.
    pub balance: u64,
    /// Credits of the opening and those bought since; `balance` and `charges` together.
    pub credits_bought: u64,
    /// Credits charged. Each is one person found.
    pub charges: u64,
    /// Contacts looked up, free repeats included.
    pub lookups: u64,
    /// Look-ups that were a free repeat of a finished one.
    pub free_repeats: u64,
    /// Different addresses looked up, whatever their case.
    pub address_count: usize,
    /// Addresses charged more than once.
    pub charged_twice_count: u64,
    /// Batches accepted.
    pub batch_count: usize,
    /// Batches that came to an end.
    pub batches_ended: u64,
    /// Contacts in all batches.
    pub contact_count: u64,
    /// Contacts being looked up now.
    pub contacts_in_flight: usize,
    /// Contacts waiting for a place.
    pub contacts_waiting: usize,
    /// The most contacts that were being looked up at one time, since the sandbox was opened.
    pub most_contacts_at_once: usize,
    /// Callbacks, batches and contacts together.
    pub callbacks: CallbackTotals,
    /// Calls under `/api/v2`, since the sandbox was opened.
    pub calls: CallTotals,
}

/// What became of callbacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallbackTotals {
    /// Deliveries that were answered with 2xx. Intended duplicates are not counted.
    pub delivered: u64,
    /// Attempts that failed or were answered otherwise.
    pub failed_attempts: u64,
}

/// Calls by endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallTotals {
    /// POST of a batch.
    pub start_batch: u64,
    /// GET of a batch.
    pub read_batch: u64,
    /// GET of the credits.
    pub credits: u64,
    /// GET that verifies the key.
    pub verify_key: u64,
    /// Anything else under `/api/v2`.
    pub unknown: u64,
    /// Calls without a valid key. They are counted nowhere else.
    pub unauthorized: u64,
    /// Calls refused with 429. They are counted at their endpoint too.
    pub rate_limited: u64,
    /// Calls with a valid key in the fullest calendar minute, refused ones included.
    pub most_in_a_minute: u32,
}

/// One address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AddressLine {
    /// The address in lower case.
    pub email: String,
    /// How often it was looked up, free repeats included.
    pub lookups: u32,
    /// How often it was charged.
    pub charges: u32,
}

/// One batch.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchLine {
    /// The provider's id of it.
    pub enrichment_id: Uuid,
    /// Where it is.
    pub status: BatchStatus,
    /// How many contacts it was accepted with.
    pub contacts: usize,
    /// The name it was given.
    pub name: String,
    /// Credits charged for it so far.
    pub credits: u32,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When it ended, if it has.
    pub ended_at: Option<Timestamp>,
    /// Attempts at its final callback.
    pub callback_attempts: u32,
    /// Whether its final callback was answered with 2xx.
    pub called_back: bool,
}

impl LedgerTotals {
    pub(crate) fn new(books: &Books, queue: &LookupQueue, calls: &CallCounts) -> Self {
        let totals = books.totals();
        Self {
            balance: books.balance(),
            credits_bought: totals.bought,
            charges: totals.charges,
            lookups: totals.lookups,
            free_repeats: totals.free_repeats,
            address_count: books.account_count(),
            charged_twice_count: totals.charged_twice,
            batch_count: books.batches().len(),
            batches_ended: totals.ended,
            contact_count: totals.contacts,
            contacts_in_flight: queue.in_flight(),
            contacts_waiting: queue.waiting(),
            most_contacts_at_once: queue.most_in_flight(),
            callbacks: totals.callbacks,
            calls: calls.totals(),
        }
    }
}

impl LedgerReport {
    pub(crate) fn new(totals: LedgerTotals, books: &Books) -> Self {
        let addresses = books
            .accounts()
            .map(|(email, account)| AddressLine::new(email, *account));
        let twice = books.accounts().filter(|(_, account)| account.charges > 1);
        Self {
            totals,
            addresses: addresses.collect(),
            batches: books.batches().iter().map(BatchLine::new).collect(),
            charged_twice: twice.map(|(email, _)| email.to_owned()).collect(),
        }
    }
}

impl AddressLine {
    fn new(email: &str, account: Account) -> Self {
        Self {
            email: email.to_owned(),
            lookups: account.lookups,
            charges: account.charges,
        }
    }
}

impl BatchLine {
    fn new(batch: &Batch) -> Self {
        Self {
            enrichment_id: batch.id,
            status: batch.status(),
            contacts: batch.contacts,
            name: batch.name.clone(),
            credits: batch.credits,
            accepted_at: batch.at,
            ended_at: batch.ended.map(|(at, _)| at),
            callback_attempts: batch.callback.attempts,
            called_back: batch.callback.delivered,
        }
    }
}
