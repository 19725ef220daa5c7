//! What is to be done about a schedule at a moment: a pure function of its row.

use std::time::Duration;

use jiff::Timestamp;

use super::{Calendar, Overlap, ScheduleSpec};
use crate::store::ScheduleRow;

/// No commit starts more runs of one schedule.
pub(super) const MOST_STARTS: usize = 100;

/// No commit counts more ticks of a calendar one by one.
const MOST_COUNTED: u64 = 1_000;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nothing before this time.
    Wait(Timestamp),
    /// Nothing until the row changes, or a run of the schedule ends.
    Idle,
    /// Some ticks are due.
    Advance(Ticked),
}

/// What becomes of ticks that are due.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ticked {
    /// Those that start a run each.
    pub starts: Vec<Timestamp>,
    /// How many are dropped, because a run has not ended.
    pub skipped: u64,
    /// How many are too old.
    pub missed: u64,
    /// The first tick that nothing was decided about.
    pub next_at: Option<Timestamp>,
}

/// Decides about the ticks that are due at `now`, at most `most` starts of them.
pub(super) fn decide(
    spec: &ScheduleSpec,
    calendar: &Calendar,
    row: &ScheduleRow,
    now: Timestamp,
    most: usize,
) -> Decision {
    let Some(next) = row.next_at.filter(|_| row.is_live()) else {
        return Decision::Idle;
    };
    if next > now {
        return Decision::Wait(next);
    }
    let oldest = now.saturating_sub(spec.catch_up).unwrap_or(Timestamp::MIN);
    let (missed, next_at) = calendar.pass(next, oldest, MOST_COUNTED);
    let mut ticked = Ticked {
        missed,
        next_at,
        ..Ticked::default()
    };
    if ticked.is_recent(oldest) {
        ticked.take_due(spec.overlap, calendar, row.running, now, most);
    }
    match ticked.next_at == Some(next) {
        true => Decision::Idle,
        false => Decision::Advance(ticked),
    }
}

impl Ticked {
    fn is_recent(&self, oldest: Timestamp) -> bool {
        self.next_at.is_none_or(|next| next >= oldest)
    }

    fn take_due(&mut self, overlap: Overlap, calendar: &Calendar, mut running: bool, now: Timestamp, most: usize) {
        const LEAST: Duration = Duration::from_micros(1);
        while let Some(tick) = self.next_at.filter(|tick| *tick <= now) {
            if overlap != Overlap::Allow && running {
                if overlap == Overlap::Skip {
                    let until = now.saturating_add(LEAST).unwrap_or(now);
                    (self.skipped, self.next_at) = calendar.pass(tick, until, MOST_COUNTED);
                }
                return;
            }
            if self.starts.len() == most {
                return;
            }
            self.starts.push(tick);
            self.next_at = calendar.next_after(tick);
            running = true;
        }
    }
}

#[cfg(test)]
mod tests;
