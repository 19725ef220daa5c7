//! Lumina's side: what is in its database.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What is in the database. Ids are the lower-case hyphenated form that everything else shows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Records {
    /// The addresses of all subscribers, in lower case.
    pub subscribers: Vec<String>,
    /// Every lookup, oldest first.
    pub jobs: Vec<Job>,
    /// The leads, by address.
    pub leads: BTreeMap<String, Lead>,
    /// Each time that a batch was sent, as far as Lumina knows.
    pub posts: Vec<Post>,
    /// The provider's names that Lumina knows.
    pub known: Vec<Known>,
    /// What the provider said, as stored.
    pub answers: Vec<StoredAnswer>,
    /// The runs of all workflows.
    pub runs: Vec<Run>,
}

/// A lookup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// The subscriber's address, in lower case.
    pub email: String,
    /// `pending`, `submitted`, or how it ended.
    pub status: String,
    /// Why, in words.
    pub reason: Option<String>,
}

/// What a lead says of its person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lead {
    /// The name.
    pub full_name: Option<String>,
    /// The page on LinkedIn.
    pub linkedin_url: Option<String>,
}

/// A batch that was sent, or was about to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Post {
    /// The run that sent it.
    pub run: String,
    /// For the how many-th time.
    pub attempt: u32,
    /// What is known of it.
    pub state: String,
    /// When it was sent.
    pub posted_at: Option<Timestamp>,
    /// The provider's name for it.
    pub enrichment: Option<String>,
    /// The ids of the lookups in it.
    pub jobs: Vec<String>,
}

/// A provider's name that Lumina knows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Known {
    /// The provider's name.
    pub enrichment: String,
    /// Since when.
    pub registered_at: Timestamp,
    /// When its end was told.
    pub ended_at: Option<Timestamp>,
}

/// Something that the provider said.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredAnswer {
    /// Of which batch.
    pub enrichment: String,
    /// The SHA-256 of the body, in hex.
    pub body_hash: String,
    /// Whether it is the end of the batch.
    pub is_final: bool,
    /// When it was stored.
    pub received_at: Timestamp,
}

/// A run of a workflow.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// Of which workflow.
    pub workflow: String,
    /// Where it is.
    pub status: String,
    /// Whether a schedule has started it.
    pub scheduled: bool,
}

impl Records {
    /// When the end of each batch was first stored.
    #[must_use]
    pub fn ends(&self) -> BTreeMap<&str, Timestamp> {
        let mut ends = BTreeMap::new();
        for answer in self.answers.iter().filter(|answer| answer.is_final) {
            let end = ends.entry(answer.enrichment.as_str()).or_insert(answer.received_at);
            *end = answer.received_at.min(*end);
        }
        ends
    }

    /// Since when Lumina knows the provider's name for a batch.
    #[must_use]
    pub fn known_since(&self, enrichment: &str) -> Option<Timestamp> {
        let mut known = self.known.iter();
        known
            .find(|known| known.enrichment == enrichment)
            .map(|known| known.registered_at)
    }

    /// What Lumina knows of a run's sending for the how many-th time.
    #[must_use]
    pub fn post(&self, run: &str, attempt: u32) -> Option<&Post> {
        let mut posts = self.posts.iter();
        posts.find(|post| post.run == run && post.attempt == attempt)
    }
}

impl Run {
    /// Whether nothing more happens to it by itself.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        ["completed", "failed", "cancelled"].contains(&self.status.as_str())
    }

    /// What has neither ended nor is one of those that time starts again and again.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        let waits_for_its_time = self.scheduled && self.status != "blocked";
        !self.has_ended() && !waits_for_its_time
    }
}
