//! What `GET /sandbox/ledger` shows.

use jiff::Timestamp;
use serde::Serialize;

use super::books::{Account, Books};
use super::told::{BatchLine, DeliveryLine};
use super::{CallCounts, LookupQueue};

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
    /// Each callback that was answered with 2xx, in that order.
    pub deliveries: Vec<DeliveryLine>,
    /// The calls with a valid key in each calendar minute that had any, since the sandbox was opened.
    pub calls_per_minute: Vec<MinuteLine>,
}

/// One calendar minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MinuteLine {
    /// Its first moment.
    pub minute: Timestamp,
    /// Calls with a valid key, refused ones included.
    pub calls: u32,
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
    /// The most batches that were accepted and not at their end at one time.
    pub most_batches_at_once: usize,
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
            most_batches_at_once: totals.most_out,
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
    pub(crate) fn new(totals: LedgerTotals, books: &Books, calls: &CallCounts) -> Self {
        let addresses = books
            .accounts()
            .map(|(email, account)| AddressLine::new(email, *account));
        let twice = books.accounts().filter(|(_, account)| account.charges > 1);
        Self {
            totals,
            addresses: addresses.collect(),
            batches: books.batches().iter().map(BatchLine::new).collect(),
            charged_twice: twice.map(|(email, _)| email.to_owned()).collect(),
            deliveries: DeliveryLine::all(books),
            calls_per_minute: calls
                .by_minute()
                .map(|(minute, calls)| MinuteLine { minute, calls })
                .collect(),
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
