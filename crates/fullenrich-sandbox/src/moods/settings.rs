//! How often each mood comes, and how strong it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::required as friendly;
use serde::{Deserialize, Serialize};

use super::{Mood, Percent};
use crate::config::ConfigError;

/// The section `[moods]` of the settings: a percentage for each mood by its name, all 0 by default, and what is
/// written out here. The same seed and calls give the same moods.
///
/// A percentage is drawn at each chance: at each call, POST, batch, record or GET, as the mood has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Moods {
    /// Addresses whose local part begins with `invalid-` are refused, and their batch with them.
    pub invalid_addresses: bool,
    /// Addresses that are refused as invalid whatever they look like.
    pub refused_addresses: BTreeSet<String>,
    /// The longest that `callback_delayed` keeps a final callback back; the shortest is a tenth of it.
    #[serde(with = "friendly")]
    pub callback_delay: Duration,
    /// How often `callback_doubled` delivers a delivered callback again.
    pub callback_copies: u32,
    /// The pause between two pieces of a body that is trickled. A body comes in eight.
    #[serde(with = "friendly")]
    pub trickle_pause: Duration,
    /// The next so many chances of a mood are taken whatever its percentage: a switch for one occurrence.
    pub next: BTreeMap<Mood, u32>,
    /// How often each comes; those that never come need not be here. Written, each stands beside the other settings.
    #[serde(flatten)]
    pub percent: BTreeMap<Mood, Percent>,
}

impl Default for Moods {
    fn default() -> Self {
        Self {
            invalid_addresses: false,
            refused_addresses: BTreeSet::new(),
            callback_delay: Duration::from_secs(600),
            callback_copies: 1,
            trickle_pause: Duration::from_millis(100),
            next: BTreeMap::new(),
            percent: BTreeMap::new(),
        }
    }
}

impl Moods {
    /// Each of these moods at each chance.
    #[must_use]
    pub fn always(moods: impl IntoIterator<Item = Mood>) -> Self {
        moods
            .into_iter()
            .fold(Self::default(), |all, mood| all.with(mood, Percent::ALWAYS))
    }

    /// The same with another percentage for one mood. One that is a switch is on or off.
    #[must_use]
    pub fn with(mut self, mood: Mood, percent: Percent) -> Self {
        if mood == Mood::InvalidAddresses {
            self.invalid_addresses = percent > Percent::NEVER;
        } else {
            self.percent.insert(mood, percent);
        }
        self
    }

    /// How often a mood comes.
    #[must_use]
    pub fn of(&self, mood: Mood) -> Percent {
        match mood {
            Mood::InvalidAddresses if self.invalid_addresses => Percent::ALWAYS,
            mood => self.percent.get(&mood).copied().unwrap_or_default(),
        }
    }

    /// Says what no sandbox can do, in words.
    ///
    /// # Errors
    /// The switch has a percentage, or is to come a number of times.
    pub fn check(&self) -> Result<(), ConfigError> {
        let switch = Mood::InvalidAddresses;
        if self.percent.contains_key(&switch) || self.next.contains_key(&switch) {
            return Err(ConfigError::Switch(switch));
        }
        Ok(())
    }

    /// How often each comes, those that never come too.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Mood, Percent)> + '_ {
        Mood::ALL
            .into_iter()
            .filter(|mood| *mood != Mood::InvalidAddresses)
            .map(|mood| (mood, self.of(mood)))
    }

    /// None of them comes any more; how strong they are is kept.
    pub(crate) fn calm(&mut self) {
        self.invalid_addresses = false;
        self.refused_addresses.clear();
        self.next.clear();
        self.percent.clear();
    }

    /// Whether this address is refused on purpose.
    pub(crate) fn refuses(&self, email: &str) -> bool {
        let marked = email.get(.."invalid-".len());
        let marked = marked.is_some_and(|start| start.eq_ignore_ascii_case("invalid-"));
        (self.invalid_addresses && marked) || self.refused_addresses.iter().any(|bad| bad.eq_ignore_ascii_case(email))
    }
}
