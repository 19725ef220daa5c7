//! Flow control as stores keep it: counters, and the decisions that are made from them.
//!
//! A workflow with limits has a counter for itself and one for each flow key. A run that finds
//! no place is *held* at the counter that has none for it: at its key's first, and with a place
//! there, at the whole workflow's. There it *promises* its key's counter to come, so that of
//! each key no more runs wait at the whole workflow's counter than the key has places for, and
//! none of them moves back and forth. What is held is looked at again when its counter is
//! *released*: when a place was given back, a window has ended, the limits have changed.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::truncate;
use crate::flow::{FlowLimits, Rate};

/// What throttles a run.
///
/// An example is at [`throttle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Somebody has paused its workflow.
    WorkflowPaused,
    /// So many runs of its workflow are in flight.
    InFlight,
    /// So many runs of its key are in flight.
    InFlightPerKey,
    /// So many runs of its workflow have begun in this period.
    Rate,
    /// So many runs of its key have begun in this period.
    RatePerKey,
}

impl Limit {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::WorkflowPaused,
        Self::InFlight,
        Self::InFlightPerKey,
        Self::Rate,
        Self::RatePerKey,
    ];

    /// The word on the wire and in databases.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WorkflowPaused => "workflow_paused",
            Self::InFlight => "in_flight",
            Self::InFlightPerKey => "in_flight_per_key",
            Self::Rate => "rate",
            Self::RatePerKey => "rate_per_key",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|limit| limit.as_str() == word)
    }

    /// Whether a run that it throttles is held at its key's counter.
    #[must_use]
    pub fn is_per_key(self) -> bool {
        matches!(self, Self::InFlightPerKey | Self::RatePerKey)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// That a run is held.
///
/// An example is at [`Flow`](crate::Flow).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled {
    /// By which limit.
    pub limit: Limit,
    /// Since when.
    pub since: Timestamp,
}

/// Somebody stops a whole workflow, or lets it go on.
///
/// An example is at [`Flow`](crate::Flow).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowCommand {
    /// The workflow's name. It need not have any run.
    pub workflow: String,
    /// What is wished.
    pub what: FlowCommandKind,
    /// Who: a person's or a program's name.
    pub by: String,
}

/// What can be wished of a whole workflow.
///
/// An example is at [`Flow`](crate::Flow).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowCommandKind {
    /// None of its runs is claimed any more, but such as somebody has asked to end. What is
    /// being executed goes on until it waits, ends, or its lease does. Without effect when it is paused already.
    Pause,
    /// Its runs are claimed again. Without effect when it is not paused.
    Resume,
}

/// Who did something, and when.
///
/// An example is at [`Flow`](crate::Flow).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// Which counters are asked for.
///
/// An example is at [`Flow`](crate::Flow).
#[derive(Debug, Clone, Default)]
pub struct FlowQuery {
    /// Of this workflow, with those of its keys. Otherwise of all workflows, without their keys.
    pub workflow: Option<String>,
    /// With a workflow: only keys after this one.
    pub after: Option<String>,
    /// At most this many.
    pub limit: usize,
}

/// A counter as others see it. There is one for a workflow that has or had limits or was
/// paused, and one for a flow key that is in use.
///
/// An example is at [`Flow`](crate::Flow).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowRow {
    /// The workflow.
    pub workflow: String,
    /// The key; `None` for the workflow as a whole.
    pub key: Option<String>,
    /// How many runs are in flight, as far as they were counted: a run that began while its
    /// workflow had no limits is counted from its next claim on.
    pub in_flight: u64,
    /// How many runs are throttled: of a key, or of the whole workflow with all its keys.
    pub throttled: u64,
    /// The window that its rate counts in, if it has one.
    pub window: Option<Window>,
    /// Who has paused the workflow, while it is paused.
    pub paused: Option<Stamp>,
    /// Who has resumed it last.
    pub resumed: Option<Stamp>,
}

/// A period in which runs are counted as they begin.
///
/// An example is at [`Flow`](crate::Flow).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// When it began.
    pub started: Timestamp,
    /// When it ends, by the period that was in force when a run last began in it.
    pub ends: Timestamp,
    /// How many runs have begun in it.
    pub count: u64,
}

/// The limits that one counter is held against.
///
/// An example is at [`throttle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    in_flight: Option<u32>,
    rate: Option<Rate>,
}

impl FlowLimits {
    /// Of the whole workflow.
    #[must_use]
    pub fn of_whole(&self) -> Bounds {
        Bounds {
            in_flight: self.in_flight,
            rate: self.rate,
        }
    }

    /// Of each key.
    #[must_use]
    pub fn of_key(&self) -> Bounds {
        Bounds {
            in_flight: self.in_flight_per_key,
            rate: self.rate_per_key,
        }
    }
}

/// What a store keeps for a workflow, or for one key of it.
///
/// An example is at [`throttle`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counter {
    /// Runs that are in flight.
    pub in_flight: u64,
    /// Of a key: runs that have a place here and are held at the whole workflow's counter.
    pub promised: u64,
    /// Runs that are held here.
    pub held: u64,
    /// Of a whole workflow: runs that are held because it is paused.
    pub paused: u64,
    /// Whether it is paused now.
    pub is_paused: bool,
    /// The last window in which a run began under a rate.
    pub window: Option<Window>,
    /// What throttles those that are held here, as of the last look.
    pub closed_by: Option<Limit>,
    /// From when on what is held here is worth a look.
    pub release_at: Option<Timestamp>,
    /// Under which limits it was looked at last: [`FlowLimits::to_text`].
    pub limits: String,
}

