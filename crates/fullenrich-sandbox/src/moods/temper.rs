//! The mood of the moment: what is drawn, and the bursts that are under way.

use std::time::Duration;

use http::StatusCode;

use super::{Mood, Moods};
use crate::dice::Dice;

/// Trouble that a call meets before anything is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    RateLimited { retry_after: Option<Duration> },
    Status(StatusCode),
    Reset,
}

/// Draws moods. Each draw follows from the seed, the mood and the chance's number or place.
#[derive(Debug)]
pub(crate) struct Temper {
    seed: u64,
    settings: Moods,
    /// Chances so far, by mood.
    chances: [u64; Mood::ALL.len()],
    burst: Option<(Mood, u64)>,
}

impl Temper {
    /// Goes on after so many chances of each mood.
    pub(crate) fn new(seed: u64, settings: Moods, chances: [u64; Mood::ALL.len()]) -> Self {
        Self {
            seed,
            settings,
            chances,
            burst: None,
        }
    }

    pub(crate) fn settings(&self) -> &Moods {
        &self.settings
    }

    pub(crate) fn set(&mut self, settings: Moods) {
        self.settings = settings;
    }

    /// No mood comes any more, and a burst is over.
    pub(crate) fn calm(&mut self) {
        self.settings.calm();
        self.burst = None;
    }

    /// Whether the mood takes its next chance, and which one that is.
    pub(crate) fn draw(&mut self, mood: Mood) -> Option<u64> {
        let chance = self.chances[mood as usize];
        self.chances[mood as usize] += 1;
        self.draw_at(mood, &chance.to_string()).then_some(chance)
    }

    /// Whether the mood takes the chance at a place that has a name of its own.
    pub(crate) fn draw_at(&mut self, mood: Mood, place: &str) -> bool {
        if let Some(left) = self.settings.next.get_mut(&mood).filter(|left| **left > 0) {
            *left -= 1;
            return true;
        }
        let percent = self.settings.of(mood);
        percent > super::Percent::NEVER && percent.hits(&mut self.dice(mood, place))
    }

    /// Begins a burst with this call, if none is under way and one of the two is drawn.
    pub(crate) fn draw_burst(&mut self) -> Option<(Mood, u64)> {
        if self.burst.is_some() {
            return None;
        }
        let (mood, chance) = [Mood::RateLimitedBurst, Mood::ServerErrorBurst]
            .into_iter()
            .find_map(|mood| Some((mood, self.draw(mood)?)))?;
        let most = if mood == Mood::RateLimitedBurst { 5 } else { 4 };
        let length = self.dice(mood, &format!("{chance}/length")).between(1, most);
        self.burst = Some((mood, length));
        Some((mood, chance))
    }

    /// What this call meets of the burst that is under way.
    pub(crate) fn meet_burst(&mut self) -> Option<Trouble> {
        let (mood, left) = self.burst.take()?;
        if left > 1 {
            self.burst = Some((mood, left - 1));
        }
        let mut dice = self.dice(mood, &format!("{}/{left}", self.chances[mood as usize]));
        Some(match mood {
            Mood::RateLimitedBurst => Trouble::RateLimited {
                retry_after: dice.chance(50).then_some(Duration::from_secs(1)),
            },
            _ => Trouble::any_status(&mut dice),
        })
    }

    /// The particulars of a mood that has just been drawn.
    pub(crate) fn dice_now(&self, mood: Mood) -> Dice {
        self.dice(mood, &format!("{}/particulars", self.chances[mood as usize]))
    }

    fn dice(&self, mood: Mood, place: &str) -> Dice {
        Dice::new(self.seed, mood.name(), place)
    }
}

impl Trouble {
    /// One of the statuses that say nothing about acceptance.
    pub(crate) fn any_status(dice: &mut Dice) -> Self {
        Self::Status(dice.pick(&[
            StatusCode::INTERNAL_SERVER_ERROR,
            StatusCode::BAD_GATEWAY,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::GATEWAY_TIMEOUT,
        ]))
    }
}
