//! The arithmetic of ticks: pure functions of a spec.

use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::{MIN_PERIOD, ScheduleSpec, Timing};

/// A spec whose expression and time zone were read.
pub(crate) struct Calendar {
    ticks: Ticks,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

enum Ticks {
    /// Microseconds.
    Every(i64),
    Cron(Box<Cron>, TimeZone),
}

impl Calendar {
    /// Reads a spec; the error says what is wrong with it.
    pub fn read(spec: &ScheduleSpec) -> Result<Self, String> {
        let ticks = match &spec.timing {
            Timing::Every { period } => Ticks::Every(read_period(*period)?),
            Timing::Cron { expression, time_zone } => {
                let cron = read_expression(expression)?;
                Ticks::Cron(Box::new(cron), read_zone(time_zone)?)
            }
        };
        let (start, end) = (spec.start, spec.end);
        Ok(Self { ticks, start, end })
    }

    /// The first tick that is later than `time`.
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        const LEAST: Duration = Duration::from_micros(1);
        let just_before = |start: Timestamp| start.saturating_sub(LEAST).unwrap_or(start);
        let time = self.start.map_or(time, |start| time.max(just_before(start)));
        let next = match &self.ticks {
            Ticks::Every(period) => self.next_multiple(time, *period),
            Ticks::Cron(cron, zone) => next_fitting(cron, zone, time),
        };
        next.filter(|next| *next > time && self.end.is_none_or(|end| *next < end))
    }

    /// Passes over the ticks before `until`, from the tick `tick` on: how many there were, and
    /// the one after them. Where ticks are counted one by one it stops after `most`.
    pub fn pass(&self, tick: Timestamp, until: Timestamp, most: u64) -> (u64, Option<Timestamp>) {
        match &self.ticks {
            Ticks::Every(period) => self.leap(tick, until, *period),
            Ticks::Cron(..) => self.walk(tick, until, most),
        }
    }

    /// Periods need no counting one by one.
    fn leap(&self, tick: Timestamp, until: Timestamp, period: i64) -> (u64, Option<Timestamp>) {
        let until = self.end.map_or(until, |end| until.min(end));
        let behind = until.as_microsecond().saturating_sub(tick.as_microsecond());
        if behind <= 0 {
            return (0, self.inside(tick));
        }
        let passed = (behind - 1) / period + 1;
        let next = tick.as_microsecond().saturating_add(passed.saturating_mul(period));
        let next = Timestamp::from_microsecond(next)
            .ok()
            .and_then(|next| self.inside(next));
        (u64::try_from(passed).unwrap_or(0), next)
    }

    fn walk(&self, tick: Timestamp, until: Timestamp, most: u64) -> (u64, Option<Timestamp>) {
        let (mut passed, mut next) = (0, Some(tick));
        while let Some(tick) = next.filter(|tick| *tick < until && passed < most) {
            passed += 1;
            next = self.next_after(tick);
        }
        (passed, next)
    }

    fn inside(&self, tick: Timestamp) -> Option<Timestamp> {
        Some(tick).filter(|tick| self.end.is_none_or(|end| *tick < end))
    }

    fn next_multiple(&self, time: Timestamp, period: i64) -> Option<Timestamp> {
        let anchor = self.start.map_or(0, Timestamp::as_microsecond);
        let past = time.as_microsecond().checked_sub(anchor)?.div_euclid(period);
        let next = past.checked_add(1)?.checked_mul(period)?.checked_add(anchor)?;
        Timestamp::from_microsecond(next).ok()
    }
}

fn read_period(period: Duration) -> Result<i64, String> {
    if period < MIN_PERIOD {
        return Err(format!(
            "a period of {period:?} is a busy loop: {MIN_PERIOD:?} is the least"
        ));
    }
    i64::try_from(period.as_micros()).map_err(|_| format!("a period of {period:?} never passes"))
}

fn read_expression(expression: &str) -> Result<Cron, String> {
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build();
    let cron = parser
        .parse(expression)
        .map_err(|e| format!("`{expression}` is no cron expression of five fields: {e}"))?;
    match next_fitting(&cron, &TimeZone::UTC, Timestamp::UNIX_EPOCH) {
        Some(_) => Ok(cron),
        None => Err(format!("`{expression}` fits no day that there is")),
    }
}

/// The system's rules, which are kept up to date; where it has none, those that were compiled in.
fn read_zone(name: &str) -> Result<TimeZone, String> {
    let bundled = |_| TimeZoneDatabase::bundled().get(name);
    let zone = TimeZone::get(name).or_else(bundled);
    zone.map_err(|_| format!("there is no time zone `{name}`"))
}

/// Ticks are whole minutes, so what is later than a second's beginning is later than any moment of it.
fn next_fitting(cron: &Cron, zone: &TimeZone, time: Timestamp) -> Option<Timestamp> {
    let second = Timestamp::from_second(time.as_microsecond().div_euclid(1_000_000)).ok()?;
    let next = cron.find_next_occurrence(&second.to_zoned(zone.clone()), false);
    next.ok().map(|next| next.timestamp())
}

#[cfg(test)]
mod tests;
