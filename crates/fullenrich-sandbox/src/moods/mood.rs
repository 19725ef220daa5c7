//! The names of the moods.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Something that the provider does now and then. Its name in settings, ledger and counts is the variant's in
/// snake case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mood {
    /// Any call: this one and up to four more are answered 429, about half of them with `Retry-After: 1`.
    RateLimitedBurst,
    /// Any call: this one and up to three more are answered 500, 502, 503 or 504, and nothing is done.
    ServerErrorBurst,
    /// A POST is answered 500, 502, 503 or 504, and nothing was accepted.
    RefusedBefore,
    /// A POST's connection is reset, and nothing was accepted.
    ResetBefore,
    /// A POST is accepted and then answered 500, 502 or 504.
    ErrorAfter,
    /// A POST is accepted, and then its connection is reset.
    ResetAfter,
    /// A POST is accepted and never answered.
    AnswerLost,
    /// A POST's answer comes in small pieces.
    AnswerTrickled,
    /// A POST is accepted and answered 200 with a body that says nothing.
    UnreadableAnswer,
    /// A batch is looked up at once, and its final callback comes before the POST's answer.
    CallbackBeforeAnswer,
    /// Every delivered callback of a batch is delivered again.
    CallbackDoubled,
    /// The final callback comes a good while after the end.
    CallbackDelayed,
    /// The contact events come after the final callback.
    CallbacksOutOfOrder,
    /// Before the final callback comes one without a signature that claims another person.
    CallbackUnsigned,
    /// Before the final callback comes one with a wrong signature that claims another person.
    CallbackForged,
    /// There is no final callback.
    CallbackNever,
    /// There are no contact events.
    EventsNever,
    /// A batch ends `CREDITS_INSUFFICIENT` with part of its data, although there are credits.
    InsufficientMidway,
    /// A batch ends `CANCELED` with part of its data.
    Canceled,
    /// While a batch runs its status is `UNKNOWN` or `RATE_LIMIT`, and a callback says so before the final one.
    StatusUnknown,
    /// One record is left out of the answer of a batch that finished.
    RecordsMissing,
    /// A record that nobody asked for is in the answer of a batch.
    RecordsUnknown,
    /// The bodies of the final callback and of a GET's answer come in pieces.
    BodiesTrickled,
    /// Some fields of a person are absent.
    FieldsMissing,
    /// Some fields of a person are null.
    FieldsNull,
    /// Some fields of a person are of a wrong type, every date is malformed, and headcounts are 0.
    FieldsMalformed,
    /// A GET of a batch is answered 500, 502, 503 or 504, or its connection is reset.
    ReadError,
    /// A GET of a running batch is answered 400 `error.enrichment.in_progress`.
    InProgressError,
    /// Addresses that begin with `invalid-` are refused. A switch, and no percentage.
    InvalidAddresses,
}

impl Mood {
    /// Every mood.
    pub const ALL: [Self; 29] = [
        Self::RateLimitedBurst,
        Self::ServerErrorBurst,
        Self::RefusedBefore,
        Self::ResetBefore,
        Self::ErrorAfter,
        Self::ResetAfter,
        Self::AnswerLost,
        Self::AnswerTrickled,
        Self::UnreadableAnswer,
        Self::CallbackBeforeAnswer,
        Self::CallbackDoubled,
        Self::CallbackDelayed,
        Self::CallbacksOutOfOrder,
        Self::CallbackUnsigned,
        Self::CallbackForged,
        Self::CallbackNever,
        Self::EventsNever,
        Self::InsufficientMidway,
        Self::Canceled,
        Self::StatusUnknown,
        Self::RecordsMissing,
        Self::RecordsUnknown,
        Self::BodiesTrickled,
        Self::FieldsMissing,
        Self::FieldsNull,
        Self::FieldsMalformed,
        Self::ReadError,
        Self::InProgressError,
        Self::InvalidAddresses,
    ];

    /// Its name in settings and counts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RateLimitedBurst => "rate_limited_burst",
            Self::ServerErrorBurst => "server_error_burst",
            Self::RefusedBefore => "refused_before",
            Self::ResetBefore => "reset_before",
            Self::ErrorAfter => "error_after",
            Self::ResetAfter => "reset_after",
            Self::AnswerLost => "answer_lost",
            Self::AnswerTrickled => "answer_trickled",
            Self::UnreadableAnswer => "unreadable_answer",
            Self::CallbackBeforeAnswer => "callback_before_answer",
            Self::CallbackDoubled => "callback_doubled",
            Self::CallbackDelayed => "callback_delayed",
            Self::CallbacksOutOfOrder => "callbacks_out_of_order",
            Self::CallbackUnsigned => "callback_unsigned",
            Self::CallbackForged => "callback_forged",
            Self::CallbackNever => "callback_never",
            Self::EventsNever => "events_never",
            Self::InsufficientMidway => "insufficient_midway",
            Self::Canceled => "canceled",
            Self::StatusUnknown => "status_unknown",
            Self::RecordsMissing => "records_missing",
            Self::RecordsUnknown => "records_unknown",
            Self::BodiesTrickled => "bodies_trickled",
            Self::FieldsMissing => "fields_missing",
            Self::FieldsNull => "fields_null",
            Self::FieldsMalformed => "fields_malformed",
            Self::ReadError => "read_error",
            Self::InProgressError => "in_progress_error",
            Self::InvalidAddresses => "invalid_addresses",
        }
    }

    /// Whether a batch is rid of it when all moods are ended. Of one that has ended the answer stays the same, and
    /// what was not to be told is not told. Of one under way only what hurts nobody who waits is left.
    pub(crate) fn ends_when_calmed(self, ended: bool) -> bool {
        match self {
            Self::CallbackBeforeAnswer | Self::CallbacksOutOfOrder | Self::EventsNever => false,
            Self::CallbackDelayed | Self::BodiesTrickled => true,
            _ => !ended,
        }
    }
}

/// A name that no mood has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no mood: there are {names}", names = Mood::ALL.map(Mood::name).join(", "))]
pub struct UnknownMood(String);

impl FromStr for Mood {
    type Err = UnknownMood;

    fn from_str(name: &str) -> Result<Self, UnknownMood> {
        let named = Self::ALL.into_iter().find(|mood| mood.name() == name);
        named.ok_or_else(|| UnknownMood(name.to_owned()))
    }
}

impl fmt::Display for Mood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mood_is_called_as_it_is_written() {
        for (place, mood) in Mood::ALL.into_iter().enumerate() {
            assert_eq!(mood as usize, place, "{mood} has its own place in the list of all");
            let written = serde_json::to_value(mood).unwrap();
            assert_eq!(written, mood.name());
            assert_eq!(mood.name().parse(), Ok(mood));
        }
        let unknown = "good".parse::<Mood>().unwrap_err().to_string();
        assert!(
            unknown.contains("`good`") && unknown.contains("canceled, status_unknown"),
            "{unknown}"
        );
    }
}
