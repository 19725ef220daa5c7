//! What the judge says.

use std::collections::BTreeMap;
use std::fmt;

/// Something that must be true of every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// Every accepted subscriber is stored, with a lookup if the address is personal.
    Stored,
    /// Every lookup reaches an end, and `failed` is the end of refused addresses alone.
    Ended,
    /// Every charged person is a lead with what the provider said, and nobody else is.
    Leads,
    /// No address is charged twice, except after an unknown outcome and a full window.
    ChargedOnce,
    /// Nothing is sent again, except once after an unknown outcome and a full window, when all that was out before it
    /// has ended.
    SentOnce,
    /// Every genuine callback that was taken is stored, and no other.
    Callbacks,
    /// No budget was exceeded.
    Budget,
    /// Never more batches were out than allowed.
    InFlight,
    /// No run is stuck.
    Unstuck,
    /// Everything comes to rest when the faults are over.
    Settled,
    /// No process ends by itself, or panics.
    Processes,
    /// Everything that a run is for has happened in it.
    Exercised,
}

impl Invariant {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 12] = [
        Self::Stored,
        Self::Ended,
        Self::Leads,
        Self::ChargedOnce,
        Self::SentOnce,
        Self::Callbacks,
        Self::Budget,
        Self::InFlight,
        Self::Unstuck,
        Self::Settled,
        Self::Processes,
        Self::Exercised,
    ];

    /// It, in a sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Stored => "every accepted subscriber is stored, with a lookup if the address is personal",
            Self::Ended => "every lookup reaches an end, and only refused addresses fail",
            Self::Leads => "every charged person is a lead with what the provider said",
            Self::ChargedOnce => "no address is charged twice but after an unknown outcome and a full window",
            Self::SentOnce => "nothing is sent again but once, after an unknown outcome and a full window",
            Self::Callbacks => "every genuine callback that was taken is stored, and no other",
            Self::Budget => "no budget was exceeded",
            Self::InFlight => "never more batches were out than allowed",
            Self::Unstuck => "no run is stuck",
            Self::Settled => "everything comes to rest when the faults are over",
            Self::Processes => "no process ended by itself, or panicked",
            Self::Exercised => "all that a run is for has happened in it",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

/// An invariant that does not hold, and what shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What must be true.
    pub invariant: Invariant,
    /// What is.
    pub what: String,
}

/// What the judge says of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Everything that is wrong.
    pub violations: Vec<Violation>,
    /// What somebody may want to know, by its name.
    pub counts: BTreeMap<&'static str, u64>,
}

impl Verdict {
    /// Notes that an invariant does not hold.
    pub(super) fn violate(&mut self, invariant: Invariant, what: impl Into<String>) {
        self.violations.push(Violation {
            invariant,
            what: what.into(),
        });
    }

    /// Counts something.
    pub(super) fn count(&mut self, name: &'static str, number: usize) {
        *self.counts.entry(name).or_default() += number as u64;
    }

    /// What shows that this invariant does not hold.
    pub fn violations_of(&self, invariant: Invariant) -> impl Iterator<Item = &Violation> {
        self.violations
            .iter()
            .filter(move |violation| violation.invariant == invariant)
    }

    /// The invariants that do not hold.
    #[must_use]
    pub fn violated(&self) -> Vec<Invariant> {
        let is_violated = |invariant: &Invariant| self.violations_of(*invariant).next().is_some();
        Invariant::ALL.into_iter().filter(is_violated).collect()
    }
}
