//! What is so because of all records until now.

mod apply;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::batch::{Batch, Contact};
use super::history::History;
use super::report::CallbackTotals;
use crate::clock::later;

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
