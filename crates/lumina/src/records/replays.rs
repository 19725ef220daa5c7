//! Stored answers, as a person looks at them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AnswerFate, AnswerId, AnswerSource};

/// A stored answer, without its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedAnswer {
    /// Its id.
    pub id: AnswerId,
    /// The provider's id of the batch.
    pub enrichment_id: String,
    /// How it came.
    pub source: AnswerSource,
    /// Its status word.
    pub status: Option<String>,
    /// Whether the provider says nothing more after it.
    pub is_final: bool,
    /// Where it stands.
    pub state: AnswerState,
    /// The run whose batch it is about, if that is known.
    pub workflow_id: Option<Uuid>,
    /// When it came.
    pub received_at: Timestamp,
    /// When it was applied.
    pub applied_at: Option<Timestamp>,
}

/// Where an answer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerState {
    /// No batch of ours is known by its id.
    Unclaimed,
    /// It is final, and its run has not applied it yet.
    Waiting,
    /// It was applied.
    Applied,
    /// It is final, and another final answer of its batch was applied.
    Superseded,
    /// It is not final: it proves that its batch was accepted, and fills in what the last answer leaves out.
    Kept,
}

impl AnswerState {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unclaimed => "unclaimed",
            Self::Waiting => "waiting",
            Self::Applied => "applied",
            Self::Superseded => "superseded",
            Self::Kept => "kept",
        }
    }
}

/// What became of an answer that was routed anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    /// Where it went.
    pub fate: AnswerFate,
    /// The run whose batch it is about, if that is known.
    pub workflow_id: Option<Uuid>,
}
