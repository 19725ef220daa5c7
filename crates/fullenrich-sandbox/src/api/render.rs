//! The result body, which is the callback's body too.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::spoil::spoil;
use crate::config::{InsufficientAnswer, SandboxConfig, UnpayableBatch};
use crate::invent::{self, Profile};
use crate::ledger::BatchStatus;
use crate::moods::Mood;
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
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Input<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<ProfileBody>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ProfileBody {
    Whole(Profile),
    Other(Value),
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
    let mut data = records(batch, shows_blanks(batch, unpayable));
    if let Some(stranger) = stranger(batch) {
        let place = batch.dice("stranger").below(data.len() as u64 + 1);
        data.insert(usize::try_from(place).unwrap_or_default(), stranger);
    }
    write(batch, batch.status(), Some(data))
}

/// The event of one contact: the same envelope, always in progress, with one record.
pub(crate) fn contact(batch: &Batch, item: usize) -> Vec<u8> {
    write(batch, BatchStatus::InProgress, Some(vec![record(batch, item)]))
}

/// A batch with a status of no known meaning, with what has been found so far or without.
pub(crate) fn odd(batch: &Batch) -> Vec<u8> {
    let mut dice = batch.dice("odd_status");
    let status = dice.pick(&[BatchStatus::Unknown, BatchStatus::RateLimit]);
    write(batch, status, dice.chance(50).then(|| records(batch, false)))
}

/// A finished batch in which every contact is somebody else.
pub(crate) fn forged(batch: &Batch) -> Vec<u8> {
    let forged = |item: usize| RecordBody {
        profile: Some(ProfileBody::Other(person_called("Forged"))),
        ..record(batch, item)
    };
    let data = (0..batch.items.len()).map(forged).collect();
    write(batch, BatchStatus::Finished, Some(data))
}

fn person_called(name: &str) -> Value {
    json!({
        "id": "0000000000000000",
        "full_name": name,
        "social_profiles": {"professional_network": {"url": "https://www.linkedin.com/in/nobody-asked-for"}},
    })
}

/// Whether a GET of a batch that ended without credits is 402.
pub(crate) fn ends_as_error(batch: &Batch, config: &SandboxConfig) -> bool {
    if batch.status() != BatchStatus::CreditsInsufficient {
        return false;
    }
    if batch.has(Mood::InsufficientMidway) {
        return batch.dice("insufficient_form").chance(50);
    }
    config.insufficient == InsufficientAnswer::PaymentRequired
}

/// Whether the contacts of a stopped batch that were not looked at are in its answer too.
fn shows_blanks(batch: &Batch, unpayable: UnpayableBatch) -> bool {
    if batch.has(Mood::InsufficientMidway) || batch.has(Mood::Canceled) {
        return batch.dice("blanks").chance(50);
    }
    unpayable == UnpayableBatch::StopsMidwayWithBlanks
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
    let missing = missing(batch);
    let shown = |item: &usize| (blanks || batch.items[*item].found.is_some()) && missing != Some(*item);
    let mut places: Vec<usize> = (0..batch.items.len()).filter(shown).collect();
    places.sort_by_cached_key(|&item| (invent::place_in_answer(batch.seed, &batch.items[item].email), item));
    places.into_iter().map(|item| record(batch, item)).collect()
}

/// The record that is left out of the answer of a batch that finished.
pub(crate) fn missing(batch: &Batch) -> Option<usize> {
    let leaves_out = batch.has(Mood::RecordsMissing) && batch.status() == BatchStatus::Finished;
    let place = batch.dice("missing").below(batch.items.len().max(1) as u64);
    leaves_out.then(|| usize::try_from(place).unwrap_or_default())
}

/// A record that nobody asked for.
fn stranger(batch: &Batch) -> Option<RecordBody<'_>> {
    let strange = batch.has(Mood::RecordsUnknown) && batch.status() == BatchStatus::Finished;
    strange.then(|| RecordBody {
        input: Some(Input {
            email: "nobody-asked-for@unknown.example",
        }),
        custom: None,
        profile: Some(ProfileBody::Other(person_called("Unknown"))),
    })
}

fn record(batch: &Batch, place: usize) -> RecordBody<'_> {
    let item = &batch.items[place];
    let profile = match item.found {
        Some(true) => Some(person(batch, place)),
        Some(false) => invent::nobody(batch.seed, &item.email).map(ProfileBody::Whole),
        None => None,
    };
    RecordBody {
        input: (!is_bare(batch, place)).then_some(Input { email: &item.email }),
        custom: item.custom.as_ref(),
        profile,
    }
}

/// The person behind an address, spoilt if the mood has it so.
fn person(batch: &Batch, place: usize) -> ProfileBody {
    let item = &batch.items[place];
    let whole = invent::somebody(batch.seed, &item.email);
    let Some(mood) = item.mood else {
        return ProfileBody::Whole(whole);
    };
    let mut person = serde_json::to_value(whole).expect("a person is plain data");
    spoil(&mut person, mood, batch.dice(&format!("spoil/{place}")));
    ProfileBody::Other(person)
}

/// Whether a record comes without its input. One without `custom` keeps it: nothing else would name the contact.
fn is_bare(batch: &Batch, place: usize) -> bool {
    let item = &batch.items[place];
    let may = item.mood == Some(Mood::FieldsMissing) && item.found == Some(true) && item.custom.is_some();
    may && batch.dice(&format!("bare/{place}")).chance(30)
}

/// The name and the profile's address of a person, as they are sent.
pub(crate) fn names(batch: &Batch, place: usize) -> (Option<String>, Option<String>) {
    let person = serde_json::to_value(person(batch, place)).expect("a person is plain data");
    let text = |path: &str| person.pointer(path).and_then(Value::as_str).map(str::to_owned);
    (text("/full_name"), text("/social_profiles/professional_network/url"))
}
