//! The calls of the workspace, and their limit.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use jiff::Timestamp;

use super::report::CallTotals;

/// What can be called under `/api/v2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    StartBatch,
    ReadBatch,
    Credits,
    VerifyKey,
    Unknown,
}

/// How many calls came, and how many in the fullest calendar minute. Counted since the sandbox was opened.
#[derive(Debug, Default)]
pub(crate) struct CallCounts {
    totals: CallTotals,
    /// By minute since the epoch; those without a call are not there.
    minutes: BTreeMap<i64, u32>,
}

impl CallCounts {
    /// Counts a call with a valid key. Above the limit it is refused, with the time until the next minute.
    pub(crate) fn admit(&mut self, endpoint: Endpoint, now: Timestamp, limit: NonZeroU32) -> Result<(), Duration> {
        let minute = now.as_second().div_euclid(60);
        let in_minute = self.minutes.entry(minute).or_default();
        *in_minute = in_minute.saturating_add(1);
        let in_minute = *in_minute;
        self.totals.most_in_a_minute = self.totals.most_in_a_minute.max(in_minute);
        *self.counter(endpoint) += 1;
        if in_minute <= limit.get() {
            return Ok(());
        }
        self.totals.rate_limited += 1;
        let passed = now.as_second().rem_euclid(60).unsigned_abs();
        Err(Duration::from_secs(60 - passed))
    }

    /// Counts a call without a valid key, which spends nobody's limit.
    pub(crate) fn refuse_key(&mut self) {
        self.totals.unauthorized += 1;
    }

    /// Counts a call that a mood refused with 429.
    pub(crate) fn refuse_rate(&mut self) {
        self.totals.rate_limited += 1;
    }

    /// The GETs so far.
    pub(crate) fn reads(&self) -> u64 {
        self.totals.read_batch + self.totals.credits + self.totals.verify_key
    }

    /// How many calls came in each minute, by its first moment.
    pub(crate) fn by_minute(&self) -> impl Iterator<Item = (Timestamp, u32)> + '_ {
        let moment = |minute: i64| Timestamp::from_second(minute * 60).unwrap_or(Timestamp::MAX);
        self.minutes
            .iter()
            .map(move |(minute, calls)| (moment(*minute), *calls))
    }

    fn counter(&mut self, endpoint: Endpoint) -> &mut u64 {
        match endpoint {
            Endpoint::StartBatch => &mut self.totals.start_batch,
            Endpoint::ReadBatch => &mut self.totals.read_batch,
            Endpoint::Credits => &mut self.totals.credits,
            Endpoint::VerifyKey => &mut self.totals.verify_key,
            Endpoint::Unknown => &mut self.totals.unknown,
        }
    }

    pub(crate) fn totals(&self) -> CallTotals {
        self.totals
    }
}
