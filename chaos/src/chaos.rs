//! The part of a run in which everything goes wrong at once.

use std::time::{Duration, Instant};

use anyhow::Result;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::clock::{self, monotonic, now};
use crate::dice::Dice;
use crate::feed::Feeders;
use crate::judge;
use crate::moods::{self, INVALID_ADDRESSES, RATE_LIMITED, RATE_LIMITED_PERCENT, RATE_LIMITED_SECONDS};
use crate::scene::Kills;
use crate::stage::Stage;
use crate::world::Demands;

mod fleet;

use fleet::Still;

/// How long it is waited for a POST that can be held. Between two looks at it the moods are minded.
const AIM: Duration = Duration::from_secs(4);
const LOOK: Duration = Duration::from_millis(250);

const MINUTE: Duration = Duration::from_secs(60);

/// No more people come while so many lookups are open: on a slow machine, too, all of them are to come to rest in time.
const ENOUGH_OPEN: u64 = 250;

/// From this part of the time on, in per cent, moods that have not come are called for.
const CALL_FROM: u32 = 50;
const CALL_EVERY: Duration = Duration::from_secs(2);

/// One part of the run.
pub struct Chaos<'s> {
    stage: &'s mut Stage,
    feeders: &'s Feeders,
    kills: Kills,
    dice: Dice,
    length: Duration,
    ends: Instant,
    calls_from: Instant,
    /// What is to happen in it.
    demands: Demands,
    is_rate_limited: bool,
    /// Whether it lasts a minute longer than it was to.
    is_longer: bool,
    called_at: Instant,
    /// Who stands still, since when, and until when.
    still: Option<Still>,
}

impl<'s> Chaos<'s> {
    /// That lasts so long.
    pub fn new(stage: &'s mut Stage, feeders: &'s Feeders, dice: Dice, length: Duration, demands: Demands) -> Self {
        let begins = monotonic();
        Self {
            kills: stage.scene.kills.clone(),
            stage,
            feeders,
            dice,
            length,
            ends: begins + length,
            calls_from: begins + length * CALL_FROM / 100,
            demands,
            is_rate_limited: false,
            is_longer: false,
            called_at: begins,
            still: None,
        }
    }

    /// One life after the other, each ended by `kill -9`; where a fleet's faults are to happen, one of them after the
    /// other.
    ///
    /// # Errors
    /// When a process cannot be started, or the sandbox does not do what it is told.
    pub fn run(mut self) -> Result<()> {
        while self.goes_on()? {
            self.stage.begin_life()?;
            match self.demands.fleet {
                None => self.live()?,
                Some(_) => self.strike()?,
            }
            clock::pass(self.dice.millis(self.kills.gaps.clone()));
        }
        self.wake()?;
        self.limit_rate(false)
    }

    /// A run in which what it is for has not happened, because the machine is slow or somebody had to be waited for, has
    /// another minute.
    fn goes_on(&mut self) -> Result<bool> {
        let is_over = monotonic() >= self.ends;
        if is_over && !self.is_longer && self.misses_something()? {
            self.is_longer = true;
            self.ends += MINUTE;
        }
        Ok(monotonic() < self.ends)
    }

    fn misses_something(&mut self) -> Result<bool> {
        self.stage.play.moods = self.stage.sandbox.occurred()?;
        Ok(!judge::missing(&self.demands, &self.stage.play).is_empty())
    }

    fn live(&mut self) -> Result<()> {
        if self.dice.chance(self.kills.sandbox) {
            self.stage.wait_until_it_serves()?;
            self.wait(self.dice.clone().millis(100..800))?;
            let gap = self.dice.millis(0..1_000);
            self.stage.kill_sandbox(gap)?;
            // It has its settings from its file again.
            self.is_rate_limited = false;
        }
        if self.dice.chance(self.kills.aimed) {
            return self.die_while_held();
        }
        // It may die while it starts.
        let span = self.dice.millis(self.kills.lives.clone());
        self.wait(span)?;
        self.stage.kill_server(false)
    }

    /// Dies while the sandbox holds the answer to a POST that it has accepted.
    fn die_while_held(&mut self) -> Result<()> {
        self.stage.wait_until_it_serves()?;
        let span = self.dice.millis(0..1_500);
        self.wait(span)?;
        let held = self.hold_a_post()?;
        self.stage.kill_server(held.is_some())?;
        if self.dice.chance(50) {
            clock::pass(self.dice.millis(0..500));
        }
        self.stage.sandbox.release()
    }

    /// Has the sandbox hold the answer to the next POST that it accepts, until it is told to release it. Answers the
    /// batch, if one came in time.
    fn hold_a_post(&mut self) -> Result<Option<String>> {
        self.stage.sandbox.hold_next()?;
        let began = monotonic();
        let mut held = None;
        while held.is_none() && began.elapsed() < AIM && monotonic() < self.ends {
            held = self.stage.sandbox.wait_until_held(LOOK)?;
            self.mind()?;
        }
        Ok(held)
    }

    /// Lets time pass, and minds what there is to be minded.
    fn wait(&mut self, span: Duration) -> Result<()> {
        let began = monotonic();
        while began.elapsed() < span && monotonic() < self.ends {
            self.mind()?;
            clock::pass(LOOK.min(span.saturating_sub(began.elapsed())));
        }
        Ok(())
    }

    /// What there is to be minded while time passes.
    fn mind(&mut self) -> Result<()> {
        self.feeders.hold_back(self.stage.count_open() > ENOUGH_OPEN);
        self.mind_moods()
    }

    /// Limits are hit late in a minute; and what has not come late in the run is called for.
    fn mind_moods(&mut self) -> Result<()> {
        if !self.demands.moods {
            return Ok(());
        }
        let is_late = RATE_LIMITED_SECONDS.contains(&now().to_zoned(TimeZone::UTC).second());
        self.limit_rate(is_late)?;
        if monotonic() >= self.calls_from && self.called_at.elapsed() >= CALL_EVERY {
            self.called_at = monotonic();
            self.call_for_missing()?;
        }
        Ok(())
    }

    /// What is left of a burst, or was called for in vain, would be met in the next minute, and close that too.
    fn limit_rate(&mut self, is_limited: bool) -> Result<()> {
        if is_limited == self.is_rate_limited {
            return Ok(());
        }
        self.is_rate_limited = is_limited;
        let (sandbox, percent) = (&self.stage.sandbox, if is_limited { RATE_LIMITED_PERCENT } else { 0 });
        sandbox.set_moods(&json!({ RATE_LIMITED: percent, "next": { RATE_LIMITED: 0 } }))?;
        if is_limited { Ok(()) } else { sandbox.end_burst() }
    }

    /// What has not come takes its next chance.
    fn call_for_missing(&self) -> Result<()> {
        let mut missing = moods::missing(&self.stage.sandbox.occurred()?);
        missing.retain(|name| *name != INVALID_ADDRESSES && (*name != RATE_LIMITED || self.is_rate_limited));
        self.stage.sandbox.set_moods(&moods::call_for(&missing))
    }
}
