//! What was in an inbox when a run looked away from it.

use lumina_workflow::store::{Advance, Inbox, Next};
use lumina_workflow::{Epoch, Phase, RunId, StoredEvent, What};

use super::{Watch, Watched};
use crate::trace::lock;
use crate::world::World;

/// A wait of a run's code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiting {
    /// The function that it is in.
    pub phase: Phase,
    /// Its name.
    pub step: String,
    /// Its key, as histories tell it.
    pub key: String,
}

/// As long as this lives, the code waits.
pub struct Expecting {
    world: World,
    run: RunId,
    place: (Epoch, Waiting),
}

impl Expecting {
    /// Some code, executed under this epoch, waits for an event with this name and, if it matters, this key. While
    /// it does, a deadline that passes and a run that is parked although the event is there are found.
    #[must_use]
    pub fn new(world: &World, run: RunId, epoch: Epoch, wait: Waiting, event: (&str, Option<&str>)) -> Self {
        let event = (event.0.to_owned(), event.1.map(str::to_owned));
        Self::several(world, run, epoch, wait, false, vec![event])
    }

    /// The same for several events, by name and key: any of them ends the wait, or only all of them do.
    #[must_use]
    pub fn several(
        world: &World,
        run: RunId,
        epoch: Epoch,
        wait: Waiting,
        all: bool,
        events: Vec<(String, Option<String>)>,
    ) -> Self {
        let place = (epoch, wait);
        world.watch().expect_event(run, place.clone(), Expected { all, events });
        let world = world.clone();
        Self { world, run, place }
    }
}

/// What ends a wait.
#[derive(Debug)]
pub(super) struct Expected {
    pub all: bool,
    pub events: Vec<(String, Option<String>)>,
}

impl Drop for Expecting {
    fn drop(&mut self) {
        let mut state = lock(&self.world.watch().state);
        state.run(self.run).expected.remove(&self.place);
    }
}

impl Watch {
    pub(super) fn expect_event(&self, run: RunId, place: (Epoch, Waiting), expected: Expected) {
        lock(&self.state).run(run).expected.insert(place, expected);
    }
}

impl Watched {
    /// An event that is there wins over a deadline, and keeps a run from being parked; so does
    /// somebody's wish that it ends.
    pub(super) fn find_overlooked(&self, advance: &Advance, inbox: Option<&Inbox>) -> Vec<String> {
        let Some(inbox) = inbox else { return Vec::new() };
        let left = |event: &&StoredEvent| !advance.consumed.contains(&event.seq);
        let events: Vec<_> = inbox.events.iter().filter(left).collect();
        let epoch = advance.lease.epoch;
        let mut problems = Vec::new();
        for record in &advance.records {
            let (What::TimedOut, Some(step)) = (&record.what, &record.step) else {
                continue;
            };
            let wait = Waiting {
                phase: record.phase,
                step: step.name.clone(),
                key: step.key.to_string(),
            };
            if self.is_there(&(epoch, wait), &events) {
                problems.push(format!("{} timed out although its event was there", step.name));
            }
        }
        if matches!(advance.next, Next::Park { .. }) {
            let mut open = self.expected.keys().filter(|(of, _)| *of == epoch);
            if open.any(|place| self.is_there(place, &events)) {
                problems.push("was parked although an event was there that it waits for".to_owned());
            }
            if inbox.cancel_by.is_some() {
                problems.push("was parked although somebody wants its end".to_owned());
            }
            if inbox.pause_by.is_some() {
                problems.push("was parked although somebody wants it to pause".to_owned());
            }
        }
        problems
    }

    fn is_there(&self, place: &(Epoch, Waiting), events: &[&StoredEvent]) -> bool {
        let Some(expected) = self.expected.get(place) else {
            return false;
        };
        let is_there = |(name, key): &(String, Option<String>)| {
            let takes = |event: &&StoredEvent| event.name == *name && (key.is_none() || event.key == *key);
            events.iter().any(takes)
        };
        match expected.all {
            true => expected.events.iter().all(is_there),
            false => expected.events.iter().any(is_there),
        }
    }
}
