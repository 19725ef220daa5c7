//! The sandbox's moods, and how often each comes over it.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Value, json};

/// Every mood by its name, with its share of the calls, batches or records that it can come over, in per cent. All of
/// them have to occur in a run.
///
/// Answers to a POST are lost often, and what would reveal the batch all the same is left out often, because what
/// nobody knows the outcome of is what the pipeline is most careful about. A callback that does not come is the next.
pub const MOODS: &[(&str, u32)] = &[
    // On any call. Limits are hit late in a minute, see `RATE_LIMITED`.
    (RATE_LIMITED, 0),
    ("server_error_burst", 2),
    // On a POST.
    ("refused_before", 4),
    ("reset_before", 4),
    ("error_after", 5),
    ("reset_after", 5),
    ("answer_lost", 3),
    ("answer_trickled", 5),
    ("unreadable_answer", 4),
    // On a batch.
    ("callback_before_answer", 6),
    ("callback_doubled", 8),
    ("callback_delayed", 8),
    ("callbacks_out_of_order", 8),
    ("callback_unsigned", 6),
    ("callback_forged", 6),
    ("callback_never", 20),
    ("events_never", 60),
    ("insufficient_midway", 4),
    ("canceled", 4),
    ("status_unknown", 6),
    ("records_missing", 5),
    ("records_unknown", 6),
    ("bodies_trickled", 6),
    // On a record.
    ("fields_missing", 6),
    ("fields_null", 6),
    ("fields_malformed", 6),
    // On a GET.
    ("read_error", 15),
    ("in_progress_error", 20),
];

/// The mood that says 429. Without a Retry-After it closes the calendar minute, so that in a run of a minute it would
/// stop everything; really, too, limits are hit late in a minute.
pub const RATE_LIMITED: &str = "rate_limited_burst";

/// The seconds of a minute in which it comes.
pub const RATE_LIMITED_SECONDS: Range<i8> = 50..56;

/// How often it comes in them.
pub const RATE_LIMITED_PERCENT: u32 = 12;

/// Addresses that begin with `invalid-` are refused, and their batch with them. A switch and no share.
pub const INVALID_ADDRESSES: &str = "invalid_addresses";

/// The longest that a callback is kept back: less than a deadline, and more than a window, so that both the run that
/// waits for it and the one that is not sure of it meet it.
const DELAY: &str = "4s";

/// Between two of eight pieces of a body: all of them come within the time of a call.
const PAUSE: &str = "60ms";

/// How often each mood comes, as the sandbox is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moods(BTreeMap<&'static str, u32>);

impl Moods {
    /// All of them.
    #[must_use]
    pub fn all() -> Self {
        Self(MOODS.iter().copied().collect())
    }

    /// These alone.
    #[must_use]
    pub fn only(shares: &[(&'static str, u32)]) -> Self {
        Self(shares.iter().copied().collect())
    }

    /// The sandbox's section of its settings file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let lines = self.0.iter().map(|(name, share)| format!("{name} = {share}\n"));
        format!(
            "[moods]\n{INVALID_ADDRESSES} = true\ncallback_delay = \"{DELAY}\"\ntrickle_pause = \"{PAUSE}\"\n{}",
            lines.collect::<String>()
        )
    }
}

/// Has each of these come at its next chance, as `PUT /sandbox/moods` takes it.
#[must_use]
pub fn call_for(names: &[&str]) -> Value {
    let next: BTreeMap<&str, u32> = names.iter().map(|name| (*name, 1)).collect();
    json!({ "next": next })
}

/// The moods that have not occurred, by the counts that the sandbox shows.
#[must_use]
pub fn missing(occurred: &BTreeMap<String, u64>) -> Vec<&'static str> {
    let has_not = |name: &&str| occurred.get(*name).is_none_or(|count| *count == 0);
    let names = MOODS.iter().map(|(name, _)| *name);
    names.chain([INVALID_ADDRESSES]).filter(has_not).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_occurred_is_named() {
        let mut occurred: BTreeMap<String, u64> = MOODS.iter().map(|(name, _)| ((*name).to_owned(), 1)).collect();
        assert_eq!(missing(&occurred), [INVALID_ADDRESSES]);
        occurred.insert(INVALID_ADDRESSES.to_owned(), 3);
        assert_eq!(missing(&occurred), Vec::<&str>::new());
        occurred.insert("canceled".to_owned(), 0);
        assert_eq!(missing(&occurred), ["canceled"]);
    }
}
