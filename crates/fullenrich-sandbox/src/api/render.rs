//! The result body, which is the callback's body too.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use crate::config::UnpayableBatch;
use crate::invent::{self, Profile};
use crate::ledger::BatchStatus;
use crate::workspace::Batch;

#[derive(Serialize)]
struct ResultBody<'a> {
    id: Uuid,
    name: &'a str,
    status: BatchStatus,
    cost: Cost,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Vec<RecordBody<'a>>>,
}

#[derive(Serialize)]
struct Cost {
    credits: u32,
}

#[derive(Serialize)]
struct RecordBody<'a> {
    input: Input<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Profile>,
}

#[derive(Serialize)]
struct Input<'a> {
    email: &'a str,
}

/// A batch that runs, without what has been found so far.
pub(crate) fn running(batch: &Batch) -> Vec<u8> {
    write(batch, batch.status(), None)
}

/// A batch that runs, with what has been found so far.
pub(crate) fn running_with_data(batch: &Batch) -> Vec<u8> {
    write(batch, batch.status(), Some(records(batch, false)))
}

/// A batch that has ended.
pub(crate) fn ended(batch: &Batch, unpayable: UnpayableBatch) -> Vec<u8> {
    let blanks = unpayable == UnpayableBatch::StopsMidwayWithBlanks;
    write(batch, batch.status(), Some(records(batch, blanks)))
}

/// The event of one contact: the same envelope, always in progress, with one record.
pub(crate) fn contact(batch: &Batch, item: usize) -> Vec<u8> {
    write(batch, BatchStatus::InProgress, Some(vec![record(batch, item)]))
}

fn write(batch: &Batch, status: BatchStatus, data: Option<Vec<RecordBody<'_>>>) -> Vec<u8> {
    let body = ResultBody {
        id: batch.id,
        name: &batch.name,
        status,
        cost: Cost { credits: batch.credits },
        data,
    };
    serde_json::to_vec(&body).expect("a result is plain data")
}

/// The records in an order of their own: the provider does not promise the input's.
fn records(batch: &Batch, blanks: bool) -> Vec<RecordBody<'_>> {
    let shown = |item: &usize| blanks || batch.items[*item].found.is_some();
    let mut places: Vec<usize> = (0..batch.items.len()).filter(shown).collect();
    places.sort_by_cached_key(|&item| (invent::place_in_answer(batch.seed, &batch.items[item].email), item));
    places.into_iter().map(|item| record(batch, item)).collect()
}

fn record(batch: &Batch, place: usize) -> RecordBody<'_> {
    let item = &batch.items[place];
    let profile = match item.found {
        Some(true) => Some(invent::somebody(batch.seed, &item.email)),
        Some(false) => invent::nobody(batch.seed, &item.email),
        None => None,
    };
    RecordBody {
        input: Input { email: &item.email },
        custom: item.custom.as_ref(),
        profile,
    }
}
