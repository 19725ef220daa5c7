//! What `GET /sandbox/ledger` shows of batches: what they were about, and who was told what.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::batch::{Batch, Item, Reached};
use super::books::Books;
use super::history::Delivered;
use crate::api::render;
use crate::ledger::{BatchStatus, Digest, PostAnswer, Sent};
use crate::moods::Mood;

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
    /// What the caller of its POST was told.
    pub answered: PostAnswer,
    /// Whether anything that names its id has come to the other side.
    pub reached: bool,
    /// By which ways: `answer` of the POST, `read` by a GET, `interim`, `contact` and `final` callbacks answered with
    /// 2xx.
    pub reached_by: Vec<&'static str>,
    /// The moods that it was accepted with.
    pub moods: Vec<Mood>,
    /// Its contacts. None when its results are no longer kept.
    pub jobs: Vec<JobLine>,
    /// What was said of each contact that was charged.
    pub told: Vec<ToldLine>,
}

/// One contact of a batch.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobLine {
    /// The address as sent.
    pub email: String,
    /// As sent.
    pub custom: Option<BTreeMap<String, String>>,
    /// Whether it is a repeat that costs nothing.
    pub free: bool,
    /// Whether a person was found; null while it was not looked at.
    pub found: Option<bool>,
    /// What it has cost.
    pub credits: u32,
    /// What is wrong with the fields of its person.
    pub mood: Option<Mood>,
    /// Whether its own event was answered with 2xx.
    pub event_delivered: bool,
}

/// What is said of one charged contact, as it is sent.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToldLine {
    /// The address as sent.
    pub email: String,
    /// As sent.
    pub custom: Option<BTreeMap<String, String>>,
    /// The person's name; null where it is left out or malformed.
    pub full_name: Option<String>,
    /// The address of the person's profile; null where it is left out or malformed.
    pub linkedin_url: Option<String>,
    /// Whether the record is left out of the batch's answer, so that only its own event told it.
    pub left_out: bool,
}

/// One callback that was answered with 2xx.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryLine {
    /// Whose batch.
    pub enrichment_id: Uuid,
    /// Which of its contacts, by its place in `jobs`.
    pub item: Option<usize>,
    /// Where it went.
    pub url: String,
    /// The SHA-256 of its body; null of those that an earlier version delivered.
    pub sha256: Option<Digest>,
    /// What it was.
    pub kind: Sent,
    /// When it was answered.
    pub at: Timestamp,
}

impl BatchLine {
    pub(super) fn new(batch: &Batch) -> Self {
        let reached_by = reached_by(batch.reached);
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
            answered: batch.answer,
            reached: !reached_by.is_empty(),
            reached_by,
            moods: batch.moods.clone(),
            jobs: batch.items.iter().map(JobLine::new).collect(),
            told: ToldLine::all(batch),
        }
    }
}

fn reached_by(reached: Reached) -> Vec<&'static str> {
    let ways = [
        (reached.answer, "answer"),
        (reached.read, "read"),
        (reached.interim, "interim"),
        (reached.contact, "contact"),
        (reached.whole, "final"),
    ];
    ways.into_iter().filter_map(|(came, way)| came.then_some(way)).collect()
}

impl JobLine {
    fn new(item: &Item) -> Self {
        Self {
            email: item.email.clone(),
            custom: item.custom.clone(),
            free: item.free,
            found: item.found,
            credits: item.credits,
            mood: item.mood,
            event_delivered: item.callback.delivered,
        }
    }
}

impl ToldLine {
    fn all(batch: &Batch) -> Vec<Self> {
        let missing = render::missing(batch);
        let charged = batch.items.iter().enumerate().filter(|(_, item)| item.credits > 0);
        charged
            .map(|(place, item)| {
                let (full_name, linkedin_url) = render::names(batch, place);
                Self {
                    email: item.email.clone(),
                    custom: item.custom.clone(),
                    full_name,
                    linkedin_url,
                    left_out: missing == Some(place),
                }
            })
            .collect()
    }
}

impl DeliveryLine {
    pub(super) fn all(books: &Books) -> Vec<Self> {
        let delivered = &books.history().delivered;
        delivered.iter().map(|delivered| Self::new(books, delivered)).collect()
    }

    fn new(books: &Books, delivered: &Delivered) -> Self {
        let batch = books.batch(delivered.batch);
        let url = if delivered.item.is_some() {
            &batch.contact_url
        } else {
            &batch.webhook_url
        };
        Self {
            enrichment_id: batch.id,
            item: delivered.item,
            url: url.clone().unwrap_or_default(),
            sha256: delivered.sha256,
            kind: delivered.sent,
            at: delivered.at,
        }
    }
}
