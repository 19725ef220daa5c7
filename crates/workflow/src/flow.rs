//! Flow control, declared as data: how many runs of a workflow are in flight, and how many
//! begin in a period of time; of all of them, and of each flow key.

use std::fmt::Write as _;
use std::time::Duration;

use crate::duration::parse_duration;

/// How much of a workflow may happen at once. Make it a workflow's
/// [`FLOW`](crate::Workflow::FLOW).
///
/// A run takes its place at its first claim and keeps it until it ends, however long it waits
/// in between. What finds no place waits for one, which is no time that any timeout or
/// deadline counts; see [`RunRow::throttled`](crate::store::RunRow::throttled). A run without a
/// [flow key](crate::StartOptions::flow_key) is subject to the limits of the whole workflow alone.
///
/// A rate counts in windows: the first run that begins after a window has ended opens the next one.
///
/// ```
/// use lumina_workflow::Flow;
/// const FLOW: Flow = Flow::none().in_flight(100).in_flight_per_key(5).rate(10, "1s").rate_per_key(1, "1m");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// At most this many runs in flight.
    pub in_flight: Option<u32>,
    /// At most this many runs in flight of each key.
    pub in_flight_per_key: Option<u32>,
    /// At most this many runs begin in such a time.
    pub rate: Option<(u32, &'static str)>,
    /// At most this many runs of each key begin in such a time.
    pub rate_per_key: Option<(u32, &'static str)>,
}

impl Flow {
    /// No limits.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            in_flight: None,
            in_flight_per_key: None,
            rate: None,
            rate_per_key: None,
        }
    }

    /// At most this many runs in flight.
    #[must_use]
    pub const fn in_flight(mut self, runs: u32) -> Self {
        self.in_flight = Some(runs);
        self
    }

    /// At most this many runs in flight of each key.
    #[must_use]
    pub const fn in_flight_per_key(mut self, runs: u32) -> Self {
        self.in_flight_per_key = Some(runs);
        self
    }

    /// At most this many runs begin in each period, such as `1s` or `5m`.
    #[must_use]
    pub const fn rate(mut self, runs: u32, period: &'static str) -> Self {
        self.rate = Some((runs, period));
        self
    }

    /// At most this many runs of each key begin in each period.
    #[must_use]
    pub const fn rate_per_key(mut self, runs: u32, period: &'static str) -> Self {
        self.rate_per_key = Some((runs, period));
        self
    }

    /// With its periods read.
    pub(crate) fn read(self) -> Result<FlowLimits, String> {
        Ok(FlowLimits {
            in_flight: self.in_flight,
            in_flight_per_key: self.in_flight_per_key,
            rate: self.rate.map(read_rate).transpose()?,
            rate_per_key: self.rate_per_key.map(read_rate).transpose()?,
        })
    }
}

fn read_rate((runs, period): (u32, &str)) -> Result<Rate, String> {
    let period = parse_duration(period).map_err(|error| format!("a rate's period: {error}"))?;
    Ok(Rate { runs, period })
}

/// So many runs begin in each period.
///
/// An example is at [`Flow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The runs.
    pub runs: u32,
    /// The period, in whole microseconds.
    pub period: Duration,
}

/// A [`Flow`] with its periods read: the limits that are in force.
///
/// An example is at [`Flow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlowLimits {
    /// At most this many runs in flight.
    pub in_flight: Option<u32>,
    /// At most this many runs in flight of each key.
    pub in_flight_per_key: Option<u32>,
    /// At most this many runs begin in such a time.
    pub rate: Option<Rate>,
    /// At most this many runs of each key begin in such a time.
    pub rate_per_key: Option<Rate>,
}

/// No window is longer: what a counter knows must outlive it.
const PERIOD_LIMIT: Duration = Duration::from_secs(366 * 24 * 3_600);

impl FlowLimits {
    /// Whether there is no limit at all.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The limits as a text that tells them apart from others, and that people can read:
    /// `100 in flight, 5 in flight per key, 10 per 1000000us`. Empty when there are none.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let mut add = |runs: u32, what: &str| {
            let comma = if text.is_empty() { "" } else { ", " };
            write!(text, "{comma}{runs} {what}").expect("a string takes all");
        };
        let per = |rate: Rate| format!("per {}us", rate.period.as_micros());
        self.in_flight.into_iter().for_each(|runs| add(runs, "in flight"));
        self.in_flight_per_key
            .into_iter()
            .for_each(|runs| add(runs, "in flight per key"));
        self.rate.into_iter().for_each(|rate| add(rate.runs, &per(rate)));
        self.rate_per_key
            .into_iter()
            .for_each(|rate| add(rate.runs, &format!("{} per key", per(rate))));
        text
    }

    /// Why they cannot work, in words.
    pub(crate) fn problem(&self) -> Option<String> {
        let in_flight = [self.in_flight, self.in_flight_per_key];
        let rates = [self.rate, self.rate_per_key];
        if in_flight.contains(&Some(0)) || rates.iter().flatten().any(|rate| rate.runs == 0) {
            return Some("a limit of zero would let nothing begin; pause the workflow instead".to_owned());
        }
        let mut periods = rates.iter().flatten().map(|rate| rate.period);
        periods
            .any(|period| period.as_micros() == 0 || period > PERIOD_LIMIT)
            .then(|| "a rate's period must be between a microsecond and 366 days".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_apart_by_their_text() {
        let flow = Flow::none().in_flight(100).in_flight_per_key(5);
        let texts = [
            (Flow::none(), ""),
            (flow, "100 in flight, 5 in flight per key"),
            (Flow::none().in_flight(5), "5 in flight"),
            (Flow::none().in_flight_per_key(5), "5 in flight per key"),
            (Flow::none().rate(5, "1s"), "5 per 1000000us"),
            (Flow::none().rate_per_key(5, "1s"), "5 per 1000000us per key"),
        ];
        for (flow, text) in texts {
            assert_eq!(flow.read().unwrap().to_text(), text);
        }
    }
}
