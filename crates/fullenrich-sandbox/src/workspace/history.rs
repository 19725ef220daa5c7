//! What has happened: the callbacks that arrived, and the moods.

use jiff::Timestamp;

use crate::ledger::{Digest, Sent};
use crate::moods::Mood;

/// A callback that was answered with 2xx.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivered {
    /// The batch, by its place.
    pub(crate) batch: usize,
    pub(crate) item: Option<usize>,
    pub(crate) sent: Sent,
    /// Unknown of those that an earlier version delivered.
    pub(crate) sha256: Option<Digest>,
    pub(crate) at: Timestamp,
}

/// Deliveries, and counts of moods.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) delivered: Vec<Delivered>,
    occurred: [u64; Mood::ALL.len()],
    chances: [u64; Mood::ALL.len()],
}

impl History {
    /// Counts a mood, and remembers which of its chances it took.
    pub(super) fn count(&mut self, mood: Mood, chance: Option<u64>) {
        self.occurred[mood as usize] += 1;
        if let Some(chance) = chance {
            let chances = &mut self.chances[mood as usize];
            *chances = (*chances).max(chance.saturating_add(1));
        }
    }

    /// How often each mood has occurred, ever.
    pub(crate) fn occurred(&self) -> impl Iterator<Item = (Mood, u64)> + '_ {
        Mood::ALL.into_iter().map(|mood| (mood, self.occurred[mood as usize]))
    }

    /// The chances of each mood until the last one that it took.
    pub(crate) fn chances(&self) -> [u64; Mood::ALL.len()] {
        self.chances
    }
}
