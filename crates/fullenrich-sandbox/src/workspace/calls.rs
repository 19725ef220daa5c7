//! The calls of the workspace, and their limit.

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
    minute: i64,
    in_minute: u32,
}

impl CallCounts {
    /// Counts a call with a valid key. Above the limit it is refused, with the time until the next minute.
    pub(crate) fn admit(&mut self, endpoint: Endpoint, now: Timestamp, limit: NonZeroU32) -> Result<(), Duration> {
        let minute = now.as_second().div_euclid(60);
        if minute != self.minute {
            (self.minute, self.in_minute) = (minute, 0);
        }
        self.in_minute = self.in_minute.saturating_add(1);
        self.totals.most_in_a_minute = self.totals.most_in_a_minute.max(self.in_minute);
        *self.counter(endpoint) += 1;
        if self.in_minute <= limit.get() {
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