/// That a counter has no place, and until when, if time alone changes that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Closed {
    by_rate: bool,
    until: Option<Timestamp>,
}

impl Counter {
    /// How many runs it has places for now.
    #[must_use]
    pub fn places(&self, bounds: &Bounds, now: Timestamp) -> u64 {
        let taken = self.in_flight + self.promised;
        let in_flight = bounds.in_flight.map(|limit| u64::from(limit).saturating_sub(taken));
        let rate = bounds.rate.map(|rate| {
            let begun = self.begun(rate, now).map_or(0, |(count, _)| count);
            u64::from(rate.runs).saturating_sub(begun + self.promised)
        });
        in_flight.into_iter().chain(rate).min().unwrap_or(u64::MAX)
    }

    /// How many have begun in the window that is open now, and when it ends.
    fn begun(&self, rate: Rate, now: Timestamp) -> Option<(u64, Timestamp)> {
        let window = self.window.as_ref()?;
        let ends = later(window.started, rate.period);
        (ends > now).then_some((window.count, ends))
    }

    fn closed(&self, bounds: &Bounds, now: Timestamp) -> Option<Closed> {
        let only = |bounds| self.places(&bounds, now) == 0;
        if only(Bounds { rate: None, ..*bounds }) {
            return Some(Closed {
                by_rate: false,
                until: None,
            });
        }
        let rate = bounds.rate.filter(|_| only(*bounds))?;
        Some(Closed {
            by_rate: true,
            until: self.begun(rate, now).map(|(_, ends)| ends),
        })
    }

    /// A run takes a place.
    pub fn admit(&mut self, bounds: &Bounds, now: Timestamp) {
        self.in_flight += 1;
        let Some(rate) = bounds.rate else { return };
        let (started, count) = match (self.begun(rate, now), &self.window) {
            (Some((count, _)), Some(window)) => (window.started, count + 1),
            _ => (now, 1),
        };
        self.window = Some(Window {
            started,
            ends: later(started, rate.period),
            count,
        });
    }

    /// A run gives its place back.
    pub fn free(&mut self, now: Timestamp) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.look_again(now);
    }

    /// A run that was held here, or promised to come, has gone elsewhere.
    pub fn left(&mut self, now: Timestamp) {
        self.look_again(now);
        if self.held == 0 {
            self.closed_by = None;
        }
        if self.held + self.paused == 0 {
            self.release_at = None;
        }
    }

    /// Whether nothing would be lost without it. For a key's counter.
    #[must_use]
    pub fn is_idle(&self, now: Timestamp) -> bool {
        let window_is_over = self.window.as_ref().is_none_or(|window| window.ends <= now);
        self.in_flight + self.promised + self.held == 0 && window_is_over
    }

    /// What is held here is worth a look now.
    pub fn look_again(&mut self, now: Timestamp) {
        if self.held + self.paused > 0 && !self.is_paused {
            self.release_at = Some(self.release_at.map_or(now, |at| at.min(now)));
        }
    }

    /// After a look under these limits: when the next one is worth it. As long as something is
    /// held and there is a place, that is now.
    pub fn settle(&mut self, bounds: &Bounds, limits: &str, now: Timestamp) {
        limits.clone_into(&mut self.limits);
        let closed = self.closed(bounds, now);
        if self.held == 0 {
            self.closed_by = None;
        }
        self.release_at = match closed {
            _ if self.is_paused => None,
            _ if self.paused > 0 => Some(now),
            _ if self.held == 0 => None,
            Some(closed) => closed.until,
            None => Some(now),
        };
    }

    /// Whether what is held here is to be looked at in a claim under these limits.
    #[must_use]
    pub fn is_open(&self, limits: &str, now: Timestamp) -> bool {
        let due = self.release_at.is_some_and(|at| at <= now);
        !self.is_paused && self.held + self.paused > 0 && (due || self.limits != limits)
    }
}

/// Which limit has no place for a run that was not admitted yet. `promised` says that its
/// place at its key's counter was promised to it: then those who are promised one as well are behind it.
///
/// ```
/// use lumina_workflow::FlowLimits;
/// use lumina_workflow::store::Limit;
/// use lumina_workflow::store::flow::{Counter, throttle};
///
/// let limits = FlowLimits { in_flight: Some(1), ..FlowLimits::default() };
/// let (now, mut whole) = (jiff::Timestamp::UNIX_EPOCH, Counter::default());
/// assert_eq!(throttle(&limits, &whole, None, false, now), None);
/// whole.admit(&limits.of_whole(), now);
/// assert_eq!(throttle(&limits, &whole, None, false, now), Some(Limit::InFlight));
/// ```
#[must_use]
pub fn throttle(
    limits: &FlowLimits,
    whole: &Counter,
    key: Option<&Counter>,
    promised: bool,
    now: Timestamp,
) -> Option<Limit> {
    let of_key = key.and_then(|key| {
        let own = Counter {
            promised: if promised { 0 } else { key.promised },
            ..key.clone()
        };
        own.closed(&limits.of_key(), now)
    });
    let named = |closed: Closed, rate, in_flight| if closed.by_rate { rate } else { in_flight };
    if let Some(closed) = of_key {
        return Some(named(closed, Limit::RatePerKey, Limit::InFlightPerKey));
    }
    let closed = whole.closed(&limits.of_whole(), now)?;
    Some(named(closed, Limit::Rate, Limit::InFlight))
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    truncate(time.checked_add(by).unwrap_or(Timestamp::MAX))
}
